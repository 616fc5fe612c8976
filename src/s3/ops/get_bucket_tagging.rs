use super::{access, answer, tagging};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::GetBucketTagging;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<GetBucketTagging>) -> Result<Response, S3Error> {
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    match reader.setting(&bucket, tagging::SETTING)? {
        Some(document) => Ok(answer::xml(document.into())),
        None => Err(S3Error::of(ErrorCode::NoSuchTagSet).detail("BucketName", bucket.row.name.as_str())),
    }
}
