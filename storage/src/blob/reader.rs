use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;

use super::read::{OpenBlob, open_live, whole_of};
use super::store::BlobStore;
use super::{BLOCK_BYTES, BlobError, recipe};
use crate::record::{BlobKind, BlobRow, RecipeChild};
use crate::types::{Body, ContentHash};

/// The most that one chunk brings.
const CHUNK_BYTES: u64 = 4 * BLOCK_BYTES as u64;

/// Says which instance of a blob is live now. Asked when a child of a recipe is reached, so a long read follows blobs that the collector moves.
pub(crate) trait Resolve: Send + Sync {
    fn blob(&self, hash: &ContentHash) -> Result<Option<BlobRow>, BlobError>;
}

/// Streams a range of a stored body, every 64 KiB verified before it is handed out. Holds its [`Reader`](crate::Reader)'s
/// registration, so nothing it will need is unlinked. Memory: one chunk.
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
    /// For chunks that begin inside a block.
    scratch: Vec<u8>,
}

/// The wanted bytes of an open blob.
struct Span {
    blob: OpenBlob,
    at: u64,
    end: u64,
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
        if self.remaining == 0 {
            return Ok(false);
        }
        self.advance()?;
        let span = self.current.as_mut().expect("advance leaves a span while bytes remain");
        let block = BLOCK_BYTES as u64;
        let first = span.at - span.at % block;
        let end = span.end.min(first + CHUNK_BYTES);
        let last = end.next_multiple_of(block).min(span.blob.len());
        let (read, lead, wanted) = ((last - first) as usize, (span.at - first) as usize, (end - span.at) as usize);
        if lead == 0 {
            let start = out.len();
            out.resize(start + read, 0);
            if let Err(error) = span.blob.read_blocks(first, &mut out[start..]) {
                out.truncate(start);
                return Err(error);
            }
            out.truncate(start + wanted);
        } else {
            self.scratch.resize(read, 0);
            span.blob.read_blocks(first, &mut self.scratch)?;
            out.extend_from_slice(&self.scratch[lead..lead + wanted]);
        }
        span.at = end;
        self.remaining -= wanted as u64;
        if self.remaining == 0 {
            self.current = None;
            self.levels.clear();
        }
        Ok(true)
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
