use http::StatusCode;
use tandem_storage::change::Slots;

use super::{answer, slots};
use crate::s3::error::S3Error;
use crate::s3::operation::DeleteObjectTagging;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<DeleteObjectTagging>) -> Result<Response, S3Error> {
    let version = slots::replace(service, &request, |_, _| Ok((Slots::Tags(Vec::new()), Vec::new()))).await?;
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    if let Some(version) = version {
        answer::set_version(response.headers_mut(), version);
    }
    Ok(response)
}
