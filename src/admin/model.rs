//! What the admin API takes and gives beside the reports of replication; the command line speaks the same types.

use serde::{Deserialize, Serialize};
use tandem_storage::check::{CheckReport, Depth};

use super::scrub::ScrubReport;
use crate::replication::control::FailoverMode;
use crate::replication::report::{NodeReport, PathReport};
use crate::work::WorkerStatus;

/// `GET /api/status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    #[serde(flatten)]
    pub node: NodeReport,
    pub workers: Vec<WorkerStatus>,
    /// None: the scrub does not run.
    pub scrub: Option<ScrubReport>,
}

/// `POST /api/pairing-token`: what is asked for. Nothing need be said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskToken {
    /// A known peer that was made anew: the token is for that node alone, and it may come with another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// `POST /api/pairing-token`: the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PairingToken {
    pub token: String,
}

/// `POST /api/peers`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPeer {
    pub token: String,
    pub name: String,
}

/// `POST /api/paths`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPath {
    /// `/`, or `/BUCKET`.
    pub path: String,
    pub peer: String,
    #[serde(default = "default_interval")]
    pub interval_seconds: u64,
    #[serde(default = "default_keep")]
    pub keep_local_seconds: u64,
    #[serde(default = "default_keep")]
    pub keep_remote_seconds: u64,
}

pub fn default_interval() -> u64 {
    15
}

pub fn default_keep() -> u64 {
    30 * 60
}

/// `POST /api/paths/failover`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failover {
    /// None: the only protected path.
    #[serde(default)]
    pub path: Option<String>,
    pub mode: FailoverMode,
    /// `MODE PATH EPOCH GUID`, as the operator saw them: a request that comes again finds another epoch, or another path of that name.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// What confirms an order about a path: the order, the path, an epoch (the path's, or that of the writes to discard), and the GUID that tells
/// the path from an earlier or later one of the same name.
pub fn confirmation(order: &str, path: &PathReport, epoch: u64) -> String {
    format!("{order} {} {epoch} {}", path.path, path.guid)
}

/// What becomes of a policy's attachment to a user, a group or a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    Attach,
    Detach,
}

/// The path that a call is about; none: the only protected path.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    #[serde(default)]
    pub path: Option<String>,
}

/// `POST /api/paths/reattach` and `DELETE /api/paths`: `reattach PATH EPOCH GUID`, `remove PATH EPOCH GUID`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    pub confirm: Option<String>,
}

/// `GET` and `DELETE /api/diverged`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhichDiverged {
    #[serde(default)]
    pub path: Option<String>,
    pub epoch: u64,
    /// To discard: `discard PATH EPOCH GUID`.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// `DELETE /api/peers`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhichPeer {
    pub name: String,
}

/// Every error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detail {
    pub detail: String,
}

/// `POST /api/check`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartCheck {
    pub depth: Depth,
}

/// `GET /api/check`: the running check, or the last one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CheckStatus {
    pub running: bool,
    pub rows_done: u64,
    pub blobs_done: u64,
    pub blobs: u64,
    pub report: Option<CheckReport>,
    pub error: Option<String>,
}
