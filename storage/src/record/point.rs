use serde::{Deserialize, Serialize};

use super::codec::record;
use crate::types::{EpochNumber, HoldId, PathGuid, Seq, SnapshotGuid, Timestamp};

/// Who made a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CreatorKind {
    Policy,
    User,
    System,
}

/// A multiset hash of a path's whole state: 1,024 lanes of 16 bits, little-endian.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest(Vec<u8>);

impl Digest {
    pub const BYTES: usize = 2048;

    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == Self::BYTES).then_some(Digest(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = blake3::hash(&self.0).to_hex();
        write!(f, "Digest({}...)", &short[..16])
    }
}

/// What of a snapshot is the same on every node that has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    pub guid: SnapshotGuid,
    pub name: String,
    /// The source's time; within a path it never steps back.
    pub created: Timestamp,
    pub creator: CreatorKind,
    /// The epoch in which it was taken.
    pub epoch: EpochNumber,
}

/// A retained point of a protected path on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRow {
    pub meta: SnapshotMeta,
    pub path: PathGuid,
    pub seq: Seq,
    pub expires: Option<Timestamp>,
    pub locked: bool,
    pub digest: Option<Digest>,
}
record!(SnapshotRow, "snapshot", 1);

/// Why a point is kept readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldReason {
    /// The hold of a snapshot itself; its id is the snapshot's.
    Snapshot,
    /// The base or the target of a transfer.
    Transfer,
    /// What a destination shows its readers, or showed before.
    Visible,
    /// The fork snapshot of an epoch.
    Fork,
    /// A rewind's target while it runs.
    Rewind,
}

/// A named, durable reason to keep one point readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    pub id: HoldId,
    pub seq: Seq,
    pub reason: HoldReason,
}
record!(HoldRow, "hold", 1);

/// A named, durable reason to keep the change feed above a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorRow {
    pub id: HoldId,
    pub after: Seq,
}
record!(CursorRow, "cursor", 1);
