//! View models of replication, as the admin API and the command line show them.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodeReport {
    pub node: String,
    pub name: String,
    pub version: String,
    pub region: String,
    pub s3: String,
    pub admin: String,
    pub replication: String,
    pub newest_seq: u64,
    pub free_bytes: u64,
    pub low_space: bool,
    pub peers: Vec<PeerReport>,
    pub paths: Vec<PathReport>,
    pub repair: RepairReport,
}

/// Damaged bytes, and which peers had them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RepairReport {
    /// What is damaged still.
    pub waiting: Vec<WaitingReport>,
    /// How much more is.
    pub further: u64,
    /// What was fetched, since the node started.
    pub repaired: Vec<RepairedReport>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingReport {
    pub blob: String,
    /// When it was met, RFC 3339.
    pub since: String,
    /// How often it has been looked for.
    pub tries: u32,
    /// What holds it up, and what to do.
    pub why: String,
}

/// What one peer had.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RepairedReport {
    pub peer: String,
    pub blobs: u64,
    pub bytes: u64,
    /// The last of them.
    pub last: String,
    /// When that was, RFC 3339.
    pub at: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerReport {
    pub name: String,
    pub node: String,
    /// host:port of its replication port.
    pub address: String,
    /// CONNECTED, CONNECTING or ERROR.
    pub state: String,
    pub last_heartbeat_seconds_ago: Option<f64>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathReport {
    pub guid: String,
    /// `/` or `/BUCKET`.
    pub path: String,
    /// Source, Destination or Standalone.
    pub role: String,
    /// Initializing, Active, Syncing, Suspended, HandingOver, Rejoining, Conflict, Failed.
    pub state: String,
    pub writable: bool,
    pub epoch: u64,
    pub epoch_writer: String,
    pub peer: String,
    pub interval_seconds: u64,
    /// The newest restore point that the destination is known to have.
    pub restore_point: Option<RestorePointReport>,
    /// Never smaller than the truth; none: unknown.
    pub rpo_lag_seconds: Option<f64>,
    pub lag_proven: bool,
    pub transfer: Option<TransferReport>,
    pub diverged: Vec<DivergedReport>,
    /// Why an operator must decide, in a sentence, with the evidence.
    pub conflict: Option<String>,
    /// What was given up, and what that will cost; or that a full disk holds the path up. Stands until it is made good.
    pub alarm: Option<String>,
    pub last_error: Option<String>,
    /// What the last role change did, in a sentence.
    pub last_change: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RestorePointReport {
    pub guid: String,
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// Hexadecimal BLAKE3 of the digest.
    pub digest: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransferReport {
    /// `@base => @to`, or `seed => @to`.
    pub step: String,
    pub rows_sent: u64,
    pub bytes_sent: u64,
    pub phase: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DivergedReport {
    /// `diverged-<epoch>`.
    pub name: String,
    pub epoch: u64,
    pub created: String,
    pub entries: u64,
}

/// One line of a manifest of diverged writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DivergedEntry {
    pub bucket: String,
    pub key: Option<String>,
    pub version: Option<String>,
    /// put, delete, bucket-created, bucket-deleted, setting, upload.
    pub change: String,
    pub size: Option<u64>,
    pub modified: Option<String>,
}

/// A time as RFC 3339, in UTC.
pub fn rfc3339(at: tandem_storage::types::Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros()).map_or_else(|_| "out of range".to_owned(), |at| at.to_string())
}
