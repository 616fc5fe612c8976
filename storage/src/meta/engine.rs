//! What the store asks of a key-value engine. Two implementations: redb (default) and sled (feature `sled`).

use std::ops::{Bound, ControlFlow};

/// The engine's tables. The number is on the disk (journal frames, sled prefixes): never change one.
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

pub trait Engine: Send + Sync + 'static {
    /// A view that stays consistent across tables for as long as it lives: a page's time, not a walk's.
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError>;
    /// Applies all writes or none; later views see them. Not durable until a checkpoint.
    fn apply(&self, writes: &[EngineWrite]) -> Result<(), EngineError>;
    /// Everything applied so far is durable when this returns.
    fn checkpoint(&self) -> Result<(), EngineError>;
}

pub trait View {
    /// Calls `with` with the value, or with none.
    fn get(&self, table: Table, key: &[u8], with: &mut dyn FnMut(Option<&[u8]>)) -> Result<(), EngineError>;
    /// Visits entries in key order until `visit` breaks.
    fn scan(
        &self,
        table: Table,
        range: KeyRange<'_>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError>;
    /// The same, from the last key down.
    fn scan_back(
        &self,
        table: Table,
        range: KeyRange<'_>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), EngineError>;
}
