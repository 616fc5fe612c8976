use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens")]
    Bucket,
    #[error("an object key has at least one byte")]
    KeyEmpty,
    #[error("an object key has at most {} bytes", ObjectKey::MAX_BYTES)]
    KeyTooLong,
}

/// A bucket's name by S3's naming rules for general purpose buckets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BucketName(Box<str>);

impl BucketName {
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let bytes = name.as_bytes();
        let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let allowed = |byte: &u8| edge(byte) || *byte == b'-' || *byte == b'.';
        let shaped = (3..=63).contains(&bytes.len())
            && bytes.iter().all(allowed)
            && bytes.first().is_some_and(edge)
            && bytes.last().is_some_and(edge);
        if !shaped || name.contains("..") || looks_like_ipv4(name) || reserved(name) {
            return Err(InvalidName::Bucket);
        }
        Ok(BucketName(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn looks_like_ipv4(name: &str) -> bool {
    name.parse::<std::net::Ipv4Addr>().is_ok()
}

/// Prefixes and suffixes that S3 keeps for itself.
fn reserved(name: &str) -> bool {
    ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        || ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix))
}

impl TryFrom<String> for BucketName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        BucketName::new(&name)
    }
}

impl From<BucketName> for String {
    fn from(name: BucketName) -> String {
        name.0.into()
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// An object's key: UTF-8 text of 1 to 1,024 bytes, opaque. It is ordered by its bytes and never becomes a file name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(Box<str>);

impl ObjectKey {
    pub const MAX_BYTES: usize = 1024;

    pub fn new(key: &str) -> Result<Self, InvalidName> {
        match key.len() {
            0 => Err(InvalidName::KeyEmpty),
            1..=Self::MAX_BYTES => Ok(ObjectKey(key.into())),
            _ => Err(InvalidName::KeyTooLong),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = InvalidName;

    fn try_from(key: String) -> Result<Self, InvalidName> {
        ObjectKey::new(&key)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> String {
        key.0.into()
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
