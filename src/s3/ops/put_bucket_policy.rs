use http::StatusCode;
use tandem_policy::{Document, Kind};

use super::{access, answer};
use crate::s3::access::setting;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::PutBucketPolicy;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// More than a policy may have, so that one that is too long is told so by the name of its fault.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Kept byte by byte as it was sent.
pub async fn handle(service: &Service, request: Authorized<PutBucketPolicy>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    access::permit(service, name)?;
    let text = payload.collect(DOCUMENT_BYTES_MAX).await?;
    let account = request.principal.credential().map_or(String::new(), |who| who.account().to_string());
    let (read, bucket) = (text.clone(), name.clone());
    let parsed =
        move || Document::accept(&read, Kind::Bucket { name: bucket.as_str() }).map(|document| document.is_public());
    let public = service.deciders.run(&account, parsed).await?;
    let public = public.map_err(|fault| S3Error::new(ErrorCode::MalformedPolicy, fault.to_string()))?;
    access::set(service, &request, setting::POLICY, &[setting::PUBLIC_ACCESS], |bucket| {
        match bucket.public_access.block_public_policy && public {
            true => Err(S3Error::of(ErrorCode::AccessDenied).detail("Reason", "BlockPublicPolicy")),
            false => Ok(text.to_vec()),
        }
    })
    .await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
