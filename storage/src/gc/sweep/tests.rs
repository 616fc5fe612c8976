use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::faulty::{self, Fault};
use super::orphans;
use crate::blob::{BlobStore, StagedBody};
use crate::change::{AccessChange, At, BeginTransfer, ClaimBlobs, PathOp};
use crate::check::State;
use crate::disk::Crash;
use crate::fixture::{
    Dice, Fixture, SetRows, bucket, create_path, epoch, hold_id, object, object_key, options, path_guid, snapshot,
    snapshot_guid,
};
use crate::meta::digest::LtHash;
use crate::meta::engine::{EngineError, EngineWrite, Table};
use crate::record::{CreatorKind, Digest, RowKey, Scope, SnapshotMeta, TransferPhase, TransferRow};
use crate::store::Store;
use crate::types::{Body, ContentHash, Seq, Timestamp, TransferGuid};

fn digest(fixture: &Fixture, at: Seq) -> Digest {
    fixture.store.digest(&Scope::Endpoint, at).expect("a digest")
}

/// Objects of all kinds of bodies: small, of one piece, of a recipe's pieces; contents are shared.
fn put_any(fixture: &Fixture, dice: &mut Dice) {
    let key = format!("key-{}", dice.below(5));
    let len = match dice.below(12) {
        0 => 9 * 1024 * 1024,
        1 => 100 * 1024,
        _ => 100,
    };
    fixture.put(1, &key, &vec![dice.below(4) as u8; len]);
}

#[test]
fn what_points_need_stays_and_everything_else_goes() {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let fixture = Fixture::new();
        fixture.set(vec![bucket(1, "one")]);
        let mut points: BTreeMap<u8, (Seq, Digest)> = BTreeMap::new();
        for step in 0..60 {
            match dice.below(10) {
                0 | 1 => {
                    let rows = (0..12).map(|_| {
                        let key = format!("key-{}", dice.below(20));
                        if dice.below(2) == 0 { (object_key(1, &key), None) } else { object(1, &key, Body::Empty) }
                    });
                    let seq = fixture.set_and_hold(rows.collect(), step);
                    points.insert(step, (seq, digest(&fixture, seq)));
                }
                2 => {
                    let ids: Vec<u8> = points.keys().copied().collect();
                    if let Some(id) = ids.get(dice.below(ids.len().max(1) as u64) as usize) {
                        points.remove(id);
                        fixture.paths(vec![PathOp::Release { id: hold_id(*id) }]);
                    }
                }
                3 => {
                    let after = points.values().next().map_or(At::ThisCommit, |(seq, _)| At::Seq(*seq));
                    fixture.paths(vec![PathOp::Cursor { id: hold_id(250), after }]);
                }
                4 => drop(fixture.store.collect(Timestamp::from_secs(1)).expect("collected")),
                5 => drop(fixture.set(vec![(object_key(1, &format!("key-{}", dice.below(5))), None)])),
                _ => put_any(&fixture, &mut dice),
            }
            for (seq, before) in points.values() {
                assert_eq!(digest(&fixture, *seq), *before);
            }
        }
        fixture.check(State::Idle);
        fixture.collect();
        fixture.check(State::Collected);
        let release = points.keys().map(|id| PathOp::Release { id: hold_id(*id) });
        fixture.paths(release.chain([PathOp::DropCursor { id: hold_id(250) }]).collect());
        fixture.collect();
        fixture.check(State::Collected);
        fixture.check_nothing_left();
        fixture.set((0..20).map(|key| (object_key(1, &format!("key-{key}")), None)).collect());
        fixture.collect();
        fixture.check_nothing_left();
        assert_eq!((fixture.count(Table::Blobs), fixture.count(Table::Segments)), (0, 0));
        assert_eq!(fixture.disk.files().iter().filter(|file| file.starts_with("pieces/")).count(), 0);
    }
}

#[test]
fn a_reader_keeps_what_it_could_name_until_it_leaves() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    fixture.put(1, "key", &[1; 100]);
    let reader = fixture.store.read().expect("a reader");
    fixture.set(vec![(object_key(1, "key"), None)]);
    fixture.collect();
    assert_eq!((fixture.count(Table::Blobs), fixture.count(Table::Dead)), (1, 1));
    let later = fixture.store.read().expect("a reader");
    drop(reader);
    fixture.collect();
    assert_eq!((fixture.count(Table::Blobs), fixture.count(Table::Dead)), (0, 0));
    drop(later);
}

#[test]
fn content_that_is_stored_again_before_it_is_condemned_lives_on() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    fixture.put(1, "key", &[1; 100_000]);
    fixture.set(vec![(object_key(1, "key"), None)]);
    fixture.put(1, "other", &[1; 100_000]);
    fixture.collect();
    fixture.check(State::Collected);
    assert_eq!(fixture.count(Table::Blobs), 1);
}

#[test]
fn a_release_costs_what_changed_between_two_points() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    for key in 0..40 {
        fixture.put(1, &format!("key-{key}"), b"first");
    }
    fixture.hold(1);
    for key in 0..40 {
        fixture.put(1, &format!("key-{key}"), b"second");
    }
    fixture.hold(2);
    fixture.put(1, "key-0", b"third");
    fixture.hold(3);
    fixture.put(1, "key-1", b"fourth");
    assert_eq!(fixture.count(Table::History), 42);
    fixture.paths(vec![PathOp::Release { id: hold_id(2) }]);
    let done = fixture.store.collect(Timestamp::from_secs(1)).expect("collected");
    // The interval of key-0 held by point 2 alone; that of key-1 is point 3's too.
    assert_eq!(done.history_rows, 1);
    fixture.collect();
    assert_eq!(fixture.count(Table::History), 41);
    fixture.check(State::Collected);
}

#[test]
fn a_snapshot_goes_when_it_is_due_and_with_it_its_history() {
    let fixture = Fixture::new();
    fixture.paths(vec![create_path(1, Scope::Endpoint, AccessChange::Writable)]);
    fixture.set(vec![bucket(1, "one")]);
    fixture.put(1, "key", b"old");
    let due = Timestamp::from_secs(100);
    let mut spec = snapshot(1, 1, At::ThisCommit);
    spec.expires = Some(due);
    fixture.paths(vec![PathOp::Snapshot(spec), PathOp::Snapshot(snapshot(1, 2, At::ThisCommit))]);
    fixture.put(1, "key", b"new");
    fixture.collect_at(Timestamp::from_secs(99));
    assert_eq!(fixture.store.snapshots(path_guid(1)).expect("a list").len(), 2);
    fixture.collect_at(due);
    assert_eq!(fixture.store.snapshots(path_guid(1)).expect("a list").len(), 1);
    assert_eq!(fixture.count(Table::History), 1);
    fixture.paths(vec![PathOp::DropSnapshot { path: path_guid(1), snapshot: snapshot_guid(2) }]);
    fixture.collect();
    assert_eq!((fixture.count(Table::History), fixture.count(Table::Blobs)), (0, 1));
}

#[test]
fn what_a_dropped_transfer_left_is_purged() {
    let fixture = Fixture::new();
    fixture.paths(vec![create_path(1, Scope::Endpoint, AccessChange::ReadAt(At::ThisCommit))]);
    let id = TransferGuid::from_bytes([9; 16]);
    fixture.commit(BeginTransfer(transfer(id)));
    let mut writer = fixture.store.body_writer();
    writer.write(b"content").expect("written");
    let received = vec![writer.finish().expect("finished")];
    fixture.commit(ClaimBlobs { transfer: id, received, wanted: Vec::new() });
    fixture.collect();
    assert_eq!((fixture.count(Table::Claims), fixture.count(Table::Blobs)), (1, 1));
    fixture.paths(vec![PathOp::DropTransfer { id }]);
    fixture.collect();
    assert_eq!((fixture.count(Table::Claims), fixture.count(Table::Blobs)), (0, 0));
    fixture.check(State::Collected);
}

fn transfer(id: TransferGuid) -> TransferRow {
    let to = SnapshotMeta {
        guid: snapshot_guid(5),
        name: "snapshot".into(),
        created: Timestamp::default(),
        creator: CreatorKind::Policy,
        epoch: epoch().number,
    };
    let phase = TransferPhase::Receiving { rows: 0 };
    TransferRow { id, path: path_guid(1), epoch: epoch(), base: None, to, phase, digest: None, total: None }
}

#[test]
fn a_journal_file_that_is_mostly_dead_is_compacted_away() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    let keys = 1100_u32;
    let content = |key: u32| key.to_le_bytes().repeat(16 * 1024 - 1);
    for first in (0..keys).step_by(50) {
        fixture.put_all(1, (first..first + 50).map(|key| (format!("key-{key}"), content(key))));
    }
    let first = fixture.store.core().journal.list().expect("files")[0];
    let (live, dead): (Vec<u32>, Vec<u32>) = (0..keys).partition(|key| key % 10 == 0);
    fixture.set(dead.into_iter().map(|key| (object_key(1, &format!("key-{key}")), None)).collect());
    fixture.collect();
    fixture.store.checkpoint().expect("a checkpoint");
    assert!(!fixture.store.core().journal.list().expect("files").contains(&first));
    fixture.check(State::Collected);
    let Fixture { store, disk } = fixture;
    store.close().expect("closed");
    drop(store);
    let store = Store::open(Arc::new(disk.clone()), options()).expect("opened again");
    let fixture = Fixture { store, disk };
    fixture.check(State::Collected);
    for key in live {
        let hash = ContentHash::of(&content(key));
        assert_eq!(fixture.store.blob(hash).expect("there")[..], content(key));
    }
}

#[test]
fn counted_rows_are_those_of_buckets() {
    let fixture = Fixture::new();
    let (key, value) = bucket(1, "one");
    let seq = fixture.set(vec![(key.clone(), value.clone())]);
    let mut hash = LtHash::empty();
    hash.add(&key.encode(), &value.expect("a row"));
    assert_eq!(digest(&fixture, seq), hash.digest());
    assert!(matches!(key, RowKey::Bucket(_)) && fixture.count(Table::Current) == 2);
}

/// A store after the process has died in the middle of writing: with so many objects in pieces of their own, and so many pieces that no row names.
fn died_while_writing(objects: u32, orphans: u32) -> Fixture {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    for n in 0..objects {
        fixture.put(1, &format!("key-{n}"), &large(n));
    }
    let staged: Vec<_> = (0..orphans).map(|n| staged(&fixture, &large(objects + n))).collect();
    let disk = fixture.disk.crash(Crash::KeepAll);
    drop(staged);
    let store = Store::open(Arc::new(disk.clone()), options()).expect("opened after the crash");
    Fixture { store, disk }
}

fn large(n: u32) -> Vec<u8> {
    n.to_le_bytes().repeat(17 * 1024)
}

fn staged(fixture: &Fixture, content: &[u8]) -> StagedBody {
    let mut writer = fixture.store.body_writer();
    writer.write(content).expect("written");
    writer.finish().expect("finished")
}

fn pieces(fixture: &Fixture) -> usize {
    fixture.disk.files().into_iter().filter(|path| path.starts_with("pieces/")).count()
}

#[test]
fn opening_opens_no_piece_and_collection_takes_those_that_no_row_names() {
    let few = died_while_writing(1, 1);
    let many = died_while_writing(40, 300);
    assert_eq!(few.disk.opens(), many.disk.opens(), "to open a store costs the same, however many pieces it has");
    assert_eq!(pieces(&many), 340, "they wait for the collector");
    many.check(State::Idle);
    let before = many.disk.opens();
    many.collect();
    assert_eq!(pieces(&many), 40);
    assert_eq!(many.disk.opens(), before, "nor does collection open them");
    many.check(State::Collected);
}

#[test]
fn what_is_being_written_is_no_orphan_before_during_and_after_the_sweep() {
    for cut in 0..6 {
        let fixture = died_while_writing(20, 600);
        let early = staged(&fixture, &large(1000));
        let mut writer = fixture.store.body_writer();
        writer.write(&large(1001)).expect("written");
        for _ in 0..cut {
            fixture.store.collect(Timestamp::from_secs(1)).expect("collected");
        }
        let late = staged(&fixture, &large(1002));
        // The same content as an orphan's: its own instance is what the row will name.
        let same = staged(&fixture, &large(25));
        fixture.collect();
        assert_eq!(pieces(&fixture), 20 + 4);
        let bodies = vec![early, writer.finish().expect("finished"), late, same];
        let rows = bodies.iter().enumerate().map(|(n, body)| object(1, &format!("new-{n}"), body.body())).collect();
        fixture.commit(SetRows { bodies, rows });
        fixture.collect();
        fixture.check(State::Collected);
        let again = fixture.disk.crash(Crash::LoseAll);
        let store = Store::open(Arc::new(again.clone()), options()).expect("opened again");
        let fixture = Fixture { store, disk: again };
        fixture.collect();
        assert_eq!(pieces(&fixture), 24);
        fixture.check(State::Collected);
    }
}

#[test]
fn pieces_stay_when_a_row_that_might_name_them_does_not_decode() {
    let fixture = died_while_writing(3, 3);
    let (key, _) = fixture.table(Table::Blobs).remove(1);
    let unknown = EngineWrite { table: Table::Blobs, key, value: Some(vec![0xff]) };
    fixture.store.core().engine.apply(&[unknown]).expect("applied");
    fixture.collect();
    assert_eq!(pieces(&fixture), 6);
}

#[test]
fn a_sweep_that_a_crash_cuts_begins_again() {
    let fixture = died_while_writing(5, 400);
    while pieces(&fixture) == 405 {
        fixture.store.collect(Timestamp::from_secs(1)).expect("collected");
    }
    for (crash, seed) in [Crash::LoseAll, Crash::KeepAll, Crash::Subset(3)].into_iter().zip(0..) {
        let disk = fixture.disk.crash(crash);
        let store = Store::open(Arc::new(disk.clone()), options()).expect("opened after the crash");
        let fixture = Fixture { store, disk };
        fixture.put(1, "new", &large(5000 + seed));
        fixture.collect();
        assert_eq!(pieces(&fixture), 6);
        fixture.check(State::Collected);
    }
}

#[test]
fn whichever_read_fails_no_live_piece_goes_and_the_orphans_go_in_the_end() {
    let mut failures = 0;
    // Three rows and four orphans: a view, a cursor and four steps of it; then a view and four look-ups.
    for at in 1..=11 {
        for fault in [Fault::Error, Fault::Panic] {
            let fixture = died_while_writing(3, 4);
            let core = faulty::core(fixture.store.core(), at, fault);
            let mut progress = orphans::Progress::new(BlobStore::pieces(&fixture.disk).expect("listed"));
            let step = |progress: &mut orphans::Progress| {
                let outcome = catch_unwind(AssertUnwindSafe(|| orphans::go_on(&core, progress)));
                outcome.unwrap_or_else(|_| Err(EngineError("it panicked".into()).into()))
            };
            while step(&mut progress).inspect_err(|_| failures += 1).unwrap_or(true) {
                assert!(pieces(&fixture) >= 3, "read {at} failed ({fault:?}), and a live piece went");
            }
            assert_eq!(pieces(&fixture), 3, "read {at} failed ({fault:?})");
            for n in 0..3 {
                assert_eq!(fixture.store.blob(ContentHash::of(&large(n))).expect("there")[..], large(n));
            }
            fixture.check(State::Collected);
        }
    }
    assert_eq!(failures, 22, "each of these reads was one of the sweep's");
}
