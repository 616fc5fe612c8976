//! Answers: small ones in one write, large bodies streamed from the store.

use bytes::Bytes;
use tandem_storage::blob::BodyReader;

/// What an answer carries.
pub enum ResponseBody {
    Empty,
    Bytes(Bytes),
    /// Verified bytes of a stored object, streamed with bounded memory.
    Object(BodyReader),
}

pub type Response = http::Response<ResponseBody>;
