use tandem_storage::record::{Access, PathRow, Record};
use tandem_storage::types::Seq;

use super::*;

const ALL: [&str; 15] = [
    "S:init",
    "S:active",
    "S:handing",
    "S:aborting",
    "S:conflict",
    "D:init",
    "D:active",
    "D:asks",
    "D:follows",
    "D:void",
    "D:rewinds",
    "D:rewinds+",
    "D:promotes",
    "D:conflict",
    "alone",
];

fn row(state: &PathState, access: Access) -> PathRow {
    let (guid, scope, epoch, revision) = (state.guid, state.scope.clone(), state.epoch, state.revision);
    PathRow { guid, scope, access, epoch, revision, detail: state.detail.encode() }
}

fn access(state: &PathState) -> Access {
    match state.life() {
        Life::Destination(_) => Access::ReadAt(Seq::new(7)),
        _ if state.writable() => Access::Writable,
        _ => Access::Closed,
    }
}

#[test]
fn every_state_survives_a_restart() {
    for state in ALL.map(named) {
        assert_eq!(PathState::from_row(ME, &row(&state, access(&state))).expect("decodes"), state);
    }
}

#[test]
fn a_row_whose_gate_does_not_fit_its_role_is_damage() {
    for state in ALL.map(named) {
        for other in [Access::Writable, Access::Closed, Access::ReadAt(Seq::new(7))] {
            let fits = std::mem::discriminant(&other) == std::mem::discriminant(&access(&state));
            assert_eq!(PathState::from_row(ME, &row(&state, other)).is_ok(), fits, "{} {other:?}", name(state.life()));
        }
    }
}

#[test]
fn an_unknown_format_of_the_detail_is_refused() {
    let state = named("S:active");
    let mut row = row(&state, Access::Writable);
    row.detail[0] = 99;
    assert!(PathState::from_row(ME, &row).is_err());
}

#[test]
fn a_step_persists_the_state_it_returns_and_expects_the_row_it_came_from() {
    let state = named("D:active");
    let step = Here::usual().step(&state, Event::Command(&Command::Failover(FailoverMode::Force))).expect("taken");
    let change = step.persist.iter().find_map(|op| match op {
        PathOp::Change { revision, epoch, detail, .. } => Some((*revision, *epoch, detail.clone())),
        _ => None,
    });
    assert_eq!(change, Some((state.revision, Some(step.state.epoch), Some(step.state.detail.encode()))));
    assert_eq!(step.state.revision, state.revision + 1);
}

#[test]
fn role_changes_are_recorded_and_their_number_is_bounded() {
    let mut state = named("alone");
    for _ in 0..40 {
        for mode in [FailoverMode::Force, FailoverMode::StandAlone] {
            let step = Here::usual().step(&state, Event::Command(&Command::Failover(mode))).expect("taken");
            assert!(step.then.iter().any(|action| matches!(action, Action::Audit(_))));
            state = step.state;
        }
    }
    assert_eq!(state.detail.changes.len(), Detail::CHANGES);
    assert_eq!(state.epoch.number, EpochNumber::new(82));
}

#[test]
fn a_view_tells_what_is_protected_however_old_it_is() {
    let mut state = named("S:active");
    let Life::Source(source) = &mut state.detail.life else { panic!() };
    let wide = |number: u16| {
        SnapshotGuid::from_bytes([
            number.to_be_bytes()[0] | 0x80,
            number.to_be_bytes()[1],
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ])
    };
    source.acked = Some(wide(0));
    let snapshots: Vec<SnapshotMeta> =
        (0..2000).rev().map(|number| SnapshotMeta { guid: wide(number), ..meta(1) }).collect();
    let fresh = Fresh { snapshot: snapshot(FRESH), handover: HANDOVER };
    let (now, account) = (Timestamp::default(), Account::Proved);
    let facts = Facts { now, snapshots: &snapshots, dirty: true, transfer: None, account, fresh };
    let view = PathView::of(&state, &facts);
    assert_eq!(view.snapshots.len(), PathView::SNAPSHOTS + 1);
    assert!(view.meta(wide(0)).is_some());
}
