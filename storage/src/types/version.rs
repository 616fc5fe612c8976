use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An S3 version id: eight bytes of inverted stamp, so that a key's newest version sorts first, and eight random ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionId([u8; 16]);

impl VersionId {
    pub fn new(stamp: u64, random: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(!stamp).to_be_bytes());
        bytes[8..].copy_from_slice(&random.to_be_bytes());
        VersionId(bytes)
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        VersionId(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The place of this version among its key's: greater is newer.
    pub fn stamp(&self) -> u64 {
        let mut inverted = [0; 8];
        inverted.copy_from_slice(&self.0[..8]);
        !u64::from_be_bytes(inverted)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VersionId({self})")
    }
}

impl FromStr for VersionId {
    type Err = super::guid::InvalidGuid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        super::UploadId::from_str(text).map(|id| VersionId(*id.as_bytes()))
    }
}

/// Which version of its key a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Version {
    /// S3's `null` version, written while versioning was off or suspended. There is at most one for each key; its
    /// stamp says where it stands among the others.
    Null {
        stamp: u64,
    },
    Id(VersionId),
}

impl Version {
    pub fn has_id(&self) -> bool {
        matches!(self, Version::Id(_))
    }

    pub fn stamp(&self) -> u64 {
        match self {
            Version::Null { stamp } => *stamp,
            Version::Id(id) => id.stamp(),
        }
    }
}

/// As S3 shows it: `null`, or 32 hexadecimal digits.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Null { .. } => f.write_str("null"),
            Version::Id(id) => id.fmt(f),
        }
    }
}
