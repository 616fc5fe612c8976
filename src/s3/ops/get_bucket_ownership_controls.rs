use super::{access, answer};
use crate::s3::access::setting;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::GetBucketOwnershipControls;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

pub async fn handle(service: &Service, request: Authorized<GetBucketOwnershipControls>) -> Result<Response, S3Error> {
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    let Some(ownership) = setting::ownership(reader.setting(&bucket, setting::OWNERSHIP)?.as_deref())? else {
        let error = S3Error::of(ErrorCode::OwnershipControlsNotFoundError);
        return Err(error.detail("BucketName", bucket.row.name.as_str()));
    };
    let mut xml = XmlWriter::document("OwnershipControls");
    xml.open("Rule");
    xml.raw("ObjectOwnership", ownership.as_str());
    xml.close();
    Ok(answer::xml(xml.finish()))
}
