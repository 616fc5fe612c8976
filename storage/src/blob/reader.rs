use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;

use super::read::{OpenBlob, Wait, open_live, whole_of};
use super::store::BlobStore;
use super::{BLOCK_BYTES, BlobError, recipe};
use crate::record::{BlobKind, BlobRow, RecipeChild};
use crate::types::{Body, ContentHash};

/// The most that one chunk brings.
const CHUNK_BYTES: usize = 4 * BLOCK_BYTES;

/// Says which instance of a blob is live now. Asked when a child of a recipe is reached, so a long read follows blobs that the collector moves.
pub(crate) trait Resolve: Send + Sync {
    fn blob(&self, hash: &ContentHash) -> Result<Option<BlobRow>, BlobError>;
}

/// Streams a range of a stored body, every 64 KiB verified before it is handed out. Holds its [`Reader`](crate::Reader)'s
/// registration, so nothing it will need is unlinked. Memory: one block.
pub struct BodyReader {
    store: Arc<BlobStore>,
    resolver: Arc<dyn Resolve>,
    _guard: Arc<dyn Send + Sync>,
    root: Option<ContentHash>,
    /// What is left of each recipe between the root and the current piece.
    levels: Vec<std::vec::IntoIter<RecipeChild>>,
    current: Option<Span>,
    /// Content bytes to pass over before the first that is wanted.
    skip: u64,
    remaining: u64,
    /// For what is less than a block.
    scratch: Vec<u8>,
}

/// The wanted bytes of an open blob.
struct Span {
    blob: OpenBlob,
    at: u64,
    end: u64,
}

impl Span {
    /// Reads whole blocks where `out` has room for them, and otherwise what it can hold of one.
    fn read(&mut self, out: &mut [u8], scratch: &mut Vec<u8>, wait: Wait) -> Result<Option<usize>, BlobError> {
        let block = BLOCK_BYTES as u64;
        let lead = self.at % block;
        let first = self.at - lead;
        let blocks = if lead > 0 { 1 } else { (out.len() as u64 / block).max(1) };
        let end = self.end.min(first + blocks * block);
        let read = (end.next_multiple_of(block).min(self.blob.len()) - first) as usize;
        let wanted = (end - self.at) as usize;
        let taken = if lead == 0 && read <= out.len() {
            if !self.blob.read_blocks(first, &mut out[..read], wait)? {
                return Ok(None);
            }
            wanted
        } else {
            scratch.resize(read, 0);
            if !self.blob.read_blocks(first, scratch, wait)? {
                return Ok(None);
            }
            let (lead, taken) = (lead as usize, wanted.min(out.len()));
            out[..taken].copy_from_slice(&scratch[lead..lead + taken]);
            taken
        };
        self.at += taken as u64;
        Ok(Some(taken))
    }
}

impl BodyReader {
    /// Opens what the range begins in, so that most failures come before the first byte.
    pub(super) fn open(
        store: Arc<BlobStore>,
        body: &Body,
        range: Range<u64>,
        resolver: Arc<dyn Resolve>,
        guard: Arc<dyn Send + Sync>,
    ) -> Result<Self, BlobError> {
        let mut reader = BodyReader {
            store,
            resolver,
            _guard: guard,
            root: body.root(),
            levels: Vec::new(),
            current: None,
            skip: range.start,
            remaining: range.end.saturating_sub(range.start),
            scratch: Vec::new(),
        };
        if reader.remaining > 0 {
            match body {
                Body::Empty => return Err(BlobError::Missing(ContentHash::of(&[]))),
                Body::Blob(hash) => reader.enter_data(*hash, None)?,
                Body::Recipe(hash) => reader.enter_recipe(*hash, None)?,
            }
            reader.advance()?;
        }
        Ok(reader)
    }

    /// Appends the next verified bytes (up to about 256 KiB) to `out`; `false` at the end. Blocking IO.
    pub fn next_chunk(&mut self, out: &mut BytesMut) -> Result<bool, BlobError> {
        let start = out.len();
        let wanted = usize::try_from(self.remaining).map_or(CHUNK_BYTES, |remaining| remaining.min(CHUNK_BYTES));
        out.resize(start + wanted, 0);
        let read = self.read(&mut out[start..]);
        out.truncate(start + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    /// Reads the next verified bytes into the beginning of `out`, and says how many: 0 at the end only, unless `out` is empty. Blocking IO. Best
    /// when `out` is a number of blocks long, and used again.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, BlobError> {
        Ok(self.fill(out, Wait::Allowed)?.expect("a read that may wait reads"))
    }

    /// The same without waiting for the disk; none: only [`read`](Self::read) gets further. For threads that must not block.
    pub fn read_at_once(&mut self, out: &mut [u8]) -> Result<Option<usize>, BlobError> {
        // A blob is opened by look-ups and reads of its own.
        let open = self.current.as_ref().is_some_and(|span| span.at < span.end);
        if self.remaining > 0 && !open { Ok(None) } else { self.fill(out, Wait::Never) }
    }

    fn fill(&mut self, out: &mut [u8], wait: Wait) -> Result<Option<usize>, BlobError> {
        if self.remaining == 0 || out.is_empty() {
            return Ok(Some(0));
        }
        self.advance()?;
        let span = self.current.as_mut().expect("advance leaves a span while bytes remain");
        let Some(bytes) = span.read(out, &mut self.scratch, wait)? else { return Ok(None) };
        self.remaining -= bytes as u64;
        if self.remaining == 0 {
            self.current = None;
            self.levels.clear();
        }
        Ok(Some(bytes))
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Goes on to the blob that has the next wanted byte, unless the current one has it.
    fn advance(&mut self) -> Result<(), BlobError> {
        while self.current.as_ref().is_none_or(|span| span.at == span.end) {
            self.current = None;
            let Some(level) = self.levels.last_mut() else {
                // The content is shorter than the row that named it.
                return Err(BlobError::Damaged(self.root.unwrap_or(ContentHash::of(&[]))));
            };
            match level.next() {
                None => drop(self.levels.pop()),
                Some(child) if child.bytes <= self.skip => self.skip -= child.bytes,
                Some(RecipeChild { kind: BlobKind::Data, hash, bytes }) => self.enter_data(hash, Some(bytes))?,
                Some(RecipeChild { kind: BlobKind::Recipe, hash, bytes }) => self.enter_recipe(hash, Some(bytes))?,
            }
        }
        Ok(())
    }

    fn enter_data(&mut self, hash: ContentHash, bytes: Option<u64>) -> Result<(), BlobError> {
        let (row, blob) = self.open_live(hash)?;
        let len = blob.len();
        if row.kind != BlobKind::Data || bytes.is_some_and(|bytes| bytes != len) || self.skip > len {
            return Err(BlobError::Damaged(hash));
        }
        let at = std::mem::take(&mut self.skip);
        self.current = Some(Span { blob, at, end: len.min(at + self.remaining) });
        Ok(())
    }

    fn enter_recipe(&mut self, hash: ContentHash, bytes: Option<u64>) -> Result<(), BlobError> {
        let (row, blob) = self.open_live(hash)?;
        if row.kind != BlobKind::Recipe {
            return Err(BlobError::Damaged(hash));
        }
        let children = recipe::decode(&whole_of(&blob)?)?;
        if bytes.is_some_and(|bytes| bytes != recipe::content_bytes(&children)) {
            return Err(BlobError::Damaged(hash));
        }
        self.levels.push(children.into_iter());
        Ok(())
    }

    fn open_live(&self, hash: ContentHash) -> Result<(BlobRow, OpenBlob), BlobError> {
        open_live(&self.store, hash, &mut || self.resolver.blob(&hash))
    }
}
