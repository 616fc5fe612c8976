//! The page that both ListObjects answer with.

use tandem_policy::Owner;
use tandem_storage::list::{Listing, Page, Start};
use tandem_storage::record::{Content, ObjectRow};
use tandem_storage::{BucketView, Reader};

use super::attributes::class_name;
use super::listing::{Encoding, Parameters};
use super::time::iso8601;
use crate::s3::access::ObjectOwners;
use crate::s3::checksum;
use crate::s3::error::S3Error;
use crate::s3::xml::XmlWriter;

/// What an entry takes beside its key, in bytes: a guess, so that a page is written without being moved.
const ENTRY_BYTES: usize = 320;

pub(super) fn page(
    reader: &Reader<'_>,
    bucket: &BucketView,
    parameters: &Parameters<'_>,
    start: Start,
) -> Result<Page<ObjectRow>, S3Error> {
    let listing =
        Listing { prefix: parameters.prefix, delimiter: parameters.delimiter, start, max_entries: parameters.limit };
    let admits = |_: &str, row: &ObjectRow| row.content().is_some();
    Ok(listing.page(admits, |from, visit| reader.objects(bucket, from, visit))?)
}

/// `owners`: none, where nobody asked whose they are.
pub(super) fn write_objects(
    xml: &mut XmlWriter,
    page: &Page<ObjectRow>,
    encoding: Encoding,
    owners: Option<&ObjectOwners>,
) {
    xml.reserve(page.rows.iter().map(|(key, _)| ENTRY_BYTES + key.len()).sum());
    for (key, row) in &page.rows {
        let Some(content) = row.content() else { continue };
        xml.open("Contents");
        encoding.write(xml, "Key", key);
        xml.word("LastModified", &iso8601(row.modified));
        xml.etag(content.etag);
        write_checksum(xml, content);
        xml.raw("Size", content.size);
        if let Some(owners) = owners {
            write_owner(xml, &owners.of_slot(content.acl.as_deref()));
        }
        xml.word("StorageClass", class_name(content.headers.storage_class));
        xml.close();
    }
}

/// Which checksum an object has; its value is a HEAD's to tell.
pub(super) fn write_checksum(xml: &mut XmlWriter, content: &Content) {
    if let Some(sum) = &content.checksum {
        xml.word("ChecksumAlgorithm", checksum::name(sum.algorithm));
        xml.word("ChecksumType", checksum::kind_name(sum.kind));
    }
}

pub(super) fn write_owner(xml: &mut XmlWriter, owner: &Owner) {
    write_identity(xml, "Owner", owner);
}

pub(super) fn write_identity(xml: &mut XmlWriter, element: &'static str, owner: &Owner) {
    xml.open(element);
    xml.text("ID", &owner.id);
    xml.text("DisplayName", &owner.display_name);
    xml.close();
}
