//! The version that a request names, and what is answered where there is none, or where it is a delete marker.

use tandem_storage::change::VersionSelector;
use tandem_storage::record::{Content, ObjectRow};
use tandem_storage::{BucketView, Reader};

use super::answer;
use super::time::http_date;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;

/// A version, delete markers included.
pub(super) fn find(
    reader: &Reader<'_>,
    bucket: &BucketView,
    request: &Request,
    version: VersionSelector,
) -> Result<ObjectRow, S3Error> {
    let row = reader.object(bucket, request.object_key()?, version)?;
    row.ok_or_else(|| absent(request, version))
}

/// Its content. A delete marker that is the latest version says that the key is gone; one that is asked for by its id is there, and nothing that
/// the operation could work on.
pub(super) fn content<'row>(
    row: &'row ObjectRow,
    bucket: &BucketView,
    request: &Request,
    version: VersionSelector,
) -> Result<&'row Content, S3Error> {
    if let Some(content) = row.content() {
        return Ok(content);
    }
    let error = match version {
        VersionSelector::Latest => absent(request, version),
        VersionSelector::Null | VersionSelector::Id(_) => S3Error::of(ErrorCode::MethodNotAllowed)
            .detail("ResourceType", "DeleteMarker")
            .header("allow", "DELETE")
            .header("last-modified", http_date(row.modified)),
    };
    let error = error.header("x-amz-delete-marker", "true");
    Err(if answer::shows_versions(bucket) { error.header("x-amz-version-id", row.version.to_string()) } else { error })
}

pub(super) fn absent(request: &Request, version: VersionSelector) -> S3Error {
    let key = request.key.as_ref().map(|key| key.as_str()).unwrap_or_default();
    match version {
        VersionSelector::Latest => S3Error::of(ErrorCode::NoSuchKey).detail("Key", key),
        VersionSelector::Null | VersionSelector::Id(_) => {
            let id = request.query.get("versionId").unwrap_or_default();
            S3Error::of(ErrorCode::NoSuchVersion).detail("Key", key).detail("VersionId", id)
        }
    }
}
