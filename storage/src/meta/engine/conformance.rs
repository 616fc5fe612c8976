//! What every engine must do, run over each.

use std::ops::{Bound, ControlFlow};
use std::path::Path;

use super::*;
use crate::disk::RealDisk;

fn redb(dir: &Path) -> Box<dyn Engine> {
    Box::new(RedbEngine::open(&RealDisk::new(dir).unwrap(), 1 << 20).unwrap())
}

#[cfg(feature = "sled")]
fn sled(dir: &Path) -> Box<dyn Engine> {
    Box::new(SledEngine::open(&RealDisk::new(dir).unwrap(), 1 << 20).unwrap())
}

/// Gathers `WRITES` writes in a table, freezes it, and hands it on before the next batch: so the tests' batches are in either table, in the
/// engine, and in all of them.
struct Gathering {
    tables: Buffered,
    writes: usize,
}

impl Engine for Gathering {
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.tables.view()
    }

    fn nested_view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.tables.nested_view()
    }

    fn apply(&self, writes: &[EngineWrite]) -> Result<(), EngineError> {
        self.tables.hand_on()?;
        self.tables.gather(writes);
        if self.tables.weight().writes >= self.writes {
            self.tables.freeze();
        }
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.tables.hand_on()?;
        self.tables.freeze();
        self.tables.hand_on()?;
        self.tables.make_durable(&[])
    }
}

fn buffered<const WRITES: usize>(dir: &Path) -> Box<dyn Engine> {
    Box::new(Gathering { tables: Buffered::new(redb(dir)), writes: WRITES })
}

#[cfg(feature = "sled")]
fn buffered_sled(dir: &Path) -> Box<dyn Engine> {
    Box::new(Gathering { tables: Buffered::new(sled(dir)), writes: 3 })
}

macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod redb_engine {
            $(#[test] fn $name() { super::$name(super::redb); })*
        }
        mod buffered_engine {
            $(#[test] fn $name() { for open in [super::buffered::<0>, super::buffered::<3>, super::buffered::<1000>] { super::$name(open); } })*
        }
        #[cfg(feature = "sled")]
        mod sled_engine {
            $(#[test] fn $name() { super::$name(super::sled); })*
        }
        #[cfg(feature = "sled")]
        mod buffered_sled_engine {
            $(#[test] fn $name() { super::$name(super::buffered_sled); })*
        }
    };
}

conformance! {
    a_batch_is_seen_whole_and_not_before_it_was_applied,
    the_later_of_two_writes_to_one_key_wins,
    ranges_keep_to_their_table_in_both_directions,
    a_checkpoint_survives_reopening,
    empty_and_inverted_ranges_have_no_entries,
}

type Open = fn(&Path) -> Box<dyn Engine>;

fn put(table: Table, key: &[u8], value: &[u8]) -> EngineWrite {
    EngineWrite { table, key: key.to_vec(), value: Some(value.to_vec()) }
}

fn delete(table: Table, key: &[u8]) -> EngineWrite {
    EngineWrite { table, key: key.to_vec(), value: None }
}

fn keys(view: &dyn View, table: Table, range: KeyRange<'_>, direction: Direction) -> Vec<Vec<u8>> {
    let mut keys = vec![];
    let visit = &mut |key: &[u8], _: &[u8]| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    };
    match direction {
        Direction::Forward => view.scan(table, range, visit).unwrap(),
        Direction::Backward => view.scan_back(table, range, visit).unwrap(),
    }
    keys
}

const ALL: KeyRange<'static> = (Bound::Unbounded, Bound::Unbounded);

fn a_batch_is_seen_whole_and_not_before_it_was_applied(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.apply(&[put(Table::Current, b"k", b"1"), put(Table::Blobs, b"b", b"")]).unwrap();
    {
        let view = engine.view().unwrap();
        assert_eq!(view.value(Table::Current, b"k").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(view.value(Table::Blobs, b"b").unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(view.value(Table::Blobs, b"k").unwrap(), None);
    }
    engine.apply(&[delete(Table::Current, b"k"), put(Table::Current, b"l", b"2")]).unwrap();
    let view = engine.view().unwrap();
    assert_eq!(keys(&*view, Table::Current, ALL, Direction::Forward), [b"l"]);
}

fn the_later_of_two_writes_to_one_key_wins(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let writes = [
        put(Table::Node, b"a", b"1"),
        put(Table::Node, b"a", b"2"),
        put(Table::Node, b"b", b"1"),
        delete(Table::Node, b"b"),
        delete(Table::Node, b"c"),
        put(Table::Node, b"c", b"1"),
    ];
    engine.apply(&writes).unwrap();
    let view = engine.view().unwrap();
    assert_eq!(view.value(Table::Node, b"a").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(keys(&*view, Table::Node, ALL, Direction::Forward), [b"a", b"c"]);
}

fn ranges_keep_to_their_table_in_both_directions(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let mut writes = vec![];
    for table in Table::ALL {
        for key in [&b""[..], b"a", b"a\0", b"b", b"\xff\xff"] {
            writes.push(put(table, key, &[table.number()]));
        }
    }
    engine.apply(&writes).unwrap();
    let view = engine.view().unwrap();
    for table in Table::ALL {
        let mut all = keys(&*view, table, ALL, Direction::Forward);
        assert_eq!(all, [&b""[..], b"a", b"a\0", b"b", b"\xff\xff"]);
        all.reverse();
        assert_eq!(keys(&*view, table, ALL, Direction::Backward), all);
        let range: KeyRange<'_> = (Bound::Excluded(b"a"), Bound::Excluded(b"\xff\xff"));
        assert_eq!(keys(&*view, table, range, Direction::Forward), [&b"a\0"[..], b"b"]);
        assert_eq!(keys(&*view, table, range, Direction::Backward), [&b"b"[..], b"a\0"]);
        let range: KeyRange<'_> = (Bound::Included(b"a\0"), Bound::Included(b"b"));
        assert_eq!(keys(&*view, table, range, Direction::Forward), [&b"a\0"[..], b"b"]);
    }
}

fn a_checkpoint_survives_reopening(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.apply(&[put(Table::Meta, b"k", &[7; 9000])]).unwrap();
    engine.checkpoint().unwrap();
    drop(engine);
    let engine = open(dir.path());
    let view = engine.view().unwrap();
    assert_eq!(view.value(Table::Meta, b"k").unwrap(), Some(vec![7; 9000]));
}

fn empty_and_inverted_ranges_have_no_entries(open: Open) {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    engine.apply(&[put(Table::Meta, b"k", b"")]).unwrap();
    let view = engine.view().unwrap();
    let inverted: KeyRange<'_> = (Bound::Included(b"z"), Bound::Excluded(b"a"));
    let empty: KeyRange<'_> = (Bound::Included(b"k"), Bound::Excluded(b"k"));
    let behind: KeyRange<'_> = (Bound::Excluded(b"k"), Bound::Unbounded);
    for range in [inverted, empty, behind] {
        assert!(keys(&*view, Table::Meta, range, Direction::Forward).is_empty());
        assert!(keys(&*view, Table::Meta, range, Direction::Backward).is_empty());
    }
}
