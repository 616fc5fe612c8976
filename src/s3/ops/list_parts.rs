use std::ops::ControlFlow;

use tandem_storage::record::PartRow;
use tandem_storage::types::{ETag, UploadId};
use tandem_storage::{BucketView, Reader};

use super::attributes::class_name;
use super::create_multipart_upload::type_name;
use super::list_multipart_uploads::write_people;
use super::time::iso8601;
use super::{access, answer, argument, upload};
use crate::s3::access::{ObjectOwners, Owners};
use crate::s3::checksum;
use crate::s3::error::S3Error;
use crate::s3::operation::ListParts;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

pub async fn handle(service: &Service, request: Authorized<ListParts>) -> Result<Response, S3Error> {
    let id = argument::upload_id(&request)?;
    let limit = argument::limit(&request, "max-parts")?;
    let after = argument::part_marker("part-number-marker", request.query.get("part-number-marker"))?;
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    let row = upload::find(&reader, &bucket, &request, id)?;
    let page = page(&reader, &bucket, id, after, limit)?;
    let mut xml = XmlWriter::document("ListPartsResult");
    xml.raw("Bucket", &bucket.row.name);
    xml.text("Key", request.object_key()?.as_str());
    xml.raw("UploadId", id);
    xml.raw("PartNumberMarker", after);
    if let Some((number, _)) = page.parts.last() {
        xml.raw("NextPartNumberMarker", number);
    }
    xml.raw("MaxParts", limit);
    xml.raw("IsTruncated", page.truncated);
    for (number, part) in &page.parts {
        write_part(&mut xml, *number, part);
    }
    write_people(&mut xml, &row, &(Owners::of(service), ObjectOwners::of(service, &bucket)));
    xml.raw("StorageClass", class_name(row.headers.storage_class));
    if let Some((algorithm, full_object)) = row.checksum {
        xml.raw("ChecksumAlgorithm", checksum::name(algorithm));
        xml.raw("ChecksumType", type_name(full_object));
    }
    Ok(answer::xml(xml.finish()))
}

struct PartsPage {
    parts: Vec<(u16, PartRow)>,
    truncated: bool,
}

fn page(
    reader: &Reader<'_>,
    bucket: &BucketView,
    id: UploadId,
    after: u16,
    limit: usize,
) -> Result<PartsPage, S3Error> {
    let mut page = PartsPage { parts: Vec::new(), truncated: false };
    if limit == 0 {
        return Ok(page);
    }
    reader.parts(bucket, id, after, &mut |number, part| {
        if page.parts.len() == limit {
            page.truncated = true;
            return ControlFlow::Break(());
        }
        page.parts.push((number, part));
        ControlFlow::Continue(())
    })?;
    Ok(page)
}

fn write_part(xml: &mut XmlWriter, number: u16, part: &PartRow) {
    xml.open("Part");
    xml.raw("PartNumber", number);
    xml.raw("LastModified", iso8601(part.modified));
    xml.etag(ETag::Md5(part.md5));
    xml.raw("Size", part.size);
    if let Some(sum) = &part.checksum {
        xml.raw(checksum::element(sum.algorithm), checksum::text(sum));
    }
    xml.close();
}
