use tandem_policy::Acl;

use super::{access, acl, answer, argument, version};
use crate::s3::access::{Owners, StoredAcl};
use crate::s3::error::S3Error;
use crate::s3::operation::GetObjectAcl;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<GetObjectAcl>) -> Result<Response, S3Error> {
    let asked = argument::version(&request)?;
    let reader = service.store.read()?;
    let bucket = access::confirmed_bucket(service, &reader, &request)?;
    let row = version::find(&reader, &bucket, &request, asked)?;
    let content = version::content(&row, &bucket, &request, asked)?;
    let slot = content.acl.as_deref().filter(|_| bucket.ownership.acls_count());
    let document = match slot.map(StoredAcl::decode).transpose()? {
        Some(stored) => acl::write(&stored.acl),
        None => acl::write(&Acl::private(Owners::of(service).of_bucket(&bucket))),
    };
    let mut response = answer::xml(document);
    if answer::shows_versions(&bucket) {
        answer::set_version(response.headers_mut(), row.version);
    }
    Ok(response)
}
