//! What the source does next for one path, from what both sides said. Pure.

use tandem_storage::record::{HoldReason, SnapshotMeta};
use tandem_storage::types::{HoldId, SnapshotGuid, TransferGuid};

use crate::role::machine::{Evidence, PathState, PathView};

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The source's own, committed state.
    pub mine: &'a PathState,
    /// The source's retained snapshots, newest first.
    pub snapshots: &'a [SnapshotMeta],
    /// What the destination said.
    pub theirs: &'a PathView,
}

/// A transfer that the destination has begun to receive, and can go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    pub transfer: TransferGuid,
    /// Rows that are durable there.
    pub rows: u64,
}

/// Why there is nothing to send although the sides differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// No snapshot of this epoch has been taken yet.
    Snapshot,
    /// The peer has not taken up this epoch yet: say hello, it follows.
    Epoch,
    /// A complete transfer is landing there.
    Landing(SnapshotGuid),
    /// It rewinds, or takes over.
    Busy,
    /// It stands alone; an operator reattaches it.
    StandsAlone,
    /// This node is not the writable side.
    NotSource,
}

/// A hold that must be durable before the first byte; its id is the same however often it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedHold {
    pub id: HoldId,
    pub at: SnapshotGuid,
    pub reason: HoldReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The destination shows the newest snapshot.
    UpToDate,
    Delta {
        base: SnapshotGuid,
        to: SnapshotGuid,
        resume: Option<Resume>,
    },
    /// The whole of `to`. `over`: what the destination shows now, which the seed must replace without leaving a row of it.
    Seed {
        to: SnapshotGuid,
        over: Option<SnapshotGuid>,
        resume: Option<Resume>,
    },
    /// The peer is Source of a newer epoch: this node follows it (hand its view to the machine).
    Rejoin {
        common: SnapshotGuid,
    },
    Wait(Waiting),
    Conflict(Box<Evidence>),
}

/// The next thing to do.
pub fn plan(view: &View<'_>) -> Plan {
    let _ = view;
    todo!()
}
