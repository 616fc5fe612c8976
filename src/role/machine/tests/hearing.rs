use tandem_storage::record::TransferPhase;

use super::*;

fn hear(here: &Here, state: &PathState, what: &str) -> Result<Step, Refused> {
    here.step(state, Event::Heard(&said(state, what)))
}

#[test]
fn what_a_source_hears_of_another_writable_side() {
    let table = "
        state      S1 S2         S3           S-strange3 S-conflict3 A1 A2      A3
        S:init     -  S:conflict D:rewinds@3  S:conflict -           -  alone@3 alone@3
        S:active   -  S:conflict D:rewinds@3  S:conflict -           -  alone@3 alone@3
        S:handing  -  S:conflict D:active@3   S:conflict -           -  alone@4 alone@4
        S:conflict -  -          -            -          -           -  -       -
        alone      -  -          -            -          -           -  -       -
    ";
    let here = Here::usual();
    check(table, |state, event| hear(&here, state, event));
}

#[test]
fn what_a_source_hears_of_its_destination() {
    let table = "
        state      D1 D2 D-new2   D-more2    D-empty2 D-asks2   D-void2    D3
        S:init     -  S:active S:active S:conflict - S:active  S:init@3   S:conflict
        S:active   -  -  =        S:conflict -        S:handing S:active@3 S:conflict
        S:handing  -  -  =        S:conflict -        -         S:active@3 S:conflict
        S:aborting -  -  =        S:conflict -        -         S:active@3 S:conflict
        S:conflict -  -  -        -          -        -         -          -
    ";
    let here = Here::usual();
    check(table, |state, event| hear(&here, state, event));
}

#[test]
fn what_a_destination_hears() {
    let table = "
        state      S1 S2 S-hands2  S-aborts2 S3         S-old3      S-strange3 A2 A3         D-new3
        D:init     -  -  =         =         D:init@3   D:init@3    D:init@3   -  -          D:conflict
        D:active   -  -  D:follows D:void    D:active@3 D:rewinds@3 D:conflict -  alone@3    D:conflict
        D:asks     -  -  D:follows D:void    D:active@3 D:rewinds@3 D:conflict -  alone@3    D:conflict
        D:follows  -  -  -         D:void    D:active@3 D:rewinds@3 D:conflict -  alone@3    D:conflict
        D:void     -  -  -         -         D:active@3 D:rewinds@3 D:conflict -  alone@4    D:conflict
        D:rewinds  -  -  =         =         D:rewinds@3 -          -          -  -          -
        D:rewinds+ -  -  -         -         -          -           -          -  -          -
        D:promotes -  -  -         -         -          -           -          -  -          -
        D:conflict -  -  -         -         D:active@3 D:rewinds@3 -          -  -          =
    ";
    let here = Here::usual();
    check(table, |state, event| hear(&here, state, event));
}

#[test]
fn only_a_reattach_that_names_its_epoch_ends_standalone() {
    let table = "
        state S-supersedes3 S-supersedes2 S-supersedes1 S9
        alone D:rewinds@3   -             -             -
    ";
    let here = Here::usual();
    check(table, |state, event| hear(&here, state, event));
}

#[test]
fn a_conflict_ends_only_by_something_newer_than_its_evidence() {
    let table = "
        state      S3 S4 S5          S-strange5
        S:conflict -  -  D:rewinds@5 =
    ";
    let here = Here::usual();
    check(table, |state, event| hear(&here, state, event));
}

#[test]
fn a_complete_transfer_lands_before_another_epoch_is_taken_up() {
    let here = Here::with_transfer(TransferPhase::Complete { rows: 1 });
    let step = hear(&here, &named("D:active"), "S3").expect("heard");
    assert!(step.persist.is_empty());
    assert_eq!(step.then, vec![Action::FinishTransfer(TransferGuid::from_bytes([9; 16]))]);
}

#[test]
fn another_path_and_another_speaker_are_not_heard() {
    let state = named("S:active");
    let here = Here::usual();
    for change in
        [|view: &mut PathView| view.path = PathGuid::from_bytes([3; 16]), |view: &mut PathView| view.speaker = ME]
    {
        let mut view = said(&state, "S3");
        change(&mut view);
        assert!(here.step(&state, Event::Heard(&view)).expect("heard").persist.is_empty());
    }
}

#[test]
fn later_writes_are_set_aside_in_the_commit_that_follows_the_new_source() {
    let state = named("S:active");
    let step = hear(&Here::usual(), &state, "S-old3").expect("heard");
    let [PathOp::Snapshot(kept), PathOp::Change { access: Some(access), epoch: Some(_), .. }, ..] = &step.persist[..]
    else {
        panic!("a snapshot, then the change: {:?}", step.persist)
    };
    assert_eq!((kept.name.as_str(), kept.at), ("diverged-2", At::ThisCommit));
    assert_eq!(*access, AccessChange::ReadAt(At::Snapshot(snapshot(1))));
    assert_eq!(step.then.last(), Some(&Action::Rewind { to: snapshot(1) }));
    let [diverged] = step.state.detail.diverged[..] else { panic!("one") };
    assert_eq!((diverged.epoch, diverged.base), (EpochNumber::new(2), snapshot(1)));
}

#[test]
fn an_idle_source_rejoins_without_setting_anything_aside() {
    let here = Here { dirty: false, ..Here::usual() };
    let step = hear(&here, &named("S:active"), "S3").expect("heard");
    assert_eq!(outcome(&named("S:active"), &Ok(step.clone())), "D:active@3");
    assert!(step.state.detail.diverged.is_empty());
}

#[test]
fn a_destination_takes_over_once_it_shows_the_last_snapshot() {
    let mut state = named("D:follows");
    let Life::Destination(destination) = &mut state.detail.life else { panic!() };
    destination.handover = Some(Decision::Following { id: HANDOVER, last: snapshot(2) });
    let step = Here::usual().step(&state, Event::Tick).expect("due");
    assert_eq!(outcome(&state, &Ok(step.clone())), "S:active@3");
    assert_eq!(step.state.epoch, Epoch { number: EpochNumber::new(3), writer: ME, fork: Some(snapshot(2)) });
    let opens = |op: &PathOp| matches!(op, PathOp::Change { access: Some(AccessChange::Writable), epoch: Some(_), .. });
    let forks = |op: &PathOp| matches!(op, PathOp::Hold { at: At::Snapshot(at), .. } if *at == snapshot(2));
    assert!(step.persist.iter().any(opens) && step.persist.iter().any(forks));
    assert!(Here::usual().step(&named("D:follows"), Event::Tick).expect("not yet").persist.is_empty());
}

#[test]
fn a_base_that_the_cap_let_go_is_no_conflict() {
    let mut state = named("S:active");
    let Life::Source(source) = &mut state.detail.life else { panic!() };
    (source.acked, source.released) = (None, vec![snapshot(5)]);
    assert!(hear(&Here::usual(), &state, "D-more2").expect("heard").persist.is_empty());
}
