//! What two paired nodes say to each other. Every message names its sender; those of a transfer name its path and epoch too.

use serde::{Deserialize, Serialize};
use tandem_storage::record::{BlobKind, Digest, Total};
use tandem_storage::types::{ContentHash, Epoch, NodeGuid, PathGuid, SnapshotGuid, TransferGuid};

use super::peers::NodeCard;
use super::schedule::Age;
use crate::role::machine::{Offer, PathView, Refused, Taking};

/// Views a hello carries; a node with more paths says hello several times.
pub(crate) const HELLO_VIEWS: usize = 8;
/// Bytes of rows in a message, about. A row is at most some 10 KiB, a setting a little more.
pub(crate) const ROWS_BYTES: usize = 512 * 1024;
/// Rows in a message.
pub(crate) const ROWS_MAX: usize = 1000;
/// Bytes of a damaged blob in a message: a number of its blocks.
pub(crate) const FETCH_BYTES: usize = 2 * 1024 * 1024;
/// Hashes in a message.
pub(crate) const HASHES_MAX: usize = 2048;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// Checked against the certificate of the connection.
    pub sender: NodeGuid,
    pub request: Request,
}

/// Which attempt a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub path: PathGuid,
    pub epoch: Epoch,
    pub transfer: TransferGuid,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// What the sender has committed for the paths it shares with the receiver; answered with the receiver's.
    Hello(Vec<PathView>),
    /// Mirror this path: the sender is, or is about to be, its Source. Answered `Done` or `Refused`.
    Accept(Box<PathView>),
    /// May the path be made? As `Accept`, but nothing is stored.
    MayAccept(Box<PathView>),
    /// The sender removed the path; the receiver's data stay, unprotected.
    Removed(PathGuid),
    Offer(Offer),
    /// Which of these blobs are not there? The others are claimed.
    Lacking {
        attempt: Attempt,
        hashes: Vec<ContentHash>,
    },
    Rows {
        attempt: Attempt,
        first: u64,
        rows: Vec<WireRow>,
    },
    /// All rows are there: check the digest, apply, flip. Asked again until the answer is `Landed`.
    Complete {
        attempt: Attempt,
        rows: u64,
        digest: Digest,
        /// By the source's committer, of the snapshot. Absent while the source counts its rows for the first time, or does not
        /// trust the total it has.
        total: Option<Total>,
    },
    /// The rows that the destination shows, in key order, for a comparison.
    Shown {
        attempt: Attempt,
        over: SnapshotGuid,
        position: Option<Vec<u8>>,
    },
    /// Where the sender is to be dialled from now on, and what it is called. Said once in its life.
    Here(NodeCard),
    /// Bytes that are damaged at the sender, and that the receiver may have.
    Fetch(Fetch),
}

/// What a damaged blob is asked for by: what of the path leads to it. Both nodes may ask, whatever their roles. No epoch: a snapshot is the same in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fetch {
    pub path: PathGuid,
    /// One of the path's.
    pub snapshot: SnapshotGuid,
    /// The encoded key of a row that the path has there.
    pub key: Vec<u8>,
    /// A blob that the row names, and from there recipe by recipe down to the one that is damaged.
    pub way: Vec<ContentHash>,
    /// From where on: up to `FETCH_BYTES` of it, or what there is.
    pub offset: u64,
}

/// A row: its encoded key, and its value (none: absent).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireRow {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// A row that is shown: its encoded key, and the hash of its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShownRow {
    pub key: Vec<u8>,
    pub hash: ContentHash,
}

/// What heads a stream of blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlobsHead {
    pub sender: NodeGuid,
    pub attempt: Attempt,
}

/// A blob to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub hash: ContentHash,
    pub kind: BlobKind,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Hello(Vec<Told>),
    Taking(Result<Taking, Refused>),
    Lacking(Vec<ContentHash>),
    /// Rows staged so far.
    Staged(u64),
    /// Blobs of a stream are claimed.
    Stored,
    Done,
    /// The snapshot is what is shown.
    Landed,
    /// Not yet; ask again.
    Landing,
    Shown {
        rows: Vec<ShownRow>,
        next: Option<Vec<u8>>,
    },
    Failed(Failure),
    /// Of the blob that was asked for.
    Bytes(#[serde(with = "at_once")] Vec<u8>),
}

/// Bytes copied as one, not one by one.
mod at_once {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(Whole)
    }

    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
}

/// What the receiver of a hello knows of one of its paths.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    /// Its view, and, from a Source to its Destination, the age of what the Destination said it shows.
    View { view: Box<PathView>, age: Option<(SnapshotGuid, Age)> },
    /// An operator removed the path here.
    Gone(PathGuid),
    /// Never heard of it.
    Unknown(PathGuid),
}

impl Told {
    pub(crate) fn path(&self) -> PathGuid {
        match self {
            Told::View { view, .. } => view.path,
            Told::Gone(path) | Told::Unknown(path) => *path,
        }
    }
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Failure {
    /// The path is not known here.
    #[error("the peer does not have this path")]
    NoPath,
    /// An operator must see this.
    #[error("{0}")]
    Refused(String),
    /// The transfer, or its epoch, is not the destination's any more: plan again.
    #[error("the transfer is not current any more")]
    NotCurrent,
    /// The staged rows do not make the declared digest: the transfer was dropped.
    #[error("the digests differ: the transfer was dropped, and everything is compared")]
    DigestDiffers,
    /// What is shown and the staged rows, or the present after they were applied, do not make the declared total: the transfer was dropped,
    /// or is being taken back.
    #[error("the totals differ: the transfer was dropped, and everything is compared")]
    TotalDiffers,
    #[error("the peer's disk is nearly full")]
    NoSpace,
    /// Something failed over there; try again later.
    #[error("{0}")]
    Internal(String),
    /// No row of that path leads to such bytes at that snapshot, whether they are there or not.
    #[error("nothing there refers to it any more")]
    Unreferenced,
    #[error("it cannot read these bytes either")]
    Damaged,
    /// The sender asks for too much at once.
    #[error("it is busy")]
    Busy,
}
