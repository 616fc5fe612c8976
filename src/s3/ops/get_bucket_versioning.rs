use tandem_storage::record::Versioning;

use super::{access, answer};
use crate::s3::error::S3Error;
use crate::s3::operation::GetBucketVersioning;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// A bucket that never had versioning has no `Status` at all.
pub async fn handle(service: &Service, request: Authorized<GetBucketVersioning>) -> Result<Response, S3Error> {
    let bucket = access::bucket(&service.store.read()?, &request)?;
    let mut xml = XmlWriter::document("VersioningConfiguration");
    match bucket.row.versioning {
        Versioning::Unversioned => {}
        Versioning::Enabled => xml.text("Status", "Enabled"),
        Versioning::Suspended => xml.text("Status", "Suspended"),
    }
    Ok(answer::xml(xml.finish()))
}
