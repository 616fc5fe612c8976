//! The vocabulary every other room speaks: identifiers, names, numbers, with checked constructors.
//!
//! *Architecture invariant:* nothing here reads a clock, a random source, a file or a socket.

mod body;
mod epoch;
mod guid;
mod hash;
mod name;
mod seq;
mod time;
mod version;

pub use body::{Body, Checksum, ChecksumAlgorithm, ChecksumKind, ETag};
pub use epoch::{Epoch, EpochNumber};
pub use guid::{BucketGuid, HoldId, NodeGuid, PathGuid, SnapshotGuid, TransferGuid, UploadId};
pub use hash::ContentHash;
pub use name::{BucketName, InvalidName, ObjectKey};
pub use seq::Seq;
pub use time::Timestamp;
pub use version::{Version, VersionId};
