use std::ops::Range;

use tandem_storage::blob::StagedBody;
use tandem_storage::change::{self, Refusal};
use tandem_storage::record::UploadRow;
use tandem_storage::types::{BucketGuid, Checksum, ETag, UploadId};
use tandem_storage::{CommitError, Lane};

use super::copy::{self, Source};
use super::copy_source::CopySource;
use super::range::copy_range;
use super::time::iso8601;
use super::upload_part::part_number;
use super::{access, answer, argument, attributes, body, upload};
use crate::s3::checksum;
use crate::s3::error::S3Error;
use crate::s3::operation::UploadPartCopy;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// A whole source becomes the part by reference, unless it is in splinters. A range of one is stored anew: pieces are cut where their content
/// begins.
pub async fn handle(service: &Service, request: Authorized<UploadPartCopy>) -> Result<Response, S3Error> {
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    attributes::refuse_unsupported(&request.headers)?;
    let number = part_number(&request)?;
    let id = argument::upload_id(&request)?;
    let from = CopySource::of(&request)?;
    for last_try in [false, true] {
        let Found { bucket, upload, mut source } = find(service, &request, &from, id)?;
        let range = asked_range(&request, source.content.size)?;
        let part = copied(service, &upload, &mut source, range).await?;
        let change = change::PutPart {
            permit,
            bucket,
            key: request.object_key()?.clone(),
            upload: id,
            number,
            body: part.body,
            md5: part.md5,
            checksum: part.checksum,
        };
        match service.store.commit(Lane::Client, service.clock.now(), change).await {
            Ok(durable) => {
                let row = durable.into_inner();
                let mut xml = XmlWriter::document("CopyPartResult");
                xml.raw("LastModified", iso8601(row.modified));
                xml.etag(ETag::Md5(row.md5));
                if let Some(sum) = &row.checksum {
                    xml.raw(checksum::element(sum.algorithm), checksum::text(sum));
                }
                let mut response = answer::xml(xml.finish());
                if let Some(version) = source.version {
                    answer::set(response.headers_mut(), "x-amz-copy-source-version-id", &version.to_string());
                }
                return Ok(response);
            }
            Err(CommitError::Refused(Refusal::BytesGone)) if !last_try => {}
            Err(error) => return Err(access::refused(service, name, error)),
        }
    }
    Err(Refusal::BytesGone.into())
}

struct Found {
    bucket: BucketGuid,
    upload: UploadRow,
    source: Source,
}

fn find(service: &Service, request: &Request, from: &CopySource, id: UploadId) -> Result<Found, S3Error> {
    let reader = service.store.read()?;
    let bucket = access::confirmed_bucket(service, &reader, request)?;
    let upload = upload::find(&reader, &bucket, request, id)?;
    let source = copy::source(&reader, request, from, |source| bytes_to_read(request, &upload, source))?;
    Ok(Found { bucket: bucket.row.guid, upload, source })
}

fn asked_range(request: &Request, size: u64) -> Result<Range<u64>, S3Error> {
    let header = request.headers.get("x-amz-copy-source-range").map(|value| value.to_str().unwrap_or_default());
    header.map_or(Ok(0..size), |header| copy_range(header, size))
}

/// A range that is stored anew; or all, for hashes that the source does not have.
fn bytes_to_read(request: &Request, upload: &UploadRow, source: &Source) -> Result<Option<Range<u64>>, S3Error> {
    let size = source.content.size;
    let range = asked_range(request, size)?;
    copy::check_size(range.end - range.start)?;
    let known = source.md5().is_some() && source.checksum(upload::part_algorithm(upload)).is_some();
    Ok((range != (0..size) || !known).then_some(range))
}

struct Copied {
    body: StagedBody,
    md5: [u8; 16],
    checksum: Option<Checksum>,
}

async fn copied(
    service: &Service,
    upload: &UploadRow,
    source: &mut Source,
    range: Range<u64>,
) -> Result<Copied, S3Error> {
    let algorithm = upload::part_algorithm(upload);
    let (body, size) = (source.content.body, source.content.size);
    let again = if range == (0..size) { body::reuse(&service.store, body, size).await? } else { None };
    match (again, source.opened.take()) {
        (Some(body), None) => {
            let md5 = source.md5().ok_or_else(|| S3Error::internal("a source without an MD5 was not opened"))?;
            Ok(Copied { body, md5, checksum: source.checksum(algorithm) })
        }
        (Some(body), Some(opened)) => {
            let hashes = body::hash(opened, algorithm).await?;
            Ok(Copied { body, md5: hashes.md5, checksum: Some(hashes.checksum) })
        }
        (None, opened) => {
            let opened = match opened {
                Some(opened) => opened,
                None => service.store.read()?.open_body(&body, range)?,
            };
            let (body, hashes) = body::rewrite(&service.store, opened, algorithm).await?;
            Ok(Copied { body, md5: hashes.md5, checksum: Some(hashes.checksum) })
        }
    }
}
