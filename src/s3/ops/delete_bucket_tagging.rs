use http::StatusCode;
use tandem_storage::change::SetBucketSetting;

use super::{access, answer, tagging};
use crate::s3::error::S3Error;
use crate::s3::operation::DeleteBucketTagging;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<DeleteBucketTagging>) -> Result<Response, S3Error> {
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let bucket = access::bucket(&service.store.read()?, &request)?.row.guid;
    access::commit(service, name, SetBucketSetting { permit, bucket, name: tagging::SETTING.into(), value: None })
        .await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
