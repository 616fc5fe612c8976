use std::net::IpAddr;

use serde::Serialize;
use tandem_storage::types::Timestamp;

use super::queue::LeftOut;
use crate::terminal::escaped_json;

/// The longest text of a field, in bytes. Keys and ARNs are shorter; what is sent in the place of a name may be
/// anything.
const TEXT_MAX: usize = 2048;

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
    /// Refusals have no lines for want of room: how many, and since when.
    RefusalsLeftOut,
}

impl Kind {
    /// What anybody can cause, as often as they like.
    pub(super) fn is_refusal(self) -> bool {
        matches!(self, Kind::Denied | Kind::Unauthenticated)
    }
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
    /// How many of its kind this line stands for, if it is not one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl Event {
    /// One line with its end. Texts that are too long end with `...`.
    pub(super) fn line(&self) -> Option<Vec<u8>> {
        let line = if self.is_short() { serde_json::to_string(self) } else { serde_json::to_string(&self.shortened()) }
            .ok()?;
        let mut line = escaped_json(&line).into_owned();
        line.push('\n');
        Some(line.into_bytes())
    }

    fn is_short(&self) -> bool {
        let texts =
            [&self.action, &self.resource, &self.request, &self.who.arn, &self.who.access_key, &self.who.account];
        let longest = texts.into_iter().flatten().map(String::len).max().unwrap_or_default();
        longest.max(self.operation.len()).max(self.decided_by.len()) <= TEXT_MAX
    }

    fn shortened(&self) -> Event {
        let mut event = self.clone();
        let Actor { arn, account, access_key, .. } = &mut event.who;
        let texts = [&mut event.action, &mut event.resource, &mut event.request, arn, account, access_key];
        let texts = texts.into_iter().flatten().chain([&mut event.operation, &mut event.decided_by]);
        for text in texts.filter(|text| text.len() > TEXT_MAX) {
            text.truncate(text.floor_char_boundary(TEXT_MAX));
            text.push_str("...");
        }
        event
    }

    pub(super) fn left_out(left_out: LeftOut) -> Event {
        let since = jiff::Timestamp::from_microsecond(left_out.since.as_micros()).unwrap_or_default();
        Event {
            time: left_out.until,
            event: Kind::RefusalsLeftOut,
            face: "audit",
            who: Actor { kind: "Anybody", ..Actor::default() },
            from: None,
            operation: "refusals".into(),
            action: None,
            resource: None,
            decided_by: format!("no room for more lines of refusals since {}", since.strftime(DATE)),
            request: None,
            count: Some(left_out.count),
        }
    }
}

const DATE: &str = "%Y-%m-%dT%H:%M:%S.%3fZ";

fn as_date<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let date = jiff::Timestamp::from_microsecond(time.as_micros()).unwrap_or_default();
    serializer.collect_str(&date.strftime(DATE))
}
