use http::StatusCode;
use tandem_storage::change;
use tandem_storage::types::ETag;

use super::argument::{self, invalid};
use super::{access, answer, attributes, body, upload};
use crate::s3::error::S3Error;
use crate::s3::operation::UploadPart;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<UploadPart>) -> Result<Response, S3Error> {
    let (request, mut payload) = request.into_parts();
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    attributes::refuse_unsupported(&request.headers)?;
    let number = part_number(&request)?;
    let id = argument::upload_id(&request)?;
    let (bucket, row) = {
        let reader = service.store.read()?;
        let bucket = access::bucket(&reader, &request)?;
        let row = upload::find(&reader, &bucket, &request, id)?;
        (bucket.row.guid, row)
    };
    upload::check_part(&row, payload.promised_checksum())?;
    payload.compute(upload::part_algorithm(&row));
    let (body, verified) = body::receive(&service.store, payload).await?;
    let (md5, checksum) = (verified.md5, verified.checksum);
    let change = change::PutPart { permit, bucket, key: key.clone(), upload: id, number, body, md5, checksum };
    let part = access::commit(service, name, change).await?;
    let mut response = answer::empty(StatusCode::OK);
    let headers = response.headers_mut();
    answer::set_etag(headers, &ETag::Md5(part.md5));
    if let Some(checksum) = &part.checksum {
        answer::set(headers, crate::s3::checksum::header(checksum.algorithm), &crate::s3::checksum::text(checksum));
    }
    Ok(response)
}

pub(super) fn part_number(request: &Request) -> Result<u16, S3Error> {
    argument::part_number(request)?.ok_or_else(|| invalid("partNumber", "", "This operation needs a part number"))
}
