//! Tables other than `current` and `blobs`, with the batch's own writes over them.

use std::ops::{Bound, ControlFlow};

use super::{Tx, Undo};
use crate::change::Refusal;
use crate::meta::engine::{Cursor, Direction, Table};
use crate::meta::layout::Span;
use crate::record::{CorruptRecord, Record};

/// A row of the overlay: its key, and its value unless it was deleted.
pub(super) type Changed<'tx> = (&'tx [u8], Option<&'tx [u8]>);

impl Tx<'_> {
    pub(crate) fn table_get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
        debug_assert!(is_plain(table));
        match self.tables.get(&(table, key.to_vec())) {
            Some(value) => Ok(value.clone()),
            None => Ok(self.view.value(table, key)?),
        }
    }

    pub(crate) fn table_record<R: Record>(&self, table: Table, key: &[u8]) -> Result<Option<R>, Refusal> {
        Ok(self.table_get(table, key)?.map(|value| R::decode(&value)).transpose()?)
    }

    pub(crate) fn table_put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.table_write(table, key, Some(value));
    }

    pub(crate) fn table_delete(&mut self, table: Table, key: Vec<u8>) {
        self.table_write(table, key, None);
    }

    /// `current` and `blobs` are not written here: their rows have counts that must follow.
    fn table_write(&mut self, table: Table, key: Vec<u8>, value: Option<Vec<u8>>) {
        debug_assert!(is_plain(table));
        let key = (table, key);
        let before = self.tables.insert(key.clone(), value);
        self.undo.push(Undo::Table(key, before));
    }

    /// Visits a table's rows until `visit` breaks. `history`, `changes`, `last_changed` and `segments` show the state before
    /// the batch, but for what was written through `table_put`.
    pub(crate) fn table_scan(
        &self,
        table: Table,
        span: &Span,
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Refusal> {
        debug_assert!(is_plain(table));
        let until = match &span.until {
            Some(until) => Bound::Excluded((table, until.clone())),
            None => Bound::Included((table, vec![u8::MAX; 4096])),
        };
        let own = self.tables.range((Bound::Included((table, span.from.clone())), until));
        let own = own.map(|((_, key), value)| (&key[..], value.as_deref()));
        let cursor = self.view.cursor(table, span.range(), direction)?;
        match direction {
            Direction::Forward => merge(cursor, own, direction, whole, visit),
            Direction::Backward => merge(cursor, own.rev(), direction, whole, visit),
        }
    }
}

fn is_plain(table: Table) -> bool {
    !matches!(table, Table::Current | Table::Blobs)
}

fn whole(value: &[u8]) -> Result<&[u8], CorruptRecord> {
    Ok(value)
}

/// Walks the engine's rows and the batch's own in one order; the batch's win. `open` makes a value of what the engine has.
pub(super) fn merge<'tx>(
    mut stored: Box<dyn Cursor + '_>,
    own: impl Iterator<Item = Changed<'tx>>,
    direction: Direction,
    open: fn(&[u8]) -> Result<&[u8], CorruptRecord>,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
) -> Result<(), Refusal> {
    let mut own = own.peekable();
    let mut flow = ControlFlow::Continue(());
    while let Some((key, value)) = stored.next()? {
        while let Some((own_key, own_value)) = own.next_if(|(own, _)| is_before(own, key, direction)) {
            flow = own_value.map_or(flow, |value| visit(own_key, value));
            if flow.is_break() {
                return Ok(());
            }
        }
        flow = match own.next_if(|(own, _)| *own == key) {
            Some((_, own_value)) => own_value.map_or(flow, |value| visit(key, value)),
            None => visit(key, open(value)?),
        };
        if flow.is_break() {
            return Ok(());
        }
    }
    for (key, value) in own {
        if value.is_some_and(|value| visit(key, value).is_break()) {
            break;
        }
    }
    Ok(())
}

fn is_before(one: &[u8], other: &[u8], direction: Direction) -> bool {
    match direction {
        Direction::Forward => one < other,
        Direction::Backward => one > other,
    }
}
