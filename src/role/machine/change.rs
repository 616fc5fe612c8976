//! The role changes themselves, whoever asks for them.

use tandem_storage::change::{AccessChange, At};
use tandem_storage::record::TransferPhase;
use tandem_storage::types::{Epoch, EpochNumber, SnapshotGuid, TransferGuid};

use super::draft::{Draft, Purpose};
use super::event::{Action, Refused, Step};
use super::evidence::{Disagreement, Evidence};
use super::state::{
    Cause, Decider, Decision, Destination, DestinationPhase, Diverged, Facts, HandOver, HandoverId, Life, PathState,
    Source, SourcePhase, Standalone, Takeover,
};
use super::view::PathView;

/// The number of the epoch that this node opens by itself. One more than usual where the peer may open the next by right, so that
/// the two are never equal without two operators.
pub(super) fn claim(state: &PathState) -> EpochNumber {
    let known = state.conflict().map_or(state.epoch.number, |evidence| state.epoch.number.max(evidence.theirs.number));
    let peer_may_open = match &state.detail.life {
        Life::Source(source) => matches!(source.phase, SourcePhase::HandingOver(_)),
        Life::Destination(destination) => matches!(destination.handover, Some(Decision::Void(_))),
        Life::Standalone(_) => false,
    };
    if peer_may_open { known.next().next() } else { known.next() }
}

/// What must end before anything else happens to a destination: its present is, or may be, between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    /// The transfer is all here, and is rolled forward.
    Landing(TransferGuid),
    /// It did not become what the source declared, and is taken back.
    Undoing(TransferGuid),
}

impl Unfinished {
    /// What ends it.
    pub fn action(self) -> Action {
        match self {
            Unfinished::Landing(transfer) => Action::FinishTransfer(transfer),
            Unfinished::Undoing(transfer) => Action::UndoTransfer(transfer),
        }
    }

    /// In words, for who has to wait.
    pub fn busy(self) -> Refused {
        Refused::Busy(match self {
            Unfinished::Landing(_) => "a restore point is landing".to_owned(),
            Unfinished::Undoing(_) => "a restore point that did not arrive whole is being taken back".to_owned(),
        })
    }
}

pub(super) fn unfinished(facts: &Facts<'_>) -> Option<Unfinished> {
    let transfer = facts.transfer?;
    match transfer.phase {
        TransferPhase::Receiving { .. } => None,
        TransferPhase::Complete { .. } | TransferPhase::Applying { .. } => Some(Unfinished::Landing(transfer.id)),
        // One that is out of the present is still to be dropped.
        TransferPhase::Undoing { .. } | TransferPhase::Undone { .. } => Some(Unfinished::Undoing(transfer.id)),
    }
}

/// The snapshot a writable side's new epoch begins from: the one that closed its gate, or one of this very commit.
fn fork(draft: &mut Draft<'_>, source: Option<&Source>, number: EpochNumber) -> SnapshotGuid {
    match source.map(|source| &source.phase) {
        Some(SourcePhase::HandingOver(handover)) => handover.last,
        _ => draft.snapshot(format!("fork-{number}")),
    }
}

/// A Source (in whatever phase) writes on in a new epoch.
pub(super) fn reopen(
    state: &PathState,
    facts: &Facts<'_>,
    source: &Source,
    number: EpochNumber,
    supersedes: Option<Epoch>,
    cause: Cause,
) -> Step {
    let mut draft = Draft::of(state, facts);
    let fork = fork(&mut draft, Some(source), number);
    let phase = if source.acked.is_some() { SourcePhase::Active } else { SourcePhase::Initializing };
    draft.life(Life::Source(Source { phase, supersedes, ..source.clone() }));
    draft.open(number, fork).record(cause).then(Action::StopTransfer).then(Action::Announce).finish()
}

/// A Standalone becomes Source.
pub(super) fn resume_as_source(
    state: &PathState,
    facts: &Facts<'_>,
    alone: &Standalone,
    number: EpochNumber,
    supersedes: Option<Epoch>,
    cause: Cause,
) -> Step {
    let Standalone { acked, in_flight, asked, .. } = alone.clone();
    let source = Source { in_flight, asked, ..Source::new(SourcePhase::Active, acked) };
    reopen(state, facts, &source, number, supersedes, cause)
}

/// A Source closes its gate and declares its last snapshot, in one commit.
pub(super) fn close(state: &PathState, facts: &Facts<'_>, source: &Source, id: HandoverId) -> Step {
    let mut draft = Draft::of(state, facts);
    let last = draft.snapshot(format!("final-{}", state.epoch.number));
    let phase = SourcePhase::HandingOver(HandOver { id, last, abort: false });
    draft.life(Life::Source(Source { phase, ..source.clone() })).access(AccessChange::Closed);
    draft.record(Cause::GateClosed).then(Action::Announce).finish()
}

/// A Source stands alone and keeps what it has.
pub(super) fn part(state: &PathState, facts: &Facts<'_>, source: &Source, number: EpochNumber, by: Decider) -> Step {
    let mut draft = Draft::of(state, facts);
    let fork = fork(&mut draft, Some(source), number);
    let (acked, in_flight, asked) = (source.acked, source.in_flight, source.asked.clone());
    draft.life(Life::Standalone(Standalone { by, acked, in_flight, asked }));
    draft.open(number, fork).record(Cause::StoodAlone(by)).then(Action::StopTransfer).then(Action::Announce).finish()
}

/// A Destination takes over without its source: at once if its present is what it shows, else when it is.
pub(super) fn take_over(
    state: &PathState,
    facts: &Facts<'_>,
    destination: &Destination,
    takeover: Takeover,
    number: EpochNumber,
) -> Step {
    let Some(visible) = destination.visible else { return Draft::nothing(state, Vec::new()) };
    let waiting = match (&destination.phase, unfinished(facts)) {
        (DestinationPhase::Rewinding { to, .. }, _) => {
            Some((DestinationPhase::Rewinding { to: *to, takeover: Some(takeover) }, Action::Rewind { to: *to }))
        }
        (_, Some(unfinished)) => Some((DestinationPhase::Promoting(takeover), unfinished.action())),
        _ => None,
    };
    let mut draft = Draft::of(state, facts);
    if let Some((phase, action)) = waiting {
        draft.life(Life::Destination(Destination { phase, ..destination.clone() }));
        return draft.then(Action::StopTransfer).then(action).finish();
    }
    let acked = Some(visible);
    let (life, cause) = match takeover {
        Takeover::Force => (source_over(visible), Cause::Forced),
        Takeover::StandAlone { by } => {
            (Life::Standalone(Standalone { by, acked, in_flight: None, asked: Vec::new() }), Cause::StoodAlone(by))
        }
    };
    draft.life(life).open(number, visible).drop_transfer().record(cause);
    draft.then(Action::StopTransfer).then(Action::Announce).finish()
}

/// A Destination that shows the source's last snapshot becomes Source: the one commit that ends a handover.
pub(super) fn promote(state: &PathState, facts: &Facts<'_>, last: SnapshotGuid) -> Step {
    let mut draft = Draft::of(state, facts);
    draft.life(source_over(last)).open(state.epoch.number.next(), last).drop_transfer();
    draft.record(Cause::HandedOver).then(Action::StopTransfer).then(Action::Announce).finish()
}

fn source_over(visible: SnapshotGuid) -> Life {
    Life::Source(Source::new(SourcePhase::Active, Some(visible)))
}

/// A writable (or just closed) side follows a newer Source from `common`; what it wrote since is set aside, and taken out.
pub(super) fn rejoin(state: &PathState, facts: &Facts<'_>, view: &PathView, common: SnapshotGuid) -> Step {
    let mut draft = Draft::of(state, facts);
    let newest = facts.snapshots.first().map(|meta| meta.guid);
    let (acked, clean) = match &state.detail.life {
        Life::Source(Source { phase: SourcePhase::HandingOver(HandOver { last, .. }), acked, .. }) => {
            (*acked, *last == common)
        }
        Life::Source(source) => (source.acked, newest == Some(common) && !facts.dirty),
        Life::Standalone(alone) => (alone.acked, newest == Some(common) && !facts.dirty),
        Life::Destination(destination) => (destination.visible, destination.visible == Some(common)),
    };
    if !clean {
        let epoch = state.epoch.number;
        let snapshot = draft.snapshot(format!("diverged-{epoch}"));
        draft.state.detail.diverged.push(Diverged { epoch, snapshot, base: common, entries: None });
    }
    let phase = match clean {
        true => DestinationPhase::Active,
        false => DestinationPhase::Rewinding { to: common, takeover: None },
    };
    let life = Destination { phase, visible: Some(common), previous: None, handover: None };
    draft.life(Life::Destination(life)).access(AccessChange::ReadAt(At::Snapshot(common)));
    draft.drop_transfer().release(&[Purpose::Fork, Purpose::TransferBase, Purpose::TransferTo]);
    if reaches(facts, acked, common) {
        draft.feed_from(At::Snapshot(common));
    }
    follow(&mut draft, view, !clean);
    if !clean {
        draft.then(Action::Rewind { to: common });
    }
    draft.finish()
}

/// Whether the feed, which is kept above `from`, reaches down to `to`. A walk from a lower point compares everything instead.
fn reaches(facts: &Facts<'_>, from: Option<SnapshotGuid>, to: SnapshotGuid) -> bool {
    let age = |guid| facts.snapshots.iter().position(|meta| meta.guid == guid);
    from.is_none_or(|from| age(to) <= age(from))
}

/// A Destination takes up a newer epoch. What it shows and the source lacks is set aside.
pub(super) fn adopt(
    state: &PathState,
    facts: &Facts<'_>,
    destination: &Destination,
    view: &PathView,
    common: Option<SnapshotGuid>,
) -> Step {
    let mut draft = Draft::of(state, facts);
    let mut next = Destination { handover: None, ..destination.clone() };
    if matches!(next.phase, DestinationPhase::Conflict(_)) {
        next.phase = next.visible.map_or(DestinationPhase::Initializing, |_| DestinationPhase::Active);
    }
    let surplus = destination.visible.filter(|visible| Some(*visible) != common);
    if let (Some(snapshot), Some(base)) = (surplus, common) {
        let epoch = state.epoch.number;
        draft.state.detail.diverged.push(Diverged { epoch, snapshot, base, entries: None });
        next.phase = DestinationPhase::Rewinding { to: base, takeover: None };
        (next.visible, next.previous) = (Some(base), None);
        draft.access(AccessChange::ReadAt(At::Snapshot(base))).then(Action::Rewind { to: base });
    }
    draft.life(Life::Destination(next)).drop_transfer();
    follow(&mut draft, view, surplus.is_some());
    draft.finish()
}

fn follow(draft: &mut Draft<'_>, view: &PathView, diverged: bool) {
    draft.state.epoch = view.epoch;
    draft.state.detail.policy = view.policy;
    draft.record(Cause::Rejoined { diverged }).then(Action::StopTransfer).then(Action::Announce);
}

/// Nobody can say who is right: this side closes and keeps the evidence.
pub(super) fn disagree(state: &PathState, facts: &Facts<'_>, view: &PathView, disagreement: Disagreement) -> Step {
    let evidence = Evidence::of(disagreement, state.epoch, facts, view);
    let known = |known: &Evidence| known.disagreement == disagreement && known.theirs.number >= evidence.theirs.number;
    if state.conflict().is_some_and(known) {
        return Draft::nothing(state, Vec::new());
    }
    let mut draft = Draft::of(state, facts);
    match &state.detail.life {
        Life::Source(source) => {
            let phase = SourcePhase::Conflict(evidence);
            draft.life(Life::Source(Source { phase, ..source.clone() })).access(AccessChange::Closed);
        }
        Life::Destination(destination) => {
            let phase = DestinationPhase::Conflict(evidence);
            draft.life(Life::Destination(Destination { phase, ..destination.clone() }));
        }
        Life::Standalone(_) => return Draft::nothing(state, Vec::new()),
    }
    draft.record(Cause::Conflict).then(Action::StopTransfer).then(Action::Announce).finish()
}

/// A Destination says something durable about a handover.
pub(super) fn decide(state: &PathState, facts: &Facts<'_>, destination: &Destination, decision: Decision) -> Step {
    let mut draft = Draft::of(state, facts);
    draft.life(Life::Destination(Destination { handover: Some(decision), ..destination.clone() }));
    draft.then(Action::Announce).finish()
}
