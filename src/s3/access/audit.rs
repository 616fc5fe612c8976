//! What the audit log is told of S3's requests.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tandem_policy::Caller;

use crate::audit::{Actor, Event, Kind};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::Operation;
use crate::s3::request::{Principal, Request, RequestId};
use crate::s3::service::Service;

/// Operations that change who may do what.
pub fn tells_changes_of(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::PutBucketPolicy
            | Operation::DeleteBucketPolicy
            | Operation::PutBucketAcl
            | Operation::PutObjectAcl
            | Operation::PutBucketOwnershipControls
            | Operation::DeleteBucketOwnershipControls
            | Operation::PutPublicAccessBlock
            | Operation::DeletePublicAccessBlock
    )
}

pub(super) fn denied(service: &Service, request: &Request, action: &str, resource: &str, why: &str) {
    tracing::debug!(request = request.id.0, action, resource, why, "denied");
    if !service.audit.is_on() {
        return;
    }
    match request.operation {
        Operation::DeleteObjects => request.refusals.add(action, resource, why),
        _ => drop(service.audit.record(event(request, Kind::Denied, Some(action), resource, why))),
    }
}

/// Reasons of one request that are told apart; the others share a line.
const REASONS_MAX: usize = 16;

/// What was refused of a request that asks for many things: a line a reason, not a thing.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<Reason, Refused>>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reason {
    action: String,
    why: String,
}

#[derive(Clone, Debug)]
struct Refused {
    /// The first of its reason.
    resource: String,
    count: u64,
}

impl Refusals {
    fn add(&self, action: &str, resource: &str, why: &str) {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reason = Reason { action: action.to_owned(), why: why.to_owned() };
        if refusals.len() >= REASONS_MAX && !refusals.contains_key(&reason) {
            reason.why = "other reasons".to_owned();
        }
        refusals.entry(reason).or_insert_with(|| Refused { resource: resource.to_owned(), count: 0 }).count += 1;
    }
}

/// Tells what was refused of a request when it is dropped: when the request is answered, or when its client has gone.
pub struct TellsRefusals<'a> {
    service: &'a Service,
    request: Arc<Request>,
}

impl<'a> TellsRefusals<'a> {
    pub fn of(service: &'a Service, request: &Arc<Request>) -> Self {
        TellsRefusals { service, request: Arc::clone(request) }
    }
}

impl Drop for TellsRefusals<'_> {
    fn drop(&mut self) {
        let refusals = std::mem::take(&mut *self.request.refusals.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (reason, refused) in refusals {
            let told = event(&self.request, Kind::Denied, Some(&reason.action), &refused.resource, &reason.why);
            self.service.audit.record(Event { count: (refused.count > 1).then_some(refused.count), ..told });
        }
    }
}

/// Tells of a change of policy that was made, if the request was one. It is on record afterwards, or the node's log
/// says so.
pub async fn changed(service: &Service, request: &Request, why: Option<&str>) {
    if tells_changes_of(request.operation) && service.audit.is_on() {
        let action = request.operation.action();
        let resource = match (&request.bucket, &request.key) {
            (Some(bucket), Some(key)) => format!("arn:aws:s3:::{bucket}/{}", key.as_str()),
            (Some(bucket), None) => format!("arn:aws:s3:::{bucket}"),
            _ => "*".to_owned(),
        };
        let told = event(request, Kind::PolicyChanged, Some(action), &resource, why.unwrap_or_default());
        if !service.audit.record(told).kept().await {
            tracing::error!(request = request.id.0, action, "a change is not in the audit log");
        }
    }
}

/// Tells of a request whose sender was not proved, if that is what the error says.
pub fn unauthenticated(service: &Service, error: &S3Error, operation: Operation, id: &RequestId, client: IpAddr) {
    let proof = matches!(
        error.code,
        ErrorCode::InvalidAccessKeyId
            | ErrorCode::SignatureDoesNotMatch
            | ErrorCode::ExpiredToken
            | ErrorCode::InvalidToken
            | ErrorCode::AccessDenied
            | ErrorCode::RequestTimeTooSkewed
    );
    if !proof || !service.audit.is_on() {
        return;
    }
    let claimed = error.details.iter().find(|(name, _)| *name == "AWSAccessKeyId").map(|(_, key)| shown(key));
    service.audit.record(Event {
        time: service.clock.now(),
        event: Kind::Unauthenticated,
        face: "s3",
        who: Actor { kind: "Unknown", access_key: claimed, ..Actor::default() },
        from: Some(client),
        operation: operation.name().to_owned(),
        action: None,
        resource: None,
        decided_by: error.code.as_str().to_owned(),
        request: Some(id.0.clone()),
        count: None,
    });
}

/// What was sent as a name may be anything, a secret in the wrong place too: only its beginning is told.
fn shown(claimed: &str) -> String {
    match claimed.char_indices().nth(8) {
        Some((at, _)) => format!("{}...", &claimed[..at]),
        None => claimed.to_owned(),
    }
}

fn event(request: &Request, kind: Kind, action: Option<&str>, resource: &str, why: &str) -> Event {
    Event {
        time: request.received,
        event: kind,
        face: "s3",
        who: actor(&request.principal),
        from: Some(request.client),
        operation: request.operation.name().to_owned(),
        action: action.map(str::to_owned),
        resource: Some(resource.to_owned()),
        decided_by: why.to_owned(),
        request: Some(request.id.0.clone()),
        count: None,
    }
}

fn actor(principal: &Principal) -> Actor {
    let Some(credential) = principal.credential() else { return Actor { kind: "Anonymous", ..Actor::default() } };
    let caller = credential.caller();
    Actor {
        kind: kind_of(caller),
        arn: caller.arn().map(str::to_owned),
        account: caller.account().map(|account| account.id.clone()),
        access_key: Some(credential.access_key.to_string()),
    }
}

fn kind_of(caller: &Caller) -> &'static str {
    match caller {
        Caller::Anonymous => "Anonymous",
        Caller::Root(_) => "Account",
        Caller::User(_) => "User",
        Caller::Session(_) => "AssumedRole",
        Caller::Service(_) => "Service",
    }
}
