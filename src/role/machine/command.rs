//! What an operator may ask, on either node.

use tandem_storage::change::PathOp;
use tandem_storage::types::EpochNumber;

use super::change::{claim, close, decide, part, rejoin, reopen, resume_as_source, take_over, unfinished};
use super::draft::Draft;
use super::event::{Action, Command, FailoverMode, Refused, Step};
use super::evidence::newest_common;
use super::state::{
    Cause, Decider, Decision, Destination, DestinationPhase, Facts, HandOver, Life, PathState, Policy, Source,
    SourcePhase, Standalone, Takeover,
};
use super::view::PathView;

pub(super) fn obey(state: &PathState, facts: &Facts<'_>, command: &Command) -> Result<Step, Refused> {
    match command {
        Command::Failover(FailoverMode::Graceful) => failover(state, facts),
        Command::Failover(FailoverMode::StandAlone) => stand_alone(state, facts),
        Command::Failover(FailoverMode::Force) => force(state, facts),
        Command::Abort => abort(state, facts),
        Command::Reattach { peer } => reattach(state, facts, peer.as_deref()),
        Command::SetPolicy(policy) => set_policy(state, facts, *policy),
        Command::DiscardDiverged { epoch, locked } => discard(state, facts, *epoch, *locked),
        Command::Remove => remove(state, facts),
    }
}

fn done(state: &PathState) -> Result<Step, Refused> {
    Ok(Draft::nothing(state, vec![Action::Announce]))
}

fn busy(what: &str) -> Refused {
    Refused::Busy(what.to_owned())
}

fn in_conflict(state: &PathState) -> Refused {
    Refused::InConflict(state.conflict().map(ToString::to_string).unwrap_or_default())
}

fn failover(state: &PathState, facts: &Facts<'_>) -> Result<Step, Refused> {
    match &state.detail.life {
        Life::Source(source) => match &source.phase {
            SourcePhase::Active if source.acked.is_some() => Ok(close(state, facts, source, facts.fresh.handover)),
            SourcePhase::Initializing | SourcePhase::Active => Err(Refused::NoRestorePoint),
            SourcePhase::HandingOver(_) => done(state),
            SourcePhase::Conflict(_) => Err(in_conflict(state)),
        },
        Life::Destination(destination) => match (&destination.phase, destination.handover) {
            (DestinationPhase::Initializing, _) => Err(Refused::NoRestorePoint),
            (DestinationPhase::Conflict(_), _) => Err(in_conflict(state)),
            (DestinationPhase::Rewinding { .. }, _) => Err(busy("the node is rejoining")),
            (DestinationPhase::Promoting(_), _) => Err(busy("a forced failover is finishing")),
            (DestinationPhase::Active, Some(Decision::Void(_))) => Err(Refused::AbortPending),
            (DestinationPhase::Active, Some(_)) => done(state),
            (DestinationPhase::Active, None) => {
                Ok(decide(state, facts, destination, Decision::Requested(facts.fresh.handover)))
            }
        },
        Life::Standalone(_) => Err(Refused::StandsAlone),
    }
}

fn stand_alone(state: &PathState, facts: &Facts<'_>) -> Result<Step, Refused> {
    let by = Decider::Operator;
    match &state.detail.life {
        Life::Source(source) => Ok(part(state, facts, source, claim(state), by)),
        Life::Destination(destination) => without_asking(state, facts, destination, Takeover::StandAlone { by }),
        Life::Standalone(_) => done(state),
    }
}

fn force(state: &PathState, facts: &Facts<'_>) -> Result<Step, Refused> {
    match &state.detail.life {
        Life::Source(source) => match &source.phase {
            SourcePhase::Initializing | SourcePhase::Active => Err(Refused::AlreadySource),
            SourcePhase::HandingOver(_) | SourcePhase::Conflict(_) => {
                Ok(reopen(state, facts, source, claim(state), None, Cause::Forced))
            }
        },
        Life::Destination(destination) => without_asking(state, facts, destination, Takeover::Force),
        Life::Standalone(alone) if alone.acked.is_none() => Err(Refused::NoRestorePoint),
        Life::Standalone(alone) => Ok(resume_as_source(state, facts, alone, claim(state), None, Cause::Forced)),
    }
}

fn without_asking(
    state: &PathState,
    facts: &Facts<'_>,
    destination: &Destination,
    takeover: Takeover,
) -> Result<Step, Refused> {
    if destination.visible.is_none() {
        return Err(unfinished(facts).map_or(Refused::NoRestorePoint, |unfinished| unfinished.busy()));
    }
    Ok(take_over(state, facts, destination, takeover, claim(state)))
}

fn abort(state: &PathState, facts: &Facts<'_>) -> Result<Step, Refused> {
    match &state.detail.life {
        Life::Source(source) => match source.phase {
            SourcePhase::HandingOver(HandOver { abort: true, .. }) => done(state),
            SourcePhase::HandingOver(handover) => {
                let mut draft = Draft::of(state, facts);
                let phase = SourcePhase::HandingOver(HandOver { abort: true, ..handover });
                draft.life(Life::Source(Source { phase, ..source.clone() }));
                Ok(draft.then(Action::Announce).finish())
            }
            _ => Err(Refused::NothingToAbort),
        },
        Life::Destination(destination) => match (&destination.phase, destination.handover) {
            (DestinationPhase::Promoting(_), _) => Ok(stay(state, facts, destination, DestinationPhase::Active)),
            (DestinationPhase::Rewinding { to, takeover: Some(_) }, _) => {
                let phase = DestinationPhase::Rewinding { to: *to, takeover: None };
                Ok(stay(state, facts, destination, phase))
            }
            (_, Some(Decision::Requested(id) | Decision::Following { id, .. })) => {
                Ok(decide(state, facts, destination, Decision::Void(id)))
            }
            (_, Some(Decision::Void(_))) => done(state),
            _ => Err(Refused::NothingToAbort),
        },
        Life::Standalone(_) => Err(Refused::NothingToAbort),
    }
}

fn stay(state: &PathState, facts: &Facts<'_>, destination: &Destination, phase: DestinationPhase) -> Step {
    let mut draft = Draft::of(state, facts);
    draft.life(Life::Destination(Destination { phase, ..destination.clone() }));
    draft.then(Action::Announce).finish()
}

fn reattach(state: &PathState, facts: &Facts<'_>, peer: Option<&PathView>) -> Result<Step, Refused> {
    let alone = matches!(state.detail.life, Life::Standalone(_)) || state.conflict().is_some();
    let view = match peer {
        Some(view) if view.path == state.guid && view.speaker == state.detail.peer.guid => view,
        _ if alone => return Err(Refused::PeerSilent),
        _ => return Err(Refused::NotAlone),
    };
    let peer_alone = matches!(view.life, Life::Standalone(_));
    if !(alone || peer_alone && state.writable()) {
        return Err(Refused::NotAlone);
    }
    let common = newest_common(facts.snapshots, &view.snapshots);
    if common.is_none() && !view.snapshots.is_empty() {
        return Err(Refused::NoCommonSnapshot);
    }
    if follows(state, view) {
        let common = common.ok_or(Refused::NoCommonSnapshot)?;
        if let Some(unfinished) = unfinished(facts) {
            return Err(unfinished.busy());
        }
        return Ok(rejoin(state, facts, view, common));
    }
    let known = claim(state).max(view.epoch.number.next());
    become_source(state, facts, view, known)
}

/// Whether a reattach puts this node under the peer: that is Source of a newer epoch already.
fn follows(state: &PathState, view: &PathView) -> bool {
    let writes = matches!(&view.life, Life::Source(source) if !matches!(source.phase, SourcePhase::Conflict(_)));
    writes && view.epoch.number > state.epoch.number
}

fn become_source(state: &PathState, facts: &Facts<'_>, view: &PathView, number: EpochNumber) -> Result<Step, Refused> {
    let (supersedes, cause) = (Some(view.epoch), Cause::Reattached);
    match &state.detail.life {
        Life::Source(source) => Ok(reopen(state, facts, source, number, supersedes, cause)),
        Life::Standalone(alone) => {
            // What the peer said may be old, so what was known to be on both sides stays, and the newer common point is kept as well.
            let common = newest_common(facts.snapshots, &view.snapshots);
            let mut alone = Standalone { acked: alone.acked.or(common), ..alone.clone() };
            alone.asked.extend(common.filter(|common| alone.acked != Some(*common)));
            Ok(resume_as_source(state, facts, &alone, number, supersedes, cause))
        }
        Life::Destination(destination) if destination.visible.is_none() => Err(Refused::NoRestorePoint),
        Life::Destination(destination) => Ok(take_over(state, facts, destination, Takeover::Force, number)),
    }
}

fn set_policy(state: &PathState, facts: &Facts<'_>, policy: Policy) -> Result<Step, Refused> {
    policy.check()?;
    if state.is_destination() {
        return Err(Refused::NotSource);
    }
    let mut draft = Draft::of(state, facts);
    draft.state.detail.policy = policy;
    Ok(draft.then(Action::Announce).finish())
}

fn discard(state: &PathState, facts: &Facts<'_>, epoch: EpochNumber, locked: bool) -> Result<Step, Refused> {
    let found = state.detail.diverged.iter().find(|diverged| diverged.epoch == epoch);
    let snapshot = found.ok_or(Refused::Unknown)?.snapshot;
    if locked {
        return Err(Refused::Locked);
    }
    if matches!(&state.detail.life, Life::Destination(Destination { phase: DestinationPhase::Rewinding { .. }, .. })) {
        return Err(busy("the node is rejoining"));
    }
    let mut draft = Draft::of(state, facts);
    draft.state.detail.diverged.retain(|diverged| diverged.epoch != epoch);
    if !draft.state.protected().contains(&snapshot) {
        draft.op(PathOp::DropSnapshot { path: state.guid, snapshot });
    }
    Ok(draft.finish())
}

/// A path is not removed from under a failover, nor while its present is between two points.
fn remove(state: &PathState, facts: &Facts<'_>) -> Result<Step, Refused> {
    let failover = "a failover is in progress (abort it first)";
    let unfinished = unfinished(facts);
    match &state.detail.life {
        Life::Source(Source { phase: SourcePhase::HandingOver(_), .. }) => return Err(busy(failover)),
        Life::Destination(destination) => match (&destination.phase, destination.handover) {
            (DestinationPhase::Rewinding { .. }, _) => return Err(busy("the node is rejoining")),
            (DestinationPhase::Promoting(_), _) => return Err(busy(failover)),
            (_, Some(Decision::Requested(_) | Decision::Following { .. })) => return Err(busy(failover)),
            _ => {
                if let Some(unfinished) = unfinished {
                    return Err(unfinished.busy());
                }
            }
        },
        _ => {}
    }
    let persist = vec![PathOp::Remove { guid: state.guid, revision: state.revision }];
    Ok(Step { state: state.clone(), persist, then: vec![Action::StopTransfer], removed: true })
}
