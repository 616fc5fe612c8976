use super::{BlobError, StagedBody};

/// Takes a body as it streams in: memory is one block, whatever the size. Blocking IO; call it where blocking is allowed for large bodies
/// (a small one touches no file until its commit).
pub struct BodyWriter {
    // fields by the implementer
}

impl BodyWriter {
    /// # Errors
    /// `Io`, or `NoSpace` below the disk's low watermark.
    pub fn write(&mut self, _bytes: &[u8]) -> Result<(), BlobError> {
        todo!()
    }

    /// Seals the body: pieces are synced, their directories too. The last step before a commit.
    pub fn finish(self) -> Result<StagedBody, BlobError> {
        todo!()
    }
}
