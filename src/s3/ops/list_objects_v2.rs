use tandem_storage::list::Start;
use tandem_storage::types::BucketGuid;

use super::argument::invalid;
use super::listing::Parameters;
use super::{access, answer, cursor, object_listing};
use crate::s3::access::ObjectOwners;
use crate::s3::error::S3Error;
use crate::s3::operation::ListObjectsV2;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// The second version of the listing: pages by opaque token.
pub async fn handle(service: &Service, request: Authorized<ListObjectsV2>) -> Result<Response, S3Error> {
    let parameters = Parameters::of(&request, "max-keys")?;
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, &request)?;
    let guid = bucket.row.guid;
    let start = start(&request, guid)?;
    let page = object_listing::page(&reader, &bucket, &parameters, start)?;
    let encoding = parameters.encoding;
    let mut xml = XmlWriter::document("ListBucketResult");
    xml.raw("Name", &bucket.row.name);
    encoding.write(&mut xml, "Prefix", parameters.prefix);
    xml.optional("ContinuationToken", request.query.get("continuation-token"));
    if let Some(next) = &page.next {
        xml.raw("NextContinuationToken", cursor::to_token(next, guid.as_bytes()));
    }
    if let Some(after) = request.query.get("start-after").filter(|after| !after.is_empty()) {
        encoding.write(&mut xml, "StartAfter", after);
    }
    xml.raw("KeyCount", page.rows.len() + page.common_prefixes.len());
    xml.raw("MaxKeys", parameters.limit);
    if let Some(delimiter) = parameters.delimiter {
        encoding.write(&mut xml, "Delimiter", delimiter);
    }
    encoding.tell(&mut xml);
    xml.raw("IsTruncated", page.is_truncated());
    let with_owner = request.query.get("fetch-owner").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let owners = with_owner.then(|| ObjectOwners::of(service, &bucket));
    object_listing::write_objects(&mut xml, &page, encoding, owners.as_ref());
    encoding.write_common_prefixes(&mut xml, &page.common_prefixes);
    Ok(answer::xml(xml.finish()))
}

/// A token goes before `start-after`. Unlike a marker, a `start-after` under a common prefix does not stand behind it.
fn start(request: &Request, guid: BucketGuid) -> Result<Start, S3Error> {
    if let Some(token) = request.query.get("continuation-token") {
        let start = cursor::from_token(token, guid.as_bytes());
        return start
            .ok_or_else(|| invalid("continuation-token", token, "The continuation token provided is incorrect"));
    }
    Ok(match request.query.get("start-after") {
        None | Some("") => Start::Beginning,
        Some(after) => Start::AfterKey(after.to_owned()),
    })
}
