//! Every S3 operation there is, by its API name, in one table: the action and resource that a principal needs, whether it
//! writes, and what body it takes. Those without a handler answer 501 NotImplemented.

/// What a principal must be allowed to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Service,
    Bucket,
    Object,
}

/// Whether the role gate is asked before the body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Read,
    Write,
}

/// What body an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// None is looked at.
    Nothing,
    /// Streamed content: every form of payload is taken, checksums are of the body, at most 5 GiB.
    Content,
    /// A small XML document of at most so many bytes. Never aws-chunked.
    Document(usize),
    /// A document whose `x-amz-checksum-*` headers speak of the object, not of the document.
    ObjectSummary(usize),
}

/// The longest configuration document, in bytes.
const CONFIG: usize = 64 * 1024;
/// The longest document of tags: 50 of 384 characters.
const TAGGING: usize = 256 * 1024;
/// The longest list of DeleteObjects: 1,000 keys of 1,024 bytes, escaped.
const DELETE: usize = 2 * 1024 * 1024;
/// The longest list of CompleteMultipartUpload: 10,000 parts with a checksum each.
const COMPLETE: usize = 4 * 1024 * 1024;

macro_rules! operations {
    (@handled handler) => { true };
    (@handled absent) => { false };
    ($($name:ident $action:literal $resource:ident $effect:ident ($body:expr) $handled:ident;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            pub const ALL: &[Operation] = &[$(Operation::$name,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Operation::$name => stringify!($name),)* }
            }

            /// The action that a policy must allow.
            pub const fn action(self) -> &'static str {
                match self { $(Operation::$name => $action,)* }
            }

            pub const fn resource(self) -> Resource {
                match self { $(Operation::$name => Resource::$resource,)* }
            }

            pub const fn effect(self) -> Effect {
                match self { $(Operation::$name => Effect::$effect,)* }
            }

            pub const fn body(self) -> BodyKind {
                match self { $(Operation::$name => $body,)* }
            }

            pub const fn has_handler(self) -> bool {
                match self { $(Operation::$name => operations!(@handled $handled),)* }
            }
        }
    };
}

use BodyKind::{Content, Document, Nothing, ObjectSummary};

operations! {
    ListBuckets "s3:ListAllMyBuckets" Service Read (Nothing) handler;
    CreateBucket "s3:CreateBucket" Bucket Write (Document(CONFIG)) handler;
    HeadBucket "s3:ListBucket" Bucket Read (Nothing) handler;
    DeleteBucket "s3:DeleteBucket" Bucket Write (Nothing) handler;
    GetBucketLocation "s3:GetBucketLocation" Bucket Read (Nothing) handler;
    GetBucketVersioning "s3:GetBucketVersioning" Bucket Read (Nothing) handler;
    ListObjects "s3:ListBucket" Bucket Read (Nothing) handler;
    ListObjectsV2 "s3:ListBucket" Bucket Read (Nothing) handler;
    ListMultipartUploads "s3:ListBucketMultipartUploads" Bucket Read (Nothing) handler;
    PutObject "s3:PutObject" Object Write (Content) handler;
    CopyObject "s3:PutObject" Object Write (Nothing) handler;
    GetObject "s3:GetObject" Object Read (Nothing) handler;
    HeadObject "s3:GetObject" Object Read (Nothing) handler;
    DeleteObject "s3:DeleteObject" Object Write (Nothing) handler;
    DeleteObjects "s3:DeleteObject" Bucket Write (Document(DELETE)) handler;
    CreateMultipartUpload "s3:PutObject" Object Write (Nothing) handler;
    UploadPart "s3:PutObject" Object Write (Content) handler;
    UploadPartCopy "s3:PutObject" Object Write (Nothing) handler;
    CompleteMultipartUpload "s3:PutObject" Object Write (ObjectSummary(COMPLETE)) handler;
    AbortMultipartUpload "s3:AbortMultipartUpload" Object Write (Nothing) handler;
    ListParts "s3:ListMultipartUploadParts" Object Read (Nothing) handler;

    CreateBucketMetadataConfiguration "s3:CreateBucketMetadataTableConfiguration" Bucket Write (Document(CONFIG)) absent;
    CreateBucketMetadataTableConfiguration "s3:CreateBucketMetadataTableConfiguration" Bucket Write (Document(CONFIG)) absent;
    CreateSession "s3express:CreateSession" Bucket Read (Nothing) absent;
    DeleteBucketAnalyticsConfiguration "s3:PutAnalyticsConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketCors "s3:PutBucketCORS" Bucket Write (Nothing) handler;
    DeleteBucketEncryption "s3:PutEncryptionConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketIntelligentTieringConfiguration "s3:PutIntelligentTieringConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketInventoryConfiguration "s3:PutInventoryConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketLifecycle "s3:PutLifecycleConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketMetadataConfiguration "s3:DeleteBucketMetadataTableConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketMetadataTableConfiguration "s3:DeleteBucketMetadataTableConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketMetricsConfiguration "s3:PutMetricsConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketOwnershipControls "s3:PutBucketOwnershipControls" Bucket Write (Nothing) handler;
    DeleteBucketPolicy "s3:DeleteBucketPolicy" Bucket Write (Nothing) handler;
    DeleteBucketReplication "s3:PutReplicationConfiguration" Bucket Write (Nothing) handler;
    DeleteBucketTagging "s3:PutBucketTagging" Bucket Write (Nothing) handler;
    DeleteBucketWebsite "s3:DeleteBucketWebsite" Bucket Write (Nothing) handler;
    DeleteObjectTagging "s3:DeleteObjectTagging" Object Write (Nothing) handler;
    DeletePublicAccessBlock "s3:PutBucketPublicAccessBlock" Bucket Write (Nothing) handler;
    GetBucketAbac "s3:GetBucketAbac" Bucket Read (Nothing) handler;
    GetBucketAccelerateConfiguration "s3:GetAccelerateConfiguration" Bucket Read (Nothing) handler;
    GetBucketAcl "s3:GetBucketAcl" Bucket Read (Nothing) handler;
    GetBucketAnalyticsConfiguration "s3:GetAnalyticsConfiguration" Bucket Read (Nothing) handler;
    GetBucketCors "s3:GetBucketCORS" Bucket Read (Nothing) handler;
    GetBucketEncryption "s3:GetEncryptionConfiguration" Bucket Read (Nothing) handler;
    GetBucketIntelligentTieringConfiguration "s3:GetIntelligentTieringConfiguration" Bucket Read (Nothing) handler;
    GetBucketInventoryConfiguration "s3:GetInventoryConfiguration" Bucket Read (Nothing) handler;
    GetBucketLifecycleConfiguration "s3:GetLifecycleConfiguration" Bucket Read (Nothing) handler;
    GetBucketLogging "s3:GetBucketLogging" Bucket Read (Nothing) handler;
    GetBucketMetadataConfiguration "s3:GetBucketMetadataTableConfiguration" Bucket Read (Nothing) handler;
    GetBucketMetadataTableConfiguration "s3:GetBucketMetadataTableConfiguration" Bucket Read (Nothing) handler;
    GetBucketMetricsConfiguration "s3:GetMetricsConfiguration" Bucket Read (Nothing) handler;
    GetBucketNotificationConfiguration "s3:GetBucketNotification" Bucket Read (Nothing) handler;
    GetBucketOwnershipControls "s3:GetBucketOwnershipControls" Bucket Read (Nothing) handler;
    GetBucketPolicy "s3:GetBucketPolicy" Bucket Read (Nothing) handler;
    GetBucketPolicyStatus "s3:GetBucketPolicyStatus" Bucket Read (Nothing) handler;
    GetBucketReplication "s3:GetReplicationConfiguration" Bucket Read (Nothing) handler;
    GetBucketRequestPayment "s3:GetBucketRequestPayment" Bucket Read (Nothing) handler;
    GetBucketTagging "s3:GetBucketTagging" Bucket Read (Nothing) handler;
    GetBucketWebsite "s3:GetBucketWebsite" Bucket Read (Nothing) handler;
    GetObjectAcl "s3:GetObjectAcl" Object Read (Nothing) handler;
    GetObjectAttributes "s3:GetObjectAttributes" Object Read (Nothing) handler;
    GetObjectLegalHold "s3:GetObjectLegalHold" Object Read (Nothing) handler;
    GetObjectLockConfiguration "s3:GetBucketObjectLockConfiguration" Bucket Read (Nothing) handler;
    GetObjectRetention "s3:GetObjectRetention" Object Read (Nothing) handler;
    GetObjectTagging "s3:GetObjectTagging" Object Read (Nothing) handler;
    GetObjectTorrent "s3:GetObjectTorrent" Object Read (Nothing) absent;
    GetPublicAccessBlock "s3:GetBucketPublicAccessBlock" Bucket Read (Nothing) handler;
    ListBucketAnalyticsConfigurations "s3:GetAnalyticsConfiguration" Bucket Read (Nothing) handler;
    ListBucketIntelligentTieringConfigurations "s3:GetIntelligentTieringConfiguration" Bucket Read (Nothing) handler;
    ListBucketInventoryConfigurations "s3:GetInventoryConfiguration" Bucket Read (Nothing) handler;
    ListBucketMetricsConfigurations "s3:GetMetricsConfiguration" Bucket Read (Nothing) handler;
    ListDirectoryBuckets "s3express:ListAllMyDirectoryBuckets" Service Read (Nothing) absent;
    ListObjectVersions "s3:ListBucketVersions" Bucket Read (Nothing) handler;
    PostObject "s3:PutObject" Bucket Write (Nothing) absent;
    PutBucketAbac "s3:PutBucketAbac" Bucket Write (Document(CONFIG)) absent;
    PutBucketAccelerateConfiguration "s3:PutAccelerateConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutBucketAcl "s3:PutBucketAcl" Bucket Write (Document(CONFIG)) handler;
    PutBucketAnalyticsConfiguration "s3:PutAnalyticsConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutBucketCors "s3:PutBucketCORS" Bucket Write (Document(CONFIG)) absent;
    PutBucketEncryption "s3:PutEncryptionConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutBucketIntelligentTieringConfiguration "s3:PutIntelligentTieringConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutBucketInventoryConfiguration "s3:PutInventoryConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutBucketLifecycleConfiguration "s3:PutLifecycleConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutBucketLogging "s3:PutBucketLogging" Bucket Write (Document(CONFIG)) absent;
    PutBucketMetricsConfiguration "s3:PutMetricsConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutBucketNotificationConfiguration "s3:PutBucketNotification" Bucket Write (Document(CONFIG)) absent;
    PutBucketOwnershipControls "s3:PutBucketOwnershipControls" Bucket Write (Document(CONFIG)) handler;
    PutBucketPolicy "s3:PutBucketPolicy" Bucket Write (Document(CONFIG)) handler;
    PutBucketReplication "s3:PutReplicationConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutBucketRequestPayment "s3:PutBucketRequestPayment" Bucket Write (Document(CONFIG)) absent;
    PutBucketTagging "s3:PutBucketTagging" Bucket Write (Document(TAGGING)) handler;
    PutBucketVersioning "s3:PutBucketVersioning" Bucket Write (Document(CONFIG)) handler;
    PutBucketWebsite "s3:PutBucketWebsite" Bucket Write (Document(CONFIG)) absent;
    PutObjectAcl "s3:PutObjectAcl" Object Write (Document(CONFIG)) handler;
    PutObjectLegalHold "s3:PutObjectLegalHold" Object Write (Document(CONFIG)) absent;
    PutObjectLockConfiguration "s3:PutBucketObjectLockConfiguration" Bucket Write (Document(CONFIG)) absent;
    PutObjectRetention "s3:PutObjectRetention" Object Write (Document(CONFIG)) absent;
    PutObjectTagging "s3:PutObjectTagging" Object Write (Document(TAGGING)) handler;
    PutPublicAccessBlock "s3:PutBucketPublicAccessBlock" Bucket Write (Document(CONFIG)) handler;
    RenameObject "s3express:CreateSession" Object Write (Nothing) absent;
    RestoreObject "s3:RestoreObject" Object Write (Document(CONFIG)) absent;
    SelectObjectContent "s3:GetObject" Object Read (Document(CONFIG)) absent;
    UpdateBucketMetadataInventoryTableConfiguration "s3:UpdateBucketMetadataInventoryTableConfiguration" Bucket Write (Document(CONFIG)) absent;
    UpdateBucketMetadataJournalTableConfiguration "s3:UpdateBucketMetadataJournalTableConfiguration" Bucket Write (Document(CONFIG)) absent;
    UpdateObjectEncryption "s3:UpdateObjectEncryption" Object Write (Document(CONFIG)) absent;
    WriteGetObjectResponse "s3-object-lambda:WriteGetObjectResponse" Service Read (Nothing) absent;
}

macro_rules! markers {
    ($($name:ident)*) => {
        $(
            #[doc = concat!("The type of [`Operation::", stringify!($name), "`], for `Authorized<", stringify!($name), ">`.")]
            #[derive(Debug)]
            pub struct $name;

            impl Marker for $name {
                const OPERATION: Operation = Operation::$name;
            }
        )*
    };
}

/// An operation with a handler, as a type.
pub trait Marker {
    const OPERATION: Operation;
}

markers! {
    ListBuckets CreateBucket HeadBucket DeleteBucket GetBucketLocation GetBucketVersioning ListObjects ListObjectsV2
    ListMultipartUploads PutObject CopyObject GetObject HeadObject DeleteObject DeleteObjects CreateMultipartUpload UploadPart
    UploadPartCopy CompleteMultipartUpload AbortMultipartUpload ListParts PutBucketVersioning ListObjectVersions
    GetObjectAttributes GetObjectTagging PutObjectTagging DeleteObjectTagging GetBucketTagging PutBucketTagging
    DeleteBucketTagging
    PutBucketPolicy GetBucketPolicy DeleteBucketPolicy GetBucketPolicyStatus PutPublicAccessBlock GetPublicAccessBlock DeletePublicAccessBlock
    PutBucketOwnershipControls GetBucketOwnershipControls DeleteBucketOwnershipControls GetBucketAcl PutBucketAcl GetObjectAcl PutObjectAcl
    DeleteBucketCors DeleteBucketEncryption DeleteBucketLifecycle DeleteBucketReplication DeleteBucketWebsite
    GetBucketCors GetBucketEncryption GetBucketLifecycleConfiguration GetBucketReplication GetBucketWebsite
    GetBucketAbac GetBucketAccelerateConfiguration GetBucketLogging GetBucketNotificationConfiguration
    GetBucketRequestPayment GetObjectLockConfiguration GetObjectLegalHold GetObjectRetention
    ListBucketAnalyticsConfigurations ListBucketIntelligentTieringConfigurations ListBucketInventoryConfigurations
    ListBucketMetricsConfigurations GetBucketAnalyticsConfiguration GetBucketIntelligentTieringConfiguration
    GetBucketInventoryConfiguration GetBucketMetricsConfiguration DeleteBucketAnalyticsConfiguration
    DeleteBucketIntelligentTieringConfiguration DeleteBucketInventoryConfiguration DeleteBucketMetricsConfiguration
    GetBucketMetadataConfiguration GetBucketMetadataTableConfiguration DeleteBucketMetadataConfiguration
    DeleteBucketMetadataTableConfiguration
}
