//! Small lists, read whole.

use std::ops::ControlFlow;

use super::engine::{Table, View};
use super::layout::{Span, snapshot_key};
use super::published::State;
use crate::record::{Record, RowKey, Scope, SnapshotRow, tag};
use crate::store::ReadError;
use crate::types::{HoldId, SnapshotGuid};

/// All records in a span of a table, in key order.
pub(crate) fn records<R: Record>(view: &dyn View, table: Table, span: &Span) -> Result<Vec<R>, ReadError> {
    let mut rows = Vec::new();
    let mut cursor = view.cursor(table, span.range(), super::engine::Direction::Forward)?;
    while let Some((_, value)) = cursor.next()? {
        rows.push(R::decode(value)?);
    }
    Ok(rows)
}

/// All entries in a span of a table, in key order.
pub(crate) fn entries(view: &dyn View, table: Table, span: &Span) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ReadError> {
    let mut rows = Vec::new();
    view.scan(table, span.range(), &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// A snapshot is found by its hold, which says at which point, and by the few paths there are.
pub(crate) fn snapshot(view: &dyn View, state: &State, guid: SnapshotGuid) -> Result<Option<SnapshotRow>, ReadError> {
    let Some(hold) = state.points.hold(HoldId::from_bytes(*guid.as_bytes())) else { return Ok(None) };
    for path in state.gates.paths().iter() {
        if let Some(row) = view.value(Table::Snapshots, &snapshot_key(path.guid, hold.seq, guid))? {
            return Ok(Some(SnapshotRow::decode(&row)?));
        }
    }
    Ok(None)
}

pub(crate) fn scope_is_empty(view: &dyn View, scope: &Scope) -> Result<bool, ReadError> {
    let span = match scope {
        Scope::Endpoint => Span::prefix(&[tag::NAME]),
        Scope::Bucket(name) => {
            return Ok(view.value(Table::Current, &RowKey::BucketName(name.clone()).encode())?.is_none());
        }
    };
    let mut cursor = view.cursor(Table::Current, span.range(), super::engine::Direction::Forward)?;
    Ok(cursor.next()?.is_none())
}
