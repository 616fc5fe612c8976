use super::*;
use crate::change::Refusal;
use crate::fixture::{Fixture, bucket, create_path, epoch, hold_id, name, path_guid, snapshot, snapshot_guid};
use crate::meta::engine::Table;
use crate::record::{Access, PathRow};
use crate::types::EpochNumber;

fn change(fixture: &Fixture, access: AccessChange) -> PathOp {
    let revision = fixture.store.path(path_guid(1)).expect("a path").revision;
    PathOp::Change { guid: path_guid(1), revision, access: Some(access), epoch: None, detail: None }
}

fn path(fixture: &Fixture) -> PathRow {
    fixture.store.path(path_guid(1)).expect("a path")
}

fn held(fixture: &Fixture, id: HoldId) -> Option<Seq> {
    fixture.store.holds().expect("holds").into_iter().find(|hold| hold.id == id).map(|hold| hold.seq)
}

fn following() -> Fixture {
    let fixture = Fixture::new();
    fixture.paths(vec![create_path(1, Scope::Endpoint, AccessChange::ReadAt(At::ThisCommit))]);
    fixture
}

#[test]
fn paths_do_not_overlap() {
    let fixture = Fixture::new();
    let one = Scope::Bucket(name("one"));
    fixture.paths(vec![create_path(1, one.clone(), AccessChange::Writable)]);
    assert_eq!(fixture.refused(UpdatePaths(vec![create_path(2, one, AccessChange::Writable)])), Refusal::Overlaps);
    let all = create_path(2, Scope::Endpoint, AccessChange::Writable);
    assert_eq!(fixture.refused(UpdatePaths(vec![all])), Refusal::Overlaps);
    fixture.paths(vec![create_path(2, Scope::Bucket(name("two")), AccessChange::Writable)]);
}

#[test]
fn a_change_needs_the_revision_it_saw_and_is_made_whole_or_not_at_all() {
    let fixture = following();
    let stale = change(&fixture, AccessChange::Closed);
    fixture.paths(vec![change(&fixture, AccessChange::Writable)]);
    assert_eq!((path(&fixture).revision, path(&fixture).access), (2, Access::Writable));
    let hold = PathOp::Hold { id: hold_id(9), at: At::ThisCommit, reason: HoldReason::Fork };
    assert_eq!(fixture.refused(UpdatePaths(vec![hold, stale])), Refusal::Stale);
    assert_eq!(held(&fixture, hold_id(9)), None);
    assert_eq!(path(&fixture).access, Access::Writable);
}

#[test]
fn what_a_path_shows_is_held_and_so_is_what_it_showed_before() {
    let fixture = following();
    let (visible, previous) = (visible_hold(path_guid(1)), previous_visible_hold(path_guid(1)));
    let first = fixture.store.newest();
    assert_eq!((held(&fixture, visible), held(&fixture, previous)), (Some(first), None));
    let second = fixture.paths(vec![change(&fixture, AccessChange::ReadAt(At::ThisCommit))]);
    assert_eq!((held(&fixture, visible), held(&fixture, previous)), (Some(second), Some(first)));
    assert_eq!(fixture.refused(UpdatePaths(vec![PathOp::Release { id: visible }])), Refusal::Stale);
    fixture.paths(vec![PathOp::Release { id: previous }]);
    assert_eq!((held(&fixture, visible), held(&fixture, previous)), (Some(second), None));
    let third = fixture.paths(vec![change(&fixture, AccessChange::ReadAt(At::ThisCommit))]);
    fixture.paths(vec![change(&fixture, AccessChange::ReadAt(At::Seq(third)))]);
    assert_eq!((held(&fixture, visible), held(&fixture, previous)), (Some(third), Some(second)));
    fixture.paths(vec![change(&fixture, AccessChange::Writable)]);
    assert_eq!(fixture.count(Table::Holds), 0);
    fixture.collect();
    assert_eq!(fixture.count(Table::Released), 0);
}

#[test]
fn a_point_can_be_named_if_it_is_newest_or_held() {
    let fixture = following();
    let old = fixture.set(vec![bucket(1, "one")]);
    let hold = |id, at| PathOp::Hold { id: hold_id(id), at, reason: HoldReason::Transfer };
    fixture.paths(vec![hold(1, At::Seq(old))]);
    fixture.set(vec![bucket(2, "two")]);
    // One hold takes over from another, in whatever order.
    fixture.paths(vec![PathOp::Release { id: hold_id(1) }, hold(2, At::Seq(old))]);
    assert_eq!(held(&fixture, hold_id(2)), Some(old));
    fixture.paths(vec![PathOp::Release { id: hold_id(2) }]);
    assert_eq!(fixture.refused(UpdatePaths(vec![hold(3, At::Seq(old))])), Refusal::NotHeld);
    let nowhere = At::Snapshot(snapshot_guid(9));
    assert_eq!(fixture.refused(UpdatePaths(vec![hold(3, nowhere)])), Refusal::NotHeld);
}

#[test]
fn snapshots_are_made_once_found_by_guid_and_hold_their_point() {
    let fixture = Fixture::new();
    fixture.paths(vec![create_path(1, Scope::Endpoint, AccessChange::Writable)]);
    let point = fixture.paths(vec![PathOp::Snapshot(snapshot(1, 5, At::ThisCommit))]);
    fixture.paths(vec![PathOp::Snapshot(snapshot(1, 5, At::Seq(point)))]);
    let again = UpdatePaths(vec![PathOp::Snapshot(snapshot(1, 5, At::ThisCommit))]);
    assert_eq!(fixture.refused(again), Refusal::Stale);
    let row = fixture.store.snapshot(snapshot_guid(5)).expect("read").expect("a snapshot");
    assert_eq!((row.seq, row.path, held(&fixture, hold_id(5))), (point, path_guid(1), Some(point)));
    assert_eq!(fixture.refused(UpdatePaths(vec![PathOp::Release { id: hold_id(5) }])), Refusal::Stale);
    // The clock stepped back: a snapshot is later than the one before it all the same.
    let later = fixture.paths(vec![PathOp::Snapshot(snapshot(1, 3, At::ThisCommit))]);
    let rows = fixture.store.snapshots(path_guid(1)).expect("a list");
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [point, later]);
    assert!(rows[1].meta.created > rows[0].meta.created);
    let expires = Some(Timestamp::from_secs(7));
    fixture.paths(vec![PathOp::SetExpiry { snapshot: snapshot_guid(3), expires }]);
    assert_eq!(fixture.store.snapshots(path_guid(1)).expect("a list")[1].expires, expires);
    let unknown = PathOp::SetExpiry { snapshot: snapshot_guid(9), expires };
    assert_eq!(fixture.refused(UpdatePaths(vec![unknown])), Refusal::Unknown);
    let drop = || PathOp::DropSnapshot { path: path_guid(1), snapshot: snapshot_guid(5) };
    fixture.paths(vec![drop()]);
    fixture.paths(vec![drop()]);
    assert_eq!((held(&fixture, hold_id(5)), fixture.count(Table::Snapshots)), (None, 1));
}

#[test]
fn a_followed_snapshot_keeps_its_sources_time() {
    let fixture = following();
    let flip = |id| {
        vec![change(&fixture, AccessChange::ReadAt(At::ThisCommit)), PathOp::Snapshot(snapshot(1, id, At::ThisCommit))]
    };
    fixture.paths(flip(9));
    fixture.paths(flip(4));
    let rows = fixture.store.snapshots(path_guid(1)).expect("a list");
    assert_eq!(rows[1].meta.created, Timestamp::from_secs(4));
    assert_eq!(path(&fixture).access, Access::ReadAt(rows[1].seq));
}

#[test]
fn the_first_cursor_turns_the_feed_on_and_the_last_turns_it_off() {
    let fixture = Fixture::new();
    let cursor = |id, after| PathOp::Cursor { id: hold_id(id), after };
    fixture.set(vec![bucket(1, "one")]);
    assert_eq!(fixture.count(Table::Changes), 0);
    let old = fixture.hold(9);
    fixture.set(vec![bucket(2, "two")]);
    let before = fixture.store.newest();
    fixture.paths(vec![cursor(1, At::Seq(old))]);
    // Nothing below the floor is in the feed: a cursor there would promise too much.
    assert_eq!(fixture.store.cursors().expect("cursors")[0].after, before);
    fixture.set(vec![bucket(3, "three")]);
    fixture.paths(vec![cursor(2, At::ThisCommit)]);
    fixture.set(vec![bucket(4, "four")]);
    assert_eq!(fixture.count(Table::Changes), 2);
    fixture.paths(vec![PathOp::DropCursor { id: hold_id(1) }]);
    fixture.collect();
    assert_eq!(fixture.count(Table::Changes), 1);
    fixture.paths(vec![PathOp::DropCursor { id: hold_id(2) }]);
    fixture.set(vec![bucket(5, "five")]);
    fixture.collect();
    assert_eq!(fixture.count(Table::Changes), 0);
}

#[test]
fn removing_a_path_takes_all_that_is_its_own() {
    let fixture = following();
    fixture.paths(vec![
        change(&fixture, AccessChange::ReadAt(At::ThisCommit)),
        PathOp::Snapshot(snapshot(1, 1, At::ThisCommit)),
        PathOp::Snapshot(snapshot(1, 2, At::ThisCommit)),
    ]);
    fixture.set(vec![bucket(1, "one")]);
    let revision = path(&fixture).revision;
    fixture.paths(vec![PathOp::Remove { guid: path_guid(1), revision }]);
    fixture.collect();
    fixture.check_nothing_left();
    assert!(fixture.store.paths().is_empty());
    assert_eq!(fixture.count(Table::Current), 2);
    let gone = UpdatePaths(vec![PathOp::Remove { guid: path_guid(1), revision }]);
    assert_eq!(fixture.refused(gone), Refusal::Unknown);
}

#[test]
fn an_epoch_is_changed_with_its_path() {
    let fixture = following();
    let next = Epoch { number: EpochNumber::new(2), ..epoch() };
    let op = PathOp::Change { guid: path_guid(1), revision: 1, access: None, epoch: Some(next), detail: Some(vec![1]) };
    fixture.paths(vec![op]);
    let row = path(&fixture);
    assert_eq!((row.epoch, row.detail, row.revision), (next, vec![1], 2));
}
