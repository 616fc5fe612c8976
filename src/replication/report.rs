//! View models of replication, as the admin API and the command line show them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a node is for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    Source,
    Destination,
    Standalone,
}

impl Role {
    /// As reports and metrics spell it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Source => "Source",
            Role::Destination => "Destination",
            Role::Standalone => "Standalone",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a path does on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    Initializing,
    Active,
    Syncing,
    Suspended,
    HandingOver,
    Rejoining,
    Conflict,
    Failed,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Initializing => "Initializing",
            State::Active => "Active",
            State::Syncing => "Syncing",
            State::Suspended => "Suspended",
            State::HandingOver => "HandingOver",
            State::Rejoining => "Rejoining",
            State::Conflict => "Conflict",
            State::Failed => "Failed",
        })
    }
}

/// How the connection to a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LinkState {
    Connected,
    Connecting,
    Error,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkState::Connected => "CONNECTED",
            LinkState::Connecting => "CONNECTING",
            LinkState::Error => "ERROR",
        })
    }
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferStage {
    /// At the source.
    Sending,
    /// At the destination, as all that follow.
    Receiving,
    Complete,
    Applying,
    /// It was not what the source declared, and is being taken back.
    Undoing,
}

impl fmt::Display for TransferStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransferStage::Sending => "sending",
            TransferStage::Receiving => "receiving",
            TransferStage::Complete => "complete",
            TransferStage::Applying => "applying",
            TransferStage::Undoing => "undoing",
        })
    }
}

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
    pub totals: TotalsReport,
}

/// The totals by which restore points are proved: whether this node knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalsReport {
    pub whole: bool,
    /// While they are not whole: rows counted so far.
    pub rows_counted: u64,
}

impl Default for TotalsReport {
    fn default() -> Self {
        TotalsReport { whole: true, rows_counted: 0 }
    }
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
    pub state: LinkState,
    pub last_heartbeat_seconds_ago: Option<f64>,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathReport {
    pub guid: String,
    /// `/` or `/BUCKET`.
    pub path: String,
    pub role: Role,
    pub state: State,
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
    /// That the replica may differ from its source; what was given up, and what that will cost; or that a full disk holds the path up. Stands until
    /// it is made good.
    pub alarm: Option<String>,
    /// Why the replica may differ from its source. Stands until everything was compared and the result is proved.
    pub discrepancy: Option<DiscrepancyReport>,
    /// What an operator should know before this node takes the path over, or hands it over. Empty: nothing speaks against it.
    pub failover_checks: Vec<String>,
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
    /// Whether the destination has exactly the rows of its source, by totals that the committers of both keep.
    pub proved: bool,
}

/// Evidence that a replica may differ from its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscrepancyReport {
    /// The restore point at which it was found: GUID and name.
    pub point: String,
    pub name: String,
    /// What differs.
    pub what: String,
    /// When the first evidence was found, RFC 3339.
    pub since: String,
    /// Pieces of evidence since.
    pub times: u32,
    /// What is being done about it.
    pub doing: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TransferReport {
    /// `@base => @to`, or `seed => @to`.
    pub step: String,
    pub rows_sent: u64,
    pub bytes_sent: u64,
    pub phase: TransferStage,
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
