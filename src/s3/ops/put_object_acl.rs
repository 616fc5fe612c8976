use http::StatusCode;
use tandem_storage::change::Slots;

use super::{access, acl, answer, argument, slots, version};
use crate::s3::access::{Owners, StoredAcl};
use crate::s3::error::S3Error;
use crate::s3::operation::PutObjectAcl;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// The owner stays who it is; so the ACL is set only on the object whose owner was looked up.
pub async fn handle(service: &Service, request: Authorized<PutObjectAcl>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    access::permit(service, request.bucket_name()?)?;
    let document = payload.collect(acl::DOCUMENT_BYTES_MAX).await?;
    let asked = argument::version(&request)?;
    let owners = Owners::of(service);
    let version = slots::replace(service, &request, |reader, bucket| {
        let row = version::find(reader, bucket, &request, asked)?;
        let content = version::content(&row, bucket, &request, asked)?;
        let held = content.acl.as_deref().map(StoredAcl::decode).transpose()?;
        let bucket_owner = owners.of_bucket(bucket);
        let (account, owner) = match held {
            Some(stored) => (stored.account, stored.acl.owner),
            None => (bucket.account().to_owned(), bucket_owner.clone()),
        };
        let acl = acl::replacement(&owners, &request, &document, owner, Some(&bucket_owner))?;
        acl::refuse_where_off(bucket)?;
        acl::refuse_public(bucket, &acl)?;
        let slot = Some(StoredAcl { account, acl }.encode());
        let still = access::seen_settings(reader, bucket, acl::LOOKS_AT)?;
        Ok((Slots::Acl { held: content.acl.clone(), acl: slot }, still))
    })
    .await?;
    let mut response = answer::empty(StatusCode::OK);
    if let Some(version) = version {
        answer::set_version(response.headers_mut(), version);
    }
    Ok(response)
}
