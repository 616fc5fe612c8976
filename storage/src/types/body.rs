use std::fmt;

use serde::{Deserialize, Serialize};

use super::ContentHash;

/// Where a row's bytes are, by content and never by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Body {
    Empty,
    /// One blob holds all the bytes.
    Blob(ContentHash),
    /// A recipe blob lists the pieces, in order.
    Recipe(ContentHash),
}

impl Body {
    /// The one blob that a row with this body references.
    pub fn root(&self) -> Option<ContentHash> {
        match self {
            Body::Empty => None,
            Body::Blob(hash) | Body::Recipe(hash) => Some(*hash),
        }
    }
}

/// An object's entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ETag {
    /// MD5 of the content.
    Md5([u8; 16]),
    /// MD5 of the parts' MD5s, and how many parts there were (1 to 10,000).
    Multipart { md5: [u8; 16], parts: u16 },
}

/// Without quotes: `d41d...`, or `d41d...-3`. Every row of a listing shows one, so the digits are written at once.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let (ETag::Md5(md5) | ETag::Multipart { md5, .. }) = self;
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(md5) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)?;
        match self {
            ETag::Md5(_) => Ok(()),
            ETag::Multipart { parts, .. } => write!(f, "-{parts}"),
        }
    }
}

/// The five checksums that S3 offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChecksumAlgorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// What a stored checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChecksumKind {
    FullObject,
    /// The checksum of the parts' checksums, and how many parts there were.
    Composite {
        parts: u16,
    },
}

/// A checksum that was verified before the write was acknowledged. CRCs are big-endian.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checksum {
    pub algorithm: ChecksumAlgorithm,
    pub kind: ChecksumKind,
    pub value: Vec<u8>,
}
