use http::StatusCode;

use super::{access, acl, answer};
use crate::s3::access::{Owners, StoredAcl, setting};
use crate::s3::error::S3Error;
use crate::s3::operation::PutBucketAcl;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<PutBucketAcl>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    access::permit(service, name)?;
    let document = payload.collect(acl::DOCUMENT_BYTES_MAX).await?;
    let owners = Owners::of(service);
    access::set(service, &request, setting::ACL, acl::LOOKS_AT, |bucket| {
        let owner = owners.of_bucket(bucket);
        let acl = acl::replacement(&owners, &request, &document, owner, None)?;
        acl::refuse_where_off(bucket)?;
        acl::refuse_public(bucket, &acl)?;
        Ok(StoredAcl { account: bucket.account().to_owned(), acl }.encode())
    })
    .await?;
    Ok(answer::empty(StatusCode::OK))
}
