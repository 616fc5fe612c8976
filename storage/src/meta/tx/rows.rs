//! Rows that have history, with the batch's own changes over them. Counts of blobs, and the names of buckets, follow each
//! write at once, so that later changes of the batch see them.

use std::ops::{Bound, ControlFlow};

use super::tables::merge;
use super::{Now, RowCell, Tx, Undo};
use crate::change::Refusal;
use crate::meta::at;
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::{Span, parse_name_row, parse_number, parse_stored, row_blobs, uploads_key};
use crate::record::{BucketRow, CorruptRecord, Record, RowKey, UploadRow};
use crate::types::{BucketGuid, BucketName, Seq};

impl Tx<'_> {
    /// A row's value now.
    pub(crate) fn row(&mut self, key: &RowKey) -> Result<Option<Vec<u8>>, Refusal> {
        Ok(self.cell(&key.encode())?.value().map(<[u8]>::to_vec))
    }

    pub(crate) fn row_exists(&mut self, key: &RowKey) -> Result<bool, Refusal> {
        Ok(self.cell(&key.encode())?.value().is_some())
    }

    /// A row's record now.
    pub(crate) fn record<R: Record>(&mut self, key: &RowKey) -> Result<Option<R>, Refusal> {
        Ok(self.cell(&key.encode())?.value().map(R::decode).transpose()?)
    }

    pub(crate) fn put_row(&mut self, key: &RowKey, value: Vec<u8>) -> Result<(), Refusal> {
        self.write_row(key, Some(value))
    }

    pub(crate) fn put_record<R: Record>(&mut self, key: &RowKey, record: &R) -> Result<(), Refusal> {
        self.write_row(key, Some(record.encode()))
    }

    /// Deleting what is absent is fine.
    pub(crate) fn delete_row(&mut self, key: &RowKey) -> Result<(), Refusal> {
        self.write_row(key, None)
    }

    /// A row's value at a readable point before this batch.
    pub(crate) fn row_at(&self, key: &RowKey, point: Seq) -> Result<Option<Vec<u8>>, Refusal> {
        debug_assert!(point < self.seq);
        Ok(at::value_at(self.view, &key.encode(), point)?)
    }

    /// Visits the rows of a span as they are now until `visit` breaks.
    pub(crate) fn scan_rows(
        &self,
        span: &Span,
        direction: Direction,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Refusal> {
        let until = span.until.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let own = self.rows.range::<[u8], _>((Bound::Included(&span.from[..]), until));
        let own = own.filter_map(|(key, cell)| match &cell.now {
            Now::AsBefore => None,
            Now::Changed(value) => Some((&key[..], value.as_deref())),
        });
        let cursor = self.view.cursor(Table::Current, span.range(), direction)?;
        match direction {
            Direction::Forward => merge(cursor, own, direction, value_of, visit),
            Direction::Backward => merge(cursor, own.rev(), direction, value_of, visit),
        }
    }

    /// Whether no row has a key that begins with `prefix`.
    pub(crate) fn is_empty(&self, prefix: &[u8]) -> Result<bool, Refusal> {
        let mut empty = true;
        self.scan_rows(&Span::prefix(prefix), Direction::Forward, &mut |_, _| {
            empty = false;
            ControlFlow::Break(())
        })?;
        Ok(empty)
    }

    /// The bucket that a name points to now.
    pub(crate) fn bucket_named(&mut self, name: &BucketName) -> Result<Option<BucketGuid>, Refusal> {
        let value = self.row(&RowKey::BucketName(name.clone()))?;
        Ok(value.map(|value| parse_name_row(&value)).transpose()?)
    }

    /// The row as the batch has it, read once.
    fn cell(&mut self, key: &[u8]) -> Result<&mut RowCell, Refusal> {
        if !self.rows.contains_key(key) {
            let before = at::current(self.view, key)?;
            self.rows.insert(key.to_vec(), RowCell { before, now: Now::AsBefore });
        }
        Ok(self.rows.get_mut(key).expect("inserted above when it was not there"))
    }

    fn write_row(&mut self, key: &RowKey, value: Option<Vec<u8>>) -> Result<(), Refusal> {
        match key {
            RowKey::Bucket(guid) => self.derive_name(*guid, value.as_deref())?,
            RowKey::Upload(..) => self.count_uploads(key, value.as_deref())?,
            _ => {}
        }
        let encoded = key.encode();
        let old = self.cell(&encoded)?.value().map(|old| row_blobs(&encoded, old)).transpose()?;
        let new = value.as_deref().map(|value| row_blobs(&encoded, value)).transpose()?;
        // The new ones first: a blob that only moves from row to row is at no moment without a reference.
        for hash in new.into_iter().flatten().flatten() {
            self.reference(hash)?;
        }
        for hash in old.into_iter().flatten().flatten() {
            self.release(hash)?;
        }
        let cell = self.cell(&encoded)?;
        let before = std::mem::replace(&mut cell.now, Now::Changed(value));
        self.undo.push(Undo::Row(encoded, before));
        Ok(())
    }

    /// Keeps the name's row in step with its bucket's. A name that points to another bucket by now is left alone.
    fn derive_name(&mut self, guid: BucketGuid, new: Option<&[u8]>) -> Result<(), Refusal> {
        let old: Option<BucketRow> = self.record(&RowKey::Bucket(guid))?;
        let new = new.map(BucketRow::decode).transpose()?;
        let (old, new) = (old.map(|row| row.name), new.map(|row| row.name));
        if let Some(name) = old.filter(|name| Some(name) != new.as_ref())
            && self.bucket_named(&name)? == Some(guid)
        {
            self.delete_row(&RowKey::BucketName(name))?;
        }
        if let Some(name) = new
            && self.bucket_named(&name)? != Some(guid)
        {
            self.put_row(&RowKey::BucketName(name), guid.as_bytes().to_vec())?;
        }
        Ok(())
    }
}

impl Tx<'_> {
    /// How many uploads that count against this one are in progress, in all buckets.
    pub(crate) fn uploads_of(&self, whose: Option<&str>) -> Result<u64, Refusal> {
        let stored = self.table_get(Table::Meta, &uploads_key(whose))?;
        Ok(stored.map(|count| parse_number(&count)).transpose()?.unwrap_or(0))
    }

    /// Keeps the counts in step with the uploads, whoever writes them: clients, a delta, a rewind.
    fn count_uploads(&mut self, key: &RowKey, new: Option<&[u8]>) -> Result<(), Refusal> {
        let old: Option<UploadRow> = self.record(key)?;
        let new = new.map(UploadRow::decode).transpose()?;
        let [old, new] = [&old, &new].map(|row| row.as_ref().map(UploadRow::counts_against));
        if old == new {
            return Ok(());
        }
        if let Some(old) = old {
            let left = self.uploads_of(old)?.saturating_sub(1);
            let key = uploads_key(old);
            match left {
                0 => self.table_delete(Table::Meta, key),
                _ => self.table_put(Table::Meta, key, left.to_be_bytes().to_vec()),
            }
        }
        if let Some(new) = new {
            let count = self.uploads_of(new)?.saturating_add(1);
            self.table_put(Table::Meta, uploads_key(new), count.to_be_bytes().to_vec());
        }
        Ok(())
    }
}

fn value_of(stored: &[u8]) -> Result<&[u8], CorruptRecord> {
    parse_stored(stored).map(|(_, value)| value)
}
