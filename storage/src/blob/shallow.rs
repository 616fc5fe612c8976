//! Content made of other content, over and over: its recipes stay few levels deep.

use super::staged::{StagedBlob, StagedBody, StagedSource};
use super::{BlobError, BlobStore, RECIPE_CHILDREN_MAX, Resolve, read, recipe};
use crate::record::{BlobKind, RecipeChild};
use crate::types::{Body, ContentHash};

/// Levels of recipes that content may have to be used again as it is. A single body has one, parts uploaded add two.
const LEVELS_MAX: usize = 8;
/// Recipes that one look at a tree reads, at most.
const RECIPES_MAX: usize = 4096;
/// What such a look keeps in memory, at most: children of recipes.
const CHILDREN_MAX: usize = 16 * 1024;

/// A body for use inside another. A tree that is deep, as of an object that was appended to by copying it, is made anew over the same pieces, and
/// over those of its recipes that are well filled; no byte of content is read. None: it lies in more pieces than one look can tell.
pub(super) fn reuse(
    store: &BlobStore,
    body: Body,
    size: u64,
    live: &dyn Resolve,
) -> Result<Option<StagedBody>, BlobError> {
    let Body::Recipe(root) = body else { return Ok(Some(StagedBody::existing(body, size))) };
    let mut look = Look { store, live, recipes: 0, kept: 0, levels: 0, units: Vec::new() };
    Ok(match look.through(root, size)? {
        false => None,
        true if look.levels <= LEVELS_MAX => Some(StagedBody::existing(body, size)),
        true => Some(over(look.units, size)),
    })
}

/// A walk through the recipes of a tree.
struct Look<'a> {
    store: &'a BlobStore,
    live: &'a dyn Resolve,
    recipes: usize,
    kept: usize,
    levels: usize,
    /// What the content consists of, in order: pieces, and recipes that are worth keeping.
    units: Vec<RecipeChild>,
}

impl Look<'_> {
    /// False: there is too much of it.
    fn through(&mut self, root: ContentHash, size: u64) -> Result<bool, BlobError> {
        let mut open = vec![vec![RecipeChild { kind: BlobKind::Recipe, hash: root, bytes: size }].into_iter()];
        while let Some(level) = open.last_mut() {
            match level.next() {
                None => drop(open.pop()),
                Some(piece @ RecipeChild { kind: BlobKind::Data, .. }) => self.units.push(piece),
                Some(child) => {
                    self.levels = self.levels.max(open.len());
                    let children = self.children(&child)?;
                    let filled = is_filled(&children);
                    self.recipes += 1;
                    self.kept += if filled { 1 } else { children.len() };
                    if self.recipes > RECIPES_MAX || self.kept > CHILDREN_MAX {
                        return Ok(false);
                    }
                    if filled {
                        self.units.push(child);
                    } else {
                        open.push(children.into_iter());
                    }
                }
            }
        }
        Ok(true)
    }

    fn children(&self, of: &RecipeChild) -> Result<Vec<RecipeChild>, BlobError> {
        let children = recipe::decode(&read::live(self.store, of.hash, self.live)?)?;
        if recipe::content_bytes(&children) == of.bytes { Ok(children) } else { Err(BlobError::Damaged(of.hash)) }
    }
}

/// Whether a recipe lists pieces only, and at least half as many as it may: listing them elsewhere would win nothing.
fn is_filled(children: &[RecipeChild]) -> bool {
    children.len() >= RECIPE_CHILDREN_MAX / 2 && children.iter().all(|child| child.kind == BlobKind::Data)
}

/// The tree over `units`: loose pieces in filled recipes first.
fn over(units: Vec<RecipeChild>, size: u64) -> StagedBody {
    let existing = |unit: &RecipeChild| StagedBlob {
        hash: unit.hash,
        kind: unit.kind,
        len: 0,
        source: StagedSource::Existing,
        children: Vec::new(),
    };
    let mut blobs: Vec<_> = units.iter().map(existing).collect();
    let mut rows = Vec::new();
    for run in units.chunk_by(|one, next| one.kind == next.kind) {
        match run[0].kind {
            BlobKind::Recipe => rows.extend_from_slice(run),
            BlobKind::Data => {
                rows.extend(run.chunks(RECIPE_CHILDREN_MAX).map(|pieces| recipe::stage(pieces, &mut blobs)));
            }
        }
    }
    let body = recipe::tree(rows, &mut blobs);
    StagedBody { body, size, blobs }
}
