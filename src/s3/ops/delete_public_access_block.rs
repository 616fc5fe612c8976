use http::StatusCode;
use tandem_storage::change::SetBucketSetting;

use super::{access, answer};
use crate::s3::access::setting;
use crate::s3::error::S3Error;
use crate::s3::operation::DeletePublicAccessBlock;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// Without the setting every switch is off.
pub async fn handle(service: &Service, request: Authorized<DeletePublicAccessBlock>) -> Result<Response, S3Error> {
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let bucket = access::bucket(&service.store.read()?, &request)?.row.guid;
    let change = SetBucketSetting { permit, bucket, name: setting::PUBLIC_ACCESS.into(), value: None };
    access::commit(service, name, change).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
