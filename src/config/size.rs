use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A number of bytes, written `64MiB`, `1GB` or plain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub struct ByteSize(u64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a number of bytes, such as 1048576, 64MiB or 1GB")]
pub struct InvalidSize;

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

const UNITS: [(&str, u64); 10] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("K", 1 << 10),
    ("B", 1),
];

impl ByteSize {
    pub const fn bytes(bytes: u64) -> Self {
        ByteSize(bytes)
    }

    pub const fn mebibytes(number: u64) -> Self {
        ByteSize(number << 20)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        for (unit, factor) in UNITS {
            if let Some(number) = lower.strip_suffix(&unit.to_ascii_lowercase()) {
                let number: u64 = number.trim().parse().map_err(|_| InvalidSize)?;
                return number.checked_mul(factor).map(ByteSize).ok_or(InvalidSize);
            }
        }
        text.parse().map(ByteSize).map_err(|_| InvalidSize)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS[..4].iter().rev().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor));
        match binary {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => self.0.fmt(f),
        }
    }
}

impl TryFrom<Written> for ByteSize {
    type Error = InvalidSize;

    fn try_from(written: Written) -> Result<Self, InvalidSize> {
        match written {
            Written::Number(bytes) => Ok(ByteSize(bytes)),
            Written::Text(text) => text.parse(),
        }
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> String {
        size.to_string()
    }
}
