//! The one route table: level, method and subresource name the operation.

use crate::s3::operation::Operation;

/// What the path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Service,
    Bucket,
    Object,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Head,
    Put,
    Post,
    Delete,
}

impl Verb {
    pub const ALL: [Verb; 5] = [Verb::Get, Verb::Head, Verb::Put, Verb::Post, Verb::Delete];

    pub const fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Head => "HEAD",
            Verb::Put => "PUT",
            Verb::Post => "POST",
            Verb::Delete => "DELETE",
        }
    }
}

/// One route. Among rows of equal level, verb and subresource, the first whose `needs` is there is taken.
pub struct Row {
    pub level: Level,
    pub verb: Verb,
    /// The query parameter that selects the operation; empty: none of them is there.
    pub subresource: &'static str,
    /// A parameter that must be there too; empty: none.
    pub needs: &'static str,
    /// Parameters that may be there.
    pub takes: &'static [&'static str],
    pub operation: Operation,
}

/// What reading an object may carry.
const READ: &[&str] = &[
    "versionId",
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
];
const VERSION: &[&str] = &["versionId"];
const NAMED: &[&str] = &["continuation-token"];

/// Subresources that have no row: AWS's that are not here, and Ceph's `append`. To ignore them would be to write or delete the object or
/// bucket that they hang on.
pub const FOREIGN: &[&str] = &["annotation", "append", "metadataAnnotationTable"];

macro_rules! rows {
    ($($level:ident $verb:ident $subresource:literal $needs:literal $takes:expr => $operation:ident;)*) => {
        pub const ROWS: &[Row] = &[$(Row {
            level: Level::$level,
            verb: Verb::$verb,
            subresource: $subresource,
            needs: $needs,
            takes: $takes,
            operation: Operation::$operation,
        },)*];
    };
}

rows! {
    Service Get "" "" &["max-buckets", "continuation-token", "prefix", "bucket-region"] => ListBuckets;

    Bucket Get "" "" &["prefix", "delimiter", "marker", "max-keys", "encoding-type"] => ListObjects;
    Bucket Get "list-type" "" &["prefix", "delimiter", "continuation-token", "start-after", "max-keys", "encoding-type", "fetch-owner"] => ListObjectsV2;
    Bucket Get "uploads" "" &["prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"] => ListMultipartUploads;
    Bucket Get "versions" "" &["prefix", "delimiter", "key-marker", "version-id-marker", "max-keys", "encoding-type"] => ListObjectVersions;
    Bucket Get "location" "" &[] => GetBucketLocation;
    Bucket Get "versioning" "" &[] => GetBucketVersioning;
    Bucket Head "" "" &[] => HeadBucket;
    Bucket Put "" "" &[] => CreateBucket;
    Bucket Delete "" "" &[] => DeleteBucket;
    Bucket Post "delete" "" &[] => DeleteObjects;
    Bucket Post "" "" &[] => PostObject;

    Object Get "" "" READ => GetObject;
    Object Head "" "" READ => HeadObject;
    Object Put "" "" &[] => PutObject;
    Object Delete "" "" VERSION => DeleteObject;
    Object Get "uploadId" "" &["max-parts", "part-number-marker", "encoding-type"] => ListParts;
    Object Put "uploadId" "partNumber" &[] => UploadPart;
    Object Post "uploadId" "" &[] => CompleteMultipartUpload;
    Object Delete "uploadId" "" &[] => AbortMultipartUpload;
    Object Post "uploads" "" &[] => CreateMultipartUpload;

    Bucket Get "abac" "" &[] => GetBucketAbac;
    Bucket Put "abac" "" &[] => PutBucketAbac;
    Bucket Get "accelerate" "" &[] => GetBucketAccelerateConfiguration;
    Bucket Put "accelerate" "" &[] => PutBucketAccelerateConfiguration;
    Bucket Get "acl" "" &[] => GetBucketAcl;
    Bucket Put "acl" "" &[] => PutBucketAcl;
    Bucket Get "analytics" "id" &[] => GetBucketAnalyticsConfiguration;
    Bucket Get "analytics" "" NAMED => ListBucketAnalyticsConfigurations;
    Bucket Put "analytics" "id" &[] => PutBucketAnalyticsConfiguration;
    Bucket Delete "analytics" "id" &[] => DeleteBucketAnalyticsConfiguration;
    Bucket Get "cors" "" &[] => GetBucketCors;
    Bucket Put "cors" "" &[] => PutBucketCors;
    Bucket Delete "cors" "" &[] => DeleteBucketCors;
    Bucket Get "encryption" "" &[] => GetBucketEncryption;
    Bucket Put "encryption" "" &[] => PutBucketEncryption;
    Bucket Delete "encryption" "" &[] => DeleteBucketEncryption;
    Bucket Get "intelligent-tiering" "id" &[] => GetBucketIntelligentTieringConfiguration;
    Bucket Get "intelligent-tiering" "" NAMED => ListBucketIntelligentTieringConfigurations;
    Bucket Put "intelligent-tiering" "id" &[] => PutBucketIntelligentTieringConfiguration;
    Bucket Delete "intelligent-tiering" "id" &[] => DeleteBucketIntelligentTieringConfiguration;
    Bucket Get "inventory" "id" &[] => GetBucketInventoryConfiguration;
    Bucket Get "inventory" "" NAMED => ListBucketInventoryConfigurations;
    Bucket Put "inventory" "id" &[] => PutBucketInventoryConfiguration;
    Bucket Delete "inventory" "id" &[] => DeleteBucketInventoryConfiguration;
    Bucket Get "lifecycle" "" &[] => GetBucketLifecycleConfiguration;
    Bucket Put "lifecycle" "" &[] => PutBucketLifecycleConfiguration;
    Bucket Delete "lifecycle" "" &[] => DeleteBucketLifecycle;
    Bucket Get "logging" "" &[] => GetBucketLogging;
    Bucket Put "logging" "" &[] => PutBucketLogging;
    Bucket Get "metadataConfiguration" "" &[] => GetBucketMetadataConfiguration;
    Bucket Post "metadataConfiguration" "" &[] => CreateBucketMetadataConfiguration;
    Bucket Delete "metadataConfiguration" "" &[] => DeleteBucketMetadataConfiguration;
    Bucket Put "metadataInventoryTable" "" &[] => UpdateBucketMetadataInventoryTableConfiguration;
    Bucket Put "metadataJournalTable" "" &[] => UpdateBucketMetadataJournalTableConfiguration;
    Bucket Get "metadataTable" "" &[] => GetBucketMetadataTableConfiguration;
    Bucket Post "metadataTable" "" &[] => CreateBucketMetadataTableConfiguration;
    Bucket Delete "metadataTable" "" &[] => DeleteBucketMetadataTableConfiguration;
    Bucket Get "metrics" "id" &[] => GetBucketMetricsConfiguration;
    Bucket Get "metrics" "" NAMED => ListBucketMetricsConfigurations;
    Bucket Put "metrics" "id" &[] => PutBucketMetricsConfiguration;
    Bucket Delete "metrics" "id" &[] => DeleteBucketMetricsConfiguration;
    Bucket Get "notification" "" &[] => GetBucketNotificationConfiguration;
    Bucket Put "notification" "" &[] => PutBucketNotificationConfiguration;
    Bucket Get "object-lock" "" &[] => GetObjectLockConfiguration;
    Bucket Put "object-lock" "" &[] => PutObjectLockConfiguration;
    Bucket Get "ownershipControls" "" &[] => GetBucketOwnershipControls;
    Bucket Put "ownershipControls" "" &[] => PutBucketOwnershipControls;
    Bucket Delete "ownershipControls" "" &[] => DeleteBucketOwnershipControls;
    Bucket Get "policy" "" &[] => GetBucketPolicy;
    Bucket Put "policy" "" &[] => PutBucketPolicy;
    Bucket Delete "policy" "" &[] => DeleteBucketPolicy;
    Bucket Get "policyStatus" "" &[] => GetBucketPolicyStatus;
    Bucket Get "publicAccessBlock" "" &[] => GetPublicAccessBlock;
    Bucket Put "publicAccessBlock" "" &[] => PutPublicAccessBlock;
    Bucket Delete "publicAccessBlock" "" &[] => DeletePublicAccessBlock;
    Bucket Get "replication" "" &[] => GetBucketReplication;
    Bucket Put "replication" "" &[] => PutBucketReplication;
    Bucket Delete "replication" "" &[] => DeleteBucketReplication;
    Bucket Get "requestPayment" "" &[] => GetBucketRequestPayment;
    Bucket Put "requestPayment" "" &[] => PutBucketRequestPayment;
    Bucket Get "session" "" &[] => CreateSession;
    Bucket Get "tagging" "" &[] => GetBucketTagging;
    Bucket Put "tagging" "" &[] => PutBucketTagging;
    Bucket Delete "tagging" "" &[] => DeleteBucketTagging;
    Bucket Put "versioning" "" &[] => PutBucketVersioning;
    Bucket Get "website" "" &[] => GetBucketWebsite;
    Bucket Put "website" "" &[] => PutBucketWebsite;
    Bucket Delete "website" "" &[] => DeleteBucketWebsite;

    Object Get "acl" "" VERSION => GetObjectAcl;
    Object Put "acl" "" VERSION => PutObjectAcl;
    Object Get "attributes" "" VERSION => GetObjectAttributes;
    Object Put "encryption" "" VERSION => UpdateObjectEncryption;
    Object Get "legal-hold" "" VERSION => GetObjectLegalHold;
    Object Put "legal-hold" "" VERSION => PutObjectLegalHold;
    Object Put "renameObject" "" &[] => RenameObject;
    Object Post "restore" "" VERSION => RestoreObject;
    Object Get "retention" "" VERSION => GetObjectRetention;
    Object Put "retention" "" VERSION => PutObjectRetention;
    Object Post "select" "" &["select-type", "versionId"] => SelectObjectContent;
    Object Get "tagging" "" VERSION => GetObjectTagging;
    Object Put "tagging" "" VERSION => PutObjectTagging;
    Object Delete "tagging" "" VERSION => DeleteObjectTagging;
    Object Get "torrent" "" &[] => GetObjectTorrent;
}
