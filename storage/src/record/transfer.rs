use serde::{Deserialize, Serialize};

use super::codec::record;
use super::point::{Digest, SnapshotMeta};
use crate::types::{Epoch, PathGuid, SnapshotGuid, TransferGuid};

/// How far a transfer has come at the destination. It only moves down this list, or is dropped whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferPhase {
    /// Rows 0..rows are staged and durable, with every blob they need.
    Receiving { rows: u64 },
    /// All `rows` rows and blobs are here and the digest was equal: it can be finished without the source.
    Complete { rows: u64 },
    /// Rows 0..applied of `rows` are copied to the present, behind the visible point. For a seed `rows` is one more than was staged: the last step removes what
    /// stands behind its last row.
    Applying { rows: u64, applied: u64 },
}

/// A snapshot on its way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRow {
    pub id: TransferGuid,
    pub path: PathGuid,
    pub epoch: Epoch,
    /// None: a seed, which brings the whole state.
    pub base: Option<SnapshotGuid>,
    pub to: SnapshotMeta,
    pub phase: TransferPhase,
    /// The digest the source declared, once it did.
    pub digest: Option<Digest>,
}
record!(TransferRow, "transfer", 1);
