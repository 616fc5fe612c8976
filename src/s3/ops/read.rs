//! What GET and HEAD share: which version, whether its conditions hold, which bytes, and the headers that tell.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, StatusCode};
use tandem_storage::Reader;
use tandem_storage::change::VersionSelector;
use tandem_storage::record::Content;
use tandem_storage::types::{Body, Checksum};

use super::condition::{ReadConditions, Unmet, range_counts};
use super::part_list::PartList;
use super::range::{self, Selection};
use super::time::http_date;
use super::{access, answer, argument, version};
use crate::s3::access::may;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::{Principal, Request};
use crate::s3::service::Service;

/// A read's answer, but for its bytes.
pub(super) enum Reading {
    NotModified(HeaderMap),
    Content { status: StatusCode, headers: HeaderMap, body: Body, range: Range<u64> },
}

pub(super) fn read(
    service: &Service,
    reader: &Reader<'_>,
    request: &Request,
    principal: &Principal,
) -> Result<Reading, S3Error> {
    let overrides = overrides(request, principal)?;
    refuse_encryption(&request.headers)?;
    let version = argument::version(request)?;
    let part = argument::part_number(request)?;
    let bucket = access::confirmed_bucket(service, reader, request)?;
    let row = version::find(reader, &bucket, request, version)?;
    let content = version::content(&row, &bucket, request, version)?;
    let etag = content.etag.to_string();
    let mut headers = HeaderMap::with_capacity(20);
    answer::set_etag(&mut headers, &content.etag);
    answer::set(&mut headers, "last-modified", &http_date(row.modified));
    if answer::shows_versions(&bucket) {
        answer::set_version(&mut headers, row.version);
    }
    match ReadConditions::of_read(&request.headers).check(&etag, row.modified) {
        Ok(()) => {}
        Err(Unmet::NotModified(_)) => {
            if let Some(value) = &content.headers.cache_control {
                answer::set(&mut headers, "cache-control", value);
            }
            return Ok(Reading::NotModified(headers));
        }
        Err(failed @ Unmet::Failed(_)) => return Err(failed.into_failure()),
    }
    let range = request.header("range").filter(|_| range_counts(&request.headers, &etag, row.modified));
    let chosen = choose(service, range, content, part)?;
    if checksums_wanted(&request.headers)
        && let Some(checksum) = &chosen.checksum
    {
        match chosen.parts_count {
            None => answer::set_checksum(&mut headers, checksum),
            Some(_) => answer::set_part_checksum(&mut headers, checksum),
        }
    }
    describe(&mut headers, content, &chosen);
    if !content.tags.is_empty() && may(service, reader, request, &bucket, reads_tags(version))? {
        headers.insert("x-amz-tagging-count", HeaderValue::from(content.tags.len()));
    }
    for (name, value) in overrides {
        headers.insert(name, value);
    }
    Ok(Reading::Content { status: chosen.status, headers, body: content.body, range: chosen.range })
}

/// The bytes that are asked for.
struct Chosen {
    status: StatusCode,
    range: Range<u64>,
    /// Of exactly these bytes; a range of one's own choice has none. A part's is of the object's type.
    checksum: Option<Checksum>,
    parts_count: Option<u16>,
}

fn choose(service: &Service, range: Option<&str>, content: &Content, part: Option<u16>) -> Result<Chosen, S3Error> {
    match part {
        Some(_) if range.is_some() => {
            let message = "Cannot specify both Range header and partNumber query parameter";
            Err(S3Error::new(ErrorCode::InvalidRequest, message))
        }
        Some(number) => choose_part(service, content, number),
        None => choose_range(range, content),
    }
}

fn choose_range(header: Option<&str>, content: &Content) -> Result<Chosen, S3Error> {
    match range::select(header, content.size) {
        Selection::Whole => Ok(Chosen {
            status: StatusCode::OK,
            range: 0..content.size,
            checksum: content.checksum.clone(),
            parts_count: None,
        }),
        Selection::Part(range) => {
            Ok(Chosen { status: StatusCode::PARTIAL_CONTENT, range, checksum: None, parts_count: None })
        }
        Selection::Unsatisfiable => Err(S3Error::of(ErrorCode::InvalidRange)
            .detail("RangeRequested", header.unwrap_or_default())
            .detail("ActualObjectSize", content.size.to_string())
            .header("content-range", format!("bytes */{}", content.size))),
    }
}

/// Parts count from 1 in order, whatever numbers they were uploaded under. An object of one PUT is its own part 1.
fn choose_part(service: &Service, content: &Content, number: u16) -> Result<Chosen, S3Error> {
    let refused = |count: u16| {
        let error = S3Error::of(ErrorCode::InvalidPartNumber).detail("PartNumberRequested", number.to_string());
        error.detail("ActualPartCount", count.to_string())
    };
    let status = if content.size == 0 { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    let Some(map) = &content.parts else {
        let whole = Chosen { status, range: 0..content.size, checksum: content.checksum.clone(), parts_count: None };
        return if number == 1 { Ok(whole) } else { Err(refused(1)) };
    };
    let list = PartList::load(&service.store, map)?;
    let range = list.range(number).ok_or_else(|| refused(map.count))?;
    let listed = &list.parts[usize::from(number) - 1];
    let checksum = content.checksum.as_ref().zip(listed.checksum.as_ref()).map(|(whole, value)| Checksum {
        algorithm: whole.algorithm,
        kind: whole.kind,
        value: value.clone(),
    });
    let status = if range.is_empty() { StatusCode::OK } else { status };
    Ok(Chosen { status, range, checksum, parts_count: Some(map.count) })
}

/// How many tags there are is told to who may read them.
fn reads_tags(version: VersionSelector) -> &'static str {
    match version {
        VersionSelector::Latest => "s3:GetObjectTagging",
        VersionSelector::Null | VersionSelector::Id(_) => "s3:GetObjectVersionTagging",
    }
}

fn describe(headers: &mut HeaderMap, content: &Content, chosen: &Chosen) {
    answer::set(headers, "accept-ranges", "bytes");
    let range = &chosen.range;
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if chosen.status == StatusCode::PARTIAL_CONTENT {
        let value = format!("bytes {}-{}/{}", range.start, range.end - 1, content.size);
        answer::set(headers, "content-range", &value);
    }
    if let Some(count) = chosen.parts_count {
        headers.insert("x-amz-mp-parts-count", HeaderValue::from(count));
    }
    answer::set_content_headers(headers, &content.headers);
    answer::set_metadata(headers, &content.metadata);
}

fn checksums_wanted(headers: &HeaderMap) -> bool {
    headers.get("x-amz-checksum-mode").is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"ENABLED"))
}

pub(super) fn refuse_encryption(headers: &HeaderMap) -> Result<(), S3Error> {
    if headers.keys().any(|name| name.as_str().starts_with("x-amz-server-side-encryption")) {
        let message = "The encryption parameters are not applicable to this object.";
        return Err(S3Error::new(ErrorCode::InvalidRequest, message));
    }
    Ok(())
}

/// `response-*` parameters: headers that the asker wants in place of the stored ones. Only who signed may choose them; a
/// value that is no header value is refused.
fn overrides(request: &Request, principal: &Principal) -> Result<Vec<(&'static str, HeaderValue)>, S3Error> {
    const NAMES: [(&str, &str); 6] = [
        ("response-content-type", "content-type"),
        ("response-content-language", "content-language"),
        ("response-expires", "expires"),
        ("response-cache-control", "cache-control"),
        ("response-content-disposition", "content-disposition"),
        ("response-content-encoding", "content-encoding"),
    ];
    let mut found = Vec::new();
    for (parameter, header) in NAMES {
        let Some(value) = request.query.get(parameter) else { continue };
        if matches!(principal, Principal::Anonymous) {
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(S3Error::new(ErrorCode::InvalidRequest, message));
        }
        let valid = HeaderValue::from_str(value).ok().filter(|_| !value.contains('\t'));
        let value = valid.ok_or_else(|| argument::invalid(parameter, value, "Header value cannot be represented"))?;
        found.push((header, value));
    }
    Ok(found)
}
