use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of the protocol's messages; the first byte of each. Nodes of two versions do not replicate with each other.
pub(super) const VERSION: u8 = 2;

/// The longest message, in bytes. Rows are paged to stay far below.
pub(crate) const MESSAGE_MAX: usize = 4 * 1024 * 1024;

/// A message or an answer up to this long needs no room of its own.
pub(crate) const SMALL: usize = 64 * 1024;

/// Longer messages and answers of one peer at once, until they are dealt with and sent. A node sends no more to a peer
/// at once: those that wait for room there keep those that have room from going on, because a connection has one
/// window.
pub(crate) const LARGE_MAX: usize = 4;

/// Bytes from a peer that are not what they should be, or do not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("a message of more than {MESSAGE_MAX} bytes")]
    TooLong,
    #[error("a message of protocol version {0}, which this build does not speak")]
    Version(u8),
    #[error("a message that does not decode: {0}")]
    Malformed(String),
    #[error("the stream ended early")]
    Truncated,
    #[error("the peer was silent for too long")]
    Silent,
    #[error("the stream broke: {0}")]
    Broken(String),
}

pub(crate) fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, WireError> {
    let bytes = postcard::to_extend(message, vec![VERSION]).map_err(|error| WireError::Malformed(error.to_string()))?;
    if bytes.len() > MESSAGE_MAX { Err(WireError::TooLong) } else { Ok(bytes) }
}

pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<M, WireError> {
    let rest = match bytes.split_first() {
        Some((&VERSION, rest)) => rest,
        Some((&other, _)) => return Err(WireError::Version(other)),
        None => return Err(WireError::Truncated),
    };
    match postcard::take_from_bytes(rest) {
        Ok((message, [])) => Ok(message),
        Ok((_, left)) => Err(WireError::Malformed(format!("{} bytes left over", left.len()))),
        Err(error) => Err(WireError::Malformed(error.to_string())),
    }
}
