use http::StatusCode;
use tandem_storage::change::SetBucketSetting;

use super::tagging::{self, Holder};
use super::{access, answer};
use crate::s3::error::S3Error;
use crate::s3::operation::PutBucketTagging;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// Replaces all tags of a bucket. They are kept as the document that a GET answers with; an empty set is none.
pub async fn handle(service: &Service, request: Authorized<PutBucketTagging>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let bucket = access::bucket(&service.store.read()?, &request)?.row.guid;
    let document = payload.collect(tagging::DOCUMENT_BYTES_MAX).await?;
    let tags = tagging::parse_document(&document, Holder::Bucket)?;
    let value = (!tags.is_empty()).then(|| tagging::document(&tags).to_vec());
    access::commit(service, name, SetBucketSetting { permit, bucket, name: tagging::SETTING.into(), value }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
