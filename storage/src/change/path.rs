use crate::record::{CreatorKind, Digest, HoldReason, Scope};
use crate::types::{Epoch, HoldId, PathGuid, Seq, SnapshotGuid, Timestamp, TransferGuid};

/// A point, as a change may name it. It must be readable, or the change is refused with `NotHeld`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The Seq of this very commit.
    ThisCommit,
    Seq(Seq),
    Snapshot(SnapshotGuid),
}

/// As [`Access`](crate::record::Access), with a point that may be this very commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessChange {
    Writable,
    Closed,
    ReadAt(At),
}

/// A snapshot to be made or recorded. `created` is raised to the path's newest if the clock stepped back.
#[derive(Clone, Debug)]
pub struct SnapshotSpec {
    pub path: PathGuid,
    pub guid: SnapshotGuid,
    pub name: String,
    pub created: Timestamp,
    pub creator: CreatorKind,
    pub epoch: crate::types::EpochNumber,
    pub expires: Option<Timestamp>,
    pub locked: bool,
    pub at: At,
    pub digest: Option<Digest>,
}

/// One step of an atomic change of paths, snapshots, holds, cursors and transfers. A `ReadAt` keeps its own hold (one for each
/// path, reason `Visible`); the previous visible point stays until released by its hold.
#[derive(Clone, Debug)]
pub enum PathOp {
    /// Makes a path. Refused with `Overlaps`.
    Create {
        guid: PathGuid,
        scope: Scope,
        access: AccessChange,
        epoch: Epoch,
        detail: Vec<u8>,
    },
    /// Changes a path; `Stale` unless it is at `revision`.
    Change {
        guid: PathGuid,
        revision: u64,
        access: Option<AccessChange>,
        epoch: Option<Epoch>,
        detail: Option<Vec<u8>>,
    },
    /// Removes a path with its snapshots, holds and transfers. Its buckets stay.
    Remove {
        guid: PathGuid,
        revision: u64,
    },
    Snapshot(SnapshotSpec),
    SetDigest {
        snapshot: SnapshotGuid,
        digest: Digest,
    },
    SetExpiry {
        snapshot: SnapshotGuid,
        expires: Option<Timestamp>,
    },
    /// Idempotent. Refused with `Unknown` only for the path.
    DropSnapshot {
        path: PathGuid,
        snapshot: SnapshotGuid,
    },
    /// Idempotent: a hold of that id at another point is moved.
    Hold {
        id: HoldId,
        at: At,
        reason: HoldReason,
    },
    Release {
        id: HoldId,
    },
    /// Keeps the feed above the point. Idempotent, moves forward and back (back only above the floor, else `NotHeld`).
    Cursor {
        id: HoldId,
        after: At,
    },
    DropCursor {
        id: HoldId,
    },
    /// Forgets a transfer: its staged rows and claims are purged in the background. Idempotent.
    DropTransfer {
        id: TransferGuid,
    },
}

/// All ops or none, in one commit. Output: [`UpdatedPaths`].
/// Refusals: `Stale`, `Overlaps`, `NotHeld`, `Unknown`.
#[derive(Clone, Debug)]
pub struct UpdatePaths(pub Vec<PathOp>);

#[derive(Clone, Copy, Debug)]
pub struct UpdatedPaths {
    /// The Seq of the commit: what `ThisCommit` meant.
    pub seq: Seq,
}
