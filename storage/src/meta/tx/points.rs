//! Holds, cursors and paths: written to their tables and to memory in one step.

use std::sync::Arc;

use super::{Tx, Undo};
use crate::change::{Refusal, WritePermit};
use crate::meta::engine::Table;
use crate::meta::gates::Gates;
use crate::meta::points::Points;
use crate::record::{BucketRow, CursorRow, HoldRow, PathRow, Record, RowKey};
use crate::types::{BucketGuid, BucketName, HoldId, PathGuid};

impl Tx<'_> {
    /// Holds and cursors now.
    pub(crate) fn points(&self) -> &Points {
        &self.points
    }

    /// Paths now.
    pub(crate) fn gates(&self) -> &Gates {
        &self.gates
    }

    pub(crate) fn put_hold(&mut self, row: HoldRow) {
        self.table_put(Table::Holds, row.id.as_bytes().to_vec(), row.encode());
        self.points_mut().insert_hold(row);
    }

    pub(crate) fn delete_hold(&mut self, id: HoldId) -> Option<HoldRow> {
        self.points.hold(id)?;
        self.table_delete(Table::Holds, id.as_bytes().to_vec());
        self.points_mut().remove_hold(id)
    }

    pub(crate) fn put_cursor(&mut self, row: CursorRow) {
        self.table_put(Table::Cursors, row.id.as_bytes().to_vec(), row.encode());
        self.points_mut().insert_cursor(row);
    }

    pub(crate) fn delete_cursor(&mut self, id: HoldId) -> Option<CursorRow> {
        self.points.cursor(id)?;
        self.table_delete(Table::Cursors, id.as_bytes().to_vec());
        self.points_mut().remove_cursor(id)
    }

    pub(crate) fn put_path(&mut self, row: PathRow) {
        self.table_put(Table::Paths, row.guid.as_bytes().to_vec(), row.encode());
        self.gates_mut().insert(row);
    }

    pub(crate) fn delete_path(&mut self, guid: PathGuid) {
        self.table_delete(Table::Paths, guid.as_bytes().to_vec());
        self.gates_mut().remove(guid);
    }

    /// FORMAT invariant 10 for a bucket that must be there: its row, once the permit fits. `NoSuchBucket`, `Fenced`.
    pub(crate) fn writable_bucket(&mut self, guid: BucketGuid, permit: WritePermit) -> Result<BucketRow, Refusal> {
        let row: BucketRow = self.record(&RowKey::Bucket(guid))?.ok_or(Refusal::NoSuchBucket)?;
        self.check_permit(&row.name, permit)?;
        Ok(row)
    }

    /// The same for a name.
    pub(crate) fn check_permit(&self, name: &BucketName, permit: WritePermit) -> Result<(), Refusal> {
        self.gates.permits(name, permit).then_some(()).ok_or(Refusal::Fenced)
    }

    fn points_mut(&mut self) -> &mut Points {
        self.undo.push(Undo::Points(Arc::clone(&self.points)));
        Arc::make_mut(&mut self.points)
    }

    fn gates_mut(&mut self) -> &mut Gates {
        self.undo.push(Undo::Gates(Arc::clone(&self.gates)));
        Arc::make_mut(&mut self.gates)
    }
}
