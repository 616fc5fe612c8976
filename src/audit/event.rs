use std::net::IpAddr;

use serde::Serialize;
use tandem_storage::types::Timestamp;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A request was refused by a policy, or for want of one.
    Denied,
    /// A credential was refused: unknown, disabled, expired, or the signature is wrong.
    Unauthenticated,
    /// A user, a group, a role, a key or an account was made, changed or deleted.
    IdentityChanged,
    /// A policy, an ACL, or a setting that says who may do what was changed.
    PolicyChanged,
    /// An operator ordered something of replication: a role, a path, a peer, diverged writes. Written before it is done.
    ReplicationOrdered,
}

/// Who did it, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// `Anonymous`, `Account`, `User`, `AssumedRole`, `Service`, `Manager`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
}

/// One line of the log.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    #[serde(serialize_with = "as_date")]
    pub time: Timestamp,
    pub event: Kind,
    /// Where it was asked: `s3`, `iam`, `sts`, `admin`, `cli`.
    pub face: &'static str,
    pub who: Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// The operation's API name.
    pub operation: String,
    /// What had to be allowed, `s3:GetObject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The ARN it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// `bucket policy, statement 2 (Sid deny-all)`, or the error's code.
    pub decided_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

fn as_date<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let date = jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or_default();
    serializer.collect_str(&date.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
}
