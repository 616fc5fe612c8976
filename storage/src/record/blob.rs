use serde::{Deserialize, Serialize};

use super::codec::record;
use crate::types::{ContentHash, Seq};

/// One stored copy of a blob's bytes. Ids are never used again, so a name on the disk never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceId(u64);

impl InstanceId {
    pub const fn new(id: u64) -> Self {
        InstanceId(id)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Where an instance's bytes are on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Location {
    /// Inside a journal file: its number and the body's byte offset.
    Journal { file: u64, offset: u64 },
    /// A piece file of its own, named by the instance.
    Piece,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlobKind {
    Data,
    /// Its content is a list of [`RecipeChild`], each referenced once as long as this blob lives.
    Recipe,
}

/// One entry of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecipeChild {
    pub kind: BlobKind,
    pub hash: ContentHash,
    /// Bytes of object content under this child.
    pub bytes: u64,
}

/// The one live instance of a blob, and how many rows, recipes and claims reference it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRow {
    pub instance: InstanceId,
    pub location: Location,
    pub kind: BlobKind,
    /// Stored bytes.
    pub len: u64,
    /// CRC32C over (instance, offset 0, data) of a blob in the journal; a piece file carries its own.
    pub crc: u32,
    pub references: u64,
    /// The Seq at which the count reached zero, the one that its row in `dead` has; zero while it is referenced.
    pub died: Seq,
}
record!(BlobRow, "blob", 1);
