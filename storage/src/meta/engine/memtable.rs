//! The newest batches in memory, in key order, each key with what every batch made of it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::keys::is_empty;
use super::{Direction, EngineWrite, KeyRange, Table};
use crate::sync::{PoisonError, RwLock, RwLockReadGuard};

/// What a batch made of a key: its value, or none where it was deleted.
pub(super) type Value = Option<Arc<[u8]>>;

/// A table only grows, so a view of it is a number: how many batches it sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Batches(u64);

impl Batches {
    pub fn and_one(self) -> Self {
        Batches(self.0 + 1)
    }
}

/// What a write takes beside its key and value: the tree's node, counters, the allocator's own.
const WRITE_BYTES: usize = 160;

/// What a table has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    pub writes: usize,
    /// In memory, about.
    pub bytes: usize,
}

/// Rows of all tables, shared by the one thread that adds batches and the views. The lock is held for a look-up, a batch's insertion or the copy for the
/// engine, never across a caller's code.
#[derive(Default)]
pub(super) struct Memtable {
    rows: RwLock<Rows>,
}

#[derive(Default)]
struct Rows {
    tables: [BTreeMap<Arc<[u8]>, Versions>; Table::ALL.len()],
    writes: usize,
    bytes: usize,
}

/// What batches made of one key, the oldest first. Never empty.
struct Versions(Vec<(Batches, Value)>);

impl Versions {
    /// The newest that a view sees; none when the key came after it.
    fn seen(&self, by: Batches) -> Option<&Value> {
        self.0.iter().rev().find(|(batch, _)| *batch <= by).map(|(_, value)| value)
    }
}

impl Memtable {
    /// Adds a batch, which views see from `batch` on. Of two writes to one key the later wins.
    pub fn add(&self, batch: Batches, writes: &[EngineWrite]) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for EngineWrite { table, key, value } in writes {
            rows.writes += 1;
            rows.bytes += WRITE_BYTES + key.len() + value.as_ref().map_or(0, Vec::len);
            let value: Value = value.as_deref().map(Arc::from);
            let table = &mut rows.tables[place(*table)];
            match table.get_mut(&key[..]) {
                Some(versions) => versions.0.push((batch, value)),
                None => drop(table.insert(Arc::from(&key[..]), Versions(vec![(batch, value)]))),
            }
        }
    }

    pub fn weight(&self) -> Weight {
        let rows = self.read();
        Weight { writes: rows.writes, bytes: rows.bytes }
    }

    /// What the batches in sight made of the key; none when they left it alone.
    pub fn get(&self, by: Batches, table: Table, key: &[u8]) -> Option<Value> {
        self.read().tables[place(table)].get(key)?.seen(by).cloned()
    }

    /// The first key of a range, or the last one when looking backward, that the batches in sight wrote to.
    pub fn first(
        &self,
        by: Batches,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
    ) -> Option<(Arc<[u8]>, Value)> {
        if is_empty(range) {
            return None;
        }
        let rows = self.read();
        let mut found = rows.tables[place(table)].range::<[u8], (Bound<&[u8]>, Bound<&[u8]>)>(range);
        let seen =
            |(key, versions): (&Arc<[u8]>, &Versions)| versions.seen(by).map(|value| (Arc::clone(key), value.clone()));
        match direction {
            Direction::Forward => found.find_map(seen),
            Direction::Backward => found.rev().find_map(seen),
        }
    }

    /// The newest value of every key, in the order of tables and keys: all that an engine needs to catch up.
    pub fn newest(&self) -> Vec<EngineWrite> {
        let rows = self.read();
        let mut writes = Vec::with_capacity(rows.tables.iter().map(BTreeMap::len).sum());
        for table in Table::ALL {
            for (key, Versions(versions)) in &rows.tables[place(table)] {
                let newest = versions.last().and_then(|(_, value)| value.as_deref());
                writes.push(EngineWrite { table, key: key.to_vec(), value: newest.map(<[u8]>::to_vec) });
            }
        }
        writes
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a table's rows are: numbers begin at one.
fn place(table: Table) -> usize {
    usize::from(table.number()) - 1
}
