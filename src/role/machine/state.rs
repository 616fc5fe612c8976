use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_storage::record::{Access, CorruptRecord, PathRow, Record, Scope, SnapshotMeta, TransferRow};
use tandem_storage::types::{Epoch, EpochNumber, NodeGuid, PathGuid, SnapshotGuid, Timestamp, TransferGuid};

use super::evidence::Evidence;
use super::view::Account;

/// One attempt to hand a path over. Durable on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HandoverId([u8; 16]);

impl HandoverId {
    /// Randomness is an argument: the caller draws the bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        HandoverId(bytes)
    }
}

/// The node at the other end of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub guid: NodeGuid,
    /// What this node calls it.
    pub name: String,
}

/// How often a path is protected, and how long restore points are kept. The Source's; the Destination follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// At least 1 s.
    pub every: Duration,
    /// No scheduled snapshot is taken before it, and the schedule is aligned to it.
    pub start_at: Option<Timestamp>,
    pub keep_local: Duration,
    pub keep_remote: Duration,
}

/// What this node is for the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    Source(Source),
    Destination(Destination),
    Standalone(Standalone),
}

impl Life {
    pub(super) fn conflict(&self) -> Option<&Evidence> {
        match self {
            Life::Source(Source { phase: SourcePhase::Conflict(evidence), .. })
            | Life::Destination(Destination { phase: DestinationPhase::Conflict(evidence), .. }) => Some(evidence),
            _ => None,
        }
    }
}

/// The writable side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub phase: SourcePhase,
    /// The newest snapshot that the peer is known to show: the base of the next delta.
    pub acked: Option<SnapshotGuid>,
    /// What the peer was, or is about to be, sent. Kept until the peer says what became of it.
    pub in_flight: Option<InFlight>,
    /// Targets of earlier transfers that may yet land, because the peer has not shown anything newer.
    pub asked: Vec<SnapshotGuid>,
    /// Acked snapshots that the retention cap dropped: a peer that shows one of these needs a seed, and is no conflict.
    pub released: Vec<SnapshotGuid>,
    /// The peer's epoch that an operator's reattach on this node put an end to.
    pub supersedes: Option<Epoch>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourcePhase {
    /// The peer has no restore point yet.
    Initializing,
    Active,
    /// The gate is closed. Only the destination's word, or force, opens one again.
    HandingOver(HandOver),
    /// The gate is closed until an operator decides.
    Conflict(Box<Evidence>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    pub id: HandoverId,
    /// The snapshot of the very commit that closed the gate: everything ever acknowledged is in it.
    pub last: SnapshotGuid,
    /// An operator asked for the void.
    pub abort: bool,
}

/// A delta (or, without a base, a seed) under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    pub transfer: TransferGuid,
    /// The epoch it is sent in.
    pub epoch: EpochNumber,
    pub base: Option<SnapshotGuid>,
    pub to: SnapshotGuid,
}

/// The read-only side: exactly `visible`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    pub phase: DestinationPhase,
    /// The newest restore point. None: nothing has landed yet.
    pub visible: Option<SnapshotGuid>,
    /// The restore point before it.
    pub previous: Option<SnapshotGuid>,
    /// This side's part in a handover of this epoch.
    pub handover: Option<Decision>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DestinationPhase {
    /// Nothing has landed yet.
    Initializing,
    Active,
    /// Rows are being set back to `to`, which readers see already. `takeover` waits for it.
    Rewinding {
        to: SnapshotGuid,
        takeover: Option<Takeover>,
    },
    /// A complete transfer is rolled forward, or one that did not arrive whole is taken back; then the gate opens.
    Promoting(Takeover),
    /// Nothing is received until an operator decides.
    Conflict(Box<Evidence>),
}

/// What a destination becomes without asking its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Takeover {
    /// Source.
    Force,
    /// Standalone.
    StandAlone { by: Decider },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decider {
    Operator,
    /// The peer, on which an operator asked.
    Peer,
}

/// What a destination has durably said about a handover in its present epoch. It ends with the epoch; `Void` ends only so:
/// a destination that has said it never promotes gracefully from that epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// An operator asked this side to become Source.
    Requested(HandoverId),
    /// The source has closed its gate; this side promotes itself once it shows `last`.
    Following {
        id: HandoverId,
        last: SnapshotGuid,
    },
    Void(HandoverId),
}

/// Writable without a peer that follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standalone {
    pub by: Decider,
    /// The newest snapshot that the peer is known to have, kept for the way back.
    pub acked: Option<SnapshotGuid>,
    /// What may have landed there since, kept likewise.
    pub in_flight: Option<InFlight>,
    pub asked: Vec<SnapshotGuid>,
}

/// Writes that a rejoin took out of the path, kept aside until an operator discards them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// The epoch in which they were made.
    pub epoch: EpochNumber,
    /// `diverged-<epoch>`.
    pub snapshot: SnapshotGuid,
    /// The manifest is what differs between this and `snapshot`.
    pub base: SnapshotGuid,
    /// Lines of the manifest, once counted.
    pub entries: Option<u64>,
}

/// Why a role changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    Created,
    /// The peer made the path and asked this node to follow.
    Accepted,
    GateClosed,
    /// This node took over in a handover; nothing was lost.
    HandedOver,
    /// The destination voided a handover; this node writes on.
    Voided,
    /// An operator forced this node.
    Forced,
    StoodAlone(Decider),
    Reattached,
    /// This node follows a newer source; without losing writes of its own, or with some kept as diverged.
    Rejoined {
        diverged: bool,
    },
    Conflict,
}

/// The audit record of one role change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChange {
    pub at: Timestamp,
    pub epoch: Epoch,
    pub cause: Cause,
}

/// What [`PathRow::detail`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    pub peer: Peer,
    pub policy: Policy,
    pub life: Life,
    pub diverged: Vec<Diverged>,
    /// The newest [`Detail::CHANGES`] role changes, oldest first.
    pub changes: Vec<RoleChange>,
}

impl Detail {
    pub const CHANGES: usize = 16;
}

impl Record for Detail {
    const KIND: &'static str = "path detail";
    const VERSION: u8 = 1;
}

/// A protected path on this node: everything a transition depends on that outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathState {
    pub me: NodeGuid,
    pub guid: PathGuid,
    pub scope: Scope,
    pub epoch: Epoch,
    /// The stored row's; every [`Step`](super::Step) that persists expects it and raises it by one.
    pub revision: u64,
    pub detail: Detail,
}

impl PathState {
    /// # Errors
    /// [`CorruptRecord`] when the detail does not decode, or does not fit the access that storage enforces.
    pub fn from_row(me: NodeGuid, row: &PathRow) -> Result<Self, CorruptRecord> {
        let detail = Detail::decode(&row.detail)?;
        let (guid, scope) = (row.guid, row.scope.clone());
        let state = PathState { me, guid, scope, epoch: row.epoch, revision: row.revision, detail };
        let fits = match row.access {
            Access::Writable => state.writable(),
            Access::Closed => !state.writable() && !state.is_destination(),
            Access::ReadAt(_) => state.is_destination(),
        };
        if !fits {
            let reason = format!("access {:?} of path {} does not fit its role", row.access, row.guid);
            return Err(CorruptRecord { kind: Detail::KIND, reason });
        }
        Ok(state)
    }

    pub fn life(&self) -> &Life {
        &self.detail.life
    }

    /// Whether this node takes writes for the path.
    pub fn writable(&self) -> bool {
        match &self.detail.life {
            Life::Source(source) => matches!(source.phase, SourcePhase::Initializing | SourcePhase::Active),
            Life::Standalone(_) => true,
            Life::Destination(_) => false,
        }
    }

    pub fn is_destination(&self) -> bool {
        matches!(self.detail.life, Life::Destination(_))
    }

    pub fn conflict(&self) -> Option<&Evidence> {
        self.detail.life.conflict()
    }

    /// Snapshots that a Source keeps for its peer alone. The retention cap takes these; what it writes on from it does not.
    pub fn kept_for_peer(&self, snapshots: &[SnapshotMeta]) -> Vec<SnapshotGuid> {
        let Life::Source(source) = &self.detail.life else { return Vec::new() };
        let flight = source.in_flight.into_iter().flat_map(|flight| flight.base.into_iter().chain([flight.to]));
        let kept = source.acked.or(self.epoch.fork).into_iter().chain(flight).chain(source.asked.iter().copied());
        let newest = self.newest_of_line(snapshots);
        let diverged = |guid| self.detail.diverged.iter().any(|d| d.snapshot == guid || d.base == guid);
        let mut kept: Vec<_> = kept.filter(|guid| Some(*guid) != newest && !diverged(*guid)).collect();
        kept.retain(|guid| snapshots.iter().any(|meta| meta.guid == *guid));
        kept.sort_unstable();
        kept.dedup();
        kept
    }

    /// The newest snapshot of the line that this side writes on with: of its own epoch, or the one that this began from. `snapshots` newest first.
    pub fn newest_of_line(&self, snapshots: &[SnapshotMeta]) -> Option<SnapshotGuid> {
        let own = snapshots.iter().find(|meta| meta.epoch == self.epoch.number);
        own.or_else(|| snapshots.iter().find(|meta| Some(meta.guid) == self.epoch.fork)).map(|meta| meta.guid)
    }

    /// Snapshots that retention must not drop, whatever their age.
    pub fn protected(&self) -> Vec<SnapshotGuid> {
        let flight = |flight: Option<InFlight>| flight.into_iter().flat_map(|f| f.base.into_iter().chain([f.to]));
        let mut keep = Vec::new();
        match &self.detail.life {
            Life::Source(source) => {
                keep.extend(source.acked.or(self.epoch.fork));
                keep.extend(flight(source.in_flight));
                keep.extend(&source.asked);
                if let SourcePhase::HandingOver(handover) = &source.phase {
                    keep.push(handover.last);
                }
            }
            Life::Destination(destination) => {
                keep.extend(destination.visible);
                keep.extend(destination.previous);
                if let DestinationPhase::Rewinding { to, .. } = destination.phase {
                    keep.push(to);
                }
            }
            Life::Standalone(standalone) => {
                keep.extend(standalone.acked.or(self.epoch.fork));
                keep.extend(flight(standalone.in_flight));
                keep.extend(&standalone.asked);
            }
        }
        keep.extend(self.detail.diverged.iter().flat_map(|diverged| [diverged.snapshot, diverged.base]));
        keep
    }
}

/// What the store knows of the path and the state does not repeat.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub now: Timestamp,
    /// The path's retained snapshots on this node, by Seq, newest first.
    pub snapshots: &'a [SnapshotMeta],
    /// Whether the path's present may differ from the newest of `snapshots`. When in doubt, true.
    pub dirty: bool,
    /// The path's transfer, at a destination.
    pub transfer: Option<&'a TransferRow>,
    /// What this node can say about the rows that it shows. No transition depends on it; the peer is told.
    pub account: Account,
    pub fresh: Fresh,
}

/// Randomness drawn for one step, used or not.
#[derive(Clone, Copy, Debug)]
pub struct Fresh {
    pub snapshot: SnapshotGuid,
    pub handover: HandoverId,
}
