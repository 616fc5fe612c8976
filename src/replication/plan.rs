//! What the source does next for one path, from what both sides said. Pure.

use tandem_storage::record::{HoldReason, SnapshotMeta, TransferPhase};
use tandem_storage::types::{HoldId, PathGuid, SnapshotGuid, TransferGuid};

use crate::role::machine::{
    Destination, DestinationPhase, Evidence, InFlight, Life, PathState, PathView, Purpose, Source, SourcePhase,
    TransferView, has, newest_common,
};

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
    let View { mine, snapshots, theirs } = *view;
    if let Some(evidence) = mine.conflict() {
        return Plan::Conflict(Box::new(evidence.clone()));
    }
    let Life::Source(source) = mine.life() else { return not_source(view) };
    match &theirs.life {
        Life::Source(_) if theirs.epoch.number > mine.epoch.number => not_source(view),
        Life::Source(_) => Plan::Wait(Waiting::Epoch),
        Life::Standalone(_) => Plan::Wait(Waiting::StandsAlone),
        Life::Destination(_) if theirs.epoch != mine.epoch => Plan::Wait(Waiting::Epoch),
        Life::Destination(destination) => match &destination.phase {
            DestinationPhase::Initializing | DestinationPhase::Active => {
                ship(snapshots, theirs, destination, target(mine, source, snapshots))
            }
            DestinationPhase::Conflict(evidence) => Plan::Conflict(evidence.clone()),
            DestinationPhase::Rewinding { .. } | DestinationPhase::Promoting(_) => Plan::Wait(Waiting::Busy),
        },
    }
}

fn not_source(view: &View<'_>) -> Plan {
    let newer = matches!(view.theirs.life, Life::Source(_)) && view.theirs.epoch.number > view.mine.epoch.number;
    match newest_common(view.snapshots, &view.theirs.snapshots).filter(|_| newer) {
        Some(common) => Plan::Rejoin { common },
        None => Plan::Wait(Waiting::NotSource),
    }
}

/// What the destination shall show next: the snapshot that closed the gate, or the newest of this epoch's own line. A node that
/// rejoined once keeps snapshots of a line that was given up, some of them newer by Seq than where it went on from; those are
/// of older epochs, and never targets.
fn target<'a>(mine: &PathState, source: &Source, snapshots: &'a [SnapshotMeta]) -> Option<&'a SnapshotMeta> {
    if let SourcePhase::HandingOver(handover) = &source.phase {
        return snapshots.iter().find(|meta| meta.guid == handover.last);
    }
    let own = snapshots.iter().find(|meta| meta.epoch == mine.epoch.number);
    own.or_else(|| snapshots.iter().find(|meta| Some(meta.guid) == mine.epoch.fork))
}

fn ship(
    snapshots: &[SnapshotMeta],
    theirs: &PathView,
    destination: &Destination,
    target: Option<&SnapshotMeta>,
) -> Plan {
    let Some(target) = target else { return Plan::Wait(Waiting::Snapshot) };
    if let Some(transfer) = theirs.transfer.as_ref().filter(|transfer| is_complete(transfer)) {
        return Plan::Wait(Waiting::Landing(transfer.to));
    }
    let visible = destination.visible;
    if visible == Some(target.guid) {
        return Plan::UpToDate;
    }
    let base = visible.filter(|visible| has(snapshots, *visible));
    let begun = theirs.transfer.as_ref().filter(|transfer| transfer.epoch == theirs.epoch && transfer.base == base);
    let begun = begun.filter(|transfer| has(snapshots, transfer.to));
    let to = begun.map_or(target.guid, |transfer| transfer.to);
    let resume = begun.map(|transfer| Resume { transfer: transfer.id, rows: received(transfer) });
    match base {
        Some(base) => Plan::Delta { base, to, resume },
        None => Plan::Seed { to, over: visible, resume },
    }
}

fn is_complete(transfer: &TransferView) -> bool {
    !matches!(transfer.phase, TransferPhase::Receiving { .. })
}

fn received(transfer: &TransferView) -> u64 {
    match transfer.phase {
        TransferPhase::Receiving { rows } | TransferPhase::Complete { rows } | TransferPhase::Applying { rows, .. } => {
            rows
        }
    }
}

impl Plan {
    /// What the source sends, as the machine takes it: a transfer that is resumed keeps its id, a new one gets `fresh`.
    pub fn flight(&self, fresh: TransferGuid) -> Option<InFlight> {
        let (base, to, resume) = match self {
            Plan::Delta { base, to, resume } => (Some(*base), *to, resume),
            Plan::Seed { to, resume, .. } => (None, *to, resume),
            _ => return None,
        };
        Some(InFlight { transfer: resume.map_or(fresh, |resume| resume.transfer), base, to })
    }

    /// The holds that must be durable before the first byte: what `Event::Ship` commits.
    pub fn holds(&self, path: PathGuid) -> Vec<PlannedHold> {
        let hold = |purpose: Purpose, at| PlannedHold { id: purpose.id(path), at, reason: HoldReason::Transfer };
        let flight = self.flight(TransferGuid::from_bytes([0; 16]));
        let base = flight.and_then(|flight| flight.base).map(|at| hold(Purpose::TransferBase, at));
        let to = flight.map(|flight| hold(Purpose::TransferTo, flight.to));
        base.into_iter().chain(to).collect()
    }
}
