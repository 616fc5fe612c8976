//! Blobs of the batch: which are live, and how often they are referenced (FORMAT invariants 6 to 8).

use bytes::Bytes;

use super::{BlobCell, Tx, Undo};
use crate::blob::{Room, StagedBlob, StagedBody, StagedSource};
use crate::change::Refusal;
use crate::checksum::block_crc;
use crate::journal::FrameBody;
use crate::meta::engine::Table;
use crate::meta::layout::{condemned_key, dead_key};
use crate::record::{BlobKind, BlobRow, InstanceId, Location, Record};
use crate::types::{Body, ContentHash, Seq};

impl Tx<'_> {
    /// Makes a body's blobs live, unreferenced as yet. Of content that is live already the present instance stays, and the one
    /// brought along is surplus.
    pub(crate) fn stage(&mut self, body: StagedBody) -> Result<Body, Refusal> {
        for blob in body.blobs {
            self.stage_blob(blob)?;
        }
        Ok(body.body)
    }

    fn stage_blob(&mut self, blob: StagedBlob) -> Result<(), Refusal> {
        let StagedBlob { hash, kind, len, source, children } = blob;
        if let Some(live) = self.blob(hash)? {
            let brought = self.room == Room::Both && !matches!(source, StagedSource::Existing);
            return if brought && self.distrust.remove(hash) { self.replace(hash, live, source) } else { Ok(()) };
        }
        if self.room != Room::Both && !matches!(source, StagedSource::Existing) {
            return Err(Refusal::NoSpace);
        }
        let (instance, location, crc, body) = self.new_instance(hash, source)?;
        if kind == BlobKind::Recipe {
            for child in &children {
                let row = self.blob(child.hash)?.ok_or(Refusal::BytesGone)?;
                let long = row.kind == BlobKind::Recipe || row.len == child.bytes;
                if row.kind != child.kind || !long {
                    return Err(Refusal::Malformed("a recipe that contradicts its pieces"));
                }
                self.reference(child.hash)?;
            }
        }
        let row = BlobRow { instance, location, kind, len, crc, references: 0, died: Seq::ZERO };
        self.set_blob(hash, Some(row), body);
        Ok(())
    }

    /// Whether a blob's live instance is damaged, and another one would take its place: whoever has the bytes may bring them.
    pub(crate) fn wants_again(&self, hash: ContentHash) -> bool {
        self.room == Room::Both && self.distrust.has(hash)
    }

    /// Gives a blob that is damaged the instance that was brought along: whatever refers to it can be read again. A recipe's children
    /// are counted already. The damaged instance is condemned at once: no reader can use it, and those that look for it find the other.
    fn replace(&mut self, hash: ContentHash, live: BlobRow, source: StagedSource) -> Result<(), Refusal> {
        let (instance, location, crc, body) = self.new_instance(hash, source)?;
        self.condemn(&live);
        self.set_blob(hash, Some(BlobRow { instance, location, crc, ..live }), body);
        Ok(())
    }

    /// Takes bytes that were brought along into the batch. The place of a small body is not known yet.
    fn new_instance(
        &mut self,
        hash: ContentHash,
        source: StagedSource,
    ) -> Result<(InstanceId, Location, u32, Option<usize>), Refusal> {
        match source {
            StagedSource::Existing => Err(Refusal::BytesGone),
            StagedSource::Piece(piece) => {
                let instance = piece.instance();
                self.pieces.push(piece);
                self.undo.push(Undo::Piece);
                Ok((instance, Location::Piece, 0, None))
            }
            StagedSource::Small(bytes) => {
                let instance = self.instances.allocate();
                let crc = block_crc(instance, 0, &bytes);
                let at = self.bodies.len();
                self.bodies.push(FrameBody { hash, instance, bytes });
                self.undo.push(Undo::Body);
                Ok((instance, Location::Journal { file: 0, offset: 0 }, crc, Some(at)))
            }
        }
    }

    /// The live instance of a blob. Where a body of this very batch is, is not known yet.
    pub(crate) fn blob(&mut self, hash: ContentHash) -> Result<Option<BlobRow>, Refusal> {
        Ok(self.blob_cell(hash)?.now)
    }

    /// Counts one more reference. `BytesGone` if the blob is not live.
    pub(crate) fn reference(&mut self, hash: ContentHash) -> Result<(), Refusal> {
        let cell = self.blob_cell(hash)?;
        let mut row = cell.now.ok_or(Refusal::BytesGone)?;
        row.references += 1;
        let died = std::mem::replace(&mut row.died, Seq::ZERO);
        if died > Seq::ZERO {
            self.table_delete(Table::Dead, dead_key(died, hash));
        }
        self.set_blob(hash, Some(row), cell.body);
        Ok(())
    }

    /// Counts one reference less. A blob that is at zero when the batch ends gets its row in `dead`.
    pub(crate) fn release(&mut self, hash: ContentHash) -> Result<(), Refusal> {
        let damaged = || Refusal::Damaged(format!("blob {hash} is referenced, but not counted"));
        let cell = self.blob_cell(hash)?;
        let mut row = cell.now.ok_or_else(damaged)?;
        row.references = row.references.checked_sub(1).ok_or_else(damaged)?;
        self.set_blob(hash, Some(row), cell.body);
        Ok(())
    }

    /// Takes a blob that died at `died`, and is dead still, off the tables: from now on it is not live. None if it has
    /// been referenced since. Its instance is the caller's to condemn, its children the caller's to release.
    pub(crate) fn remove_dead_blob(&mut self, hash: ContentHash, died: Seq) -> Result<Option<BlobRow>, Refusal> {
        let cell = self.blob_cell(hash)?;
        self.table_delete(Table::Dead, dead_key(died, hash));
        let Some(row) = cell.now.filter(|row| row.references == 0 && row.died == died) else { return Ok(None) };
        self.set_blob(hash, None, None);
        Ok(Some(row))
    }

    /// Gives a live body of the journal a new instance in this batch's frame. Nothing happens if `instance` is not its own any more.
    pub(crate) fn relocate(&mut self, hash: ContentHash, instance: InstanceId, bytes: Bytes) -> Result<(), Refusal> {
        let cell = self.blob_cell(hash)?;
        let movable = |row: &BlobRow| row.instance == instance && row.location != Location::Piece;
        let Some(row) = cell.now.filter(movable) else { return Ok(()) };
        let instance = self.instances.allocate();
        let crc = block_crc(instance, 0, &bytes);
        let at = self.bodies.len();
        self.bodies.push(FrameBody { hash, instance, bytes });
        self.undo.push(Undo::Body);
        let location = Location::Journal { file: 0, offset: 0 };
        self.set_blob(hash, Some(BlobRow { instance, location, crc, ..row }), Some(at));
        Ok(())
    }

    /// Decides that an instance which no row names any more is unlinked once this batch is durable. Bodies go with their journal file.
    pub(crate) fn condemn(&mut self, row: &BlobRow) {
        if row.location == Location::Piece {
            let place = postcard::to_extend(&row.location, Vec::new()).expect("a location is plain data");
            self.table_put(Table::Condemned, condemned_key(row.instance), place);
        }
    }

    fn blob_cell(&mut self, hash: ContentHash) -> Result<BlobCell, Refusal> {
        if let Some(cell) = self.blobs.get(&hash) {
            return Ok(*cell);
        }
        let mut row = Ok(None);
        self.view.get(Table::Blobs, hash.as_bytes(), &mut |value| row = value.map(BlobRow::decode).transpose())?;
        let before = row?;
        let cell = BlobCell { before, now: before, body: None };
        self.blobs.insert(hash, cell);
        Ok(cell)
    }

    fn set_blob(&mut self, hash: ContentHash, now: Option<BlobRow>, body: Option<usize>) {
        if let Some(cell) = self.blobs.get_mut(&hash) {
            self.undo.push(Undo::Blob(hash, Some(*cell)));
            cell.now = now;
            cell.body = body;
        }
    }

    /// Small bodies for the frame, in order.
    pub(crate) fn bodies(&self) -> &[FrameBody] {
        &self.bodies
    }
}
