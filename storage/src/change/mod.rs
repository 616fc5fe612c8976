//! What can be committed: one type a change, each checked and carried out by the committer against the state it is about
//! to write. A refusal changes nothing.

mod audit;
mod bucket;
pub(crate) mod count;
mod node;
mod object;
mod only_if;
mod path;
mod repair;
mod transfer;
mod upload;

pub use audit::{HeldTotals, HoldTotals, ReleaseTotals};
pub use bucket::{CreateBucket, DeleteBucket, SetBucketSetting, SetVersioning};
pub use node::{NodeWrite, WriteNodeRows};
pub use object::{
    DeleteObject, Deleted, NewObject, Precondition, PutObject, PutOutcome, ReplaceObjectSlots, Slots, VersionSelector,
};
pub use only_if::{OnlyIf, Seen, SeenSlots};
pub use path::{
    AccessChange, At, PathOp, SnapshotSpec, UpdatePaths, UpdatedPaths, previous_visible_hold, visible_hold,
};
pub use repair::RepairBlob;
pub use transfer::{
    Agreement, ApplyStaged, BeginTransfer, ClaimBlobs, Claimed, CompleteTransfer, RewindPage, RewoundPage, StageRows,
    StagedRow,
};
pub use upload::{AbortUpload, CompletePart, CompleteUpload, CreateUpload, PutPart};

#[cfg(test)]
mod tests;

use crate::types::{EpochNumber, PathGuid, Seq};

/// The right to write under one path in one epoch, or outside every path. Handed out by the role gate, checked again by the committer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePermit {
    Unprotected,
    Path { path: PathGuid, epoch: EpochNumber },
}

/// Why a change was not made. Nothing of it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("no such bucket")]
    NoSuchBucket,
    #[error("the bucket exists")]
    BucketExists,
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    #[error("the account owns buckets")]
    OwnsBuckets,
    #[error("no such key")]
    NoSuchKey,
    #[error("no such version")]
    NoSuchVersion,
    #[error("no such upload")]
    NoSuchUpload,
    /// A part that CompleteMultipartUpload names is missing or has another ETag.
    #[error("part {0} is missing or different")]
    InvalidPart(u16),
    #[error("a precondition failed")]
    PreconditionFailed,
    /// If-Match on a key that does not exist.
    #[error("If-Match on an absent key")]
    ConditionOnAbsent,
    /// The path that covers the bucket is not writable here, or the permit is of another epoch or another path.
    #[error("the path is not writable here")]
    Fenced,
    /// A staged body's blob was condemned, or is not there: store the bytes again.
    #[error("bytes are gone; write them again")]
    BytesGone,
    /// A compare-and-set found another revision or value.
    #[error("changed meanwhile")]
    Stale,
    #[error("a path of this node overlaps")]
    Overlaps,
    #[error("the point is not readable: neither newest nor held")]
    NotHeld,
    #[error("no such path, snapshot, hold or transfer")]
    Unknown,
    /// Too little free space for new bodies. Deletes and role changes still go.
    #[error("the disk is nearly full")]
    NoSpace,
    /// Whoever begins this multipart upload has as many in progress as one may have.
    #[error("too many multipart uploads in progress")]
    TooManyUploads,
    #[error("stored data is damaged: {0}")]
    Damaged(String),
    /// What would be shown, or stored, has another total than was declared, or than is stored. A fault, here or at the peer.
    #[error("the totals differ")]
    TotalDiffers,
    /// A snapshot has another digest already. A fault, unless whoever asks has found out which is right.
    #[error("the snapshot has another digest")]
    DigestDiffers,
    /// A peer's row, or recipe, that contradicts itself, its blobs or its path.
    #[error("the peer sent {0}")]
    Malformed(&'static str),
}

/// A value together with the proof that its change is on stable storage. Only the committer makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Durable<T> {
    seq: Seq,
    value: T,
}

impl<T> Durable<T> {
    pub(crate) fn mint(seq: Seq, value: T) -> Self {
        Durable { seq, value }
    }

    pub fn seq(&self) -> Seq {
        self.seq
    }

    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> std::ops::Deref for Durable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
