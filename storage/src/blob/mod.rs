//! Bytes by content: small bodies bound for the journal, pieces in files of their own, recipes that list them.

mod distrust;
mod instance;
mod piece;
mod read;
mod reader;
mod recipe;
mod shallow;
mod space;
mod staged;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use distrust::Distrust;
pub(crate) use instance::{InstanceAllocator, StagedPiece};
pub use reader::BodyReader;
pub(crate) use reader::Resolve;
pub(crate) use recipe::decode as decode_recipe;
pub(crate) use space::Room;
pub use staged::StagedBody;
pub(crate) use staged::{StagedBlob, StagedSource};
pub(crate) use store::BlobStore;
pub use writer::BodyWriter;

/// The largest body that rides in a journal frame, in bytes.
pub const SMALL_BODY_MAX: usize = 64 * 1024;
/// The length of a piece, in bytes; the last of an object is shorter.
pub const PIECE_BYTES: usize = 8 * 1024 * 1024;
/// What one CRC32C covers, in bytes.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// The most children a recipe has.
pub const RECIPE_CHILDREN_MAX: usize = 1024;

/// Why bytes could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("input or output failed: {0}")]
    Io(std::io::Error),
    /// A checksum did not match: these bytes are never served.
    #[error("stored bytes of {0} are damaged")]
    Damaged(crate::types::ContentHash),
    #[error("bytes of {0} are not here")]
    Missing(crate::types::ContentHash),
    #[error("the disk is nearly full")]
    NoSpace,
    #[error(transparent)]
    Engine(#[from] crate::meta::engine::EngineError),
    #[error(transparent)]
    Corrupt(#[from] crate::record::CorruptRecord),
}

impl From<std::io::Error> for BlobError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => BlobError::NoSpace,
            _ => BlobError::Io(error),
        }
    }
}
