//! Digests and totals of stored states, counted from their rows, a page at a time.

use super::at::{scan_at, value_at};
use super::digest::LtHash;
use super::engine::{Direction, Table, View};
use super::layout::{Span, row_bucket};
use super::scope::{behind, bucket_named, bucket_spans, spans_at};
use super::staged::{StoredRow, staged_key};
use crate::record::{Scope, Total};
use crate::store::ReadError;
use crate::types::{BucketGuid, Seq, TransferGuid};

/// Rows that are counted under one view.
const ROWS_A_PAGE: usize = 4096;

/// What rows are counted into.
pub trait Tally {
    /// A row that is there; `key` as encoded.
    fn add(&mut self, key: &[u8], value: &[u8]);
    /// A row that is not there any more.
    fn remove(&mut self, key: &[u8], value: &[u8]);
}

impl Tally for LtHash {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        LtHash::add(self, key, value);
    }

    fn remove(&mut self, key: &[u8], value: &[u8]) {
        LtHash::remove(self, key, value);
    }
}

impl Tally for Total {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.add_row(key, value);
    }

    fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.remove_row(key, value);
    }
}

/// Both at once.
impl<A: Tally, B: Tally> Tally for (A, B) {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.0.add(key, value);
        self.1.add(key, value);
    }

    fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.0.remove(key, value);
        self.1.remove(key, value);
    }
}

/// Adds the rows behind `after` that a scope has at a readable point. Returns where to go on; none: all are counted.
pub(crate) fn count_page(
    view: &dyn View,
    scope: &Scope,
    at: Seq,
    after: Option<&[u8]>,
    tally: &mut dyn Tally,
) -> Result<Option<Vec<u8>>, ReadError> {
    count_spans(view, spans_at(view, scope, at)?.into_iter(), at, after, tally)
}

/// The same for one bucket, whatever its name points to.
pub(crate) fn count_bucket_page(
    view: &dyn View,
    bucket: BucketGuid,
    at: Seq,
    after: Option<&[u8]>,
    tally: &mut dyn Tally,
) -> Result<Option<Vec<u8>>, ReadError> {
    let spans = bucket_spans(&[bucket]).into_iter().map(|(_, span)| span);
    count_spans(view, spans, at, after, tally)
}

fn count_spans(
    view: &dyn View,
    spans: impl Iterator<Item = Span>,
    at: Seq,
    after: Option<&[u8]>,
    tally: &mut dyn Tally,
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut left = ROWS_A_PAGE;
    for span in spans {
        let Some(span) = behind(span, after) else { continue };
        let mut rows = scan_at(view, &span, at)?;
        while let Some(row) = rows.next()? {
            tally.add(&row.key, &row.value);
            left -= 1;
            if left == 0 {
                return Ok(Some(row.key));
            }
        }
    }
    Ok(None)
}

/// Takes the change that staged rows from `first` on make to a base: what they replace leaves, what they bring comes. Returns where
/// to go on; none: all are counted.
pub(crate) fn count_staged_page(
    view: &dyn View,
    (transfer, scope): (TransferGuid, &Scope),
    base: Option<Seq>,
    first: u64,
    tally: &mut dyn Tally,
) -> Result<Option<u64>, ReadError> {
    let of_base = match (scope, base) {
        (Scope::Bucket(name), Some(base)) => bucket_named(view, name, base)?,
        _ => None,
    };
    let counted = |key: &[u8]| *scope == Scope::Endpoint || row_bucket(key) == of_base;
    let span = Span::tail(transfer.as_bytes(), staged_key(transfer, first));
    let mut rows = view.cursor(Table::Staged, span.range(), Direction::Forward)?;
    let mut count = 0;
    while let Some((_, row)) = rows.next()? {
        let row = StoredRow::decode(row)?;
        if let Some(base) = base.filter(|_| counted(&row.key))
            && let Some(old) = value_at(view, &row.key, base)?
        {
            tally.remove(&row.key, &old);
        }
        if let Some(new) = &row.value {
            tally.add(&row.key, new);
        }
        count += 1;
        if count == ROWS_A_PAGE as u64 {
            return Ok(Some(first + count));
        }
    }
    Ok(None)
}

/// Visits the keys of staged rows from `first` on. Returns where to go on, none at the end, and `first` itself when `visit` says no.
pub(crate) fn staged_keys_page(
    view: &dyn View,
    transfer: TransferGuid,
    first: u64,
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Option<u64>, ReadError> {
    let span = Span::tail(transfer.as_bytes(), staged_key(transfer, first));
    let mut rows = view.cursor(Table::Staged, span.range(), Direction::Forward)?;
    let mut count = 0;
    while let Some((_, row)) = rows.next()? {
        if !visit(&StoredRow::decode(row)?.key) {
            return Ok(Some(first));
        }
        count += 1;
        if count == ROWS_A_PAGE as u64 {
            return Ok(Some(first + count));
        }
    }
    Ok(None)
}
