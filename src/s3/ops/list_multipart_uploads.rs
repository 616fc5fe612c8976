use tandem_storage::list::{Listing, Page, Start};
use tandem_storage::record::UploadRow;
use tandem_storage::types::UploadId;
use tandem_storage::{BucketView, Reader};

use super::argument::invalid;
use super::attributes::class_name;
use super::listing::{Encoding, Parameters};
use super::time::iso8601;
use super::{access, answer, object_listing};
use crate::s3::access::{ObjectOwners, Owners};
use crate::s3::checksum;
use crate::s3::error::S3Error;
use crate::s3::operation::ListMultipartUploads;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// Uploads in order of their keys, those of one key in order of their beginning (ids begin with the time).
pub async fn handle(service: &Service, request: Authorized<ListMultipartUploads>) -> Result<Response, S3Error> {
    let parameters = Parameters::of(&request, "max-uploads")?;
    let marker = Marker::of(&request)?;
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    let page = page(&reader, &bucket, &parameters, &marker)?;
    let encoding = parameters.encoding;
    let mut xml = XmlWriter::document("ListMultipartUploadsResult");
    xml.raw("Bucket", &bucket.row.name);
    encoding.write(&mut xml, "KeyMarker", marker.key);
    xml.text("UploadIdMarker", request.query.get("upload-id-marker").unwrap_or_default());
    write_next(&mut xml, &page, encoding);
    if !parameters.prefix.is_empty() {
        encoding.write(&mut xml, "Prefix", parameters.prefix);
    }
    if let Some(delimiter) = parameters.delimiter {
        encoding.write(&mut xml, "Delimiter", delimiter);
    }
    encoding.tell(&mut xml);
    xml.raw("MaxUploads", parameters.limit);
    xml.raw("IsTruncated", page.is_truncated());
    let people = (Owners::of(service), ObjectOwners::of(service, &bucket));
    for (key, row) in &page.rows {
        write_upload(&mut xml, key, row, encoding, &people);
    }
    encoding.write_common_prefixes(&mut xml, &page.common_prefixes);
    Ok(answer::xml(xml.finish()))
}

/// `key-marker`, and with it the last upload of that key that was seen.
struct Marker<'a> {
    key: &'a str,
    upload: Option<UploadId>,
}

impl<'a> Marker<'a> {
    fn of(request: &'a Request) -> Result<Self, S3Error> {
        let key = request.query.get("key-marker").unwrap_or_default();
        // Without a key marker AWS ignores it.
        let upload = request.query.get("upload-id-marker").filter(|id| !id.is_empty() && !key.is_empty());
        let upload =
            upload.map(|id| id.parse().map_err(|_| invalid("upload-id-marker", id, "Invalid uploadId marker")));
        Ok(Marker { key, upload: upload.transpose()? })
    }
}

fn page(
    reader: &Reader<'_>,
    bucket: &BucketView,
    parameters: &Parameters<'_>,
    marker: &Marker<'_>,
) -> Result<Page<UploadRow>, S3Error> {
    let start = match marker.upload {
        Some(_) => Start::AtKey(marker.key.to_owned()),
        None => Start::marker(marker.key, parameters.prefix, parameters.delimiter),
    };
    let listing =
        Listing { prefix: parameters.prefix, delimiter: parameters.delimiter, start, max_entries: parameters.limit };
    let admits = |key: &str, row: &UploadRow| match marker.upload {
        Some(seen) => key != marker.key || row.id > seen,
        None => true,
    };
    Ok(listing.page(admits, |from, visit| {
        reader.uploads(bucket, from, &mut |row| {
            let key = row.key.clone();
            visit(key.as_str(), row)
        })
    })?)
}

fn write_next(xml: &mut XmlWriter, page: &Page<UploadRow>, encoding: Encoding) {
    match &page.next {
        None => {}
        Some(next @ Start::AfterKey(key)) => {
            encoding.write(xml, "NextKeyMarker", next.name());
            if let Some((_, row)) = page.rows.last().filter(|(last, _)| last == key) {
                xml.raw("NextUploadIdMarker", row.id);
            }
        }
        Some(next) => encoding.write(xml, "NextKeyMarker", next.name()),
    }
}

fn write_upload(xml: &mut XmlWriter, key: &str, row: &UploadRow, encoding: Encoding, people: &(Owners, ObjectOwners)) {
    xml.open("Upload");
    encoding.write(xml, "Key", key);
    xml.raw("UploadId", row.id);
    write_people(xml, row, people);
    xml.raw("StorageClass", class_name(row.headers.storage_class));
    xml.raw("Initiated", iso8601(row.initiated));
    if let Some((algorithm, full_object)) = row.checksum {
        xml.raw("ChecksumAlgorithm", checksum::name(algorithm));
        xml.raw("ChecksumType", if full_object { "FULL_OBJECT" } else { "COMPOSITE" });
    }
    xml.close();
}

/// Who began an upload, and whose its object will be.
pub(super) fn write_people(xml: &mut XmlWriter, row: &UploadRow, (accounts, owners): &(Owners, ObjectOwners)) {
    let owner = owners.of_slot(row.acl.as_deref());
    let initiator = row.initiator.as_deref().map_or_else(|| owners.bucket().clone(), |id| accounts.maker(id));
    object_listing::write_identity(xml, "Initiator", &initiator);
    object_listing::write_owner(xml, &owner);
}
