use bytes::Bytes;

use super::instance::StagedPiece;
use crate::record::{BlobKind, RecipeChild};
use crate::types::{Body, ContentHash};

/// Bytes that are stored (pieces) or in hand (small), and that no row references yet. A commit gives them a reference, or, if
/// the same content is already live, drops this instance; a dropped `StagedBody` is garbage that is unlinked later.
#[derive(Debug)]
pub struct StagedBody {
    pub(crate) body: Body,
    pub(crate) size: u64,
    /// Every blob that must be live once this is committed, children before the recipes that list them.
    pub(crate) blobs: Vec<StagedBlob>,
}

#[derive(Debug)]
pub(crate) struct StagedBlob {
    pub hash: ContentHash,
    pub kind: BlobKind,
    pub len: u64,
    pub source: StagedSource,
    /// What a recipe lists; empty for data.
    pub children: Vec<RecipeChild>,
}

#[derive(Debug)]
pub(crate) enum StagedSource {
    /// Goes into the frame.
    Small(Bytes),
    /// A synced piece file, with a durable directory entry.
    Piece(StagedPiece),
    /// Must be live already: a copy of stored content.
    Existing,
}

impl StagedBody {
    pub fn empty() -> Self {
        StagedBody { body: Body::Empty, size: 0, blobs: Vec::new() }
    }

    /// Content that is already stored, as a copy uses it.
    pub fn existing(body: Body, size: u64) -> Self {
        let kind = if matches!(body, Body::Recipe(_)) { BlobKind::Recipe } else { BlobKind::Data };
        let blob = |hash| StagedBlob { hash, kind, len: 0, source: StagedSource::Existing, children: Vec::new() };
        StagedBody { body, size, blobs: body.root().map(blob).into_iter().collect() }
    }

    pub fn body(&self) -> Body {
        self.body
    }

    /// Bytes of content.
    pub fn size(&self) -> u64 {
        self.size
    }
}
