use super::{access, answer, public_access_block};
use crate::s3::access::setting;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::GetPublicAccessBlock;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<GetPublicAccessBlock>) -> Result<Response, S3Error> {
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    match setting::public_access(reader.setting(&bucket, setting::PUBLIC_ACCESS)?.as_deref())? {
        Some(block) => Ok(answer::xml(public_access_block::write(block))),
        None => {
            let error = S3Error::of(ErrorCode::NoSuchPublicAccessBlockConfiguration);
            Err(error.detail("BucketName", bucket.row.name.as_str()))
        }
    }
}
