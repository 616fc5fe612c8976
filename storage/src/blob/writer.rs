use std::collections::BTreeSet;
use std::sync::Arc;

use super::instance::StagedPiece;
use super::piece::{self, FooterBuilder};
use super::staged::{StagedBlob, StagedSource};
use super::store::BlobStore;
use super::{BlobError, PIECE_BYTES, SMALL_BODY_MAX, StagedBody, recipe};
use crate::disk::DiskFile;
use crate::record::{BlobKind, InstanceId, RecipeChild};
use crate::types::{Body, ContentHash};

/// Shorter parts are gathered up to this before they are written.
const WRITE_BYTES: usize = 256 * 1024;
/// Parts from this length on are written as they come, and so not copied.
const DIRECT_MIN: usize = 64 * 1024;

/// Takes a body as it streams in: memory is one write, whatever the size. Blocking IO; call it where blocking is allowed for large bodies
/// (a small one touches no file until its commit). Dropped, what it has written becomes surplus.
pub struct BodyWriter {
    store: Arc<BlobStore>,
    /// The body while it is small; later what has not filled a write.
    buffer: Vec<u8>,
    /// Boxed: it carries a hasher's state of two kilobytes, and most bodies never have one.
    piece: Option<Box<PieceWriter>>,
    children: Vec<RecipeChild>,
    blobs: Vec<StagedBlob>,
    /// Low bytes of instances whose directory entry is not durable yet.
    unsynced: BTreeSet<u8>,
}

impl BodyWriter {
    pub(super) fn new(store: Arc<BlobStore>) -> Self {
        BodyWriter {
            store,
            buffer: Vec::new(),
            piece: None,
            children: Vec::new(),
            blobs: Vec::new(),
            unsynced: BTreeSet::new(),
        }
    }

    /// # Errors
    /// `Io`, or `NoSpace` below the disk's low watermark.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        let small = self.piece.is_none() && self.blobs.is_empty();
        if small && self.buffer.len() + bytes.len() <= SMALL_BODY_MAX {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        if bytes.len() >= DIRECT_MIN {
            self.flush()?;
            return self.absorb(bytes);
        }
        while !bytes.is_empty() {
            self.buffer.reserve_exact(WRITE_BYTES.saturating_sub(self.buffer.len()));
            let (taken, rest) = bytes.split_at(bytes.len().min(WRITE_BYTES.saturating_sub(self.buffer.len())));
            self.buffer.extend_from_slice(taken);
            bytes = rest;
            if self.buffer.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what was gathered.
    fn flush(&mut self) -> Result<(), BlobError> {
        let mut gathered = std::mem::take(&mut self.buffer);
        self.absorb(&gathered)?;
        gathered.clear();
        self.buffer = gathered;
        Ok(())
    }

    /// Seals the body: pieces are synced, their directories too. The last step before a commit.
    pub fn finish(mut self) -> Result<StagedBody, BlobError> {
        if self.piece.is_none() && self.blobs.is_empty() && self.buffer.len() <= SMALL_BODY_MAX {
            return self.finish_small();
        }
        self.flush()?;
        self.seal()?;
        for low in &self.unsynced {
            let dir = piece::dir_of(InstanceId::new(u64::from(*low)));
            self.store.synced(self.store.disk.sync_dir(&dir))?;
        }
        let size = recipe::content_bytes(&self.children);
        let mut blobs = self.blobs;
        let body = recipe::tree(self.children, &mut blobs);
        Ok(StagedBody { body, size, blobs })
    }

    fn finish_small(self) -> Result<StagedBody, BlobError> {
        if self.buffer.is_empty() {
            return Ok(StagedBody::empty());
        }
        let len = self.buffer.len() as u64;
        self.store.space.admit(len)?;
        let hash = ContentHash::of(&self.buffer);
        let source = StagedSource::Small(self.buffer.into());
        let blob = StagedBlob { hash, kind: BlobKind::Data, len, source, children: Vec::new() };
        Ok(StagedBody { body: Body::Blob(hash), size: len, blobs: vec![blob] })
    }

    fn absorb(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        while !bytes.is_empty() {
            let room = PIECE_BYTES - self.piece.as_ref().map_or(0, |piece| piece.len() as usize);
            let (taken, rest) = bytes.split_at(bytes.len().min(room));
            self.store.space.admit(taken.len() as u64)?;
            let mut piece = match self.piece.take() {
                Some(piece) => piece,
                None => Box::new(PieceWriter::create(&self.store)?),
            };
            piece.write(taken)?;
            let full = piece.len() == PIECE_BYTES as u64;
            self.piece = Some(piece);
            if full {
                self.seal()?;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), BlobError> {
        let Some(writer) = self.piece.take() else { return Ok(()) };
        let len = writer.len();
        let (piece, hash) = writer.finish(&self.store)?;
        self.unsynced.insert(piece.instance().get() as u8);
        self.children.push(RecipeChild { kind: BlobKind::Data, hash, bytes: len });
        let source = StagedSource::Piece(piece);
        self.blobs.push(StagedBlob { hash, kind: BlobKind::Data, len, source, children: Vec::new() });
        Ok(())
    }
}

/// One piece file in the making.
pub(super) struct PieceWriter {
    file: Arc<dyn DiskFile>,
    piece: StagedPiece,
    footer: FooterBuilder,
}

impl PieceWriter {
    pub fn create(store: &BlobStore) -> Result<Self, BlobError> {
        let instance = store.instances.allocate();
        let file = store.disk.create(&piece::path_of(instance))?;
        let piece = StagedPiece::new(instance, store.surplus.clone());
        Ok(PieceWriter { file, piece, footer: FooterBuilder::new(instance) })
    }

    pub fn len(&self) -> u64 {
        self.footer.len()
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let offset = self.footer.len();
        self.footer.update(bytes);
        self.file.write_at(bytes, offset)?;
        Ok(())
    }

    /// Writes the footer and syncs the file. Its directory entry is the caller's to sync.
    pub fn finish(self, store: &BlobStore) -> Result<(StagedPiece, ContentHash), BlobError> {
        let offset = self.footer.len();
        let (hash, footer) = self.footer.finish();
        self.file.write_at(&footer, offset)?;
        store.synced(self.file.sync_data())?;
        Ok((self.piece, hash))
    }
}
