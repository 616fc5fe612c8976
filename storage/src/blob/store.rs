use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::distrust::Distrust;
use super::instance::{InstanceAllocator, StagedPiece, Surplus};
use super::piece;
use super::read;
use super::reader::{BodyReader, Resolve};
use super::recipe;
use super::shallow;
use super::space::SpaceWatch;
use super::staged::{StagedBlob, StagedBody, StagedSource};
use super::writer::{BodyWriter, PieceWriter};
use super::{BlobError, PIECE_BYTES, SMALL_BODY_MAX};
use crate::disk::Disk;
use crate::journal::JournalFiles;
use crate::record::{BlobKind, InstanceId, RecipeChild};
use crate::types::{Body, ContentHash};

/// Where bytes are: piece files, and small bodies inside journal files. It knows no rows: which instance is live is told by the caller.
pub(crate) struct BlobStore {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) journal: Arc<JournalFiles>,
    pub(super) instances: Arc<InstanceAllocator>,
    pub(super) space: Arc<SpaceWatch>,
    pub(super) surplus: Arc<Surplus>,
    pub(super) distrust: Arc<Distrust>,
    failed_sync: OnceLock<String>,
}

impl BlobStore {
    /// The instance of every piece file on the disk, in no order: ids begin above them, and those that no row names are orphans. To be asked
    /// before an allocator is made. No file is opened.
    pub fn pieces(disk: &dyn Disk) -> io::Result<Vec<InstanceId>> {
        let mut pieces = Vec::new();
        piece::each(disk, &mut |instance| {
            pieces.push(instance);
            Ok(())
        })?;
        Ok(pieces)
    }

    /// Makes the directories of a new store, durably, and opens the room.
    pub fn open(
        disk: Arc<dyn Disk>,
        journal: Arc<JournalFiles>,
        instances: Arc<InstanceAllocator>,
        low_watermark: u64,
    ) -> io::Result<Self> {
        piece::make_dirs(&*disk)?;
        let space = Arc::new(SpaceWatch::new(disk.clone(), low_watermark)?);
        let (surplus, distrust, failed_sync) = (Arc::default(), Arc::default(), OnceLock::new());
        Ok(BlobStore { disk, journal, instances, space, surplus, distrust, failed_sync })
    }

    pub fn instances(&self) -> &InstanceAllocator {
        &self.instances
    }

    /// Blobs that were found to be damaged.
    pub fn distrust(&self) -> &Distrust {
        &self.distrust
    }

    pub fn space(&self) -> &SpaceWatch {
        &self.space
    }

    /// Why a sync of this room failed, if one did. The store must take no change after that: what the failed sync covered, and what a later one of the
    /// same file or directory would claim, is unknown.
    pub fn failed_sync(&self) -> Option<&str> {
        self.failed_sync.get().map(String::as_str)
    }

    /// Passes a sync's result on; after a failure every later one fails too.
    pub(super) fn synced(&self, result: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &result {
            self.failed_sync.get_or_init(|| error.to_string());
        }
        match self.failed_sync() {
            Some(reason) if result.is_ok() => Err(io::Error::other(format!("an earlier sync failed: {reason}"))),
            _ => result,
        }
    }

    /// Pieces that nobody will reference. The collector takes them and [`unlink`](Self::unlink)s them.
    pub fn surplus(&self) -> &Surplus {
        &self.surplus
    }

    pub fn writer(self: &Arc<Self>) -> BodyWriter {
        BodyWriter::new(self.clone())
    }

    /// A recipe over stored roots, in order: body and content bytes of each part. Nothing is read; the commit refuses with `BytesGone`
    /// when a root is not live.
    pub fn assemble(parts: &[(Body, u64)]) -> StagedBody {
        let mut blobs = Vec::new();
        let mut children = Vec::with_capacity(parts.len());
        for (body, bytes) in parts {
            let Some(hash) = body.root() else { continue };
            let kind = if matches!(body, Body::Recipe(_)) { BlobKind::Recipe } else { BlobKind::Data };
            children.push(RecipeChild { kind, hash, bytes: *bytes });
            blobs.push(StagedBlob { hash, kind, len: 0, source: StagedSource::Existing, children: Vec::new() });
        }
        let size = recipe::content_bytes(&children);
        let body = recipe::tree(children, &mut blobs);
        StagedBody { body, size, blobs }
    }

    /// A stored body for use inside another, by recipes that stay few levels deep; none: its bytes are better stored anew. The caller has a
    /// registered reader.
    pub fn reuse(&self, body: Body, size: u64, live: &dyn Resolve) -> Result<Option<StagedBody>, BlobError> {
        shallow::reuse(self, body, size, live)
    }

    /// Takes one whole blob as a peer sent it. `Damaged` unless the bytes hash to `hash`; a recipe must decode. Large data is synced when this returns.
    pub fn receive(&self, hash: ContentHash, kind: BlobKind, bytes: &[u8]) -> Result<StagedBody, BlobError> {
        if bytes.len() > PIECE_BYTES || recipe::blob_hash(kind, bytes) != hash {
            return Err(BlobError::Damaged(hash));
        }
        self.space.admit(bytes.len() as u64)?;
        let len = bytes.len() as u64;
        let (body, size, children) = match kind {
            BlobKind::Data => (Body::Blob(hash), len, Vec::new()),
            BlobKind::Recipe => {
                let children = recipe::decode(bytes)?;
                (Body::Recipe(hash), recipe::content_bytes(&children), children)
            }
        };
        let source = match bytes.len() {
            0..=SMALL_BODY_MAX => StagedSource::Small(Bytes::copy_from_slice(bytes)),
            _ => StagedSource::Piece(self.store_piece(bytes)?),
        };
        Ok(StagedBody { body, size, blobs: vec![StagedBlob { hash, kind, len, source, children }] })
    }

    fn store_piece(&self, bytes: &[u8]) -> Result<StagedPiece, BlobError> {
        let mut writer = PieceWriter::create(self)?;
        writer.write(bytes)?;
        let (piece, _) = writer.finish(self)?;
        self.synced(self.disk.sync_dir(&piece::dir_of(piece.instance())))?;
        Ok(piece)
    }

    /// All bytes of what is live under a name, verified by CRC32C. At most a piece long. The caller has a registered reader.
    pub fn read(&self, hash: ContentHash, live: &dyn Resolve) -> Result<Bytes, BlobError> {
        read::live(self, hash, live)
    }

    /// A part of that: from `offset`, a block's begin, `most` bytes (a number of blocks) or what there is. The caller has a registered reader.
    pub fn part(&self, hash: ContentHash, live: &dyn Resolve, offset: u64, most: usize) -> Result<Bytes, BlobError> {
        read::part(self, hash, live, offset, most)
    }

    /// Reads all of what is live under a name, from the medium rather than from memory, and verifies CRC32C and name. How many bytes that were.
    /// The caller has a registered reader.
    pub fn verify(&self, hash: ContentHash, live: &dyn Resolve) -> Result<u64, BlobError> {
        read::verify(self, hash, live)
    }

    /// Opens `range` of a body's content (end exclusive, inside it). `guard` is kept as long as the reader lives.
    pub fn reader(
        self: &Arc<Self>,
        body: &Body,
        range: Range<u64>,
        resolver: Arc<dyn Resolve>,
        guard: Arc<dyn Send + Sync>,
    ) -> Result<BodyReader, BlobError> {
        BodyReader::open(self.clone(), body, range, resolver, guard)
    }

    /// Removes an instance's file; absent is well. Not synced: a file that a crash brings back is condemned still, or an orphan.
    pub fn unlink(&self, instance: InstanceId) -> io::Result<()> {
        match self.disk.unlink(&piece::path_of(instance)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Visits every piece file there is, in no order.
    pub fn each_piece(&self, visit: &mut dyn FnMut(InstanceId) -> io::Result<()>) -> io::Result<()> {
        piece::each(&*self.disk, visit)
    }
}
