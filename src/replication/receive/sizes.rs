//! Whether long objects are as long as their rows say. What a row says of a single blob the committer checks; a recipe must be read for it.

use std::collections::HashSet;

use tandem_storage::Store;
use tandem_storage::blob::BlobError;
use tandem_storage::change::StagedRow;
use tandem_storage::record::{BlobKind, ObjectRow, PartRow, RecipeChild, Record, RowKey};
use tandem_storage::types::{Body, ContentHash};

/// Levels of recipes: 1,024 to the fourth pieces are more bytes than can be counted.
const LEVELS: u32 = 4;

/// Why rows are not taken.
pub(super) enum Unsound {
    Lie(&'static str),
    /// The store could not be read: no fault of the peer's.
    Unread(String),
}

/// Reads the recipes of each object or part, not its pieces.
pub(super) fn check(store: &Store, rows: &[StagedRow]) -> Result<(), Unsound> {
    let mut seen = HashSet::new();
    for row in rows {
        if let Some((hash, size)) = recipe_of(row)
            && content(store, hash, LEVELS, &mut seen)? != size
        {
            return Err(Unsound::Lie("a size that is not its bytes'"));
        }
    }
    Ok(())
}

/// What a row says of a body that is a recipe. A row that does not decode is for the committer to refuse.
fn recipe_of(row: &StagedRow) -> Option<(ContentHash, u64)> {
    let value = row.value.as_ref()?;
    let (body, size) = match row.key {
        RowKey::Object(..) => {
            let row = ObjectRow::decode(value).ok()?;
            let content = row.content()?;
            (content.body, content.size)
        }
        RowKey::Part(..) => {
            let row = PartRow::decode(value).ok()?;
            (row.body, row.size)
        }
        _ => return None,
    };
    match body {
        Body::Recipe(hash) => Some((hash, size)),
        Body::Empty | Body::Blob(_) => None,
    }
}

/// Bytes of content under a recipe, whose own recipes agree with what it says of them.
fn content(store: &Store, hash: ContentHash, levels: u32, seen: &mut HashSet<ContentHash>) -> Result<u64, Unsound> {
    let Some(below) = levels.checked_sub(1) else { return Err(Unsound::Lie("recipes of too many levels")) };
    let children = match store.recipe(hash) {
        Ok(children) => children,
        Err(BlobError::Missing(_)) => return Err(Unsound::Lie("a body that was not sent")),
        Err(BlobError::Corrupt(_)) => return Err(Unsound::Lie("a recipe that is none")),
        Err(error) => return Err(Unsound::Unread(error.to_string())),
    };
    for RecipeChild { kind, hash, bytes } in &children {
        // What was looked at once is as long as it was.
        if *kind == BlobKind::Recipe && seen.insert(*hash) && content(store, *hash, below, seen)? != *bytes {
            return Err(Unsound::Lie("a recipe that contradicts its pieces"));
        }
    }
    Ok(children.iter().map(|child| child.bytes).sum())
}
