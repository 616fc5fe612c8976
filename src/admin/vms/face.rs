//! What the routes work with, and the words they share.

use std::sync::Arc;

use serde_json::{Value, json};
use tandem_storage::change::Refusal;
use tandem_storage::types::Timestamp;
use tandem_storage::{CommitError, ReadError, Store};

use super::error::VmsError;
use super::route::{Call, not_found};
use crate::admin::auth::Gate;
use crate::audit::{Actor, Audit, Event, Kind};
use crate::clock::SharedClock;
use crate::identity::{Account, Author, Draft, Identities, IdentityError, Snapshot};
use crate::role::gate::{Closed, WriteGate};
use crate::s3::ops::delete_bucket::Kept;

/// What is known of the node itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// GUID
    pub node: String,
    pub name: String,
    pub region: String,
    /// URL
    pub s3: String,
    /// URL
    pub admin: String,
    /// host:port
    pub replication: String,
    /// What a bucket gets whose maker names none.
    pub default_ownership: tandem_policy::ObjectOwnership,
    /// The version of VMS whose names are spoken.
    pub vms_version: String,
}

/// What a face is made of.
pub struct Parts {
    pub gate: Gate,
    pub identities: Identities,
    pub store: Store,
    pub writes: WriteGate,
    pub clock: SharedClock,
    pub audit: Audit,
    pub facts: Facts,
    /// When the node started.
    pub started: Timestamp,
}

#[derive(Clone)]
pub struct Face(Arc<Parts>);

impl Face {
    pub fn new(parts: Parts) -> Self {
        Face(Arc::new(parts))
    }

    pub fn directory(&self) -> Snapshot {
        self.identities.directory()
    }

    /// Makes a change of identities: all of it or nothing.
    pub async fn change<T: Send + 'static>(
        &self,
        call: &Call,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, IdentityError> + Send + 'static,
    ) -> Result<T, VmsError> {
        let policies = call.path.starts_with("s3policies")
            || call.body.contains_key("policy_id")
            || ["s3_policies_ids", "trust_policy"].iter().any(|field| call.body.contains_key(*field));
        let kind = if policies { Kind::PolicyChanged } else { Kind::IdentityChanged };
        let audit = self.audit.clone();
        let event = audit.is_on().then(|| self.event(call, kind));
        let (tell, told) = tokio::sync::oneshot::channel();
        let in_force = move || drop(event.map(|event| tell.send(audit.record(event))));
        // Whoever comes by this port is the node's operator.
        let changed = self.identities.change_and_tell(Author::Superuser, change, in_force).await?;
        if let Ok(receipt) = told.await
            && !receipt.kept().await
        {
            tracing::error!(path = call.path, "a change is not in the audit log");
        }
        Ok(changed)
    }

    /// Tells the audit log of a change that was made elsewhere than among identities.
    pub async fn tell(&self, call: &Call, kind: Kind) {
        if self.audit.is_on() && !self.audit.record(self.event(call, kind)).kept().await {
            tracing::error!(path = call.path, "a change is not in the audit log");
        }
    }

    /// What the audit log is told of a change: the place where it was asked for.
    fn event(&self, call: &Call, kind: Kind) -> Event {
        let who = Actor { kind: "Manager", arn: Some(call.operator.name.clone()), ..Actor::default() };
        Event {
            time: self.clock.now(),
            event: kind,
            face: "admin",
            who,
            from: Some(call.operator.from),
            operation: format!("{} {}", call.verb.name(), call.path),
            action: None,
            resource: call.text("name").or_else(|| call.text("access_key")).map(str::to_owned),
            decided_by: "administrator".into(),
            request: None,
            count: None,
        }
    }

    /// The same id at every start, unlike those of other nodes.
    pub fn guid(&self, kind: &str, id: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [self.facts.node.as_str(), kind, id] {
            hasher.update(part.as_bytes()).update(&[0]);
        }
        let hex = hasher.finalize().to_hex();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
    }

    /// The tenant that a call names, by `tenant_id`, `X-Tenant-Name`, or not at all: the default one.
    pub fn tenant(&self, call: &Call) -> Result<Arc<Account>, VmsError> {
        let named = match call.integer::<u64>("tenant_id")? {
            Some(Some(number)) => Some(number),
            _ => call.tenant,
        };
        let directory = self.directory();
        match named {
            None => directory.account(crate::identity::AccountId::DEFAULT).cloned().ok_or_else(not_found),
            Some(number) => directory.account_numbered(number).cloned().ok_or_else(|| {
                VmsError::field("tenant_id", format!("Invalid pk \"{number}\" - object does not exist."))
            }),
        }
    }
}

impl std::ops::Deref for Face {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The integer id of something that is named by text alone. It has more bits than ids that are counted.
pub fn derived_id(text: &[u8]) -> u64 {
    let hash = blake3::hash(text);
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(&hash.as_bytes()[..6]);
    u64::from_be_bytes(bytes) | 1 << 47
}

/// `{"id": 1, "name": "default"}`
pub fn reference(id: u64, name: &str) -> Value {
    json!({"id": id, "name": name})
}

/// Host and port of a URL, or of `HOST:PORT`.
pub fn host_and_port(address: &str) -> (&str, Option<u16>) {
    let place = address.split_once("://").map_or(address, |(_, place)| place);
    let split = place.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) = split.map_or((place, None), |(host, port)| (host, Some(port)));
    (host.trim_matches(['[', ']']), port)
}

/// RFC 3339
pub fn time(at: Timestamp) -> String {
    crate::replication::report::rfc3339(at)
}

impl From<IdentityError> for VmsError {
    fn from(error: IdentityError) -> Self {
        let text = error.to_string();
        match error {
            IdentityError::NoSuchEntity { .. } => VmsError::not_found(text),
            IdentityError::EntityAlreadyExists { .. } => VmsError::conflict("already_exists", text),
            IdentityError::LimitExceeded(_) => VmsError::conflict("limit_exceeded", text),
            IdentityError::DeleteConflict(_) => VmsError::conflict("delete_conflict", text),
            IdentityError::MalformedPolicyDocument(_) => VmsError::field("policy", text),
            IdentityError::InvalidInput(_) => VmsError::bad_request(text),
            IdentityError::SuperuserOnly => VmsError::conflict("superuser_only", text),
            IdentityError::Concurrent => VmsError::unavailable(text),
            IdentityError::Commit(error) => error.into(),
        }
    }
}

impl From<CommitError> for VmsError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(Refusal::BucketExists) => VmsError::conflict("bucket_exists", "the bucket exists"),
            CommitError::Refused(Refusal::BucketNotEmpty) => {
                VmsError::conflict("bucket_not_empty", "the bucket is not empty")
            }
            CommitError::Refused(Refusal::NoSuchBucket) => not_found(),
            CommitError::Refused(Refusal::Stale) => VmsError::unavailable("changed at the same time; try again"),
            CommitError::Refused(Refusal::Fenced) => Closed::HandingOver.into(),
            CommitError::Refused(Refusal::NoSpace) => {
                VmsError::Status(axum::http::StatusCode::INSUFFICIENT_STORAGE, "the disk is nearly full".into())
            }
            other => VmsError::internal(&other),
        }
    }
}

impl From<ReadError> for VmsError {
    fn from(error: ReadError) -> Self {
        VmsError::internal(&error)
    }
}

impl From<Kept> for VmsError {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Unreadable(error) => error.into(),
            Kept::Refused(error) => error.into(),
        }
    }
}

impl From<Closed> for VmsError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Destination { .. } => {
                VmsError::forbidden("Access Denied: this node is the destination of the path that covers the bucket")
            }
            Closed::HandingOver => {
                VmsError::unavailable("the path that covers the bucket is being handed over; try again")
            }
        }
    }
}
