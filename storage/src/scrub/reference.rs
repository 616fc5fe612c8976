//! A way to a blob that two nodes can name alike, and whether it leads there.

#[cfg(test)]
mod tests;

use super::search::Search;
use crate::blob::{BlobError, decode_recipe};
use crate::meta::at::value_at;
use crate::meta::core::Core;
use crate::meta::layout::row_blobs;
use crate::meta::scope::bucket_named;
use crate::record::{BlobKind, RecipeChild, RowKey, Scope};
use crate::store::ReadError;
use crate::types::{ContentHash, Seq};

/// Blobs on a way, at most. What lies deeper has none.
pub const WAY_MAX: usize = 128;

/// A row, and how one gets from it to a blob: to one that it names, and from recipe to recipe down. No node's own numbers are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub key: RowKey,
    /// The last is the blob.
    pub way: Vec<ContentHash>,
}

/// Whether a scope has, at a held point, a row that leads to a blob as the reference says. At most so many recipes are read as the way is long, and
/// none before what leads to it was found.
pub(crate) fn leads(core: &Core, scope: &Scope, at: Seq, reference: &Reference) -> Result<bool, ReadError> {
    let Reference { key, way } = reference;
    let _registration = core.register();
    let named = {
        let (view, state) = core.view()?;
        if !state.points.is_held(at) {
            return Err(ReadError::NotHeld(at));
        }
        let covered = match scope {
            Scope::Endpoint => true,
            Scope::Bucket(name) => key.bucket().is_some() && bucket_named(&*view, name, at)? == key.bucket(),
        };
        let key = key.encode();
        match value_at(&*view, &key, at)?.filter(|_| covered) {
            Some(value) => row_blobs(&key, &value)?,
            None => return Ok(false),
        }
    };
    let known = way.first().is_some_and(|first| named.contains(&Some(*first))) && way.len() <= WAY_MAX;
    if !known {
        return Ok(false);
    }
    for step in way.windows(2) {
        if !listed(core, step[0])?.iter().any(|child| child.hash == step[1]) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The way from what a row names down to a blob that was searched for; none if it is too long, or cannot be read any more.
pub(crate) fn way(
    core: &Core,
    search: &Search,
    root: ContentHash,
    blob: ContentHash,
) -> Result<Option<Vec<ContentHash>>, ReadError> {
    let _registration = core.register();
    let (mut way, mut last) = (vec![root], root);
    while last != blob {
        let children = match listed(core, last) {
            Ok(children) => children,
            Err(BlobError::Engine(error)) => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        let Some(next) = children.iter().find(|child| search.leads(&child.hash, &blob)) else { return Ok(None) };
        last = next.hash;
        way.push(last);
        if way.len() > WAY_MAX {
            return Ok(None);
        }
    }
    Ok(Some(way))
}

/// What a recipe lists. Data lists nothing, whatever its bytes look like: a client may have written them.
fn listed(core: &Core, hash: ContentHash) -> Result<Vec<RecipeChild>, BlobError> {
    match core.blob_row(&hash)?.map(|row| row.kind) {
        Some(BlobKind::Recipe) => Ok(decode_recipe(&core.blobs.read(hash, core)?)?),
        Some(BlobKind::Data) => Ok(Vec::new()),
        None => Err(BlobError::Missing(hash)),
    }
}
