use tandem_policy::Document;

use super::{access, answer};
use crate::s3::error::S3Error;
use crate::s3::operation::GetBucketPolicyStatus;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// Whether the bucket is public, by its policy or its ACL; also where it has no policy.
pub async fn handle(service: &Service, request: Authorized<GetBucketPolicyStatus>) -> Result<Response, S3Error> {
    let bucket = access::bucket(&service.store.read()?, &request)?;
    let by_policy = bucket.document().is_some_and(Document::is_public);
    let counted = bucket.acl.as_ref().filter(|_| bucket.ownership.acls_count());
    let by_acl = counted.is_some_and(|stored| stored.acl.is_public()) && !bucket.public_access.ignore_public_acls;
    let mut xml = XmlWriter::document("PolicyStatus");
    xml.raw("IsPublic", by_policy || by_acl);
    Ok(answer::xml(xml.finish()))
}
