//! Paths, snapshots, holds, cursors: what decides which points are readable, and by whom.

mod carry_out;
mod points;
#[cfg(test)]
mod tests;

use crate::record::{CreatorKind, Digest, HoldReason, Scope, Total};
use crate::types::{Epoch, HoldId, PathGuid, Seq, SnapshotGuid, Timestamp, TransferGuid};

pub(super) use carry_out::transfers_of;
pub use points::{previous_visible_hold, visible_hold};
pub(super) use points::{release_hold, set_hold};

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

/// A snapshot to be made or recorded. It holds its point; the hold's id is the snapshot's. Where the path is written, `created` is raised to that of
/// the path's newest point if the clock stepped back; where it only follows, `created` is the source's word. Asked for again it changes nothing;
/// the same GUID at another point is `Stale`.
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

/// One step of an atomic change of paths, snapshots, holds, cursors and transfers.
///
/// A `ReadAt` keeps its own hold, [`visible_hold`]. When it moves on, the point it showed before stays under
/// [`previous_visible_hold`] until that is released, or the next move. Leaving `ReadAt` releases both. The holds of snapshots, and that of a
/// visible point, go only with what they stand for: to `Release` or move one is `Stale`.
#[derive(Clone, Debug)]
pub enum PathOp {
    /// Makes a path, at revision 1. Refused with `Overlaps`.
    Create {
        guid: PathGuid,
        scope: Scope,
        access: AccessChange,
        epoch: Epoch,
        detail: Vec<u8>,
    },
    /// Changes a path; `Stale` unless it is at `revision`. While a transfer is being applied the access changes by its flip alone, to
    /// `ReadAt(ThisCommit)` when all of it is applied; anything else is `Stale`, and so is everything while one is being undone. A flip to what has
    /// another total than the transfer declared is refused with `TotalDiffers`.
    Change {
        guid: PathGuid,
        revision: u64,
        access: Option<AccessChange>,
        epoch: Option<Epoch>,
        detail: Option<Vec<u8>>,
    },
    /// Removes a path with its snapshots, its visible holds and its transfers. Its buckets stay; holds that others asked for are theirs
    /// to release. `Stale` while a transfer is partly applied.
    Remove {
        guid: PathGuid,
        revision: u64,
    },
    Snapshot(SnapshotSpec),
    /// `DigestDiffers` if the snapshot has another one and `replace` is not said: that two walks came to different digests is a fault, which whoever
    /// replaces one must have told the operator of.
    SetDigest {
        snapshot: SnapshotGuid,
        digest: Digest,
        replace: bool,
    },
    /// Records the total that a snapshot's rows were counted to, and whether the snapshot is proved by it. `TotalDiffers` if another is stored; if the
    /// same is, `proved` alone changes.
    SetTotal {
        snapshot: SnapshotGuid,
        total: Total,
        proved: bool,
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
    /// Keeps the feed above the point. Idempotent, moves forward and back. The first cursor turns the feed on: it is complete from the point
    /// before this commit. A cursor asked for below that floor stands at the floor; a delta from below it compares in full.
    Cursor {
        id: HoldId,
        after: At,
    },
    DropCursor {
        id: HoldId,
    },
    /// Forgets a transfer: its staged rows and claims are purged in the background. Idempotent. Once it is complete it is `Stale`, but in
    /// the flip, after the `Change`, and when it is undone: a complete one lands, and half-applied the present would not be what the next delta builds on.
    DropTransfer {
        id: TransferGuid,
    },
    /// Gives up a complete transfer that is not what its source declared: no more of it is applied, and the present is to be rewound to what the path
    /// shows ([`RewindPage`](super::RewindPage)). Then it can be dropped. Until then the path's access does not change. Idempotent.
    /// `Unknown`; `Stale` while it is being received: drop it.
    AbandonTransfer {
        id: TransferGuid,
    },
}

/// All ops or none, in one commit. Output: [`UpdatedPaths`].
/// Refusals: `Stale`, `Overlaps`, `NotHeld`, `Unknown`, `TotalDiffers`, `DigestDiffers`.
#[derive(Clone, Debug)]
pub struct UpdatePaths(pub Vec<PathOp>);

#[derive(Clone, Copy, Debug)]
pub struct UpdatedPaths {
    /// The Seq of the commit: what `ThisCommit` meant.
    pub seq: Seq,
}
