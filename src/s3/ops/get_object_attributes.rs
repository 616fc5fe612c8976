use http::HeaderMap;
use tandem_storage::record::Content;
use tandem_storage::types::Checksum;

use super::argument::invalid;
use super::attributes::class_name;
use super::part_list::PartList;
use super::read::refuse_encryption;
use super::time::http_date;
use super::{access, answer, argument, version};
use crate::s3::checksum;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::GetObjectAttributes;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::XmlWriter;

/// What is known of a version, each part of it only as asked for. Parts are told with their sizes also where they have no checksum.
pub async fn handle(service: &Service, request: Authorized<GetObjectAttributes>) -> Result<Response, S3Error> {
    refuse_encryption(&request.headers)?;
    let asked = Asked::of(&request.headers)?;
    let paging = Paging::of(&request)?;
    let version = argument::version(&request)?;
    let reader = service.store.read()?;
    let bucket = access::confirmed_bucket(service, &reader, &request)?;
    let row = version::find(&reader, &bucket, &request, version)?;
    let content = version::content(&row, &bucket, &request, version)?;
    let mut xml = XmlWriter::document("GetObjectAttributesResponse");
    if asked.etag {
        xml.raw("ETag", content.etag);
    }
    if let Some(sum) = content.checksum.as_ref().filter(|_| asked.checksum) {
        xml.open("Checksum");
        // AWS leaves out here, and nowhere else, how many parts a composite one is of.
        xml.raw(checksum::element(sum.algorithm), checksum::value_text(sum));
        xml.raw("ChecksumType", checksum::kind_name(sum.kind));
        xml.close();
    }
    if let Some(map) = content.parts.as_ref().filter(|_| asked.object_parts) {
        write_parts(&mut xml, content, &PartList::load(&service.store, map)?, &paging);
    }
    if asked.storage_class {
        xml.raw("StorageClass", class_name(content.headers.storage_class));
    }
    if asked.object_size {
        xml.raw("ObjectSize", content.size);
    }
    let mut response = answer::xml(xml.finish());
    let headers = response.headers_mut();
    answer::set(headers, "last-modified", &http_date(row.modified));
    if answer::shows_versions(&bucket) {
        answer::set_version(headers, row.version);
    }
    Ok(response)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    etag: bool,
    checksum: bool,
    object_parts: bool,
    storage_class: bool,
    object_size: bool,
}

impl Asked {
    /// `x-amz-object-attributes`: names in one header or in several.
    fn of(headers: &HeaderMap) -> Result<Self, S3Error> {
        const NAME: &str = "x-amz-object-attributes";
        let mut asked = Asked::default();
        for value in headers.get_all(NAME) {
            for name in value.to_str().unwrap_or("?").split(',').map(str::trim).filter(|name| !name.is_empty()) {
                match name {
                    "ETag" => asked.etag = true,
                    "Checksum" => asked.checksum = true,
                    "ObjectParts" => asked.object_parts = true,
                    "StorageClass" => asked.storage_class = true,
                    "ObjectSize" => asked.object_size = true,
                    other => return Err(invalid(NAME, other, "Invalid attribute name specified.")),
                }
            }
        }
        if asked == Asked::default() {
            let message = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
            return Err(S3Error::new(ErrorCode::InvalidRequest, message));
        }
        Ok(asked)
    }
}

/// Which of the parts are told.
struct Paging {
    after: u16,
    limit: usize,
}

impl Paging {
    fn of(request: &Request) -> Result<Self, S3Error> {
        Ok(Paging {
            after: argument::part_marker("x-amz-part-number-marker", request.header("x-amz-part-number-marker"))?,
            limit: argument::limit_of("x-amz-max-parts", request.header("x-amz-max-parts"))?,
        })
    }
}

fn write_parts(xml: &mut XmlWriter, content: &Content, list: &PartList, paging: &Paging) {
    let rest: Vec<_> = list.parts.iter().filter(|part| part.number > paging.after).collect();
    let told = &rest[..rest.len().min(paging.limit)];
    xml.open("ObjectParts");
    xml.raw("PartsCount", list.parts.len());
    xml.raw("PartNumberMarker", paging.after);
    if let Some(last) = told.last() {
        xml.raw("NextPartNumberMarker", last.number);
    }
    xml.raw("MaxParts", paging.limit);
    xml.raw("IsTruncated", told.len() < rest.len() && paging.limit > 0);
    for part in told {
        xml.open("Part");
        xml.raw("PartNumber", part.number);
        xml.raw("Size", part.size);
        if let (Some(whole), Some(value)) = (&content.checksum, &part.checksum) {
            let (algorithm, kind) = (whole.algorithm, tandem_storage::types::ChecksumKind::FullObject);
            let sum = Checksum { algorithm, kind, value: value.clone() };
            xml.raw(checksum::element(algorithm), checksum::text(&sum));
        }
        xml.close();
    }
    xml.close();
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn attributes_are_asked_for_by_name() {
        let asked = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-amz-object-attributes", HeaderValue::from_static(value));
            }
            Asked::of(&headers).map_err(|error| error.code)
        };
        let both = Asked { etag: true, object_size: true, ..Asked::default() };
        assert_eq!(asked(&["ETag, ObjectSize"]), Ok(both));
        assert_eq!(asked(&["Checksum", "Checksum"]), Ok(Asked { checksum: true, ..Asked::default() }));
        assert_eq!(asked(&[]), Err(ErrorCode::InvalidRequest));
        assert_eq!(asked(&[","]), Err(ErrorCode::InvalidRequest));
        assert_eq!(asked(&["etag"]), Err(ErrorCode::InvalidArgument));
    }
}
