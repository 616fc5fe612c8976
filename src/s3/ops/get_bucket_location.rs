use super::list_buckets::region;
use super::{access, answer};
use crate::s3::error::S3Error;
use crate::s3::operation::GetBucketLocation;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// The document is its root: the region's name, or nothing for `us-east-1`.
pub async fn handle(service: &Service, request: Authorized<GetBucketLocation>) -> Result<Response, S3Error> {
    let bucket = access::bucket(&service.store.read()?, &request)?;
    let location = match region(&bucket, &service.settings.region) {
        "us-east-1" => "",
        other => other,
    };
    let mut xml = XmlWriter::document("LocationConstraint");
    xml.content(location);
    Ok(answer::xml(xml.finish()))
}
