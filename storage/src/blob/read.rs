use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::distrust::Distrust;
use super::piece::PieceFile;
use super::reader::Resolve;
use super::store::BlobStore;
use super::{BLOCK_BYTES, BlobError, SMALL_BODY_MAX, recipe};
use crate::checksum::block_crc;
use crate::disk::DiskFile;
use crate::record::{BlobRow, InstanceId, Location};
use crate::types::ContentHash;

/// What a verification reads at once: whole blocks, and all of a body in the journal.
const VERIFY_BYTES: usize = 4 * BLOCK_BYTES;

/// A stored blob, open: from here on it can be read even if its file is unlinked.
pub struct OpenBlob {
    hash: ContentHash,
    len: u64,
    source: Source,
    distrust: Arc<Distrust>,
}

enum Source {
    Journal { handle: Arc<dyn DiskFile>, offset: u64, instance: InstanceId, crc: u32 },
    Piece(PieceFile),
}

impl OpenBlob {
    /// `Io(NotFound)`: the blob has moved since `row` was read.
    pub fn open(store: &BlobStore, hash: ContentHash, row: &BlobRow) -> Result<Self, BlobError> {
        let distrust = Arc::clone(&store.distrust);
        let source = match row.location {
            Location::Piece => PieceFile::open(&*store.disk, row.instance, &hash, row.len)?.map(Source::Piece),
            Location::Journal { .. } if row.len > SMALL_BODY_MAX as u64 => None,
            Location::Journal { file, offset } => {
                let handle = store.journal.handle(file)?;
                Some(Source::Journal { handle, offset, instance: row.instance, crc: row.crc })
            }
        };
        match source {
            Some(source) => Ok(OpenBlob { hash, len: row.len, source, distrust }),
            None => Err(damaged(&distrust, hash)),
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// The next reads come from the medium.
    fn forget(&self) {
        match &self.source {
            Source::Piece(piece) => piece.forget(),
            Source::Journal { handle, offset, .. } => handle.forget(*offset, self.len),
        }
    }

    /// Reads verified bytes from `offset` (a block's begin) on into all of `out`, which ends at a block's end or the blob's. False: it would have to
    /// wait for the disk.
    pub fn read_blocks(&self, offset: u64, out: &mut [u8], wait: Wait) -> Result<bool, BlobError> {
        debug_assert!(offset.is_multiple_of(BLOCK_BYTES as u64));
        let (handle, at) = match &self.source {
            Source::Piece(piece) => (piece.handle(), offset),
            Source::Journal { handle, offset: at, .. } => (&**handle, at + offset),
        };
        let read = match wait {
            Wait::Allowed => handle.read_at(out, at)?,
            Wait::Never => match handle.read_at_once(out, at)? {
                Some(read) => read,
                None => return Ok(false),
            },
        };
        let right = read == out.len()
            && match &self.source {
                Source::Piece(piece) => piece.verify(offset, out),
                Source::Journal { instance, crc, .. } => block_crc(*instance, 0, out) == *crc,
            };
        if right { Ok(true) } else { Err(damaged(&self.distrust, self.hash)) }
    }
}

/// From here on an upload of the same bytes takes the place of what is stored.
fn damaged(distrust: &Distrust, hash: ContentHash) -> BlobError {
    distrust.add(hash);
    BlobError::Damaged(hash)
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Allowed,
    Never,
}

/// Opens what `lookup` says is live; looks again when the blob has moved in between.
pub fn open_live(
    store: &BlobStore,
    hash: ContentHash,
    lookup: &mut dyn FnMut() -> Result<Option<BlobRow>, BlobError>,
) -> Result<(BlobRow, OpenBlob), BlobError> {
    let mut previous = None;
    loop {
        let row = lookup()?.ok_or(BlobError::Missing(hash))?;
        match OpenBlob::open(store, hash, &row) {
            Ok(blob) => return Ok((row, blob)),
            Err(BlobError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                // The same place twice: it has not moved, it is gone.
                if previous == Some((row.instance, row.location)) {
                    store.distrust.add(hash);
                    return Err(BlobError::Missing(hash));
                }
                previous = Some((row.instance, row.location));
            }
            Err(error) => return Err(error),
        }
    }
}

/// All bytes of what is live under a name, verified by CRC32C.
pub fn live(store: &BlobStore, hash: ContentHash, live: &dyn Resolve) -> Result<Bytes, BlobError> {
    let (_, blob) = open_live(store, hash, &mut || live.blob(&hash))?;
    whole_of(&blob)
}

/// Verified bytes of what is live under a name, `most` of them at most, from a block's begin on; none behind the end.
pub fn part(
    store: &BlobStore,
    hash: ContentHash,
    live: &dyn Resolve,
    offset: u64,
    most: usize,
) -> Result<Bytes, BlobError> {
    debug_assert!(offset.is_multiple_of(BLOCK_BYTES as u64) && most.is_multiple_of(BLOCK_BYTES));
    let (_, blob) = open_live(store, hash, &mut || live.blob(&hash))?;
    let len = usize::try_from(blob.len().saturating_sub(offset)).map_or(most, |left| left.min(most));
    let mut out = BytesMut::zeroed(len);
    if len > 0 {
        blob.read_blocks(offset, &mut out, Wait::Allowed)?;
    }
    Ok(out.freeze())
}

/// Reads all of what is live under a name from the medium, and verifies each block by its CRC32C and the whole by its name. How many bytes that were.
pub fn verify(store: &BlobStore, hash: ContentHash, live: &dyn Resolve) -> Result<u64, BlobError> {
    open_live(store, hash, &mut || live.blob(&hash))?.1.forget();
    // Opened again: a piece's footer, too, is to come from the medium.
    let (row, blob) = open_live(store, hash, &mut || live.blob(&hash))?;
    let mut hasher = recipe::hasher(row.kind);
    let mut buffer = vec![0; usize::try_from(row.len).map_or(VERIFY_BYTES, |len| len.min(VERIFY_BYTES))];
    let mut offset = 0;
    while offset < row.len {
        let wanted = usize::try_from(row.len - offset).map_or(VERIFY_BYTES, |left| left.min(VERIFY_BYTES));
        blob.read_blocks(offset, &mut buffer[..wanted], Wait::Allowed)?;
        hasher.update(&buffer[..wanted]);
        offset += wanted as u64;
    }
    if hasher.finalize().as_bytes() != hash.as_bytes() {
        return Err(damaged(&store.distrust, hash));
    }
    store.distrust.remove(hash);
    Ok(row.len)
}

/// All bytes of an open blob.
pub fn whole_of(blob: &OpenBlob) -> Result<Bytes, BlobError> {
    let mut out = BytesMut::zeroed(usize::try_from(blob.len()).map_err(|_| BlobError::Damaged(blob.hash))?);
    blob.read_blocks(0, &mut out, Wait::Allowed)?;
    Ok(out.freeze())
}
