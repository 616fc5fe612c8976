//! Totals, counted again: from intervals of rows as they are stored, and by no walk that anything else uses.
//!
//! A row that was true in [from, until) counts at every point inside. So one pass over `current` and `history` counts all points at once: each interval
//! adds its row at the first point in it, and takes it away at the first point behind it.

use std::collections::BTreeMap;

use super::{Check, Kind};
use crate::meta::engine::Table;
use crate::meta::layout::{meta_row, parse_name_row, parse_number, row_bucket};
use crate::meta::totals::{Counting, NODE};
use crate::record::{CorruptRecord, PathRow, Record, RowKey, Scope, SnapshotRow, Total};
use crate::store::ReadError;
use crate::types::{BucketGuid, BucketName, PathGuid, Seq};

/// What rows come to at each point.
#[derive(Default)]
pub(super) struct Tally {
    counting: Counting,
    /// The points that are counted: those of snapshots with a total, and the newest.
    points: Vec<Seq>,
    scopes: BTreeMap<PathGuid, Scope>,
    snapshots: Vec<SnapshotRow>,
    /// By bucket, and by the index of a point: what comes and goes there.
    changes: BTreeMap<BucketGuid, BTreeMap<usize, Total>>,
    /// Rows that a running count has not reached.
    ahead: BTreeMap<BucketGuid, Total>,
    /// Since when, and until when, a name pointed to a bucket.
    names: BTreeMap<BucketName, Vec<(Seq, Option<Seq>, BucketGuid)>>,
}

impl Tally {
    /// A row that was true from one Seq on, and until another if it is not of the present.
    pub fn row(&mut self, key: &[u8], value: &[u8], from: Seq, until: Option<Seq>) -> Result<(), CorruptRecord> {
        let Some(bucket) = row_bucket(key) else {
            if let RowKey::BucketName(name) = RowKey::decode(key)? {
                self.names.entry(name).or_default().push((from, until, parse_name_row(value)?));
            }
            return Ok(());
        };
        let first = |at: Seq| self.points.partition_point(|point| *point < at);
        let (begin, end) = (first(from), until.map(first));
        let ahead = match &self.counting {
            Counting::Running { point, after, .. } => {
                from <= *point && until.is_none_or(|until| *point < until) && key > &after[..]
            }
            Counting::NotBegun | Counting::Whole => false,
        };
        if Some(begin) == end && !ahead {
            return Ok(());
        }
        let mut total = Total::default();
        total.add_row(key, value);
        if ahead {
            add(&mut self.ahead, bucket, total);
        }
        let changes = self.changes.entry(bucket).or_default();
        add(changes, begin, total);
        if let Some(end) = end {
            add(changes, end, Total::default().minus(total));
        }
        Ok(())
    }

    /// What each bucket's rows come to at a point.
    fn at(&self, point: Seq) -> impl Iterator<Item = (BucketGuid, Total)> {
        let index = self.points.partition_point(|other| *other < point);
        self.changes.iter().map(move |(bucket, changes)| {
            (*bucket, changes.range(..=index).fold(Total::default(), |sum, (_, change)| sum.plus(*change)))
        })
    }

    fn scope_at(&self, scope: &Scope, point: Seq) -> Total {
        let inside = |from: Seq, until: Option<Seq>| from <= point && until.is_none_or(|until| point < until);
        let only = match scope {
            Scope::Endpoint => None,
            Scope::Bucket(name) => {
                let named = self.names.get(name).into_iter().flatten().find(|(from, until, _)| inside(*from, *until));
                let Some((.., bucket)) = named else { return Total::default() };
                Some(*bucket)
            }
        };
        let rows = self.at(point).filter(|(bucket, _)| only.is_none_or(|only| only == *bucket));
        rows.fold(Total::default(), |sum, (_, total)| sum.plus(total))
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Total>, key: K, total: Total) {
    let sum = sums.entry(key).or_default();
    *sum = sum.plus(total);
}

impl Check<'_> {
    /// At which points rows are to be counted. Before any row is looked at.
    pub(super) fn tally(&mut self) -> Result<(), ReadError> {
        let applied = self.subject.view.value(Table::Meta, meta_row::APPLIED)?;
        let newest = Seq::new(applied.map(|value| parse_number(&value)).transpose()?.unwrap_or_default());
        self.tally.counting = Counting::read(self.subject.view, newest)?;
        self.each(Table::Paths, &mut |check, _, value| {
            let row = PathRow::decode(value)?;
            check.tally.scopes.insert(row.guid, row.scope);
            Ok(())
        })?;
        self.each(Table::Snapshots, &mut |check, _, value| {
            let row = SnapshotRow::decode(value)?;
            if row.total.is_some() {
                check.tally.snapshots.push(row);
            } else if row.proved {
                check.found(Kind::Total, format!("snapshot {}", row.meta.guid), "proved without a total");
            }
            Ok(())
        })?;
        let points = &mut self.tally.points;
        points.extend(self.tally.snapshots.iter().map(|row| row.seq));
        points.push(newest);
        points.sort();
        points.dedup();
        Ok(())
    }

    /// The totals that are stored, against what the rows came to.
    pub(super) fn totals(&mut self) -> Result<(), ReadError> {
        let tally = std::mem::take(&mut self.tally);
        for row in &tally.snapshots {
            let Some(scope) = tally.scopes.get(&row.path) else { continue };
            let counted = tally.scope_at(scope, row.seq);
            if let Some(total) = row.total.filter(|total| *total != counted) {
                let detail = format!("at {} of {scope}: stored {total}, counted {counted}", row.seq);
                self.found(Kind::Total, format!("snapshot {}", row.meta.guid), detail);
            }
        }
        if tally.counting == Counting::NotBegun {
            return Ok(());
        }
        let newest = tally.points.last().copied().unwrap_or_default();
        let mut expected: BTreeMap<Vec<u8>, Total> = BTreeMap::new();
        for (bucket, total) in tally.at(newest) {
            let total = total.minus(tally.ahead.get(&bucket).copied().unwrap_or_default());
            add(&mut expected, bucket.as_bytes().to_vec(), total);
            add(&mut expected, NODE.to_vec(), total);
        }
        self.each(Table::Totals, &mut |check, key, value| {
            let (stored, counted) = (Total::decode(value)?, expected.remove(key).unwrap_or_default());
            if stored != counted || stored.is_nothing() {
                check.found(Kind::Total, subject(key), format!("stored {stored}, counted {counted}"));
            }
            Ok(())
        })?;
        for (key, counted) in expected.into_iter().filter(|(_, counted)| !counted.is_nothing()) {
            self.found(Kind::Total, subject(&key), format!("not stored, counted {counted}"));
        }
        Ok(())
    }
}

fn subject(key: &[u8]) -> String {
    match <[u8; 16]>::try_from(key) {
        Ok(guid) => format!("bucket {}", BucketGuid::from_bytes(guid)),
        Err(_) => "the whole node".to_owned(),
    }
}
