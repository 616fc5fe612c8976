//! The engine's work beside the committer's: what waits for what, and what does not.

use std::sync::Arc;

use super::*;
use crate::change::{NodeWrite, WriteNodeRows};
use crate::disk::{Crash, Disk, SimDisk};
use crate::fixture::{Fixture, options};
use crate::meta::engine::Engine;
use crate::store::{CommitError, EngineSteps, Options, Store};
use crate::types::Seq;

const ENGINE: &str = "meta.redb";

fn row(key: &str) -> WriteNodeRows {
    WriteNodeRows(vec![NodeWrite { key: key.as_bytes().to_vec(), value: Some(vec![7; 100]), expected: None }])
}

fn commit_rows(fixture: &Fixture, count: u32) {
    for n in 0..count {
        fixture.commit(row(&n.to_string()));
    }
}

fn in_steps(options: Options) -> (Fixture, EngineSteps) {
    let disk = SimDisk::new();
    let (store, steps) = Store::open_in_steps(Arc::new(disk.clone()), options).unwrap();
    (Fixture { store, disk }, steps)
}

/// What a store finds after the power went now: its newest Seq, and what the engine's last checkpoint covers.
fn after_the_power_went(fixture: &Fixture) -> (Seq, Seq) {
    let disk = fixture.disk.crash(Crash::LoseAll);
    let engine = crate::meta::engine::RedbEngine::open(&disk, 1 << 20).unwrap();
    let covered = Checkpoint::read(&*engine.view().unwrap()).unwrap().applied;
    drop(engine);
    (Store::open(Arc::new(disk), options()).unwrap().newest(), covered)
}

#[test]
fn commits_are_acknowledged_while_the_engine_syncs() {
    let fixture = Fixture::new();
    fixture.commit(row("before"));
    let gate = fixture.disk.gate_syncs(ENGINE).unwrap();
    std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| fixture.store.checkpoint());
        assert!(gate.wait(|| false));
        // More than a table is full with.
        commit_rows(&fixture, 50);
        assert!(!checkpoint.is_finished());
        gate.open();
        checkpoint.join().unwrap().unwrap();
    });
    assert_eq!(after_the_power_went(&fixture), (Seq::new(51), Seq::new(1)));
}

#[test]
fn closing_waits_for_the_checkpoint_on_its_way_and_makes_one_of_all() {
    let fixture = Fixture::new();
    fixture.commit(row("before"));
    let gate = fixture.disk.gate_syncs(ENGINE).unwrap();
    std::thread::scope(|scope| {
        let checkpoint = scope.spawn(|| fixture.store.checkpoint());
        assert!(gate.wait(|| false));
        fixture.commit(row("after"));
        let close = scope.spawn(|| fixture.store.close());
        gate.open();
        checkpoint.join().unwrap().unwrap();
        close.join().unwrap().unwrap();
    });
    assert_eq!(after_the_power_went(&fixture), (Seq::new(2), Seq::new(2)));
    assert!(matches!(fixture.store.checkpoint(), Err(CommitError::Stopped(reason)) if reason == "the store is closed"));
}

#[test]
fn a_checkpoint_covers_what_its_table_reached_and_journal_files_go_after_its_sync() {
    let (fixture, steps) = in_steps(Options { journal_file_bytes: 100, ..options() });
    let files = || fixture.disk.list("journal").unwrap().len();
    commit_rows(&fixture, 8);
    steps.ask_checkpoint();
    assert!(steps.step().unwrap(), "the table is handed on");
    // Each frame has a file.
    fixture.commit(row("later"));
    assert_eq!((after_the_power_went(&fixture), files()), ((Seq::new(9), Seq::ZERO), 9));
    assert!(steps.step().unwrap(), "the engine is synced");
    assert_eq!((after_the_power_went(&fixture), files()), ((Seq::new(9), Seq::new(8)), 9));
    assert!(steps.step().unwrap(), "journal files go");
    assert_eq!(files(), 1);
    assert_eq!(after_the_power_went(&fixture), (Seq::new(9), Seq::new(8)));
    assert!(!steps.step().unwrap(), "there is nothing more to do");
}

#[test]
fn a_checkpoint_is_made_when_enough_journal_was_written() {
    let (fixture, steps) = in_steps(Options { checkpoint_every_bytes: 1000, memtable_writes: 1000, ..options() });
    fixture.commit(row("a"));
    assert!(!steps.step().unwrap(), "neither is due");
    commit_rows(&fixture, 6);
    (0..3).for_each(|_| assert!(steps.step().unwrap()));
    assert!(!steps.step().unwrap());
    assert_eq!(after_the_power_went(&fixture).1, Seq::new(7));
}

#[test]
fn a_failed_sync_of_the_engine_stops_the_store_for_good() {
    let (fixture, steps) = in_steps(options());
    fixture.commit(row("a"));
    steps.ask_checkpoint();
    assert!(steps.step().unwrap());
    fixture.disk.fail_sync(1);
    assert!(steps.step().is_err());
    assert!(matches!(fixture.try_commit(row("b")), Err(CommitError::Stopped(_))));
    assert!(matches!(fixture.store.checkpoint(), Err(CommitError::Stopped(_))));
    assert!(matches!(fixture.store.close(), Err(CommitError::Stopped(_))));
    assert!(fixture.store.node_row(b"a").unwrap().is_some());
    assert!(fixture.store.node_row(b"b").unwrap().is_none());
    assert_eq!(after_the_power_went(&fixture).0, Seq::new(1));
}

#[test]
fn whoever_waits_for_a_checkpoint_hears_that_its_sync_failed() {
    let fixture = Fixture::new();
    fixture.commit(row("a"));
    let gate = fixture.disk.gate_syncs(ENGINE).unwrap();
    std::thread::scope(|scope| {
        let waiting = [(); 3].map(|()| scope.spawn(|| fixture.store.checkpoint()));
        assert!(gate.wait(|| false));
        fixture.disk.fail_sync(1);
        gate.open();
        for checkpoint in waiting {
            assert!(matches!(checkpoint.join().unwrap(), Err(CommitError::Stopped(_))));
        }
    });
    assert!(matches!(fixture.try_commit(row("b")), Err(CommitError::Stopped(_))));
}

#[test]
fn a_table_is_bounded_and_the_committer_does_the_work_where_nobody_else_does() {
    let (fixture, _steps) = in_steps(Options { memtable_writes: 1, ..options() });
    let mut most = 0;
    for n in 0..200 {
        fixture.commit(row(&n.to_string()));
        most = most.max(fixture.store.core().engine.weight().writes);
    }
    assert!((ROOM_TIMES / 2..ROOM_TIMES + 16).contains(&most), "{most}");
}

#[test]
fn a_table_is_full_by_writes_or_by_bytes_and_has_room_for_a_while_then() {
    let limits = Limits { writes: 10, checkpoint_bytes: 0 };
    let of = |writes, bytes| Weight { writes, bytes };
    assert!(!limits.is_full(of(9, FULL_BYTES - 1)) && limits.is_full(of(10, 0)) && limits.is_full(of(1, FULL_BYTES)));
    assert!(limits.has_room(of(10 * ROOM_TIMES - 1, 0)) && !limits.has_room(of(10 * ROOM_TIMES, 0)));
    assert!(limits.has_room(of(1, ROOM_BYTES - 1)) && !limits.has_room(of(1, ROOM_BYTES)));
    let nothing = Limits { writes: 0, checkpoint_bytes: 0 };
    assert!(nothing.has_room(of(0, 0)) && !nothing.has_room(of(1, 1)) && !nothing.is_full(of(0, 0)));
}
