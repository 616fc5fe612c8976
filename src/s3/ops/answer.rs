//! The answers' common parts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tandem_storage::BucketView;
use tandem_storage::record::{ContentHeaders, StorageClass, Versioning};
use tandem_storage::types::{Checksum, ETag, Version};

use super::attributes::class_name;
use crate::s3::checksum;
use crate::s3::response::{Response, ResponseBody};

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = http::Response::new(ResponseBody::Empty);
    *response.status_mut() = status;
    response
}

pub(super) fn xml(document: Bytes) -> Response {
    let mut response = http::Response::new(ResponseBody::Bytes(document));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Sets a header to stored or computed text. What HTTP cannot carry is left out: it cannot have come in by HTTP either.
pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

pub(super) fn set_etag(headers: &mut HeaderMap, etag: &ETag) {
    set(headers, "etag", &format!("\"{etag}\""));
}

pub(super) fn set_checksum(headers: &mut HeaderMap, sum: &Checksum) {
    set(headers, checksum::header(sum.algorithm), &checksum::text(sum));
    set(headers, "x-amz-checksum-type", checksum::kind_name(sum.kind));
}

/// A part's checksum: its own value, under the type of the object's.
pub(super) fn set_part_checksum(headers: &mut HeaderMap, sum: &Checksum) {
    set(headers, checksum::header(sum.algorithm), &checksum::value_text(sum));
    set(headers, "x-amz-checksum-type", checksum::kind_name(sum.kind));
}

pub(super) fn set_version(headers: &mut HeaderMap, version: Version) {
    set(headers, "x-amz-version-id", &version.to_string());
}

/// The version that a write made. A null version is not told, also where versioning is suspended, as on AWS.
pub(super) fn set_new_version(headers: &mut HeaderMap, version: Version) {
    if version.has_id() {
        set_version(headers, version);
    }
}

/// Whether answers about this bucket's objects name versions.
pub(super) fn shows_versions(bucket: &BucketView) -> bool {
    bucket.row.versioning != Versioning::Unversioned
}

/// The standard headers that an object was stored with.
pub(super) fn set_content_headers(headers: &mut HeaderMap, content: &ContentHeaders) {
    set(headers, "content-type", content.content_type.as_deref().unwrap_or("binary/octet-stream"));
    let optional = [
        ("cache-control", &content.cache_control),
        ("content-disposition", &content.content_disposition),
        ("content-encoding", &content.content_encoding),
        ("content-language", &content.content_language),
        ("expires", &content.expires),
        ("x-amz-website-redirect-location", &content.website_redirect_location),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            set(headers, name, value);
        }
    }
    // As AWS does, which says nothing of the usual class.
    if content.storage_class != StorageClass::Standard {
        set(headers, "x-amz-storage-class", class_name(content.storage_class));
    }
}

/// User metadata; text beyond ASCII goes out as RFC 2047 writes it, as AWS does.
pub(super) fn set_metadata(headers: &mut HeaderMap, metadata: &[(String, String)]) {
    for (name, value) in metadata {
        let Ok(name) = HeaderName::from_bytes(format!("x-amz-meta-{name}").as_bytes()) else { continue };
        let value = match value.is_ascii() {
            true => HeaderValue::from_str(value),
            false => HeaderValue::from_str(&format!("=?UTF-8?B?{}?=", BASE64.encode(value))),
        };
        if let Ok(value) = value {
            headers.insert(name, value);
        }
    }
}
