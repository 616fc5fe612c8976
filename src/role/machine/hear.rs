//! What a node concludes from what its peer said. A view may be old: only what stays true of it counts.

use tandem_storage::change::At;
use tandem_storage::types::SnapshotGuid;

use super::change::{adopt, claim, close, decide, disagree, part, promote, rejoin, reopen, take_over, unfinished};
use super::draft::{Draft, Purpose};
use super::event::{Action, Step};
use super::evidence::{Disagreement, has, newest_common};
use super::state::{
    Cause, Decider, Decision, Destination, DestinationPhase, Facts, Life, PathState, Source, SourcePhase, Takeover,
};
use super::view::PathView;

pub(super) fn hear(state: &PathState, facts: &Facts<'_>, view: &PathView) -> Step {
    if view.path != state.guid || view.speaker != state.detail.peer.guid {
        return nothing(state);
    }
    match &state.detail.life {
        Life::Source(source) => source_hears(state, facts, source, view),
        Life::Destination(destination) => destination_hears(state, facts, destination, view),
        Life::Standalone(_) => standalone_hears(state, facts, view),
    }
}

fn nothing(state: &PathState) -> Step {
    Draft::nothing(state, Vec::new())
}

/// The peer knows an epoch that this node opened and does not know of: proof that this node was set back, however old the view.
fn forgotten(state: &PathState, view: &PathView) -> bool {
    view.epoch.number > state.epoch.number && view.epoch.writer == state.me
}

/// In Conflict only what is newer than the evidence speaks: an operator decided on the other node.
fn newer_source(state: &PathState, view: &PathView) -> bool {
    let known = match state.conflict() {
        Some(evidence) if evidence.disagreement != Disagreement::NoCommonSnapshot => evidence.theirs.number,
        _ => state.epoch.number,
    };
    let writes = matches!(&view.life, Life::Source(source) if !matches!(source.phase, SourcePhase::Conflict(_)));
    writes && view.epoch.number > known.max(state.epoch.number)
}

fn source_hears(state: &PathState, facts: &Facts<'_>, source: &Source, view: &PathView) -> Step {
    if forgotten(state, view) {
        return disagree(state, facts, view, Disagreement::OwnEpochForgotten);
    }
    if newer_source(state, view) {
        return match newest_common(facts.snapshots, &view.snapshots) {
            Some(common) => rejoin(state, facts, view, common),
            None => disagree(state, facts, view, Disagreement::NoCommonSnapshot),
        };
    }
    if matches!(source.phase, SourcePhase::Conflict(_)) {
        return nothing(state);
    }
    match &view.life {
        Life::Source(_) if view.epoch.number == state.epoch.number => {
            disagree(state, facts, view, Disagreement::EqualEpochs)
        }
        Life::Standalone(_) if view.epoch.number >= state.epoch.number => {
            part(state, facts, source, claim(state).max(view.epoch.number), Decider::Peer)
        }
        Life::Destination(peer) if view.epoch == state.epoch => {
            source_hears_destination(state, facts, source, view, peer)
        }
        _ => nothing(state),
    }
}

fn source_hears_destination(
    state: &PathState,
    facts: &Facts<'_>,
    source: &Source,
    view: &PathView,
    peer: &Destination,
) -> Step {
    if peer.visible.is_some_and(|visible| seen_more(facts, source, view, visible)) {
        return disagree(state, facts, view, Disagreement::PeerHasSeenMore);
    }
    match (peer.handover, &source.phase) {
        // Said once, it holds for the whole epoch, so this node may open the next: nobody else will.
        (Some(Decision::Void(_)), _) => reopen(state, facts, source, state.epoch.number.next(), None, Cause::Voided),
        (Some(Decision::Requested(id)), SourcePhase::Active) if source.acked.is_some() => {
            close(state, facts, source, id)
        }
        _ => match peer.visible.filter(|visible| lands(facts, source, *visible)) {
            Some(visible) => acknowledge(state, facts, source, visible),
            None => nothing(state),
        },
    }
}

/// A snapshot of this node's line that this node lacks and did not let go, newer than any it knows to have arrived.
fn seen_more(facts: &Facts<'_>, source: &Source, view: &PathView, visible: SnapshotGuid) -> bool {
    if has(facts.snapshots, visible) || !source.released.is_empty() {
        return false;
    }
    let Some(shown) = view.meta(visible) else { return false };
    let acked = source.acked.and_then(|acked| facts.snapshots.iter().find(|meta| meta.guid == acked));
    acked.is_none_or(|acked| shown.created > acked.created)
}

/// Whether `visible` is news: newer here than what is known to have arrived.
fn lands(facts: &Facts<'_>, source: &Source, visible: SnapshotGuid) -> bool {
    let age = |guid| facts.snapshots.iter().position(|meta| meta.guid == guid);
    match (age(visible), source.acked.and_then(age)) {
        (Some(visible), Some(acked)) => visible < acked,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// What a destination shows within an epoch never goes back, so no transfer to anything older can land any more.
fn acknowledge(state: &PathState, facts: &Facts<'_>, source: &Source, visible: SnapshotGuid) -> Step {
    let age = |guid: SnapshotGuid| facts.snapshots.iter().position(|meta| meta.guid == guid);
    let newer = |guid: SnapshotGuid| age(guid).is_some_and(|at| Some(at) < age(visible));
    let in_flight = source.in_flight.filter(|flight| newer(flight.to));
    let asked = source.asked.iter().copied().filter(|asked| newer(*asked)).collect();
    let phase = match &source.phase {
        SourcePhase::Initializing => SourcePhase::Active,
        other => other.clone(),
    };
    let next = Source { in_flight, asked, supersedes: source.supersedes, ..Source::new(phase, Some(visible)) };
    let mut draft = Draft::of(state, facts);
    draft.life(Life::Source(next)).feed_from(At::Snapshot(visible)).release(&[Purpose::Fork]);
    if in_flight.is_none() {
        draft.release(&[Purpose::TransferBase, Purpose::TransferTo]);
    }
    draft.finish()
}

fn destination_hears(state: &PathState, facts: &Facts<'_>, destination: &Destination, view: &PathView) -> Step {
    if let DestinationPhase::Promoting(_) | DestinationPhase::Rewinding { takeover: Some(_), .. } = destination.phase {
        return nothing(state);
    }
    let rewinding = matches!(destination.phase, DestinationPhase::Rewinding { .. });
    if view.epoch.number > state.epoch.number {
        if let Some(unfinished) = unfinished(facts) {
            return Draft::nothing(state, vec![unfinished.action()]);
        }
        if forgotten(state, view) {
            return if rewinding {
                nothing(state)
            } else {
                disagree(state, facts, view, Disagreement::OwnEpochForgotten)
            };
        }
        if newer_source(state, view) {
            return destination_hears_newer_source(state, facts, destination, view);
        }
    }
    match (&view.life, &destination.phase) {
        (Life::Standalone(_), DestinationPhase::Active) if view.epoch.number > state.epoch.number => {
            let number = claim(state).max(view.epoch.number);
            take_over(state, facts, destination, Takeover::StandAlone { by: Decider::Peer }, number)
        }
        (Life::Source(source), phase)
            if view.epoch == state.epoch && !matches!(phase, DestinationPhase::Conflict(_)) =>
        {
            destination_hears_source(state, facts, destination, source, view)
        }
        _ => nothing(state),
    }
}

fn destination_hears_newer_source(
    state: &PathState,
    facts: &Facts<'_>,
    destination: &Destination,
    view: &PathView,
) -> Step {
    let Some(visible) = destination.visible else { return adopt(state, facts, destination, view, None) };
    if has(&view.snapshots, visible) {
        return adopt(state, facts, destination, view, Some(visible));
    }
    if matches!(destination.phase, DestinationPhase::Rewinding { .. }) {
        return nothing(state);
    }
    match newest_common(facts.snapshots, &view.snapshots) {
        Some(common) => adopt(state, facts, destination, view, Some(common)),
        None => disagree(state, facts, view, Disagreement::NoCommonSnapshot),
    }
}

fn destination_hears_source(
    state: &PathState,
    facts: &Facts<'_>,
    destination: &Destination,
    source: &Source,
    view: &PathView,
) -> Step {
    if let SourcePhase::HandingOver(handover) = source.phase {
        return match destination.handover {
            Some(Decision::Void(_)) => nothing(state),
            _ if handover.abort => decide(state, facts, destination, Decision::Void(handover.id)),
            Some(Decision::Following { .. }) => due(state, facts, destination),
            _ => {
                let decision = Decision::Following { id: handover.id, last: handover.last };
                decide(state, facts, destination, decision)
            }
        };
    }
    if view.policy != state.detail.policy {
        let mut draft = Draft::of(state, facts);
        draft.state.detail.policy = view.policy;
        return draft.finish();
    }
    nothing(state)
}

/// Only a reattach by an operator, at the peer and naming this very epoch, ends Standalone from outside.
fn standalone_hears(state: &PathState, facts: &Facts<'_>, view: &PathView) -> Step {
    let superseded = matches!(&view.life, Life::Source(source) if source.supersedes == Some(state.epoch));
    if !superseded || !newer_source(state, view) {
        return nothing(state);
    }
    match newest_common(facts.snapshots, &view.snapshots) {
        Some(common) => rejoin(state, facts, view, common),
        None => nothing(state),
    }
}

/// What a destination owes to what is durable already.
pub(super) fn due(state: &PathState, facts: &Facts<'_>, destination: &Destination) -> Step {
    if let DestinationPhase::Rewinding { to, .. } = destination.phase {
        return Draft::nothing(state, vec![Action::Rewind { to }]);
    }
    if let Some(unfinished) = unfinished(facts) {
        return Draft::nothing(state, vec![unfinished.action()]);
    }
    match (&destination.phase, destination.handover) {
        (DestinationPhase::Promoting(takeover), _) => take_over(state, facts, destination, *takeover, claim(state)),
        (DestinationPhase::Active, Some(Decision::Following { last, .. })) if destination.visible == Some(last) => {
            promote(state, facts, last)
        }
        _ => nothing(state),
    }
}
