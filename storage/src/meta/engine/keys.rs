//! One ordered tree for all tables: a table's number stands in front of its keys.

use std::ops::Bound;

use super::{Cursor, EngineError, Entry, KeyRange, Table};

/// Writes the tree's key into `out`, which is cleared first.
pub(super) fn prefixed(out: &mut Vec<u8>, table: Table, key: &[u8]) {
    out.clear();
    out.push(table.number());
    out.extend_from_slice(key);
}

/// Whether no key can be in the range.
pub(super) fn is_empty((from, until): KeyRange<'_>) -> bool {
    match (from, until) {
        (Bound::Included(from), Bound::Included(until)) => from > until,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(until) | Bound::Included(until)) => {
            from >= until
        }
        _ => false,
    }
}

/// The tree's bounds for a range of one table; none when the range is empty.
pub(super) fn prefixed_range(table: Table, range: KeyRange<'_>) -> Option<(Bound<Vec<u8>>, Bound<Vec<u8>>)> {
    if is_empty(range) {
        return None;
    }
    let (from, until) = range;
    let full = |key: &[u8]| {
        let mut out = Vec::with_capacity(key.len() + 1);
        prefixed(&mut out, table, key);
        out
    };
    let from = match from {
        Bound::Unbounded => Bound::Included(vec![table.number()]),
        bound => bound.map(full),
    };
    let until = match until {
        Bound::Unbounded => Bound::Excluded(vec![table.number() + 1]),
        bound => bound.map(full),
    };
    Some((from, until))
}

/// A cursor over an empty range.
pub(super) struct NoEntries;

impl Cursor for NoEntries {
    fn next(&mut self) -> Result<Option<Entry<'_>>, EngineError> {
        Ok(None)
    }
}
