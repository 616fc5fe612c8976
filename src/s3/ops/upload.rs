//! The upload that a request names, and the checksum that its parts carry.

use tandem_storage::record::UploadRow;
use tandem_storage::types::{ChecksumAlgorithm, UploadId};
use tandem_storage::{BucketView, Reader};

use super::put_object::DEFAULT_CHECKSUM;
use crate::s3::checksum;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;

pub(super) fn find(
    reader: &Reader<'_>,
    bucket: &BucketView,
    request: &Request,
    id: UploadId,
) -> Result<UploadRow, S3Error> {
    reader.upload(bucket, request.object_key()?, id)?.ok_or_else(|| no_such(id))
}

pub(super) fn no_such(id: UploadId) -> S3Error {
    S3Error::of(ErrorCode::NoSuchUpload).detail("UploadId", id.to_string())
}

/// What a part is given when its client sends no checksum.
pub(super) fn part_algorithm(upload: &UploadRow) -> ChecksumAlgorithm {
    upload.checksum.map_or(DEFAULT_CHECKSUM, |(algorithm, _)| algorithm)
}

/// An upload that was begun with an algorithm takes no part with another.
pub(super) fn check_part(upload: &UploadRow, sent: Option<ChecksumAlgorithm>) -> Result<(), S3Error> {
    match (upload.checksum, sent) {
        (Some((expected, _)), Some(sent)) if expected != sent => {
            let (expected, sent) = (checksum::name(expected), checksum::name(sent));
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                expected.to_ascii_lowercase(),
                sent.to_ascii_lowercase()
            );
            Err(S3Error::new(ErrorCode::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}
