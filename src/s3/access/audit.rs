//! What the audit log is told of S3's requests.

use std::net::IpAddr;

use tandem_policy::Caller;

use crate::audit::{Actor, Event, Kind};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::Operation;
use crate::s3::request::{Principal, Request, RequestId};
use crate::s3::service::Service;

/// Operations that change who may do what.
pub(super) fn tells_changes_of(operation: Operation) -> bool {
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
    if service.audit.is_on() {
        service.audit.record(event(request, Kind::Denied, Some(action), resource, why));
    }
}

/// Tells of a change of policy that was made, if the request was one.
pub fn changed(service: &Service, request: &Request, why: Option<&str>) {
    if tells_changes_of(request.operation) && service.audit.is_on() {
        let action = request.operation.action();
        let resource = match (&request.bucket, &request.key) {
            (Some(bucket), Some(key)) => format!("arn:aws:s3:::{bucket}/{}", key.as_str()),
            (Some(bucket), None) => format!("arn:aws:s3:::{bucket}"),
            _ => "*".to_owned(),
        };
        service.audit.record(event(request, Kind::PolicyChanged, Some(action), &resource, why.unwrap_or_default()));
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
