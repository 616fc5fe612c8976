//! Whether long objects are as long as their rows say. What a row says of a single blob the committer checks; a recipe must be read for it.

use std::collections::HashMap;

use tandem_storage::Store;
use tandem_storage::blob::BlobError;
use tandem_storage::change::StagedRow;
use tandem_storage::record::{BlobKind, ObjectRow, PartRow, RecipeChild, Record, RowKey};
use tandem_storage::types::{Body, ContentHash};

/// Recipes that are remembered from one row to the next: some 10 to 20 MB. Forgetting them costs reading them again.
const REMEMBERED_MAX: usize = 1 << 18;

/// Why rows are not taken.
pub(super) enum Unsound {
    Lie(&'static str),
    /// The store could not be read: no fault of the peer's.
    Unread(String),
}

/// Reads the recipes of each object or part, not its pieces.
pub(super) fn check(store: &Store, rows: &[StagedRow]) -> Result<(), Unsound> {
    let mut said = Said::default();
    for (hash, bytes) in rows.iter().filter_map(recipe_of) {
        if said.0.len() > REMEMBERED_MAX {
            said = Said::default();
        }
        agrees(store, hash, bytes, &mut said)?;
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

/// How many bytes each recipe was said to have by those that named it. Whether they are right shows when the recipe is read.
#[derive(Default)]
struct Said(HashMap<ContentHash, u64>);

impl Said {
    /// Whether it is the first that is heard of the recipe.
    fn is_first(&mut self, hash: ContentHash, bytes: u64) -> Result<bool, Unsound> {
        match self.0.insert(hash, bytes) {
            None => Ok(true),
            Some(before) if before == bytes => Ok(false),
            Some(_) => Err(Unsound::Lie("two sizes of the same bytes")),
        }
    }
}

/// Whether a recipe, and each one below it, has as many bytes as what names it says. However many levels there are, and however often one is
/// listed: each is read once. (An object that is appended to by copies gets a level each time.) Memory: the recipes of one object.
fn agrees(store: &Store, hash: ContentHash, bytes: u64, said: &mut Said) -> Result<(), Unsound> {
    let mut ahead = Vec::new();
    if said.is_first(hash, bytes)? {
        ahead.push((hash, bytes));
    }
    while let Some((hash, bytes)) = ahead.pop() {
        let children = match store.recipe(hash) {
            Ok(children) => children,
            // Damaged here: no fault of the peer's, and no reason to hold the path up. Reads and the scrub name it, and the peer is asked for it again.
            Err(BlobError::Damaged(_)) => continue,
            Err(BlobError::Missing(_)) => return Err(Unsound::Lie("a body that was not sent")),
            Err(BlobError::Corrupt(_)) => return Err(Unsound::Lie("a recipe that is none")),
            Err(error) => return Err(Unsound::Unread(error.to_string())),
        };
        // A list whose sum does not fit does not decode.
        if children.iter().map(|child| child.bytes).sum::<u64>() != bytes {
            return Err(Unsound::Lie("a size that is not its bytes'"));
        }
        for RecipeChild { kind, hash, bytes } in children {
            if kind == BlobKind::Recipe && said.is_first(hash, bytes)? {
                ahead.push((hash, bytes));
            }
        }
    }
    Ok(())
}
