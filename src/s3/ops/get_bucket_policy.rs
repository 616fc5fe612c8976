use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response as HttpResponse};

use super::access;
use crate::s3::access::setting;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::GetBucketPolicy;
use crate::s3::request::Authorized;
use crate::s3::response::{Response, ResponseBody};
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<GetBucketPolicy>) -> Result<Response, S3Error> {
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    let stored = reader.setting(&bucket, setting::POLICY)?.ok_or_else(|| no_policy(bucket.row.name.as_str()))?;
    let mut response = HttpResponse::new(ResponseBody::Bytes(stored.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn no_policy(bucket: &str) -> S3Error {
    S3Error::of(ErrorCode::NoSuchBucketPolicy).detail("BucketName", bucket)
}
