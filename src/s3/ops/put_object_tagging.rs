use http::StatusCode;
use tandem_storage::change::Slots;

use super::tagging::{self, Holder};
use super::{answer, slots};
use crate::s3::error::S3Error;
use crate::s3::operation::PutObjectTagging;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// Replaces all tags of a version. Its `Last-Modified` and its ETag stay.
pub async fn handle(service: &Service, request: Authorized<PutObjectTagging>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let document = payload.collect(tagging::DOCUMENT_BYTES_MAX).await?;
    let tags = tagging::parse_document(&document, Holder::Object)?;
    let version = slots::replace(service, &request, |_, _| Ok((Slots::Tags(tags.clone()), Vec::new()))).await?;
    let mut response = answer::empty(StatusCode::OK);
    if let Some(version) = version {
        answer::set_version(response.headers_mut(), version);
    }
    Ok(response)
}
