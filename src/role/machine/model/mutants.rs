//! Machines with one mistake each. The checker must find every one, or it proves nothing.

use tandem_storage::change::PathOp;
use tandem_storage::record::{Record, TransferPhase};

use super::super::{
    Account, Decision, Destination, DestinationPhase, Event, Facts, HandoverId, Life, PathState, PathView, Refused,
    Source, SourcePhase, Step, step,
};
use super::world::Limits;
use super::{FORCED, GRACEFUL, REFUSED, explore};

fn with_life(state: &PathState, life: Life) -> PathState {
    let mut changed = state.clone();
    changed.detail.life = life;
    changed
}

/// Makes a changed state what the step persists, too.
fn persisted(mut step: Step) -> Step {
    for op in &mut step.persist {
        if let PathOp::Change { detail, .. } = op {
            *detail = Some(step.state.detail.encode());
        }
    }
    step
}

fn void(state: &PathState) -> PathView {
    let handover = Some(Decision::Void(HandoverId::from_bytes([0; 16])));
    let life = Destination { phase: DestinationPhase::Active, visible: None, previous: None, handover };
    PathView {
        path: state.guid,
        scope: state.scope.clone(),
        speaker: state.detail.peer.guid,
        epoch: state.epoch,
        revision: 0,
        life: Life::Destination(life),
        policy: state.detail.policy,
        snapshots: Vec::new(),
        transfer: None,
        account: Account::Proved,
    }
}

/// A source whose peer is silent writes on after a while.
fn impatient(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    match (event, state.life()) {
        (Event::Tick, Life::Source(Source { phase: SourcePhase::HandingOver(_), .. })) => {
            step(state, facts, Event::Heard(&void(state)))
        }
        _ => step(state, facts, event),
    }
}

/// A destination that called a handover off can be talked into it again.
fn forgetful(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    match (event, state.life()) {
        (Event::Heard(_), Life::Destination(destination))
            if matches!(destination.handover, Some(Decision::Void(_))) =>
        {
            let life = Life::Destination(Destination { handover: None, ..destination.clone() });
            step(&with_life(state, life), facts, event)
        }
        _ => step(state, facts, event),
    }
}

/// A destination takes over with whatever it has.
fn hasty(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    match (event, state.life()) {
        (
            Event::Tick,
            Life::Destination(Destination {
                visible: Some(last), handover: Some(Decision::Following { id, .. }), ..
            }),
        ) => {
            let Life::Destination(destination) = state.life().clone() else { return step(state, facts, event) };
            let handover = Some(Decision::Following { id: *id, last: *last });
            step(&with_life(state, Life::Destination(Destination { handover, ..destination })), facts, event)
        }
        _ => step(state, facts, event),
    }
}

/// A source lets go of what it shipped before it hears what became of it.
fn careless(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    let mut made = step(state, facts, event)?;
    if let (Life::Source(source), Event::Ship(_)) = (&mut made.state.detail.life, event) {
        source.asked.clear();
    }
    Ok(persisted(made))
}

/// Gates open in the old epoch.
fn timeless(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    let mut made = step(state, facts, event)?;
    if !state.writable() && made.state.writable() {
        made.state.epoch = state.epoch;
        for op in &mut made.persist {
            if let PathOp::Change { epoch, .. } = op {
                *epoch = None;
            }
        }
    }
    Ok(made)
}

/// Without the transfer that is being taken back.
fn without_undoing<'a>(facts: &Facts<'a>) -> Facts<'a> {
    let transfer =
        facts.transfer.filter(|row| !matches!(row.phase, TransferPhase::Undoing { .. } | TransferPhase::Undone { .. }));
    Facts { transfer, ..*facts }
}

/// A failover does not wait until what did not arrive whole is taken back.
fn hurried(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    match event {
        Event::Command(_) => step(state, &without_undoing(facts), event),
        _ => step(state, facts, event),
    }
}

/// What did not arrive whole is forgotten at once, as it stands in the present.
fn sloppy(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    let mut made = step(state, facts, event)?;
    if let Event::TotalDiffers { transfer } = event {
        made.persist.push(PathOp::DropTransfer { id: transfer });
    }
    Ok(made)
}

/// Nobody takes back what did not arrive whole.
fn idle(state: &PathState, facts: &Facts<'_>, event: Event<'_>) -> Result<Step, Refused> {
    match event {
        Event::Undone { .. } => step(state, facts, Event::Tick),
        _ => step(state, facts, event),
    }
}

fn finds(rules: super::Rules, limits: Limits, mistake: &str) {
    let (why, way) = explore(rules, limits).broken.expect("the checker sees the mistake");
    assert!(why.contains(mistake), "found another one: {why} by {way:?}");
}

#[test]
fn a_source_that_reopens_by_itself_is_caught() {
    finds(impatient, GRACEFUL, "both sides are writable");
}

#[test]
fn a_destination_that_forgets_its_void_is_caught() {
    finds(forgetful, GRACEFUL, "both sides are writable");
}

#[test]
fn a_destination_that_does_not_wait_for_the_last_snapshot_is_caught() {
    finds(hasty, GRACEFUL, "writes diverged in a graceful handover");
}

#[test]
fn a_source_that_drops_what_may_land_is_caught() {
    finds(careless, Limits { snapshots: 2, ..FORCED }, "a conflict nobody caused");
}

#[test]
fn a_gate_that_opens_over_what_did_not_arrive_whole_is_caught() {
    finds(hurried, REFUSED, "a gate opens over a present between two points");
}

#[test]
fn a_transfer_that_is_dropped_before_it_was_taken_back_is_caught() {
    finds(sloppy, REFUSED, "a half-applied transfer is dropped");
}

#[test]
fn a_transfer_that_nobody_takes_back_is_caught() {
    finds(idle, REFUSED, "the sides do not settle");
}

#[test]
fn an_epoch_that_does_not_rise_is_caught() {
    finds(timeless, GRACEFUL, "a gate opens without a new epoch");
}

#[test]
fn a_node_that_speaks_before_it_persists_is_caught() {
    finds(step, Limits { speaks_early: true, ..GRACEFUL }, "a conflict nobody caused");
}
