use http::StatusCode;
use tandem_storage::change;

use super::{access, answer, argument};
use crate::s3::error::S3Error;
use crate::s3::operation::AbortMultipartUpload;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<AbortMultipartUpload>) -> Result<Response, S3Error> {
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    let upload = argument::upload_id(&request)?;
    let bucket = access::bucket(&service.store.read()?, &request)?.row.guid;
    access::commit(service, name, change::AbortUpload { permit, bucket, key: key.clone(), upload }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
