use tandem_storage::record::TransferPhase;

use super::*;

const FORCE: Command = Command::Failover(FailoverMode::Force);

fn command(state: &PathState, here: &Here, event: &str) -> Result<Step, Refused> {
    let command = match event {
        "failover" => Command::Failover(FailoverMode::Graceful),
        "alone" => Command::Failover(FailoverMode::StandAlone),
        "force" => Command::Failover(FailoverMode::Force),
        "abort" => Command::Abort,
        "remove" => Command::Remove,
        "reattach" => Command::Reattach { peer: None },
        other => {
            let view = said(state, other.strip_prefix("to:").expect("a reattach to what the peer says"));
            Command::Reattach { peer: Some(Box::new(view)) }
        }
    };
    here.step(state, Event::Command(&command))
}

#[test]
fn every_command_in_every_state_does_what_the_table_says() {
    let table = "
        state      failover        alone           force           abort           remove
        S:init     !NoRestorePoint alone@3         !AlreadySource  !NothingToAbort removed
        S:active   S:handing       alone@3         !AlreadySource  !NothingToAbort removed
        S:handing  -               alone@4         S:active@4      S:aborting      !Busy
        S:aborting -               alone@4         S:active@4      -               !Busy
        S:conflict !InConflict     alone@5         S:active@5      !NothingToAbort removed
        D:init     !NoRestorePoint !NoRestorePoint !NoRestorePoint !NothingToAbort removed
        D:active   D:asks          alone@3         S:active@3      !NothingToAbort removed
        D:asks     -               alone@3         S:active@3      D:void          !Busy
        D:follows  -               alone@3         S:active@3      D:void          !Busy
        D:void     !AbortPending   alone@4         S:active@4      -               removed
        D:rewinds  !Busy           D:rewinds+      D:rewinds+      !NothingToAbort !Busy
        D:rewinds+ !Busy           =               =               D:rewinds       !Busy
        D:promotes !Busy           alone@3         S:active@3      D:active        !Busy
        D:conflict !InConflict     alone@5         S:active@5      !NothingToAbort removed
        alone      !StandsAlone    -               S:active@3      !NothingToAbort removed
    ";
    let here = Here::usual();
    check(table, |state, event| command(state, &here, event));
}

#[test]
fn reattach_makes_a_source_here_unless_the_peer_is_a_newer_one() {
    let table = "
        state      reattach    to:A4      to:A2      to:D1      to:S2      to:S4      to:S-strange4     to:D-empty2
        alone      !PeerSilent S:active@5 S:active@3 S:active@3 S:active@3 D:rewinds@4 !NoCommonSnapshot S:active@3
        S:conflict !PeerSilent S:active@5 S:active@5 S:active@5 S:active@5 D:rewinds@4 !NoCommonSnapshot S:active@5
        D:conflict !PeerSilent S:active@5 S:active@5 S:active@5 S:active@5 D:active@4  !NoCommonSnapshot S:active@5
        S:active   !NotAlone   S:active@5 S:active@3 !NotAlone  !NotAlone  !NotAlone   !NotAlone         !NotAlone
        D:active   !NotAlone   !NotAlone  !NotAlone  !NotAlone  !NotAlone  !NotAlone   !NotAlone         !NotAlone
    ";
    let here = Here::usual();
    check(table, |state, event| command(state, &here, event));
}

#[test]
fn a_reattach_names_the_epoch_that_it_ends() {
    let state = named("alone");
    let view = said(&state, "A4");
    let command = Command::Reattach { peer: Some(Box::new(view.clone())) };
    let step = Here::usual().step(&state, Event::Command(&command)).expect("a step");
    let Life::Source(source) = step.state.life() else { panic!("a source") };
    assert_eq!(source.supersedes, Some(view.epoch));
}

#[test]
fn a_complete_transfer_is_rolled_forward_before_a_gate_opens() {
    let here = Here::with_transfer(TransferPhase::Complete { rows: 4 });
    let state = named("D:active");
    let step = here.step(&state, Event::Command(&FORCE)).expect("taken");
    assert_eq!(outcome(&state, &Ok(step.clone())), "D:promotes");
    assert!(step.then.contains(&Action::FinishTransfer(TransferGuid::from_bytes([9; 16]))));
    assert!(!step.state.writable());
}

#[test]
fn an_incomplete_transfer_is_dropped_in_the_commit_that_opens_the_gate() {
    let here = Here::with_transfer(TransferPhase::Receiving { rows: 4 });
    let step = here.step(&named("D:active"), Event::Command(&FORCE)).expect("taken");
    assert!(step.state.writable());
    let dropped = |op: &PathOp| matches!(op, PathOp::DropTransfer { id } if *id == TransferGuid::from_bytes([9; 16]));
    assert!(step.persist.iter().any(dropped));
}

#[test]
fn the_gate_closes_and_the_last_snapshot_is_taken_in_one_commit() {
    let step = Here::usual()
        .step(&named("S:active"), Event::Command(&Command::Failover(FailoverMode::Graceful)))
        .expect("taken");
    let taken =
        |op: &PathOp| matches!(op, PathOp::Snapshot(spec) if spec.at == At::ThisCommit && spec.guid == snapshot(FRESH));
    let closed = |op: &PathOp| matches!(op, PathOp::Change { access: Some(AccessChange::Closed), .. });
    assert!(step.persist.iter().any(taken) && step.persist.iter().any(closed));
    let Life::Source(Source { phase: SourcePhase::HandingOver(handover), .. }) = step.state.life() else { panic!() };
    assert_eq!(handover.last, snapshot(FRESH));
}

#[test]
fn diverged_writes_go_when_told_and_stay_while_locked() {
    let mut state = named("S:active");
    let number = EpochNumber::new(1);
    state.detail.diverged.push(Diverged { epoch: number, snapshot: snapshot(2), base: snapshot(1), entries: None });
    let here = Here::usual();
    let discard = |state: &PathState, locked| {
        here.step(state, Event::Command(&Command::DiscardDiverged { epoch: number, locked }))
    };
    assert_eq!(discard(&state, true).expect_err("locked"), Refused::Locked);
    let step = discard(&state, false).expect("taken");
    assert!(step.state.detail.diverged.is_empty());
    let dropped = |op: &PathOp| matches!(op, PathOp::DropSnapshot { snapshot: gone, .. } if *gone == snapshot(2));
    assert!(step.persist.iter().any(dropped));
    assert_eq!(discard(&step.state, false).expect_err("gone"), Refused::Unknown);
}

#[test]
fn a_policy_is_set_at_the_source_and_is_at_least_a_second() {
    let here = Here::usual();
    let set = |state, policy| here.step(&named(state), Event::Command(&Command::SetPolicy(policy)));
    let short = Policy { every: std::time::Duration::from_millis(999), ..policy() };
    assert_eq!(set("S:active", short).expect_err("too short"), Refused::BadPolicy);
    assert_eq!(set("D:active", policy()).expect_err("not here"), Refused::NotSource);
    assert!(set("S:active", policy()).is_ok());
}
