//! What the source does next for one path, from what both sides said. Pure.

use tandem_storage::record::{SnapshotMeta, TransferPhase};
use tandem_storage::types::{EpochNumber, SnapshotGuid, TransferGuid};

use crate::role::machine::{
    Destination, DestinationPhase, Evidence, InFlight, Life, PathState, PathView, Source, SourcePhase, TransferView,
    has, newest_common,
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
    /// What cannot be read here as a whole, so that it cannot have been sent as a whole: it is not gone on with while there is something newer.
    pub given_up: Option<SnapshotGuid>,
}

/// A transfer that goes on under its old id: the destination has begun to receive it, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    pub transfer: TransferGuid,
    /// Rows that are durable there, as far as it said.
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
    /// It rewinds, takes over, or takes back what did not arrive whole.
    Busy,
    /// It stands alone; an operator reattaches it.
    StandsAlone,
    /// This node is not the writable side.
    NotSource,
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
    let View { mine, snapshots, theirs, .. } = *view;
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
                ship(view, source, destination, target(mine, source, snapshots))
            }
            DestinationPhase::Conflict(evidence) => Plan::Conflict(evidence.clone()),
            DestinationPhase::Rewinding { .. } | DestinationPhase::Promoting(_) => Plan::Wait(Waiting::Busy),
        },
    }
}

/// Why nothing moves until an operator decides on the other node, in words for the report here; none: it goes on by itself.
pub fn needs_operator(mine: &PathState, theirs: &PathView) -> Option<String> {
    let supersedes = match mine.life() {
        _ if mine.conflict().is_some() => return None,
        Life::Source(source) => source.supersedes,
        Life::Destination(_) => None,
        Life::Standalone(_) => return None,
    };
    let peer = &mine.detail.peer.name;
    match theirs.conflict() {
        // A newer source than the evidence names ends it.
        Some(evidence) if mine.epoch.number <= evidence.theirs.number.max(theirs.epoch.number) => {
            Some(format!("{peer} is in conflict, and nothing moves until an operator decides: {evidence}"))
        }
        Some(_) => None,
        None => (matches!(theirs.life, Life::Standalone(_)) && supersedes != Some(theirs.epoch)).then(|| {
            format!(
                "{peer} stands alone, and nothing is sent until an operator ends that: `tandem path reattach` on the node whose data shall win"
            )
        }),
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

fn ship(view: &View<'_>, source: &Source, destination: &Destination, target: Option<&SnapshotMeta>) -> Plan {
    let View { mine, snapshots, theirs, given_up } = *view;
    let Some(target) = target else { return Plan::Wait(Waiting::Snapshot) };
    if let Some(waiting) = theirs.transfer.as_ref().and_then(unfinished) {
        return Plan::Wait(waiting);
    }
    let visible = destination.visible;
    if visible == Some(target.guid) {
        return Plan::UpToDate;
    }
    let base = visible.filter(|visible| has(snapshots, *visible));
    let begun = theirs.transfer.as_ref().filter(|transfer| transfer.epoch == mine.epoch && transfer.base == base);
    let goes_on = |to: SnapshotGuid| has(snapshots, to) && (Some(to) != given_up || to == target.guid);
    let begun = begun.filter(|transfer| goes_on(transfer.to));
    // What was sent may land although nothing is heard of it. Going on with it, rather than with something newer, keeps the number
    // of snapshots that may land at one.
    let sent = source.in_flight.filter(|flight| flight.epoch == mine.epoch.number && flight.base == base);
    let sent = sent.filter(|flight| goes_on(flight.to) && Some(flight.to) != visible);
    let (to, resume) = match (begun, sent) {
        (Some(begun), _) => (begun.to, Some(Resume { transfer: begun.id, rows: received(begun) })),
        (None, Some(sent)) => (sent.to, Some(Resume { transfer: sent.transfer, rows: 0 })),
        (None, None) => (target.guid, None),
    };
    match base {
        Some(base) => Plan::Delta { base, to, resume },
        None => Plan::Seed { to, over: visible, resume },
    }
}

/// What the destination has to end first.
fn unfinished(transfer: &TransferView) -> Option<Waiting> {
    match transfer.phase {
        TransferPhase::Receiving { .. } => None,
        TransferPhase::Complete { .. } | TransferPhase::Applying { .. } => Some(Waiting::Landing(transfer.to)),
        TransferPhase::Undoing { .. } | TransferPhase::Undone { .. } => Some(Waiting::Busy),
    }
}

fn received(transfer: &TransferView) -> u64 {
    match transfer.phase {
        TransferPhase::Receiving { rows } | TransferPhase::Complete { rows } | TransferPhase::Applying { rows, .. } => {
            rows
        }
        TransferPhase::Undoing { .. } | TransferPhase::Undone { .. } => 0,
    }
}

impl Plan {
    /// What the source sends in its `epoch`, as the machine takes it: a transfer that is resumed keeps its id, a new one gets `fresh`.
    pub fn flight(&self, epoch: EpochNumber, fresh: TransferGuid) -> Option<InFlight> {
        let (base, to, resume) = match self {
            Plan::Delta { base, to, resume } => (Some(*base), *to, resume),
            Plan::Seed { to, resume, .. } => (None, *to, resume),
            _ => return None,
        };
        let transfer = resume.map_or(fresh, |resume| resume.transfer);
        Some(InFlight { transfer, epoch, base, to })
    }
}

#[cfg(test)]
mod tests;
