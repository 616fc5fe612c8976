//! Acks, refusals, crashes and failures, through a whole store.

use std::sync::Arc;

use crate::change::{Refusal, WriteNodeRows};
use crate::check::State;
use crate::disk::{Crash, Disk, SimDisk};
use crate::fixture::{Dice, Fixture, SetRows, bucket, name, object_key, options};
use crate::meta::Tx;
use crate::meta::engine::Table;
use crate::store::{Change, CommitError, EngineKind, Lane, OpenError, Options, Store};
use crate::types::{NodeGuid, Seq, Timestamp};

fn node_row(key: &str, value: &str) -> WriteNodeRows {
    let write = crate::change::NodeWrite {
        key: key.as_bytes().to_vec(),
        value: Some(value.as_bytes().to_vec()),
        expected: None,
    };
    WriteNodeRows(vec![write])
}

/// Writes, then refuses.
struct WritesAndRefuses;

impl Change for WritesAndRefuses {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        let rows = vec![bucket(2, "two"), (object_key(1, "k"), None)];
        SetRows { bodies: Vec::new(), rows }.carry_out(tx)?;
        tx.table_put(Table::Node, b"n".to_vec(), b"changed".to_vec());
        Err(Refusal::Stale)
    }
}

#[test]
fn a_refused_change_leaves_no_trace_and_no_seq() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    fixture.put(1, "k", b"content");
    fixture.commit(node_row("n", "kept"));
    let tables = [Table::Current, Table::Blobs, Table::Dead, Table::Node, Table::LastChanged];
    let before = tables.map(|table| fixture.table(table));
    let newest = fixture.store.newest();
    assert_eq!(fixture.refused(WritesAndRefuses), Refusal::Stale);
    assert_eq!(tables.map(|table| fixture.table(table)), before);
    assert_eq!(fixture.store.newest(), newest);
    fixture.check(State::Idle);
}

#[test]
fn a_refused_change_leaves_no_trace_in_a_batch_with_others() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    fixture.put(1, "k", b"content");
    let now = Timestamp::from_secs(1);
    let pending: Vec<_> = (0..50)
        .map(|n| {
            let kept = fixture.store.commit(Lane::Client, now, node_row(&format!("{n}"), "x"));
            (kept, fixture.store.commit(Lane::Client, now, WritesAndRefuses))
        })
        .collect();
    for (kept, refused) in pending {
        assert!(kept.wait().is_ok());
        assert!(matches!(refused.wait(), Err(CommitError::Refused(Refusal::Stale))));
    }
    assert_eq!(fixture.count(Table::Node), 50);
    assert!(fixture.store.read().unwrap().bucket(&name("two")).unwrap().is_none());
    fixture.check(State::Idle);
}

#[test]
fn a_change_that_panics_stops_the_store_and_leaves_nobody_waiting() {
    struct Panics;
    impl Change for Panics {
        type Output = ();
        fn carry_out(self, _: &mut Tx<'_>) -> Result<(), Refusal> {
            panic!("a fault in a change, made by a test");
        }
    }
    let fixture = Fixture::new();
    assert!(matches!(fixture.try_commit(Panics), Err(CommitError::Stopped(_))));
    assert!(matches!(fixture.try_commit(node_row("a", "1")), Err(CommitError::Stopped(_))));
    assert!(matches!(fixture.store.close(), Err(CommitError::Stopped(_))));
}

#[test]
fn changes_that_change_nothing_take_no_seq() {
    let fixture = Fixture::new();
    let seq = fixture.set(vec![bucket(1, "one")]);
    assert_eq!(fixture.set(vec![bucket(1, "one")]), seq);
    assert_eq!(fixture.set(vec![(object_key(1, "absent"), None)]), seq);
    assert_eq!(fixture.store.newest(), seq);
}

#[test]
fn closing_keeps_what_was_accepted_and_takes_nothing_more() {
    let fixture = Fixture::new();
    let now = Timestamp::from_secs(1);
    let last: Vec<_> =
        (0..100).map(|n| fixture.store.commit(Lane::Background, now, node_row(&n.to_string(), "x"))).collect();
    fixture.store.close().unwrap();
    assert!(last.into_iter().all(|pending| pending.wait().is_ok()));
    assert!(matches!(fixture.try_commit(node_row("late", "x")), Err(CommitError::Stopped(_))));
    let Fixture { store, disk } = fixture;
    assert!(matches!(Store::open(Arc::new(disk.clone()), options()), Err(OpenError::Locked)));
    drop(store);
    let store = Store::open(Arc::new(disk), options()).unwrap();
    assert_eq!(store.node_rows(b"").unwrap().len(), 100);
}

#[test]
fn a_failed_sync_stops_the_store_for_good() {
    let fixture = Fixture::new();
    fixture.commit(node_row("a", "1"));
    fixture.disk.fail_sync(1);
    assert!(matches!(fixture.try_commit(node_row("b", "1")), Err(CommitError::Stopped(_))));
    assert!(matches!(fixture.try_commit(node_row("c", "1")), Err(CommitError::Stopped(_))));
    assert!(matches!(fixture.store.checkpoint(), Err(CommitError::Stopped(_))));
    assert_eq!(fixture.store.node_row(b"a").unwrap().unwrap(), b"1");
    assert_eq!(fixture.store.node_row(b"b").unwrap(), None);
    let Fixture { store, disk } = fixture;
    drop(store);
    let store = Store::open(Arc::new(disk), options()).unwrap();
    assert_eq!(store.node_row(b"a").unwrap().unwrap(), b"1");
    assert_eq!(store.node_row(b"c").unwrap(), None);
}

/// Fills a store with everything a batch can carry; says what must be there after each acknowledged commit.
fn fill(fixture: &Fixture, acked: &mut Vec<(u8, Vec<u8>)>) -> Result<(), CommitError> {
    fixture.try_commit(SetRows { bodies: Vec::new(), rows: vec![bucket(1, "one")] })?;
    let mut dice = Dice(1);
    for n in 0..12u8 {
        let mut writer = fixture.store.body_writer();
        let len = if n % 4 == 3 { 70_000 } else { 100 };
        let content: Vec<u8> = (0..len).map(|_| dice.roll() as u8).collect();
        let stopped = |_| CommitError::Stopped("the disk is frozen".into());
        writer.write(&content).map_err(stopped)?;
        let body = writer.finish().map_err(stopped)?;
        let row = crate::fixture::tagged_object(1, &n.to_string(), body.body(), n);
        fixture.try_commit(SetRows { bodies: vec![body], rows: vec![row] })?;
        acked.push((n, content));
        if n % 5 == 4 {
            fixture.store.checkpoint()?;
        }
    }
    Ok(())
}

fn read(store: &Store, key: u8, len: u64) -> Option<Vec<u8>> {
    let reader = store.read().unwrap();
    let bucket = reader.bucket(&name("one")).unwrap()?;
    let key = crate::types::ObjectKey::new(&key.to_string()).unwrap();
    let row = reader.object(&bucket, &key, crate::change::VersionSelector::Latest).unwrap()?;
    let mut body = reader.open_body(&row.content().unwrap().body, 0..len).unwrap();
    let mut bytes = bytes::BytesMut::new();
    while body.next_chunk(&mut bytes).unwrap() {}
    Some(bytes.to_vec())
}

#[test]
fn a_crash_at_any_sync_loses_nothing_that_was_acknowledged() {
    let (fixture, mut acked) = (Fixture::new(), vec![]);
    let first = fixture.disk.syncs();
    fill(&fixture, &mut acked).unwrap();
    let last = fixture.disk.syncs();
    drop(fixture);
    for at in first..=last {
        let (fixture, mut acked) = (Fixture::new(), vec![]);
        fixture.disk.freeze_at_sync(at);
        let _ = fill(&fixture, &mut acked);
        let newest = fixture.store.newest();
        let kept = [Crash::KeepAll, Crash::TornLast(at), Crash::Prefix(at), Crash::Subset(at)];
        for crash in [Crash::LoseAll, kept[at as usize % kept.len()]] {
            let disk = fixture.disk.crash(crash);
            let store = Store::open(Arc::new(disk.clone()), options()).unwrap();
            assert!(store.newest() >= newest, "frozen at {at}, {crash:?}");
            for (key, content) in &acked {
                assert_eq!(read(&store, *key, content.len() as u64).as_ref(), Some(content), "at {at}, {crash:?}");
            }
            Fixture { store, disk }.check(State::Idle);
        }
    }
}

#[test]
fn seqs_and_instances_go_on_after_reopening() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    fixture.put(1, "a", b"first");
    let seq = fixture.store.newest();
    let Fixture { store, disk } = fixture;
    drop(store);
    let store = Store::open(Arc::new(disk.clone()), options()).unwrap();
    assert_eq!(store.newest(), seq);
    let fixture = Fixture { store, disk };
    assert_eq!(fixture.put(1, "b", b"second"), Seq::new(seq.get() + 1));
    let instances: std::collections::BTreeSet<_> = fixture
        .table(Table::Blobs)
        .iter()
        .map(|(_, row)| <crate::record::BlobRow as crate::record::Record>::decode(row).unwrap().instance)
        .collect();
    assert_eq!(instances.len(), 2);
    fixture.check(State::Idle);
}

#[test]
fn journal_files_without_live_bodies_go_at_a_checkpoint() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    // Each file takes 64 MiB; bodies that stay keep theirs.
    for round in 0..3u8 {
        for n in 0..40u8 {
            let objects = (0..16u8).map(|k| (format!("{n}-{k}"), vec![round ^ n ^ (k << 3); 60_000]));
            fixture.put_all(1, objects);
        }
    }
    fixture.collect();
    fixture.store.checkpoint().unwrap();
    let live: Vec<_> = fixture.table(Table::Segments);
    let files = fixture.disk.list("journal").unwrap();
    assert!(files.len() <= live.len() + 1, "{files:?}");
    fixture.check(State::Idle);
}

#[test]
fn a_directory_belongs_to_one_process_one_engine_and_one_node() {
    let fixture = Fixture::new();
    let open = |options: Options| Store::open(Arc::new(fixture.disk.clone()), options);
    assert!(matches!(open(options()), Err(OpenError::Locked)));
    let Fixture { store, disk } = fixture;
    drop(store);
    let other = Options { node: NodeGuid::from_bytes([9; 16]), engine: EngineKind::Redb, ..options() };
    let store = Store::open(Arc::new(disk), other).unwrap();
    assert_eq!(store.node(), options().node);
}

#[test]
fn a_full_disk_refuses_bodies_and_lets_deletes_through() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(8 << 20));
    let limits = Options { low_watermark_bytes: 1 << 20, reserve_bytes: 256 << 10, ..options() };
    let store = Store::open(Arc::new(disk.clone()), limits).unwrap();
    let fixture = Fixture { store, disk };
    fixture.set(vec![bucket(1, "one")]);
    let mut stored = 0u32;
    let refused = loop {
        let mut writer = fixture.store.body_writer();
        let mut content = vec![0; 60_000];
        content[..4].copy_from_slice(&stored.to_le_bytes());
        let body = match writer.write(&content).and_then(|()| writer.finish()) {
            Ok(body) => body,
            Err(error) => break error.to_string(),
        };
        let row = crate::fixture::object(1, &stored.to_string(), body.body());
        match fixture.try_commit(SetRows { bodies: vec![body], rows: vec![row] }) {
            Ok(_) => stored += 1,
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(refused, "the disk is nearly full");
    assert!(stored > 10 && fixture.store.space().free_bytes < (1 << 20) + 60_000);
    for key in 0..stored {
        fixture.set(vec![(object_key(1, &key.to_string()), None)]);
    }
    fixture.check(State::Idle);
    fixture.disk.set_capacity(None);
    fixture.put(1, "again", b"content");
}

#[cfg(feature = "sled")]
#[test]
fn a_store_on_sled_comes_back_and_is_not_opened_with_another_engine() {
    let dir = tempfile::tempdir().unwrap();
    let open = |engine| {
        let disk = crate::disk::RealDisk::new(dir.path()).unwrap();
        Store::open(Arc::new(disk), Options { engine, ..options() })
    };
    let store = open(EngineKind::Sled).unwrap();
    let now = Timestamp::from_secs(1);
    let set = |rows| store.commit(Lane::Client, now, SetRows { bodies: Vec::new(), rows }).wait().unwrap().seq();
    set(vec![bucket(1, "one")]);
    for n in 0..200u8 {
        let mut writer = store.body_writer();
        writer.write(&[n; 3000]).unwrap();
        let body = writer.finish().unwrap();
        let row = crate::fixture::object(1, &n.to_string(), body.body());
        let seq =
            store.commit(Lane::Client, now, SetRows { bodies: vec![body], rows: vec![row] }).wait().unwrap().seq();
        assert_eq!(seq, store.newest());
        if n == 100 {
            store.checkpoint().unwrap();
        }
        // A body opened under a view that is still there.
        assert_eq!(read(&store, n, 3000).unwrap(), [n; 3000]);
    }
    drop(store);
    assert!(matches!(open(EngineKind::Redb), Err(OpenError::OtherEngine(engine)) if engine == "sled"));
    let store = open(EngineKind::Sled).unwrap();
    assert!((0..200u8).all(|n| read(&store, n, 3000).unwrap() == [n; 3000]));
}
