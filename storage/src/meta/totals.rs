//! Totals as they are stored, and how far their first count is: FORMAT invariant 15.
//!
//! ```text
//! NotBegun --(a hold on the newest point)--> Running: commits keep differences, bites add what was there at the point --> Whole
//!     ^---------------(what is stored is not believed any more)---------------------------------------------------------'
//! ```
//!
//! A new directory is whole from its first batch on.

use serde::{Deserialize, Serialize};

use super::at::with_current;
use super::engine::{Direction, Table, View};
use super::layout::{Span, corrupt, meta_row, parse_name_row};
use crate::record::{CorruptRecord, PathRow, Record, RowKey, Scope, SnapshotRow, Total, tag};
use crate::store::{Counted, ReadError};
use crate::types::{BucketGuid, BucketName, HoldId, PathGuid, Seq};

/// The node's own total stands under the empty key.
pub(crate) const NODE: &[u8] = &[];

/// How far the totals are. It follows the committer: only a whole one says what the totals of the present are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Counting {
    /// Nothing is kept. What rows of totals there are go before the count begins.
    #[default]
    NotBegun,
    /// A total is what has changed since `point`, plus the rows at `point` up to the key `after`: so many.
    Running {
        point: Seq,
        after: Vec<u8>,
        rows: u64,
    },
    Whole,
}

impl Record for Counting {
    const KIND: &'static str = "count of totals";
    const VERSION: u8 = 1;
}

impl Counting {
    /// A store without any batch has no rows, and its totals are those of none.
    pub fn read(view: &dyn View, newest: Seq) -> Result<Self, ReadError> {
        Ok(match view.value(Table::Meta, meta_row::TOTALS)? {
            Some(row) => Counting::decode(&row)?,
            None if newest == Seq::ZERO => Counting::Whole,
            None => Counting::NotBegun,
        })
    }

    pub fn is_whole(&self) -> bool {
        *self == Counting::Whole
    }

    pub fn told(&self) -> Counted {
        match self {
            Counting::NotBegun => Counted::NotBegun,
            Counting::Running { rows, .. } => Counted::Running { rows: *rows },
            Counting::Whole => Counted::Whole,
        }
    }
}

/// The hold on the point at which rows are counted.
pub(crate) fn count_hold() -> HoldId {
    let hash = blake3::hash(b"tandem count of totals");
    HoldId::from_bytes(*hash.as_bytes().first_chunk().expect("a BLAKE3 hash is longer"))
}

/// What is stored under a key; nothing if there is no row.
pub(crate) fn stored_total(view: &dyn View, key: &[u8]) -> Result<Total, ReadError> {
    let mut found = Ok(None);
    view.get(Table::Totals, key, &mut |value| found = value.map(Total::decode).transpose())?;
    Ok(found?.unwrap_or_default())
}

/// The total of a scope at the newest point of the view, where the totals are whole.
pub(crate) fn present_total(view: &dyn View, scope: &Scope) -> Result<Total, ReadError> {
    match scope {
        Scope::Endpoint => stored_total(view, NODE),
        Scope::Bucket(name) => match present_bucket(view, name)? {
            Some(bucket) => stored_total(view, bucket.as_bytes()),
            None => Ok(Total::default()),
        },
    }
}

fn present_bucket(view: &dyn View, name: &BucketName) -> Result<Option<BucketGuid>, ReadError> {
    with_current(view, &RowKey::BucketName(name.clone()).encode(), |_, value| parse_name_row(value))
}

/// The total of a scope at a readable point: that of the newest, or what a snapshot of the scope's path carries. None: not known.
pub(crate) fn known_total(
    view: &dyn View,
    counting: &Counting,
    paths: &[PathRow],
    scope: &Scope,
    (at, newest): (Seq, Seq),
) -> Result<Option<Total>, ReadError> {
    if at == Seq::ZERO {
        return Ok(Some(Total::default()));
    }
    if at == newest && counting.is_whole() {
        return present_total(view, scope).map(Some);
    }
    for path in paths.iter().filter(|path| path.scope == *scope) {
        let span = snapshots_at(path.guid, at);
        let mut rows = view.cursor(Table::Snapshots, span.range(), Direction::Forward)?;
        while let Some((_, row)) = rows.next()? {
            if let Some(total) = SnapshotRow::decode(row)?.total {
                return Ok(Some(total));
            }
        }
    }
    Ok(None)
}

/// The snapshots that a path has at one point.
pub(crate) fn snapshots_at(path: PathGuid, point: Seq) -> Span {
    Span::prefix(&[&path.as_bytes()[..], &point.to_bytes()].concat())
}

/// The hold on the point at which kept totals are compared with rows.
pub(crate) fn audit_hold() -> HoldId {
    let hash = blake3::hash(b"tandem audit of totals");
    HoldId::from_bytes(*hash.as_bytes().first_chunk().expect("a BLAKE3 hash is longer"))
}

/// The totals that buckets behind `after` have, in the order of their GUIDs, `limit` at most.
pub(crate) fn bucket_totals(
    view: &dyn View,
    after: Option<BucketGuid>,
    limit: usize,
) -> Result<Vec<(BucketGuid, Total)>, ReadError> {
    let mut totals = Vec::new();
    // Behind the node's own, which has the empty key.
    let from = after.map_or_else(|| vec![0], |after| [after.as_bytes(), &[0][..]].concat());
    let span = Span { from, until: None };
    let mut rows = view.cursor(Table::Totals, span.range(), Direction::Forward)?;
    while let Some((bucket, total)) = rows.next()? {
        if totals.len() == limit {
            break;
        }
        totals.push((bucket_of(bucket)?, Total::decode(total)?));
    }
    Ok(totals)
}

fn bucket_of(key: &[u8]) -> Result<BucketGuid, CorruptRecord> {
    key.try_into().map(BucketGuid::from_bytes).map_err(|_| corrupt("bucket", key))
}

/// The kept totals, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// As it is kept of the node.
    pub node: Total,
    /// The sum of those that are kept of all buckets.
    pub buckets: Total,
    /// A bucket that is there and has no total.
    pub missing: Option<BucketGuid>,
}

/// O(buckets), in one view.
pub(crate) fn add_up(view: &dyn View) -> Result<Sums, ReadError> {
    let mut sums = Sums { node: Total::default(), buckets: Total::default(), missing: None };
    let all = Span { from: Vec::new(), until: None };
    let mut rows = view.cursor(Table::Totals, all.range(), Direction::Forward)?;
    while let Some((key, total)) = rows.next()? {
        let sum = if key == NODE { &mut sums.node } else { &mut sums.buckets };
        *sum = sum.plus(Total::decode(total)?);
    }
    drop(rows);
    let mut buckets = view.cursor(Table::Current, Span::prefix(&[tag::BUCKET]).range(), Direction::Forward)?;
    while let Some((key, _)) = buckets.next()? {
        let bucket = bucket_of(&key[1..])?;
        // A bucket's own row counts, so it has a total.
        if stored_total(view, bucket.as_bytes())?.is_nothing() {
            sums.missing = Some(bucket);
            break;
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests;
