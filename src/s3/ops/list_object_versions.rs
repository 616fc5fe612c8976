use tandem_storage::change::VersionSelector;
use tandem_storage::list::{Listing, Page, Start};
use tandem_storage::record::ObjectRow;
use tandem_storage::types::ObjectKey;
use tandem_storage::{BucketView, ReadError, Reader};

use super::argument::invalid;
use super::attributes::class_name;
use super::listing::{Encoding, Parameters};
use super::time::iso8601;
use super::{access, answer, object_listing};
use crate::s3::access::ObjectOwners;
use crate::s3::error::S3Error;
use crate::s3::operation::ListObjectVersions;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// Versions and delete markers in order of their keys, those of one key from the newest to the oldest.
pub async fn handle(service: &Service, request: Authorized<ListObjectVersions>) -> Result<Response, S3Error> {
    let parameters = Parameters::of(&request, "max-keys")?;
    let marker = Marker::of(&request)?;
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    let page = page(&reader, &bucket, &parameters, &marker)?;
    let encoding = parameters.encoding;
    let mut xml = XmlWriter::document("ListVersionsResult");
    xml.raw("Name", &bucket.row.name);
    encoding.write(&mut xml, "Prefix", parameters.prefix);
    encoding.write(&mut xml, "KeyMarker", marker.key);
    xml.text("VersionIdMarker", request.query.get("version-id-marker").unwrap_or_default());
    write_next(&mut xml, &page, encoding);
    xml.raw("MaxKeys", parameters.limit);
    if let Some(delimiter) = parameters.delimiter {
        encoding.write(&mut xml, "Delimiter", delimiter);
    }
    encoding.tell(&mut xml);
    xml.raw("IsTruncated", page.is_truncated());
    let owners = ObjectOwners::of(service, &bucket);
    for (key, version) in &page.rows {
        write_version(&mut xml, key, version, encoding, &owners);
    }
    encoding.write_common_prefixes(&mut xml, &page.common_prefixes);
    Ok(answer::xml(xml.finish()))
}

struct Listed {
    row: ObjectRow,
    is_latest: bool,
}

/// `key-marker`, and with it the last version of that key that was seen.
struct Marker<'a> {
    key: &'a str,
    version: Option<VersionSelector>,
}

impl<'a> Marker<'a> {
    fn of(request: &'a Request) -> Result<Self, S3Error> {
        let key = request.query.get("key-marker").unwrap_or_default();
        let Some(id) = request.query.get("version-id-marker").filter(|id| !id.is_empty()) else {
            return Ok(Marker { key, version: None });
        };
        let refused = |message: &str| invalid("version-id-marker", id, message);
        if key.is_empty() {
            return Err(refused("A version-id marker cannot be specified without a key marker."));
        }
        let version = match id {
            "null" => VersionSelector::Null,
            id => VersionSelector::Id(id.parse().map_err(|_| refused("Invalid version id specified"))?),
        };
        Ok(Marker { key, version: Some(version) })
    }

    /// The marked version, if a walk that begins at `from` begins inside its key.
    fn inside(&self, from: &[u8]) -> Option<(ObjectKey, VersionSelector)> {
        let version = self.version.filter(|_| from == self.key.as_bytes())?;
        Some((ObjectKey::new(self.key).ok()?, version))
    }
}

fn page(
    reader: &Reader<'_>,
    bucket: &BucketView,
    parameters: &Parameters<'_>,
    marker: &Marker<'_>,
) -> Result<Page<Listed>, ReadError> {
    let start = match Start::marker(marker.key, parameters.prefix, parameters.delimiter) {
        Start::AfterKey(key) if marker.version.is_some() => Start::AtKey(key),
        start => start,
    };
    let listing =
        Listing { prefix: parameters.prefix, delimiter: parameters.delimiter, start, max_entries: parameters.limit };
    listing.page(
        |_, _| true,
        |from, visit| {
            let visit = &mut |key: &str, row, is_latest| visit(key, Listed { row, is_latest });
            match marker.inside(from) {
                Some((key, version)) => reader.versions_after(bucket, &key, version, visit),
                None => reader.versions(bucket, from, visit),
            }
        },
    )
}

fn write_next(xml: &mut XmlWriter, page: &Page<Listed>, encoding: Encoding) {
    let Some(next) = &page.next else { return };
    encoding.write(xml, "NextKeyMarker", next.name());
    if let (Start::AfterKey(_), Some((_, last))) = (next, page.rows.last()) {
        xml.raw("NextVersionIdMarker", last.row.version);
    }
}

fn write_version(xml: &mut XmlWriter, key: &str, version: &Listed, encoding: Encoding, owners: &ObjectOwners) {
    let Listed { row, is_latest } = version;
    xml.open(if row.content().is_some() { "Version" } else { "DeleteMarker" });
    encoding.write(xml, "Key", key);
    xml.raw("VersionId", row.version);
    xml.raw("IsLatest", is_latest);
    xml.raw("LastModified", iso8601(row.modified));
    if let Some(content) = row.content() {
        xml.etag(content.etag);
        object_listing::write_checksum(xml, content);
        xml.raw("Size", content.size);
    }
    let slot = row.content().and_then(|content| content.acl.as_deref());
    object_listing::write_owner(xml, &owners.of_slot(slot));
    if let Some(content) = row.content() {
        xml.word("StorageClass", class_name(content.headers.storage_class));
    }
    xml.close();
}
