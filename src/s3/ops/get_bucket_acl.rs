use tandem_policy::Acl;

use super::{access, acl, answer};
use crate::s3::access::Owners;
use crate::s3::error::S3Error;
use crate::s3::operation::GetBucketAcl;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// Where ACLs do not count, what holds: everything for the owner.
pub async fn handle(service: &Service, request: Authorized<GetBucketAcl>) -> Result<Response, S3Error> {
    let bucket = access::bucket(&service.store.read()?, &request)?;
    let stored = bucket.acl.as_ref().filter(|_| bucket.ownership.acls_count());
    let document = match stored {
        Some(stored) => acl::write(&stored.acl),
        None => acl::write(&Acl::private(Owners::of(service).of_bucket(&bucket))),
    };
    Ok(answer::xml(document))
}
