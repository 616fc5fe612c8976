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

/// What is written to a piece file at once; a piece is a whole number of them.
const WRITE_BYTES: usize = 256 * 1024;

/// Takes a body as it streams in: memory is one block, whatever the size. Blocking IO; call it where blocking is allowed for large bodies
/// (a small one touches no file until its commit). Dropped, what it has written becomes surplus.
pub struct BodyWriter {
    store: Arc<BlobStore>,
    /// The body while it is small; later what has not filled a write.
    buffer: Vec<u8>,
    piece: Option<PieceWriter>,
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
        while !bytes.is_empty() {
            if self.buffer.is_empty() && bytes.len() >= WRITE_BYTES {
                let (whole, rest) = bytes.split_at(WRITE_BYTES);
                self.absorb(whole)?;
                bytes = rest;
                continue;
            }
            self.buffer.reserve_exact(WRITE_BYTES - self.buffer.len());
            let (taken, rest) = bytes.split_at(bytes.len().min(WRITE_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(taken);
            bytes = rest;
            if self.buffer.len() == WRITE_BYTES {
                let full = std::mem::take(&mut self.buffer);
                self.absorb(&full)?;
                self.buffer = full;
                self.buffer.clear();
            }
        }
        Ok(())
    }

    /// Seals the body: pieces are synced, their directories too. The last step before a commit.
    pub fn finish(mut self) -> Result<StagedBody, BlobError> {
        if self.piece.is_none() && self.blobs.is_empty() && self.buffer.len() <= SMALL_BODY_MAX {
            return self.finish_small();
        }
        if !self.buffer.is_empty() {
            let tail = std::mem::take(&mut self.buffer);
            self.absorb(&tail)?;
        }
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

    /// Takes one write's worth; only the last may be shorter.
    fn absorb(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.store.space.admit(bytes.len() as u64)?;
        if self.piece.is_none() {
            self.piece = Some(PieceWriter::create(&self.store)?);
        }
        let piece = self.piece.as_mut().expect("made above");
        piece.write(bytes)?;
        if piece.len() == PIECE_BYTES as u64 {
            self.seal()?;
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

    /// All but the last call bring whole blocks.
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
