use http::StatusCode;
use tandem_storage::change::{self, NewObject};
use tandem_storage::types::{ChecksumAlgorithm, ETag};

use super::attributes::{self, Attributes};
use super::{access, acl, answer, body, condition};
use crate::clock::random_u64;
use crate::s3::error::S3Error;
use crate::s3::operation::PutObject;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// What AWS stores when a client sends no checksum of its own.
pub(super) const DEFAULT_CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;

pub async fn handle(service: &Service, request: Authorized<PutObject>) -> Result<Response, S3Error> {
    let (request, mut payload) = request.into_parts();
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    attributes::refuse_unsupported(&request.headers)?;
    let attributes = Attributes::of(&request.headers)?;
    let precondition = condition::of_write(&request.headers)?;
    let bucket = access::bucket(&service.store.read()?, &request)?;
    let acl = acl::of_new_object(service, &request, &bucket)?;
    payload.compute(DEFAULT_CHECKSUM);
    let (body, verified) = body::receive(&service.store, payload).await?;
    let change = change::PutObject {
        permit,
        bucket: bucket.row.guid,
        key: key.clone(),
        precondition: precondition.clone(),
        body,
        object: NewObject {
            etag: ETag::Md5(verified.md5),
            checksum: verified.checksum.clone(),
            headers: attributes.headers,
            metadata: attributes.metadata,
            tags: attributes.tags,
            acl,
            lock: None,
            wrapped_key: None,
            parts: None,
        },
        random: random_u64(&*service.clock),
    };
    let outcome = access::commit(service, name, change).await;
    let outcome = outcome.map_err(|error| condition::named(error, &precondition))?;
    let mut response = answer::empty(StatusCode::OK);
    let headers = response.headers_mut();
    answer::set_etag(headers, &ETag::Md5(verified.md5));
    if let Some(checksum) = &verified.checksum {
        answer::set_checksum(headers, checksum);
    }
    answer::set_new_version(headers, outcome.row.version);
    Ok(response)
}
