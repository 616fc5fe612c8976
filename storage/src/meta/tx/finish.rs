//! The end of a batch: what its changes come to, as writes of the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::totals::{Differences, difference};
use super::{BlobCell, Now, Tx};
use crate::blob::StagedPiece;
use crate::change::Refusal;
use crate::journal::FrameBody;
use crate::meta::engine::{EngineWrite, Table};
use crate::meta::gates::Gates;
use crate::meta::layout::{
    SegmentCount, changes_key, dead_key, ended_key, history_key, meta_row, row_blobs, row_bucket, segment_key, stored,
};
use crate::meta::points::Points;
use crate::meta::totals::Counting;
use crate::record::{BlobRow, Location, Record};
use crate::types::{BucketGuid, ContentHash, Seq};

/// A batch that is ready for the journal.
pub(crate) struct Finished {
    pub writes: Vec<EngineWrite>,
    pub bodies: Vec<FrameBody>,
    /// To be adopted unless it is certain that the frame was not written.
    pub pieces: Vec<StagedPiece>,
    pub points: Arc<Points>,
    pub gates: Arc<Gates>,
    pub counting: Counting,
}

/// A row that the batch changed: since when the old value was true (zero: absent), and the values.
struct Touched {
    key: Vec<u8>,
    from: Seq,
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
}

impl Tx<'_> {
    /// Works the batch out. `places` says where each of [`bodies`](Self::bodies) will be.
    pub(crate) fn finish(mut self, places: &[Location]) -> Result<Finished, Refusal> {
        let mut writes = Vec::new();
        let taken = self.snapshots_taken()?;
        let differences = self.finish_rows(&mut writes)?;
        self.finish_totals(differences, taken)?;
        self.finish_blobs(places, &mut writes)?;
        let tables = std::mem::take(&mut self.tables);
        writes.extend(tables.into_iter().map(|((table, key), value)| EngineWrite { table, key, value }));
        if !(self.bodies.is_empty() && self.pieces.is_empty()) {
            writes.push(put(Table::Meta, meta_row::INSTANCES.to_vec(), self.instances.next().to_be_bytes().to_vec()));
        }
        // In a new directory nothing was there to be counted; a later batch without this row is of a build that kept no totals.
        if self.newest() == Seq::ZERO && self.counting.is_whole() && !writes.is_empty() {
            writes.push(put(Table::Meta, meta_row::TOTALS.to_vec(), Counting::Whole.encode()));
        }
        // In key order the engine touches each of its pages once. Of two writes to one key the later stays the later.
        writes.sort_by(|one, other| (one.table, &one.key).cmp(&(other.table, &other.key)));
        let Tx { bodies, pieces, points, gates, counting, .. } = self;
        Ok(Finished { writes, bodies, pieces, points, gates, counting })
    }

    /// What each bucket's total changes by; nothing where totals are not kept.
    fn finish_rows(&mut self, writes: &mut Vec<EngineWrite>) -> Result<Differences, Refusal> {
        let mut changed = Differences::new();
        let counted = self.counting != Counting::NotBegun;
        let mut order = 0;
        for row in self.take_touched() {
            if let Some(bucket) = row_bucket(&row.key) {
                let change = changed.entry(bucket).or_default();
                if counted {
                    *change = change.plus(difference(&row.key, row.old.as_deref(), row.new.as_deref()));
                }
                if self.points.feed_is_kept() {
                    writes.push(feed_row(bucket, self.seq, order, &row));
                    order += 1;
                }
            }
            if let Some(old) = &row.old
                && self.points.any_held(row.from, self.seq)
            {
                for hash in row_blobs(&row.key, old)?.into_iter().flatten() {
                    self.reference(hash)?;
                }
                writes.push(put(Table::History, history_key(&row.key, self.seq), stored(row.from, old)));
                writes.push(put(Table::Ended, ended_key(self.seq, &row.key), Vec::new()));
            }
            let value = row.new.map(|new| stored(self.seq, &new));
            writes.push(EngineWrite { table: Table::Current, key: row.key, value });
        }
        let seq = self.seq.to_bytes().to_vec();
        writes.extend(changed.keys().map(|bucket| put(Table::LastChanged, bucket.as_bytes().to_vec(), seq.clone())));
        Ok(changed)
    }

    /// Rows whose value is another than before the batch.
    fn take_touched(&mut self) -> Vec<Touched> {
        let rows = std::mem::take(&mut self.rows);
        let touched = rows.into_iter().filter_map(|(key, cell)| {
            let Now::Changed(new) = cell.now else { return None };
            let (from, old) = cell.before.map_or((Seq::ZERO, None), |(from, old)| (from, Some(old)));
            (old != new).then_some(Touched { key, from, old, new })
        });
        touched.collect()
    }

    fn finish_blobs(&mut self, places: &[Location], writes: &mut Vec<EngineWrite>) -> Result<(), Refusal> {
        let mut segments: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
        for (hash, cell) in std::mem::take(&mut self.blobs) {
            let now = self.final_blob(hash, &cell, places, writes);
            if now == cell.before {
                continue;
            }
            if cell.before.map(|row| row.instance) != now.map(|row| row.instance) {
                count_segment(&mut segments, cell.before, -1);
                count_segment(&mut segments, now, 1);
            }
            let value = now.map(|row| row.encode());
            writes.push(EngineWrite { table: Table::Blobs, key: hash.as_bytes().to_vec(), value });
        }
        for (file, (bodies, bytes)) in segments {
            writes.push(self.segment_row(file, bodies, bytes)?);
        }
        Ok(())
    }

    /// The row of a blob when the batch ends: with its place, and dead if nothing references it.
    fn final_blob(
        &self,
        hash: ContentHash,
        cell: &BlobCell,
        places: &[Location],
        writes: &mut Vec<EngineWrite>,
    ) -> Option<BlobRow> {
        let mut row = cell.now?;
        if let Some(place) = cell.body.and_then(|at| places.get(at)) {
            row.location = *place;
        }
        if row.references == 0 && row.died == Seq::ZERO {
            row.died = self.seq;
            writes.push(put(Table::Dead, dead_key(self.seq, hash), Vec::new()));
        }
        Some(row)
    }

    fn segment_row(&self, file: u64, bodies: i64, bytes: i64) -> Result<EngineWrite, Refusal> {
        let key = segment_key(file);
        let stored = self.table_get(Table::Segments, &key)?;
        let old = stored.map(|value| SegmentCount::decode(&value)).transpose()?.unwrap_or_default();
        let add = |count: u64, by| {
            count.checked_add_signed(by).ok_or_else(|| Refusal::Damaged(format!("live bodies of journal file {file}")))
        };
        let count = SegmentCount { bodies: add(old.bodies, bodies)?, bytes: add(old.bytes, bytes)? };
        let value = (count.bodies > 0).then(|| count.encode());
        Ok(EngineWrite { table: Table::Segments, key, value })
    }
}

fn count_segment(segments: &mut BTreeMap<u64, (i64, i64)>, row: Option<BlobRow>, sign: i64) {
    if let Some(BlobRow { location: Location::Journal { file, .. }, len, .. }) = row {
        let count = segments.entry(file).or_default();
        count.0 += sign;
        count.1 += sign * i64::try_from(len).unwrap_or(i64::MAX);
    }
}

/// The change of one row, with since when its previous value was true: by it a delta knows which of a row's changes counts.
fn feed_row(bucket: BucketGuid, seq: Seq, order: u32, row: &Touched) -> EngineWrite {
    put(Table::Changes, changes_key(bucket, seq, order), stored(row.from, &row.key))
}

fn put(table: Table, key: Vec<u8>, value: Vec<u8>) -> EngineWrite {
    EngineWrite { table, key, value: Some(value) }
}
