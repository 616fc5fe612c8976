use http::StatusCode;
use tandem_storage::blob::SMALL_BODY_MAX;

use super::read::{Reading, read};
use super::{answer, body};
use crate::s3::error::S3Error;
use crate::s3::operation::GetObject;
use crate::s3::request::Authorized;
use crate::s3::response::{Response, ResponseBody};
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<GetObject>) -> Result<Response, S3Error> {
    let reader = service.store.read()?;
    match read(service, &reader, &request, request.principal())? {
        Reading::NotModified(headers) => {
            let mut response = answer::empty(StatusCode::NOT_MODIFIED);
            *response.headers_mut() = headers;
            Ok(response)
        }
        Reading::Content { status, headers, body, range } => {
            let content = match range.end - range.start {
                0 => ResponseBody::Empty,
                length if length <= SMALL_BODY_MAX as u64 => {
                    ResponseBody::Bytes(body::read_small(&reader, &body, range)?)
                }
                _ => ResponseBody::Object(reader.open_body(&body, range)?),
            };
            let mut response = http::Response::new(content);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        }
    }
}
