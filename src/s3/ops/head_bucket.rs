use http::StatusCode;

use super::list_buckets::region;
use super::{access, answer};
use crate::s3::error::S3Error;
use crate::s3::operation::HeadBucket;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<HeadBucket>) -> Result<Response, S3Error> {
    let bucket = access::bucket(&service.store.read()?, &request)?;
    let mut response = answer::empty(StatusCode::OK);
    let headers = response.headers_mut();
    answer::set(headers, "x-amz-bucket-region", region(&bucket, &service.settings.region));
    answer::set(headers, "x-amz-access-point-alias", "false");
    answer::set(headers, "content-type", "application/xml");
    Ok(response)
}
