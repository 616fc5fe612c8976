use super::{access, answer, argument, tagging, version};
use crate::s3::error::S3Error;
use crate::s3::operation::GetObjectTagging;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// An object without tags has an empty set of them; only a bucket without tags is an error.
pub async fn handle(service: &Service, request: Authorized<GetObjectTagging>) -> Result<Response, S3Error> {
    let version = argument::version(&request)?;
    let reader = service.store.read()?;
    let bucket = access::confirmed_bucket(service, &reader, &request)?;
    let row = version::find(&reader, &bucket, &request, version)?;
    let content = version::content(&row, &bucket, &request, version)?;
    let mut response = answer::xml(tagging::document(&content.tags));
    if answer::shows_versions(&bucket) {
        answer::set_version(response.headers_mut(), row.version);
    }
    Ok(response)
}
