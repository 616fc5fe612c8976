//! The totals of the batch: kept where every change of a row passes, by whoever it is made.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use super::{Now, RowCell, Tx, Undo};
use crate::change::Refusal;
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::{meta_row, row_bucket};
use crate::meta::totals::{Counting, NODE, present_total, snapshots_at};
use crate::record::{PathRow, Record, Scope, SnapshotRow, Total};
use crate::types::{BucketGuid, Seq};

/// What a batch has made of the rows of each bucket.
pub(super) type Differences = BTreeMap<BucketGuid, Total>;

/// A snapshot of this very batch, which is to carry the total at the batch's end.
pub(super) struct Taken {
    key: Vec<u8>,
    row: SnapshotRow,
    /// Under which key its scope's total is; none: the scope has no bucket.
    scope: Option<Vec<u8>>,
}

impl Tx<'_> {
    pub(crate) fn counting(&self) -> &Counting {
        &self.counting
    }

    pub(crate) fn set_counting(&mut self, counting: Counting) {
        match &counting {
            Counting::NotBegun => self.table_delete(Table::Meta, meta_row::TOTALS.to_vec()),
            other => self.table_put(Table::Meta, meta_row::TOTALS.to_vec(), other.encode()),
        }
        let before = std::mem::replace(&mut self.counting, counting);
        self.undo.push(Undo::Counting(before));
    }

    /// Adds to a stored total. One of no rows has no row.
    pub(crate) fn add_total(&mut self, key: &[u8], difference: Total) -> Result<(), Refusal> {
        if difference.is_nothing() {
            return Ok(());
        }
        let total = self.total_row(key)?.plus(difference);
        match total.is_nothing() {
            true => self.table_delete(Table::Totals, key.to_vec()),
            false => self.table_put(Table::Totals, key.to_vec(), total.encode().to_vec()),
        }
        Ok(())
    }

    fn total_row(&self, key: &[u8]) -> Result<Total, Refusal> {
        Ok(self.table_get(Table::Totals, key)?.map(|value| Total::decode(&value)).transpose()?.unwrap_or_default())
    }

    /// The total of a scope as the changes of the batch so far have made it; none while the totals are not whole. O(rows of the batch).
    pub(crate) fn total_now(&mut self, scope: &Scope) -> Result<Option<Total>, Refusal> {
        if !self.counting.is_whole() {
            return Ok(None);
        }
        let Some(key) = self.total_key(scope)? else { return Ok(Some(Total::default())) };
        let mut total = self.total_row(&key)?;
        for (row, cell) in &self.rows {
            let inside = row_bucket(row).is_some_and(|bucket| key == NODE || key == bucket.as_bytes());
            if let (true, Some((old, new))) = (inside, cell.change()) {
                total = total.plus(difference(row, old, new));
            }
        }
        Ok(Some(total))
    }

    /// Under which key a scope's total is now; none if it has no bucket.
    fn total_key(&mut self, scope: &Scope) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(match scope {
            Scope::Endpoint => Some(NODE.to_vec()),
            Scope::Bucket(name) => self.bucket_named(name)?.map(|bucket| bucket.as_bytes().to_vec()),
        })
    }

    /// The total of a path at a readable point before this batch, and whether a snapshot there is proved; none: not known. It is never
    /// that of the present, unless the point is the newest.
    pub(crate) fn total_at(&self, path: &PathRow, point: Seq) -> Result<Option<(Total, Option<bool>)>, Refusal> {
        if let Some(known) = self.snapshot_total(path, point)? {
            return Ok(Some(known));
        }
        if point == self.newest() && self.whole_before {
            return Ok(Some((present_total(self.view, &path.scope)?, None)));
        }
        Ok(None)
    }

    fn snapshot_total(&self, path: &PathRow, point: Seq) -> Result<Option<(Total, Option<bool>)>, Refusal> {
        let mut found = Ok(None);
        self.table_scan(Table::Snapshots, &snapshots_at(path.guid, point), Direction::Forward, &mut |_, row| {
            match SnapshotRow::decode(row) {
                Ok(SnapshotRow { total: None, .. }) => ControlFlow::Continue(()),
                Ok(SnapshotRow { total: Some(total), proved, .. }) => {
                    found = Ok(Some((total, Some(proved))));
                    ControlFlow::Break(())
                }
                Err(error) => {
                    found = Err(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        Ok(found?)
    }

    /// Snapshots whose point is this batch. To be asked while the batch has its rows.
    pub(super) fn snapshots_taken(&mut self) -> Result<Vec<Taken>, Refusal> {
        let first = (Table::Snapshots, Vec::new());
        let rows = self.tables.range((Bound::Included(first), Bound::Unbounded));
        let rows = rows.take_while(|((table, _), _)| *table == Table::Snapshots);
        let rows = rows.filter_map(|((_, key), value)| Some((key.clone(), SnapshotRow::decode(value.as_deref()?))));
        let mut taken = Vec::new();
        for (key, row) in rows.collect::<Vec<_>>() {
            let row = row?;
            let Some(path) = self.gates.path(row.path).filter(|_| row.seq == self.seq) else { continue };
            let scope = path.scope.clone();
            taken.push(Taken { key, scope: self.total_key(&scope)?, row });
        }
        Ok(taken)
    }

    /// The totals at the end of the batch, and in the snapshots that are taken of it. A snapshot that was declared to have another is not proved.
    pub(super) fn finish_totals(&mut self, differences: Differences, taken: Vec<Taken>) -> Result<(), Refusal> {
        let mut node = Total::default();
        for (bucket, difference) in differences {
            node = node.plus(difference);
            self.add_total(bucket.as_bytes(), difference)?;
        }
        self.add_total(NODE, node)?;
        for Taken { key, row, scope } in taken {
            let total = match scope {
                _ if !self.counting.is_whole() => None,
                None => Some(Total::default()),
                Some(scope) => Some(self.total_row(&scope)?),
            };
            let as_declared = row.total.is_none() || row.total == total;
            let proved = row.proved && as_declared && total.is_some();
            self.table_put(Table::Snapshots, key, SnapshotRow { total, proved, ..row }.encode());
        }
        Ok(())
    }
}

impl RowCell {
    /// The row's value before the batch and now, if they differ.
    fn change(&self) -> Option<(Option<&[u8]>, Option<&[u8]>)> {
        let Now::Changed(new) = &self.now else { return None };
        let old = self.before.as_ref().map(|(_, value)| &value[..]);
        (old != new.as_deref()).then_some((old, new.as_deref()))
    }
}

/// What the change of one row makes of a total.
pub(super) fn difference(key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) -> Total {
    let mut total = Total::default();
    if let Some(old) = old {
        total.remove_row(key, old);
    }
    if let Some(new) = new {
        total.add_row(key, new);
    }
    total
}
