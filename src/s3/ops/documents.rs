//! What of a request's headers and document policies speak of, read before the handler runs. Who carries out the request judges its
//! form: what cannot be read is as if it were not there.

use tandem_storage::change::VersionSelector;
use tandem_storage::types::UploadId;

pub(in crate::s3) use super::copy_source::CopySource;
use super::tagging::{self, Holder};
use super::{argument, attributes, create_bucket};
use crate::s3::error::S3Error;
use crate::s3::operation::Operation;
use crate::s3::request::Request;

/// Headers that give an ACL to what is written.
pub(in crate::s3) const ACL_HEADERS: [&str; 6] = [
    "x-amz-acl",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];

/// Whether the request's ACL only gives the bucket's owner full control, by name or by canonical id: whoever may write may give that,
/// as AWS's examples of policies for ACLs have it.
pub(in crate::s3) fn gives_bucket_owner_alone(request: &Request, owner: &str) -> bool {
    let is_owner = |grantee: &str| {
        let id = grantee.trim().split_once('=').filter(|(kind, _)| kind.trim().eq_ignore_ascii_case("id"));
        id.is_some_and(|(_, id)| id.trim().trim_matches('"') == owner)
    };
    ACL_HEADERS.iter().all(|name| {
        let mut values = request.headers.get_all(*name).iter().map(|value| value.to_str().unwrap_or_default());
        values.all(|value| match *name {
            "x-amz-acl" => value == "bucket-owner-full-control",
            "x-amz-grant-full-control" => value.split(',').all(is_owner),
            _ => false,
        })
    })
}

/// What a copy reads.
pub(in crate::s3) fn copy_source(request: &Request) -> Result<CopySource, S3Error> {
    CopySource::of(request)
}

/// The version that `versionId` names; none: the latest.
pub(in crate::s3) fn version(request: &Request) -> Result<VersionSelector, S3Error> {
    argument::version(request)
}

/// The upload that `uploadId` names.
pub(in crate::s3) fn upload_id(request: &Request) -> Result<UploadId, S3Error> {
    argument::upload_id(request)
}

/// The tags that the request gives to its object or bucket.
pub(in crate::s3) fn request_tags(request: &Request) -> Vec<(String, String)> {
    let tags = match (&request.document, request.operation) {
        (Some(document), Operation::PutObjectTagging) => tagging::parse_document(document, Holder::Object),
        (Some(document), Operation::PutBucketTagging) => tagging::parse_document(document, Holder::Bucket),
        // What a copy takes along is its source's, whatever the header says.
        (_, Operation::CopyObject) if !replaces_tags(request) => return Vec::new(),
        _ => attributes::tags(&request.headers),
    };
    tags.unwrap_or_default()
}

/// The setting that holds a bucket's tags.
pub(in crate::s3) const BUCKET_TAGS: &str = tagging::SETTING;

/// The tags in that setting.
///
/// # Errors
/// What is stored is no list of tags.
pub(in crate::s3) fn bucket_tags(document: &[u8]) -> Result<Vec<(String, String)>, S3Error> {
    tagging::parse_document(document, Holder::Bucket).map_err(|error| S3Error::internal(&error.message))
}

/// Whether a copy gets the request's tags and not its source's.
pub(in crate::s3) fn replaces_tags(request: &Request) -> bool {
    request.header("x-amz-tagging-directive") == Some("REPLACE")
}

/// The `LocationConstraint` of a bucket to be made.
pub(in crate::s3) fn location(request: &Request) -> Option<String> {
    create_bucket::parse(request.document.as_deref()?).ok().flatten()
}
