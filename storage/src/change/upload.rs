mod carry_out;

use super::{Precondition, WritePermit};
use crate::blob::StagedBody;
use crate::record::{PartRow, UploadRow};
use crate::types::{BucketGuid, Checksum, ETag, ObjectKey, UploadId};

/// Output: `()`. Refusals: `NoSuchBucket`, `Fenced`, `TooManyUploads`, `NoSpace`.
#[derive(Clone, Debug)]
pub struct CreateUpload {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub row: UploadRow,
    /// Refused when its initiator has so many in progress already, in all buckets.
    pub most: u64,
}

/// Stores or replaces a part. `md5`, `checksum` as verified. Output: the [`PartRow`] as stored.
/// Refusals: `NoSuchUpload`, `Fenced`, `BytesGone`, `NoSpace`.
#[derive(Debug)]
pub struct PutPart {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub key: ObjectKey,
    pub upload: UploadId,
    pub number: u16,
    pub body: StagedBody,
    pub md5: [u8; 16],
    pub checksum: Option<Checksum>,
}

/// A part as the caller read it. The committer refuses with `InvalidPart` when it has changed since.
#[derive(Clone, Debug)]
pub struct CompletePart {
    pub number: u16,
    pub row: PartRow,
}

/// Makes the object from its parts and removes the upload, in one commit. The new recipe (made with
/// [`Store::assemble`](crate::Store::assemble)) lists the parts' roots.
/// Output: [`PutOutcome`](super::PutOutcome). Refusals: `NoSuchUpload`, `InvalidPart`, `PreconditionFailed`, `ConditionOnAbsent`, `Fenced`, `BytesGone`.
#[derive(Debug)]
pub struct CompleteUpload {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub key: ObjectKey,
    pub upload: UploadId,
    pub parts: Vec<CompletePart>,
    pub body: StagedBody,
    pub part_map: StagedBody,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub precondition: Precondition,
    pub random: u64,
}

/// Removes an upload and its parts. Output: `()`. Refusals: `NoSuchUpload`, `Fenced`.
#[derive(Clone, Debug)]
pub struct AbortUpload {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub key: ObjectKey,
    pub upload: UploadId,
}
