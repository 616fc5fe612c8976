use http::{HeaderMap, HeaderValue};
use tandem_storage::record::{ContentHeaders, StorageClass};

use super::argument::invalid;
use super::tagging;
use crate::s3::error::{ErrorCode, S3Error};

/// AWS's limit for user metadata: names, without their prefix, and values.
const METADATA_BYTES_MAX: usize = 2048;
/// The standard headers of one object together, so that its row stays small.
const CONTENT_HEADER_BYTES_MAX: usize = 4096;
const METADATA_PREFIX: &str = "x-amz-meta-";

/// What a write's headers give its object, apart from its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub headers: ContentHeaders,
    pub metadata: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
}

impl Attributes {
    /// Of a PUT, a CreateMultipartUpload, or a copy that replaces.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, S3Error> {
        Ok(Attributes { headers: content_headers(headers)?, metadata: metadata(headers)?, tags: tags(headers)? })
    }
}

/// Refuses what a write asks for and this server does not do: nothing is taken and then not done.
pub(super) fn refuse_unsupported(headers: &HeaderMap) -> Result<(), S3Error> {
    storage_class(headers)?;
    for name in headers.keys().map(http::HeaderName::as_str) {
        if name.starts_with("x-amz-server-side-encryption")
            || name.starts_with("x-amz-copy-source-server-side-encryption")
        {
            let message = "Server-side encryption is not implemented: nothing is stored rather than stored unencrypted";
            return Err(not_implemented(message, name));
        }
        if name.starts_with("x-amz-object-lock-") {
            return Err(not_implemented("Object lock on a write is not implemented", name));
        }
        if name == "x-amz-write-offset-bytes" {
            return Err(not_implemented("Appending to an object is not implemented", name));
        }
    }
    Ok(())
}

/// Storage classes by their names. They are labels: all is stored alike. The cheaper class of old is taken, as AWS still does; archive classes would
/// change what a GET answers.
const STORAGE_CLASSES: [(&str, StorageClass); 2] =
    [("STANDARD", StorageClass::Standard), ("REDUCED_REDUNDANCY", StorageClass::ReducedRedundancy)];

/// The class that a write asks for.
fn storage_class(headers: &HeaderMap) -> Result<StorageClass, S3Error> {
    let Some(asked) = text(headers, "x-amz-storage-class")? else { return Ok(StorageClass::Standard) };
    let found = STORAGE_CLASSES.iter().find(|(name, _)| *name == asked);
    found.map(|(_, class)| *class).ok_or_else(|| S3Error::of(ErrorCode::InvalidStorageClass))
}

/// A class as S3 names it.
pub(super) fn class_name(class: StorageClass) -> &'static str {
    STORAGE_CLASSES.iter().find(|(_, known)| *known == class).map_or("STANDARD", |(name, _)| name)
}

fn not_implemented(message: &str, header: &str) -> S3Error {
    S3Error::new(ErrorCode::NotImplemented, message).detail("Header", header)
}

pub(super) fn content_headers(headers: &HeaderMap) -> Result<ContentHeaders, S3Error> {
    let found = ContentHeaders {
        content_type: text(headers, "content-type")?,
        cache_control: text(headers, "cache-control")?,
        content_disposition: text(headers, "content-disposition")?,
        content_encoding: text(headers, "content-encoding")?.and_then(|value| without_framing(&value)),
        content_language: text(headers, "content-language")?,
        expires: text(headers, "expires")?,
        website_redirect_location: redirect(headers)?,
        storage_class: storage_class(headers)?,
    };
    let total: usize = fields(&found).into_iter().flatten().map(|value| value.len()).sum();
    match total {
        0..=CONTENT_HEADER_BYTES_MAX => Ok(found),
        _ => Err(S3Error::of(ErrorCode::MetadataTooLarge)),
    }
}

fn fields(headers: &ContentHeaders) -> [Option<&String>; 7] {
    [
        headers.content_type.as_ref(),
        headers.cache_control.as_ref(),
        headers.content_disposition.as_ref(),
        headers.content_encoding.as_ref(),
        headers.content_language.as_ref(),
        headers.expires.as_ref(),
        headers.website_redirect_location.as_ref(),
    ]
}

/// `aws-chunked` is how the request was sent, not what the object is. What is beside it stays as it was sent.
fn without_framing(value: &str) -> Option<String> {
    let is_framing = |coding: &&str| coding.trim().eq_ignore_ascii_case("aws-chunked");
    if !value.split(',').any(|coding| is_framing(&coding)) {
        return Some(value.to_owned());
    }
    let kept: Vec<&str> = value.split(',').filter(|coding| !is_framing(coding)).collect();
    Some(kept.join(",").trim().to_owned()).filter(|kept| !kept.is_empty())
}

fn redirect(headers: &HeaderMap) -> Result<Option<String>, S3Error> {
    let Some(location) = text(headers, "x-amz-website-redirect-location")? else { return Ok(None) };
    let begins = ["/", "http://", "https://"].iter().any(|start| location.starts_with(start));
    if !begins || location.len() > 2048 {
        return Err(S3Error::of(ErrorCode::InvalidRedirectLocation));
    }
    Ok(Some(location))
}

/// In the order given; a name given twice has its values joined, as AWS does.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Vec<(String, String)>, S3Error> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(METADATA_PREFIX) else { continue };
        let value = decode(name, value)?;
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => found.push((name.to_owned(), value)),
        }
    }
    let total: usize = found.iter().map(|(name, value)| name.len() + value.len()).sum();
    if total > METADATA_BYTES_MAX {
        let error = S3Error::of(ErrorCode::MetadataTooLarge).detail("Size", total.to_string());
        return Err(error.detail("MaxSizeAllowed", METADATA_BYTES_MAX.to_string()));
    }
    Ok(found)
}

pub(super) fn tags(headers: &HeaderMap) -> Result<Vec<(String, String)>, S3Error> {
    text(headers, "x-amz-tagging")?.map_or(Ok(Vec::new()), |value| tagging::parse_header(&value))
}

/// A header that may be given once. An empty one is none.
pub(super) fn text(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, S3Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid(name, "", format!("{name} was given twice")));
    }
    Ok(Some(decode(name, value)?).filter(|value| !value.is_empty()))
}

/// Header values are kept as text, so they must be UTF-8; control characters cannot have come through HTTP, but for the tab.
fn decode(name: &str, value: &HeaderValue) -> Result<String, S3Error> {
    let text = str::from_utf8(value.as_bytes()).ok().filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or_else(|| invalid(name, "", "A header's value must be text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn keeps_what_belongs_to_the_object() {
        let given = headers(&[
            ("content-type", "text/plain"),
            ("content-encoding", "aws-chunked, gzip"),
            ("x-amz-meta-b", "1"),
            ("x-amz-meta-a", "\u{e9}"),
            ("x-amz-meta-b", "2"),
            ("x-amz-tagging", "k=v"),
            ("x-amz-acl", "private"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-date", "x"),
        ]);
        let attributes = Attributes::of(&given).unwrap();
        assert_eq!(attributes.headers.content_encoding.as_deref(), Some("gzip"));
        assert_eq!(attributes.headers.content_type.as_deref(), Some("text/plain"));
        assert_eq!(attributes.metadata, [("b".to_owned(), "1,2".to_owned()), ("a".to_owned(), "\u{e9}".to_owned())]);
        assert_eq!(attributes.tags, [("k".to_owned(), "v".to_owned())]);
        assert!(refuse_unsupported(&given).is_ok());
        let framed = headers(&[("content-encoding", "aws-chunked")]);
        assert_eq!(Attributes::of(&framed).unwrap(), Attributes::default());
    }

    #[test]
    fn f29_a_storage_class_is_taken_by_its_name() {
        let class =
            |name: &str| content_headers(&headers(&[("x-amz-storage-class", name)])).map(|found| found.storage_class);
        for (name, class_of) in STORAGE_CLASSES {
            assert_eq!(class(name).unwrap(), class_of);
            assert_eq!(class_name(class_of), name);
        }
        for other in ["standard", "GLACIER", "STANDARD_IA", "x"] {
            assert_eq!(class(other).unwrap_err().code, ErrorCode::InvalidStorageClass, "{other}");
        }
        assert_eq!(content_headers(&HeaderMap::new()).unwrap().storage_class, StorageClass::Standard);
    }

    #[test]
    fn f17_content_encoding_is_kept_as_sent_but_for_aws_chunked() {
        let kept = |value: &str| content_headers(&headers(&[("content-encoding", value)])).unwrap().content_encoding;
        for as_sent in ["gzip,br", "gzip, br", "gzip", "x-aws-chunked"] {
            assert_eq!(kept(as_sent).as_deref(), Some(as_sent));
        }
        assert_eq!(kept("aws-chunked,gzip,br").as_deref(), Some("gzip,br"));
        assert_eq!(kept("gzip, br, AWS-Chunked").as_deref(), Some("gzip, br"));
        assert_eq!(kept("Aws-Chunked"), None);
        assert_eq!(kept("aws-chunked, aws-chunked"), None);
    }

    #[test]
    fn metadata_has_a_limit_to_the_byte() {
        let (fits, over) = ("v".repeat(2047), "v".repeat(2048));
        assert!(metadata(&headers(&[("x-amz-meta-k", &fits)])).is_ok());
        assert_eq!(metadata(&headers(&[("x-amz-meta-k", &over)])).unwrap_err().code, ErrorCode::MetadataTooLarge);
    }

    #[test]
    fn nothing_is_taken_that_is_not_done() {
        let cases = [
            ("x-amz-server-side-encryption", "AES256", ErrorCode::NotImplemented),
            ("x-amz-server-side-encryption-customer-key", "x", ErrorCode::NotImplemented),
            ("x-amz-object-lock-mode", "GOVERNANCE", ErrorCode::NotImplemented),
            ("x-amz-write-offset-bytes", "0", ErrorCode::NotImplemented),
            ("x-amz-storage-class", "GLACIER", ErrorCode::InvalidStorageClass),
        ];
        for (name, value, code) in cases {
            assert_eq!(refuse_unsupported(&headers(&[(name, value)])).unwrap_err().code, code, "{name}");
        }
        let twice = headers(&[("content-type", "a/b"), ("content-type", "c/d")]);
        assert_eq!(Attributes::of(&twice).unwrap_err().code, ErrorCode::InvalidArgument);
        let elsewhere = headers(&[("x-amz-website-redirect-location", "javascript:x")]);
        assert_eq!(Attributes::of(&elsewhere).unwrap_err().code, ErrorCode::InvalidRedirectLocation);
    }
}
