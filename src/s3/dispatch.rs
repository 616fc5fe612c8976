//! From an operation to its handler: the one place where an `Authorized<Op>` is made.

use std::sync::Arc;

use super::access::Granted;
use super::error::{ErrorCode, S3Error};
use super::operation::{self, Operation};
use super::ops;
use super::payload::Payload;
use super::request::{Authorized, Request};
use super::response::Response;
use super::service::Service;

macro_rules! dispatch {
    ($service:ident, $request:ident, $granted:ident, $payload:ident; $($($name:ident)|+ => $module:ident,)*) => {
        match $request.operation {
            $($(Operation::$name => {
                let authorized = Authorized::<operation::$name>::grant($request, $granted, $payload);
                // Boxed, so that a connection is as small as its smallest request and not as large as the largest.
                Box::pin(ops::$module::handle($service, authorized)).await
            })+)*
            absent => {
                let message = format!("{} is not implemented.", absent.name());
                Err(S3Error::new(ErrorCode::NotImplemented, message))
            }
        }
    };
}

/// Runs the handler of `request.operation`. The caller has authenticated, authorized and asked the gate.
pub(in crate::s3) async fn dispatch(
    service: &Service,
    request: Arc<Request>,
    granted: &Granted,
    payload: Payload,
) -> Result<Response, S3Error> {
    dispatch! {
        service, request, granted, payload;
        ListBuckets => list_buckets,
        CreateBucket => create_bucket,
        HeadBucket => head_bucket,
        DeleteBucket => delete_bucket,
        GetBucketLocation => get_bucket_location,
        GetBucketVersioning => get_bucket_versioning,
        ListObjects => list_objects,
        ListObjectsV2 => list_objects_v2,
        ListMultipartUploads => list_multipart_uploads,
        PutObject => put_object,
        CopyObject => copy_object,
        GetObject => get_object,
        HeadObject => head_object,
        DeleteObject => delete_object,
        DeleteObjects => delete_objects,
        CreateMultipartUpload => create_multipart_upload,
        UploadPart => upload_part,
        UploadPartCopy => upload_part_copy,
        CompleteMultipartUpload => complete_multipart_upload,
        AbortMultipartUpload => abort_multipart_upload,
        ListParts => list_parts,
        ListObjectVersions => list_object_versions,
        PutBucketVersioning => put_bucket_versioning,
        DeleteBucketTagging => delete_bucket_tagging,
        PutBucketTagging => put_bucket_tagging,
        GetBucketTagging => get_bucket_tagging,
        DeleteObjectTagging => delete_object_tagging,
        PutObjectTagging => put_object_tagging,
        GetObjectTagging => get_object_tagging,
        GetObjectAttributes => get_object_attributes,
        PutBucketPolicy => put_bucket_policy,
        GetBucketPolicy => get_bucket_policy,
        DeleteBucketPolicy => delete_bucket_policy,
        GetBucketPolicyStatus => get_bucket_policy_status,
        PutPublicAccessBlock => put_public_access_block,
        GetPublicAccessBlock => get_public_access_block,
        DeletePublicAccessBlock => delete_public_access_block,
        PutBucketOwnershipControls => put_bucket_ownership_controls,
        GetBucketOwnershipControls => get_bucket_ownership_controls,
        DeleteBucketOwnershipControls => delete_bucket_ownership_controls,
        GetBucketAcl => get_bucket_acl,
        PutBucketAcl => put_bucket_acl,
        GetObjectAcl => get_object_acl,
        PutObjectAcl => put_object_acl,
        DeleteBucketCors | DeleteBucketEncryption | DeleteBucketLifecycle | DeleteBucketReplication
        | DeleteBucketWebsite | GetBucketCors | GetBucketEncryption | GetBucketLifecycleConfiguration
        | GetBucketReplication | GetBucketWebsite | GetBucketAbac | GetBucketAccelerateConfiguration
        | GetBucketLogging | GetBucketNotificationConfiguration | GetBucketRequestPayment
        | GetObjectLockConfiguration | GetObjectLegalHold | GetObjectRetention | ListBucketAnalyticsConfigurations
        | ListBucketIntelligentTieringConfigurations | ListBucketInventoryConfigurations
        | ListBucketMetricsConfigurations | GetBucketAnalyticsConfiguration
        | GetBucketIntelligentTieringConfiguration | GetBucketInventoryConfiguration | GetBucketMetricsConfiguration
        | DeleteBucketAnalyticsConfiguration | DeleteBucketIntelligentTieringConfiguration
        | DeleteBucketInventoryConfiguration | DeleteBucketMetricsConfiguration | GetBucketMetadataConfiguration
        | GetBucketMetadataTableConfiguration | DeleteBucketMetadataConfiguration
        | DeleteBucketMetadataTableConfiguration => unset,
    }
}
