//! What CopyObject and UploadPartCopy share: their source.

use std::ops::Range;

use tandem_storage::Reader;
use tandem_storage::blob::BodyReader;
use tandem_storage::change::VersionSelector;
use tandem_storage::record::{Content, ObjectRow, ObjectState};
use tandem_storage::types::{Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Timestamp, Version};

use super::condition::ReadConditions;
use super::copy_source::CopySource;
use super::{access, answer, body};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;

/// The source as it was read, its conditions met.
pub(super) struct Source {
    pub content: Box<Content>,
    /// What `x-amz-copy-source-version-id` tells, of a bucket with versions.
    pub version: Option<Version>,
    /// The bytes that the copy must see, if it must see any. Opened by the reader that found the row, so they are there.
    pub opened: Option<BodyReader>,
}

/// Finds the source. `wanted` says which of its bytes must be read.
pub(super) fn source(
    reader: &Reader<'_>,
    request: &Request,
    from: &CopySource,
    wanted: impl FnOnce(&Source) -> Result<Option<Range<u64>>, S3Error>,
) -> Result<Source, S3Error> {
    let bucket = access::source_bucket(reader, request)?;
    let row = reader.object(&bucket, &from.key, from.version)?;
    let absent = || {
        let code = match from.version {
            VersionSelector::Latest => ErrorCode::NoSuchKey,
            _ => ErrorCode::NoSuchVersion,
        };
        S3Error::of(code).detail("Key", from.key.as_str())
    };
    let ObjectRow { version, modified, state } = row.ok_or_else(absent)?;
    let content = match state {
        ObjectState::Content(content) => content,
        ObjectState::DeleteMarker if from.version == VersionSelector::Latest => return Err(absent()),
        ObjectState::DeleteMarker => {
            let message = "The source of a copy request may not specifically refer to a delete marker by version id.";
            return Err(S3Error::new(ErrorCode::InvalidRequest, message));
        }
    };
    check_conditions(request, &content, modified)?;
    let version = answer::shows_versions(&bucket).then_some(version);
    let mut source = Source { content, version, opened: None };
    if let Some(range) = wanted(&source)? {
        source.opened = Some(reader.open_body(&source.content.body, range)?);
    }
    Ok(source)
}

fn check_conditions(request: &Request, content: &Content, modified: Timestamp) -> Result<(), S3Error> {
    let conditions = ReadConditions::of_copy_source(&request.headers);
    conditions.check(&content.etag.to_string(), modified).map_err(super::condition::Unmet::into_failure)
}

/// AWS copies at most 5 GiB in one request; so does this server, though nothing is moved, that clients find the same limit.
pub(super) fn check_size(size: u64) -> Result<(), S3Error> {
    if size <= body::UPLOAD_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: {}",
        body::UPLOAD_BYTES_MAX
    );
    Err(S3Error::new(ErrorCode::InvalidRequest, message))
}

impl Source {
    /// The content's MD5, where the ETag is it.
    pub(super) fn md5(&self) -> Option<[u8; 16]> {
        match self.content.etag {
            ETag::Md5(md5) => Some(md5),
            ETag::Multipart { .. } => None,
        }
    }

    /// The checksum of the whole content, if it is by `algorithm`.
    pub(super) fn checksum(&self, algorithm: ChecksumAlgorithm) -> Option<Checksum> {
        let whole = |sum: &&Checksum| sum.kind == ChecksumKind::FullObject && sum.algorithm == algorithm;
        self.content.checksum.as_ref().filter(whole).cloned()
    }
}
