use http::StatusCode;

use super::answer;
use super::read::{Reading, read};
use crate::s3::error::S3Error;
use crate::s3::operation::HeadObject;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// As GET, without the bytes; `Content-Length` is what a GET would send.
pub async fn handle(service: &Service, request: Authorized<HeadObject>) -> Result<Response, S3Error> {
    let reader = service.store.read()?;
    let (status, headers) = match read(service, &reader, &request, request.principal())? {
        Reading::NotModified(headers) => (StatusCode::NOT_MODIFIED, headers),
        Reading::Content { status, headers, .. } => (status, headers),
    };
    let mut response = answer::empty(status);
    *response.headers_mut() = headers;
    Ok(response)
}
