use super::get_bucket_policy::no_policy;
use super::{access, answer};
use crate::s3::error::S3Error;
use crate::s3::operation::GetBucketPolicyStatus;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

pub async fn handle(service: &Service, request: Authorized<GetBucketPolicyStatus>) -> Result<Response, S3Error> {
    let bucket = access::bucket(&service.store.read()?, &request)?;
    let document = bucket.document().ok_or_else(|| no_policy(bucket.row.name.as_str()))?;
    let mut xml = XmlWriter::document("PolicyStatus");
    xml.raw("IsPublic", document.is_public());
    Ok(answer::xml(xml.finish()))
}
