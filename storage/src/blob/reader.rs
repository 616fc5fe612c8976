use super::BlobError;

/// Streams a range of a stored body, every 64 KiB verified before it is handed out. Holds its [`Reader`](crate::Reader)'s
/// registration, so nothing it will need is unlinked. Memory: one chunk.
pub struct BodyReader {
    // fields by the implementer
}

impl BodyReader {
    /// Appends the next verified bytes (up to about 256 KiB) to `out`; `false` at the end. Blocking IO.
    pub fn next_chunk(&mut self, _out: &mut bytes::BytesMut) -> Result<bool, BlobError> {
        todo!()
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        todo!()
    }
}
