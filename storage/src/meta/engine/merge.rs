//! A walk over a table in memory and the engine under it, as one.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use super::memtable::{Batches, Memtable, Value};
use super::{Cursor, Direction, EngineError, Entry, KeyRange, Table};

/// Where both have a key the table in memory is right, and it may say that the key is gone.
pub(super) struct Merge<'view> {
    above: Above<'view>,
    below: Below<'view>,
    /// What the last `next` handed out, when it came from above.
    entry: Option<(Arc<[u8]>, Arc<[u8]>)>,
    direction: Direction,
}

/// The rest of the walk in memory.
struct Above<'view> {
    memtable: &'view Memtable,
    batches: Batches,
    table: Table,
    /// The end that the walk goes to.
    end: Bound<Vec<u8>>,
    next: Option<(Arc<[u8]>, Value)>,
}

impl Above<'_> {
    fn take(&mut self, direction: Direction) -> Option<(Arc<[u8]>, Value)> {
        let taken = self.next.take()?;
        let end = self.end.as_ref().map(|key| &key[..]);
        let range = match direction {
            Direction::Forward => (Bound::Excluded(&taken.0[..]), end),
            Direction::Backward => (end, Bound::Excluded(&taken.0[..])),
        };
        self.next = self.memtable.first(self.batches, self.table, range, direction);
        Some(taken)
    }
}

/// The rest of the walk in the engine, and its next entry, copied: the engine's cursor lends only one at a time.
struct Below<'view> {
    cursor: Box<dyn Cursor + 'view>,
    next: Next,
    key: Vec<u8>,
    value: Vec<u8>,
}

enum Next {
    Unknown,
    Known,
    Over,
}

impl Below<'_> {
    fn look(&mut self) -> Result<Option<&[u8]>, EngineError> {
        if matches!(self.next, Next::Unknown) {
            self.next = match self.cursor.next()? {
                None => Next::Over,
                Some((key, value)) => {
                    self.key.clear();
                    self.key.extend_from_slice(key);
                    self.value.clear();
                    self.value.extend_from_slice(value);
                    Next::Known
                }
            };
        }
        Ok(matches!(self.next, Next::Known).then_some(&self.key[..]))
    }
}

/// Who has the next key.
enum Turn {
    Above,
    Below,
    Both,
}

impl<'view> Merge<'view> {
    pub fn new(
        below: Box<dyn Cursor + 'view>,
        memtable: &'view Memtable,
        batches: Batches,
        table: Table,
        (from, until): KeyRange<'_>,
        direction: Direction,
        first: (Arc<[u8]>, Value),
    ) -> Self {
        let end = if direction == Direction::Forward { until } else { from }.map(<[u8]>::to_vec);
        Merge {
            above: Above { memtable, batches, table, end, next: Some(first) },
            below: Below { cursor: below, next: Next::Unknown, key: Vec::new(), value: Vec::new() },
            entry: None,
            direction,
        }
    }

    fn turn(&mut self) -> Result<Option<Turn>, EngineError> {
        let below = self.below.look()?;
        let above = self.above.next.as_ref().map(|(key, _)| &key[..]);
        Ok(match (above, below) {
            (None, None) => None,
            (Some(_), None) => Some(Turn::Above),
            (None, Some(_)) => Some(Turn::Below),
            (Some(above), Some(below)) => {
                let order = above.cmp(below);
                Some(match if self.direction == Direction::Forward { order } else { order.reverse() } {
                    Ordering::Less => Turn::Above,
                    Ordering::Greater => Turn::Below,
                    Ordering::Equal => Turn::Both,
                })
            }
        })
    }
}

impl Cursor for Merge<'_> {
    fn next(&mut self) -> Result<Option<Entry<'_>>, EngineError> {
        loop {
            let Some(turn) = self.turn()? else { return Ok(None) };
            if !matches!(turn, Turn::Above) {
                self.below.next = Next::Unknown;
            }
            if matches!(turn, Turn::Below) {
                return Ok(Some((&self.below.key, &self.below.value)));
            }
            // A key that is gone is passed over.
            if let Some((key, Some(value))) = self.above.take(self.direction) {
                let (key, value) = self.entry.insert((key, value));
                return Ok(Some((&key[..], &value[..])));
            }
        }
    }
}
