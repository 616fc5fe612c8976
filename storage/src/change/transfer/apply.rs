//! Applying: staged rows become the present, behind the visible point.

use std::ops::ControlFlow;

use super::ApplyStaged;
use super::receive::{find, following, put};
use super::validate::{staged_buckets, staged_row};
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::engine::Direction;
use crate::meta::layout::{Span, parse_name_row};
use crate::meta::scope::{between, bucket_spans, endpoint_spans};
use crate::meta::staged::StoredRow;
use crate::record::{Access, PathRow, RowKey, Scope, TransferPhase, TransferRow};
use crate::store::Change;

impl Change for ApplyStaged {
    type Output = u64;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<u64, Refusal> {
        let mut transfer = find(tx, self.transfer)?;
        let path = following(tx, transfer.path, None)?;
        let (rows, first) = match transfer.phase {
            TransferPhase::Receiving { .. } | TransferPhase::Undoing { .. } | TransferPhase::Undone { .. } => {
                return Err(Refusal::Stale);
            }
            TransferPhase::Complete { rows } => (rows + u64::from(transfer.base.is_none()), 0),
            TransferPhase::Applying { rows, applied } => (rows, applied),
        };
        let mut left = self.limit.max(1);
        let applied = match transfer.base {
            Some(_) => apply_delta(tx, &transfer, first, rows, left)?,
            None => apply_seed(tx, &transfer, &path, first, rows, &mut left)?,
        };
        transfer.phase = TransferPhase::Applying { rows, applied };
        put(tx, &transfer);
        Ok(rows - applied)
    }
}

/// Returns how many rows are applied by now.
fn apply_delta(tx: &mut Tx<'_>, transfer: &TransferRow, first: u64, rows: u64, left: usize) -> Result<u64, Refusal> {
    let end = rows.min(first + left as u64);
    for number in first..end {
        let StoredRow { key, value } = needed_row(tx, transfer, number)?;
        set(tx, &RowKey::decode(&key)?, value)?;
    }
    Ok(end)
}

/// Step `n` of a seed removes what is present between its rows `n - 1` and `n`, and sets row `n`. The last step has no row.
fn apply_seed(
    tx: &mut Tx<'_>,
    transfer: &TransferRow,
    path: &PathRow,
    first: u64,
    rows: u64,
    left: &mut usize,
) -> Result<u64, Refusal> {
    let spans = present_spans(tx, transfer, path)?;
    let mut before = match first.checked_sub(1) {
        Some(number) => Some(needed_row(tx, transfer, number)?.key),
        None => None,
    };
    for number in first..rows {
        let next = if number + 1 < rows { Some(needed_row(tx, transfer, number)?) } else { None };
        if *left == 0 || !clear(tx, &spans, before.as_deref(), next.as_ref().map(|row| &row.key[..]), left)? {
            return Ok(number);
        }
        if let Some(StoredRow { key, value }) = next {
            set(tx, &RowKey::decode(&key)?, value)?;
            *left = left.saturating_sub(1);
            before = Some(key);
        }
    }
    Ok(rows)
}

/// Where rows of the path can be: the buckets it shows, has now, and will have.
fn present_spans(tx: &mut Tx<'_>, transfer: &TransferRow, path: &PathRow) -> Result<Vec<Span>, Refusal> {
    let Scope::Bucket(name) = &path.scope else { return Ok(endpoint_spans()) };
    let mut buckets = staged_buckets(tx, transfer.id, name)?;
    buckets.extend(tx.bucket_named(name)?);
    if let Access::ReadAt(visible) = path.access
        && let Some(shown) = tx.row_at(&RowKey::BucketName(name.clone()), visible)?
    {
        buckets.push(parse_name_row(&shown)?);
    }
    buckets.sort();
    buckets.dedup();
    Ok(bucket_spans(&buckets).into_iter().map(|(_, span)| span).collect())
}

/// Deletes the rows between two keys; false when the limit was reached before all were gone.
fn clear(
    tx: &mut Tx<'_>,
    spans: &[Span],
    after: Option<&[u8]>,
    before: Option<&[u8]>,
    left: &mut usize,
) -> Result<bool, Refusal> {
    let mut doomed = Vec::new();
    let mut whole = true;
    for span in spans.iter().filter_map(|span| between(span, after, before)) {
        tx.scan_rows(&span, Direction::Forward, &mut |key, _| {
            whole = doomed.len() < *left;
            match whole {
                true => doomed.push(RowKey::decode(key)),
                false => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        })?;
        if !whole {
            break;
        }
    }
    *left -= doomed.len();
    for key in doomed {
        tx.delete_row(&key?)?;
    }
    Ok(whole)
}

fn needed_row(tx: &Tx<'_>, transfer: &TransferRow, number: u64) -> Result<StoredRow, Refusal> {
    let missing = || Refusal::Damaged(format!("row {number} of transfer {} is not staged", transfer.id));
    staged_row(tx, transfer.id, number)?.ok_or_else(missing)
}

pub(super) fn set(tx: &mut Tx<'_>, key: &RowKey, value: Option<Vec<u8>>) -> Result<(), Refusal> {
    match value {
        Some(value) => tx.put_row(key, value),
        None => tx.delete_row(key),
    }
}
