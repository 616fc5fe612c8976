//! What the store asks of a key-value engine. Two implementations: redb (default) and sled (feature `sled`), each behind a table in
//! memory ([`Buffered`]).

mod buffered;
#[cfg(test)]
mod conformance;
mod keys;
mod memtable;
mod merge;
mod redb;
#[cfg(feature = "sled")]
mod sled;

use std::ops::{Bound, ControlFlow};

pub(crate) use buffered::Buffered;
pub(crate) use redb::{FILE as REDB_FILE, RedbEngine};
#[cfg(feature = "sled")]
pub(crate) use sled::{DIR as SLED_DIR, SledEngine};

/// The engine's tables. The number is on the disk (journal frames, key prefixes): never change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    Current = 1,
    History = 2,
    Changes = 3,
    LastChanged = 4,
    Blobs = 5,
    Dead = 6,
    Condemned = 7,
    Segments = 8,
    Holds = 9,
    Cursors = 10,
    Released = 11,
    Snapshots = 12,
    Paths = 13,
    Transfers = 14,
    Staged = 15,
    Claims = 16,
    Node = 17,
    Meta = 18,
    Ended = 19,
    Totals = 20,
}

impl Table {
    pub const ALL: [Table; 20] = [
        Table::Current,
        Table::History,
        Table::Changes,
        Table::LastChanged,
        Table::Blobs,
        Table::Dead,
        Table::Condemned,
        Table::Segments,
        Table::Holds,
        Table::Cursors,
        Table::Released,
        Table::Snapshots,
        Table::Paths,
        Table::Transfers,
        Table::Staged,
        Table::Claims,
        Table::Node,
        Table::Meta,
        Table::Ended,
        Table::Totals,
    ];

    pub const fn number(self) -> u8 {
        self as u8
    }

    pub fn from_number(number: u8) -> Option<Table> {
        Table::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// One write of a batch: a put, or a delete when the value is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineWrite {
    pub table: Table,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the metadata engine failed: {0}")]
pub struct EngineError(pub String);

/// A range of keys in one table.
pub type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// An entry under a cursor: key, value.
pub type Entry<'a> = (&'a [u8], &'a [u8]);

pub trait Engine: Send + Sync + 'static {
    /// A view that stays consistent across tables for as long as it lives: a page's time, not a walk's. The thread that
    /// applies must have dropped its own.
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError>;
    /// A view for a thread that may have one open already. It sees the same or a later state.
    fn nested_view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.view()
    }
    /// Applies all writes or none; later views see them. Not durable until a checkpoint.
    fn apply(&self, writes: &[EngineWrite]) -> Result<(), EngineError>;
    /// Does what applying has put off. To be called when those who wait for the last batch have their answers.
    fn settle(&self) -> Result<(), EngineError> {
        Ok(())
    }
    /// Everything applied so far is durable when this returns.
    fn checkpoint(&self) -> Result<(), EngineError>;
}

/// Walks entries in key order, or in reverse.
pub trait Cursor {
    /// The next entry; none at the end.
    fn next(&mut self) -> Result<Option<Entry<'_>>, EngineError>;
}

/// Which way a cursor walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

pub trait View {
    /// Calls `with` with the value, or with none.
    fn get(&self, table: Table, key: &[u8], with: &mut dyn FnMut(Option<&[u8]>)) -> Result<(), EngineError>;

    fn cursor(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
    ) -> Result<Box<dyn Cursor + '_>, EngineError>;

    /// The value, copied.
    fn value(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let mut found = None;
        self.get(table, key, &mut |value| found = value.map(<[u8]>::to_vec))?;
        Ok(found)
    }

    /// Visits entries in key order until `visit` breaks.
    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        walk(self.cursor(table, range, Direction::Forward)?, visit)
    }

    /// The same, from the last key down.
    fn scan_back(
        &self,
        table: Table,
        range: KeyRange<'_>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        walk(self.cursor(table, range, Direction::Backward)?, visit)
    }
}

fn walk(
    mut cursor: Box<dyn Cursor + '_>,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), EngineError> {
    while let Some((key, value)) = cursor.next()? {
        if visit(key, value).is_break() {
            break;
        }
    }
    Ok(())
}
