use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hexadecimal digits")]
pub struct InvalidGuid;

macro_rules! guid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Randomness is an argument: the caller draws the bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                $name(bytes)
            }

            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidGuid;

            fn from_str(text: &str) -> Result<Self, InvalidGuid> {
                parse(text).map($name)
            }
        }
    };
}

guid!(
    /// A bucket's identity, equal on all nodes. A bucket deleted and made again is another bucket.
    BucketGuid
);
guid!(
    /// A node's identity, minted when its data directory is made.
    NodeGuid
);
guid!(
    /// A protected path's identity, equal on all its members.
    PathGuid
);
guid!(
    /// A snapshot's identity, equal on all nodes that hold it.
    SnapshotGuid
);
guid!(
    /// One attempt to bring a snapshot to a destination.
    TransferGuid
);
guid!(
    /// The name of a hold or a feed cursor; chosen by the one who asks, so that asking twice is harmless.
    HoldId
);
guid!(
    /// A multipart upload's identity.
    UploadId
);

fn parse(text: &str) -> Result<[u8; 16], InvalidGuid> {
    let digits = text.as_bytes();
    if digits.len() != 32 {
        return Err(InvalidGuid);
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Result<u8, InvalidGuid> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(InvalidGuid),
    }
}
