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

/// A whole source becomes the part by reference. A range of one is stored anew: pieces are cut where their content begins.
pub async fn handle(service: &Service, request: Authorized<UploadPartCopy>) -> Result<Response, S3Error> {
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    attributes::refuse_unsupported(&request.headers)?;
    let number = part_number(&request)?;
    let id = argument::upload_id(&request)?;
    let from = CopySource::of(&request)?;
    for last_try in [false, true] {
        let Found { bucket, upload, source } = find(service, &request, &from, id)?;
        let size = source.content.size;
        let range = request.headers.get("x-amz-copy-source-range").map(|value| value.to_str().unwrap_or_default());
        let range = range.map_or(Ok(0..size), |range| copy_range(range, size))?;
        copy::check_size(range.end - range.start)?;
        let part = copied(service, &upload, &source, range).await?;
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
    let bucket = access::bucket(&reader, request)?;
    let upload = upload::find(&reader, &bucket, request, id)?;
    let source = copy::source(&reader, request, from)?;
    Ok(Found { bucket: bucket.row.guid, upload, source })
}

struct Copied {
    body: StagedBody,
    md5: [u8; 16],
    checksum: Option<Checksum>,
}

async fn copied(service: &Service, upload: &UploadRow, source: &Source, range: Range<u64>) -> Result<Copied, S3Error> {
    let algorithm = upload::part_algorithm(upload);
    let content = &source.content;
    if range != (0..content.size) {
        let opened = service.store.read()?.open_body(&content.body, range)?;
        let (body, hashes) = body::rewrite(&service.store, opened, algorithm).await?;
        return Ok(Copied { body, md5: hashes.md5, checksum: Some(hashes.checksum) });
    }
    let body = StagedBody::existing(content.body, content.size);
    if let (Some(md5), Some(checksum)) = (source.md5(), source.checksum(algorithm)) {
        return Ok(Copied { body, md5, checksum: Some(checksum) });
    }
    let hashes = source.hash(service, algorithm).await?;
    Ok(Copied { body, md5: hashes.md5, checksum: Some(hashes.checksum) })
}
