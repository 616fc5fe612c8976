use tandem_storage::list::Start;

use super::listing::Parameters;
use super::{access, answer, object_listing};
use crate::s3::access::ObjectOwners;
use crate::s3::error::S3Error;
use crate::s3::operation::ListObjects;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// The first version of the listing: pages by marker.
pub async fn handle(service: &Service, request: Authorized<ListObjects>) -> Result<Response, S3Error> {
    let parameters = Parameters::of(&request, "max-keys")?;
    let marker = request.query.get("marker").unwrap_or_default();
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    let start = Start::marker(marker, parameters.prefix, parameters.delimiter);
    let page = object_listing::page(&reader, &bucket, &parameters, start)?;
    let encoding = parameters.encoding;
    let mut xml = XmlWriter::document("ListBucketResult");
    xml.raw("Name", &bucket.row.name);
    encoding.write(&mut xml, "Prefix", parameters.prefix);
    encoding.write(&mut xml, "Marker", marker);
    // AWS tells NextMarker only with a delimiter. A client may always take the last key, so it does no harm to tell it always.
    if let Some(next) = &page.next {
        encoding.write(&mut xml, "NextMarker", next.name());
    }
    xml.raw("MaxKeys", parameters.limit);
    if let Some(delimiter) = parameters.delimiter {
        encoding.write(&mut xml, "Delimiter", delimiter);
    }
    encoding.tell(&mut xml);
    xml.raw("IsTruncated", page.is_truncated());
    object_listing::write_objects(&mut xml, &page, encoding, Some(&ObjectOwners::of(service, &bucket)));
    encoding.write_common_prefixes(&mut xml, &page.common_prefixes);
    Ok(answer::xml(xml.finish()))
}
