//! Recipes: lists of pieces, and of recipes, in the order of the content.

use super::RECIPE_CHILDREN_MAX;
use super::staged::{StagedBlob, StagedSource};
use crate::record::{BlobKind, CorruptRecord, RecipeChild};
use crate::types::{Body, ContentHash};

const VERSION: u8 = 1;
/// Recipes are hashed apart from data: nobody can store an object whose hash is some recipe's.
const CONTEXT: &str = "tandem 2025-11 recipe blob v1";

/// The name of a blob: BLAKE3 of data; BLAKE3 in key-derivation mode of a recipe, so that no client's bytes share a recipe's name.
pub(super) fn blob_hash(kind: BlobKind, bytes: &[u8]) -> ContentHash {
    match kind {
        BlobKind::Data => ContentHash::of(bytes),
        BlobKind::Recipe => ContentHash::from_bytes(blake3::derive_key(CONTEXT, bytes)),
    }
}

/// The same for bytes that come in parts.
pub(super) fn hasher(kind: BlobKind) -> blake3::Hasher {
    match kind {
        BlobKind::Data => blake3::Hasher::new(),
        BlobKind::Recipe => blake3::Hasher::new_derive_key(CONTEXT),
    }
}

pub(crate) fn encode(children: &[RecipeChild]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + children.len() * 40);
    out.push(VERSION);
    postcard::to_extend(children, out).expect("recipes hold only what postcard can write")
}

/// # Errors
/// [`CorruptRecord`] for bytes that [`encode`] does not make; empty and overlong lists among them.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<RecipeChild>, CorruptRecord> {
    let corrupt = |reason: String| CorruptRecord { kind: "recipe", reason };
    let (version, rest) = bytes.split_first().ok_or_else(|| corrupt("empty".into()))?;
    if *version != VERSION {
        return Err(corrupt(format!("format version {version} is not known to this build")));
    }
    let (children, left) =
        postcard::take_from_bytes::<Vec<RecipeChild>>(rest).map_err(|error| corrupt(error.to_string()))?;
    let total = children.iter().try_fold(0u64, |sum, child| sum.checked_add(child.bytes));
    match total {
        Some(_) if left.is_empty() && (1..=RECIPE_CHILDREN_MAX).contains(&children.len()) => Ok(children),
        _ => Err(corrupt(format!("{} children, {} bytes left over", children.len(), left.len()))),
    }
}

/// Bytes of content under a list of children.
pub(crate) fn content_bytes(children: &[RecipeChild]) -> u64 {
    children.iter().map(|child| child.bytes).sum()
}

/// Makes the tree over `children`: their recipes are appended to `blobs`, lowest first. The body of one child alone is that child.
pub(super) fn tree(mut children: Vec<RecipeChild>, blobs: &mut Vec<StagedBlob>) -> Body {
    while children.len() > 1 {
        // Even fans: 1,025 children make two recipes of 513 and 512, not one of 1,024 and one of 1.
        let groups = children.len().div_ceil(RECIPE_CHILDREN_MAX);
        let fan = children.len().div_ceil(groups);
        children = children.chunks(fan).map(|group| stage(group, blobs)).collect();
    }
    match children.first() {
        None => Body::Empty,
        Some(RecipeChild { kind: BlobKind::Data, hash, .. }) => Body::Blob(*hash),
        Some(RecipeChild { kind: BlobKind::Recipe, hash, .. }) => Body::Recipe(*hash),
    }
}

/// A recipe over `group`, appended to `blobs`. Of one child alone: that child.
pub(super) fn stage(group: &[RecipeChild], blobs: &mut Vec<StagedBlob>) -> RecipeChild {
    if let [only] = group {
        return *only;
    }
    let bytes = encode(group);
    let hash = blob_hash(BlobKind::Recipe, &bytes);
    blobs.push(StagedBlob {
        hash,
        kind: BlobKind::Recipe,
        len: bytes.len() as u64,
        source: StagedSource::Small(bytes.into()),
        children: group.to_vec(),
    });
    RecipeChild { kind: BlobKind::Recipe, hash, bytes: content_bytes(group) }
}
