use http::StatusCode;
use tandem_policy::{Document, Kind};
use tandem_storage::change::SetBucketSetting;

use super::{access, answer};
use crate::s3::access::setting;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::PutBucketPolicy;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// More than a policy may have, so that one that is too long is told so by the name of its fault.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Kept byte by byte as it was sent.
pub async fn handle(service: &Service, request: Authorized<PutBucketPolicy>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let text = payload.collect(DOCUMENT_BYTES_MAX).await?;
    let document = Document::parse(&text, Kind::Bucket { name: name.as_str() })
        .map_err(|fault| S3Error::new(ErrorCode::MalformedPolicy, fault.to_string()))?;
    let bucket = access::bucket(&service.store.read()?, &request)?;
    if bucket.public_access.block_public_policy && document.is_public() {
        return Err(S3Error::of(ErrorCode::AccessDenied).detail("Reason", "BlockPublicPolicy"));
    }
    let change =
        SetBucketSetting { permit, bucket: bucket.row.guid, name: setting::POLICY.into(), value: Some(text.to_vec()) };
    access::commit(service, name, change).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
