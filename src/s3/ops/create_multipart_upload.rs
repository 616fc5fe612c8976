use http::HeaderMap;
use tandem_storage::change;
use tandem_storage::record::UploadRow;
use tandem_storage::types::{ChecksumAlgorithm, Timestamp, UploadId};

use super::argument::invalid;
use super::attributes::{self, Attributes};
use super::{access, acl, answer};
use crate::clock::{Clock, random_u64};
use crate::s3::checksum;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::CreateMultipartUpload;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

pub async fn handle(service: &Service, request: Authorized<CreateMultipartUpload>) -> Result<Response, S3Error> {
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    attributes::refuse_unsupported(&request.headers)?;
    let attributes = Attributes::of(&request.headers)?;
    let checksum = asked_checksum(&request.headers)?;
    let initiator = request.principal().creator();
    let known = access::bucket(&service.store.read()?, &request)?;
    let (bucket, acl) = (known.row.guid, acl::of_new_object(service, &request, &known)?);
    let initiated = service.clock.now();
    let row = UploadRow {
        id: mint(initiated, &*service.clock),
        key: key.clone(),
        initiated,
        headers: attributes.headers,
        metadata: attributes.metadata,
        tags: attributes.tags,
        checksum,
        acl,
        lock: None,
        wrapped_key: None,
        initiator,
    };
    let (id, most) = (row.id, service.settings.uploads_max);
    access::commit(service, name, change::CreateUpload { permit, bucket, row, most }).await?;
    let mut xml = XmlWriter::document("InitiateMultipartUploadResult");
    xml.raw("Bucket", name);
    xml.text("Key", key.as_str());
    xml.raw("UploadId", id);
    let mut response = answer::xml(xml.finish());
    if let Some((algorithm, full_object)) = checksum {
        let headers = response.headers_mut();
        answer::set(headers, "x-amz-checksum-algorithm", checksum::name(algorithm));
        answer::set(headers, "x-amz-checksum-type", type_name(full_object));
    }
    Ok(response)
}

/// Ids begin with the time, so that a key's uploads are listed in the order in which they began.
fn mint(now: Timestamp, clock: &dyn Clock) -> UploadId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&now.as_micros().to_be_bytes());
    id[8..].copy_from_slice(&random_u64(clock).to_be_bytes());
    UploadId::from_bytes(id)
}

pub(super) fn type_name(full_object: bool) -> &'static str {
    if full_object { "FULL_OBJECT" } else { "COMPOSITE" }
}

/// The algorithm, and whether the checksum will be over the whole object. CRC64NVME is always so, SHAs never, and the other CRCs as asked.
fn asked_checksum(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, bool)>, S3Error> {
    let algorithm = attributes::text(headers, "x-amz-checksum-algorithm")?;
    let kind = attributes::text(headers, "x-amz-checksum-type")?;
    let Some(algorithm) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(S3Error::new(
                ErrorCode::InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let algorithm = checksum::by_name(&algorithm).ok_or_else(|| {
        let message = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                       [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
        S3Error::new(ErrorCode::InvalidRequest, message)
    })?;
    let full_object = match kind.as_deref() {
        None => algorithm == ChecksumAlgorithm::Crc64Nvme,
        Some("FULL_OBJECT") => true,
        Some("COMPOSITE") => false,
        Some(other) => {
            return Err(invalid("x-amz-checksum-type", other, "Value for x-amz-checksum-type header is invalid."));
        }
    };
    let possible = match algorithm {
        ChecksumAlgorithm::Crc64Nvme => full_object,
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => !full_object,
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => true,
    };
    if possible {
        return Ok(Some((algorithm, full_object)));
    }
    let (kind, name) = (type_name(full_object), checksum::name(algorithm).to_ascii_lowercase());
    let message = format!("The {kind} checksum type cannot be used with the {name} checksum algorithm.");
    Err(S3Error::new(ErrorCode::InvalidRequest, message))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Result<Option<(ChecksumAlgorithm, bool)>, ErrorCode> {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        asked_checksum(&headers.collect()).map_err(|error| error.code)
    }

    #[test]
    fn types_follow_from_algorithms() {
        let (algorithm, kind) = ("x-amz-checksum-algorithm", "x-amz-checksum-type");
        assert_eq!(asked(&[]), Ok(None));
        assert_eq!(asked(&[(algorithm, "CRC32")]), Ok(Some((ChecksumAlgorithm::Crc32, false))));
        assert_eq!(asked(&[(algorithm, "crc32c"), (kind, "FULL_OBJECT")]), Ok(Some((ChecksumAlgorithm::Crc32c, true))));
        assert_eq!(asked(&[(algorithm, "CRC64NVME")]), Ok(Some((ChecksumAlgorithm::Crc64Nvme, true))));
        assert_eq!(asked(&[(algorithm, "SHA256")]), Ok(Some((ChecksumAlgorithm::Sha256, false))));
        for refused in [
            &[(algorithm, "MD5")][..],
            &[(kind, "COMPOSITE")],
            &[(algorithm, "SHA1"), (kind, "FULL_OBJECT")],
            &[(algorithm, "CRC64NVME"), (kind, "COMPOSITE")],
        ] {
            assert_eq!(asked(refused), Err(ErrorCode::InvalidRequest), "{refused:?}");
        }
        assert_eq!(asked(&[(algorithm, "CRC32"), (kind, "HALF")]), Err(ErrorCode::InvalidArgument));
    }
}
