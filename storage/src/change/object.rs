mod carry_out;
mod versions;

pub(crate) use self::versions::Versions;
use super::WritePermit;
use crate::blob::StagedBody;
use crate::record::{ContentHeaders, Lock, ObjectRow};
use crate::types::{BucketGuid, Checksum, ETag, ObjectKey, Version, VersionId};

/// A condition on a key's newest version (of a delete that names a version: on that one), judged by the committer at the moment of the write.
/// A delete marker counts as absent. ETags are compared as text, without quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    #[default]
    None,
    /// `If-Match: "etag", ...`
    IfMatch(Vec<String>),
    /// `If-Match: *`
    IfExists,
    /// `If-None-Match: "etag", ...`
    IfNoneMatch(Vec<String>),
    /// `If-None-Match: *`
    IfAbsent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionSelector {
    Latest,
    Null,
    Id(VersionId),
}

/// What a new version carries, apart from its bytes.
#[derive(Clone, Debug)]
pub struct NewObject {
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub headers: ContentHeaders,
    pub metadata: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    pub acl: Option<Vec<u8>>,
    pub lock: Option<Lock>,
    pub wrapped_key: Option<Vec<u8>>,
    /// The part list of a copied multipart object, carried over.
    pub parts: Option<crate::record::PartMap>,
}

/// Stores a version by the bucket's versioning state. `Last-Modified` is the commit's time. The body is either freshly staged
/// bytes or, for a copy, a reference to content that is already stored (`StagedBody::existing`).
/// Output: [`PutOutcome`]. Refusals: `NoSuchBucket`, `PreconditionFailed`, `ConditionOnAbsent`, `Fenced`, `BytesGone`, `NoSpace`.
#[derive(Debug)]
pub struct PutObject {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub key: ObjectKey,
    pub precondition: Precondition,
    pub body: StagedBody,
    pub object: NewObject,
    /// Random bits for a version id, should one be needed.
    pub random: u64,
}

#[derive(Clone, Debug)]
pub struct PutOutcome {
    /// The row as stored, `Last-Modified` and version included.
    pub row: ObjectRow,
}

/// Deletes as S3 does: without a version, an unversioned bucket's object goes and a versioned one gets a delete marker; with one,
/// exactly that version goes. Deleting what is absent succeeds, unless a condition is on it.
/// Output: [`Deleted`]. Refusals: `NoSuchBucket`, `PreconditionFailed`, `ConditionOnAbsent`, `NoSuchVersion` (a condition on a version that is
/// absent), `Fenced`.
#[derive(Clone, Debug)]
pub struct DeleteObject {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub key: ObjectKey,
    pub version: VersionSelector,
    pub precondition: Precondition,
    pub random: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// Nothing was there (still a success), or an unversioned object is gone.
    Gone,
    /// A delete marker of this version was written.
    MarkerWritten(Version),
    /// This version is gone for good; it was a delete marker or not.
    VersionGone { version: Version, was_marker: bool },
}

/// Replaces a version's tags, ACL or lock without touching its bytes or `Last-Modified`. Output: the row as stored.
/// Refusals: `NoSuchKey`, `NoSuchVersion`, `Fenced`; `Stale`: another ACL is held.
#[derive(Clone, Debug)]
pub struct ReplaceObjectSlots {
    pub permit: WritePermit,
    pub bucket: BucketGuid,
    pub key: ObjectKey,
    pub version: VersionSelector,
    pub slots: Slots,
}

#[derive(Clone, Debug)]
pub enum Slots {
    Tags(Vec<(String, String)>),
    /// A compare-and-set: an ACL says whose the object is, which the next writer of the key need not be.
    Acl {
        held: Option<Vec<u8>>,
        acl: Option<Vec<u8>>,
    },
    Lock(Option<Lock>),
}
