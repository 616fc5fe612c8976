use http::StatusCode;
use tandem_storage::change::SetBucketSetting;

use super::{access, answer, public_access_block};
use crate::s3::access::setting;
use crate::s3::error::S3Error;
use crate::s3::operation::PutPublicAccessBlock;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

pub async fn handle(service: &Service, request: Authorized<PutPublicAccessBlock>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let block = public_access_block::parse(&payload.collect(DOCUMENT_BYTES_MAX).await?)?;
    let bucket = access::confirmed_bucket(service, &service.store.read()?, &request)?.row.guid;
    let value = Some(setting::encode_public_access(block));
    let change = SetBucketSetting { permit, bucket, name: setting::PUBLIC_ACCESS.into(), value };
    access::commit(service, name, change).await?;
    Ok(answer::empty(StatusCode::OK))
}
