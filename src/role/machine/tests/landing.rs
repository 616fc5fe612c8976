use tandem_storage::record::{Digest, TransferPhase};

use super::*;

const TRANSFER: TransferGuid = TransferGuid::from_bytes([9; 16]);

fn digest() -> Digest {
    Digest::from_bytes(vec![0; Digest::BYTES]).expect("a digest's length")
}

fn offer(base: Option<u8>, to: u8) -> Offer {
    Offer {
        transfer: TRANSFER,
        path: PATH,
        epoch: epoch(2, PEER),
        base: base.map(snapshot),
        to: meta(to),
        compares_all: false,
    }
}

fn considered(here: &Here, state: &PathState, offer: &Offer) -> Result<Taking, Refused> {
    let fresh = Fresh { snapshot: snapshot(FRESH), handover: HANDOVER };
    let (snapshots, transfer) = (&here.snapshots, here.transfer.as_ref());
    consider(
        state,
        &Facts { now: Timestamp::default(), snapshots, dirty: true, transfer, account: Account::Proved, fresh },
        offer,
    )
}

#[test]
fn the_flip_makes_the_snapshot_and_shows_it_in_one_commit() {
    let here = Here::with_transfer(TransferPhase::Applying { rows: 4, applied: 4 });
    let digest = digest();
    let event = Event::Applied { transfer: TRANSFER, digest: &digest };
    let step = here.step(&named("D:active"), event).expect("lands");
    let [PathOp::Snapshot(made), PathOp::Change { access, .. }, ..] = &step.persist[..] else { panic!() };
    assert_eq!((made.guid, made.at, made.digest.as_ref()), (snapshot(3), At::ThisCommit, Some(&digest)));
    assert_eq!(*access, Some(AccessChange::ReadAt(At::ThisCommit)));
    let Life::Destination(shown) = step.state.life() else { panic!() };
    assert_eq!((shown.visible, shown.previous), (Some(snapshot(3)), Some(snapshot(2))));
    assert_eq!(step.then, vec![Action::Announce]);
}

#[test]
fn only_the_transfer_that_is_complete_lands() {
    let digest = digest();
    let event = Event::Applied { transfer: TRANSFER, digest: &digest };
    for here in [Here::usual(), Here::with_transfer(TransferPhase::Receiving { rows: 4 })] {
        assert_eq!(here.step(&named("D:active"), event).expect_err("nothing to land"), Refused::Unknown);
    }
}

#[test]
fn a_destination_takes_only_what_leads_on_from_what_it_shows() {
    let (here, active, empty) = (Here::usual(), named("D:active"), named("D:init"));
    let fresh = Ok(Taking::Begin { drop: None });
    assert_eq!(considered(&here, &active, &offer(Some(2), 3)), fresh);
    assert_eq!(considered(&here, &active, &offer(Some(1), 3)), Err(Refused::WrongBase));
    assert_eq!(considered(&here, &active, &offer(None, 3)), fresh);
    assert_eq!(considered(&here, &active, &offer(None, 1)), Err(Refused::WrongBase));
    assert_eq!(considered(&here, &active, &offer(Some(1), 2)), Ok(Taking::Landed));
    assert_eq!(considered(&here, &empty, &offer(None, 1)), fresh);
    assert_eq!(considered(&here, &empty, &offer(Some(1), 3)), Err(Refused::WrongBase));
    let old = Offer { epoch: epoch(1, PEER), ..offer(Some(2), 3) };
    assert_eq!(considered(&here, &active, &old), Err(Refused::WrongEpoch));
    assert_eq!(considered(&here, &named("S:active"), &offer(Some(2), 3)), Err(Refused::NotDestination));
    for busy in ["D:rewinds", "D:promotes", "D:conflict"] {
        assert!(matches!(considered(&here, &named(busy), &offer(Some(2), 3)), Err(Refused::Busy(_))), "{busy}");
    }
}

#[test]
fn a_transfer_goes_on_where_it_was_or_gives_way() {
    let (active, half) = (named("D:active"), Here::with_transfer(TransferPhase::Receiving { rows: 4 }));
    assert_eq!(considered(&half, &active, &offer(Some(2), 3)), Ok(Taking::Resume { rows: 4 }));
    let other = Offer { transfer: TransferGuid::from_bytes([8; 16]), ..offer(Some(2), 4) };
    assert_eq!(considered(&half, &active, &other), Ok(Taking::Begin { drop: Some(TRANSFER) }));
    let whole = Here::with_transfer(TransferPhase::Complete { rows: 4 });
    assert_eq!(considered(&whole, &active, &offer(Some(2), 3)), Ok(Taking::Complete));
    assert!(matches!(considered(&whole, &active, &other), Err(Refused::Busy(_))));
}

#[test]
fn holds_are_durable_before_the_first_byte_and_go_with_the_word_that_it_landed() {
    let (here, state) = (Here::usual(), named("S:active"));
    let flight = InFlight { transfer: TRANSFER, epoch: EpochNumber::new(2), base: Some(snapshot(1)), to: snapshot(2) };
    let step = here.step(&state, Event::Ship(flight)).expect("ships");
    let held = |step: &Step| step.persist.iter().filter(|op| matches!(op, PathOp::Hold { .. })).count();
    assert_eq!((held(&step), step.then.last()), (2, Some(&Action::Ship(flight))));
    assert!(step.state.protected().contains(&snapshot(2)));
    let again = here.step(&step.state, Event::Ship(flight)).expect("ships on");
    assert!(again.persist.is_empty());
    let heard = here.step(&step.state, Event::Heard(&said(&state, "D-new2"))).expect("heard");
    let Life::Source(source) = heard.state.life() else { panic!() };
    assert_eq!((source.acked, source.in_flight), (Some(snapshot(2)), None));
    let released = heard.persist.iter().filter(|op| matches!(op, PathOp::Release { .. })).count();
    assert_eq!(released, 3);
    let unknown = InFlight { to: snapshot(7), ..flight };
    assert_eq!(here.step(&state, Event::Ship(unknown)).expect_err("no such snapshot"), Refused::Unknown);
}

#[test]
fn what_was_sent_and_not_heard_of_stays() {
    let here = Here { snapshots: metas(&[4, 3, 2, 1]), ..Here::usual() };
    let flight =
        |to| InFlight { transfer: TRANSFER, epoch: EpochNumber::new(2), base: Some(snapshot(1)), to: snapshot(to) };
    let mut state = named("S:active");
    for to in [2, 3, 2, 4, 2, 3] {
        state = here.step(&state, Event::Ship(flight(to))).expect("ships").state;
    }
    let Life::Source(source) = state.life() else { panic!() };
    assert_eq!((source.asked.as_slice(), source.released.len()), (&[snapshot(2), snapshot(4)][..], 0));
    assert!([2, 3, 4].iter().all(|number| state.protected().contains(&snapshot(*number))));
}

#[test]
fn space_takes_the_base_and_the_peer_gets_a_seed() {
    let here = Here::usual();
    let step = here.step(&named("S:active"), Event::DropForSpace(snapshot(1))).expect("taken");
    let Life::Source(source) = step.state.life() else { panic!() };
    assert_eq!((source.acked, source.released.as_slice()), (None, &[snapshot(1)][..]));
    assert!(step.persist.iter().any(|op| matches!(op, PathOp::DropSnapshot { .. })));
    assert_eq!(here.step(&named("S:active"), Event::DropForSpace(snapshot(2))).expect_err("newest"), Refused::Unknown);
}

#[test]
fn without_a_base_the_feed_begins_with_the_newest_snapshot() {
    let here = Here::usual();
    let takes = Event::Snapshot { name: "s", by: CreatorKind::Policy, expires: None, locked: false };
    let moved = |state: &PathState| {
        let ops = here.step(state, takes).expect("a snapshot").persist;
        ops.iter().any(|op| matches!(op, PathOp::Cursor { after: At::ThisCommit, .. }))
    };
    let acked = named("S:active");
    assert!(!moved(&acked));
    let mut baseless = here.step(&acked, Event::DropForSpace(snapshot(1))).expect("taken").state;
    assert!(moved(&baseless));
    let flight = InFlight { transfer: TRANSFER, epoch: EpochNumber::new(2), base: None, to: snapshot(2) };
    assert!(!moved(&here.step(&baseless, Event::Ship(flight)).expect("ships").state), "a seed is on its way");
    baseless.epoch.fork = Some(snapshot(2));
    assert!(!moved(&baseless), "the peer may rejoin from the fork");
}

#[test]
fn what_is_kept_for_the_peer_alone_is_all_that_the_cap_takes() {
    let here = Here { snapshots: metas(&[5, 4, 3, 2, 1]), ..Here::usual() };
    let flight =
        |to| InFlight { transfer: TRANSFER, epoch: EpochNumber::new(2), base: Some(snapshot(1)), to: snapshot(to) };
    let mut state = named("S:active");
    for to in [2, 4, 5] {
        state = here.step(&state, Event::Ship(flight(to))).expect("ships").state;
    }
    assert_eq!(state.kept_for_peer(&here.snapshots), [snapshot(1), snapshot(2), snapshot(4)]);
    state.detail.diverged.push(Diverged {
        epoch: EpochNumber::new(1),
        snapshot: snapshot(2),
        base: snapshot(9),
        entries: None,
    });
    assert_eq!(state.kept_for_peer(&here.snapshots), [snapshot(1), snapshot(4)]);
    for gone in [1, 4] {
        state = here.step(&state, Event::DropForSpace(snapshot(gone))).expect("taken").state;
    }
    assert!(state.kept_for_peer(&here.snapshots).is_empty());
    let Life::Source(source) = state.life() else { panic!() };
    assert_eq!((source.acked, source.in_flight), (None, None));
    assert!(named("D:active").kept_for_peer(&here.snapshots).is_empty());
}

#[test]
fn a_finished_rewind_goes_on_to_what_waited_for_it() {
    let (here, event) = (Here::usual(), Event::Rewound { entries: 3 });
    check(
        "state x\n D:rewinds D:active\n D:rewinds+ D:promotes\n D:active !Unknown\n S:active !NotDestination",
        |state, _| here.step(state, event),
    );
    let due = here.step(&named("D:rewinds"), Event::Tick).expect("due");
    assert_eq!(due.then, vec![Action::Rewind { to: snapshot(2) }]);
    assert_eq!(outcome(&named("D:promotes"), &here.step(&named("D:promotes"), Event::Tick)), "S:active@3");
}

#[test]
fn a_destination_takes_users_snapshots_of_what_it_shows() {
    let here = Here::usual();
    let taken = |by| Event::Snapshot { name: "mine", by, expires: None, locked: false };
    let step = here.step(&named("D:active"), taken(CreatorKind::User)).expect("taken");
    assert!(matches!(&step.persist[..], [PathOp::Snapshot(spec)] if spec.at == At::Snapshot(snapshot(2))));
    assert_eq!(here.step(&named("D:active"), taken(CreatorKind::Policy)).expect_err("not here"), Refused::NotSource);
    assert_eq!(here.step(&named("S:handing"), taken(CreatorKind::Policy)).expect_err("closed"), Refused::NotSource);
}
