//! Tags: S3's rules for them, and their two forms, the `x-amz-tagging` header (a query string) and the `Tagging` document.

use bytes::Bytes;

use super::argument::invalid;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::route::{Plus, decode};
use crate::s3::xml::{MalformedXml, XmlReader, XmlWriter, set_once};

/// The setting that holds a bucket's tags, as a `Tagging` document.
pub(super) const SETTING: &str = "tagging";
/// Fifty tags of the longest text, with room for markup.
pub(super) const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;
/// More `Tag` elements than this are not even looked at.
const ELEMENTS_MAX: usize = 1000;

type Tags = Vec<(String, String)>;

/// What the tags are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Object,
    Bucket,
}

impl Holder {
    const fn most(self) -> usize {
        match self {
            Holder::Object => 10,
            Holder::Bucket => 50,
        }
    }

    fn too_many(self) -> S3Error {
        let message = match self {
            Holder::Object => "Object tags cannot be greater than 10",
            Holder::Bucket => "Bucket tag count cannot be greater than 50",
        };
        S3Error::new(ErrorCode::BadRequest, message)
    }

    fn system_tag(self) -> S3Error {
        refused(match self {
            Holder::Object => "Your TagKey cannot be prefixed with aws:",
            Holder::Bucket => "System tags cannot be added/updated by requester",
        })
    }
}

/// What is no query string of tags, each named once, is an invalid argument; a tag that breaks S3's rules is an invalid tag. A lone `=`, as `=v`, is
/// the first, as with AWS.
pub(in crate::s3) fn parse_header(text: &str) -> Result<Tags, S3Error> {
    let mut tags: Tags = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = |text| decode(text, Plus::IsSpace).map_err(|_| not_encoded(text));
        let (key, value) = (decoded(key)?, decoded(value)?);
        if key.is_empty() || tags.iter().any(|(known, _)| *known == key) {
            return Err(not_encoded(text));
        }
        tags.push((key, value));
    }
    checked(tags, Holder::Object)
}

fn not_encoded(text: &str) -> S3Error {
    let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name \
                   duplicates.";
    invalid("x-amz-tagging", text, message)
}

pub(super) fn parse_document(document: &[u8], holder: Holder) -> Result<Tags, S3Error> {
    let mut xml = XmlReader::open(document, "Tagging")?;
    let mut set = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "TagSet" => set_once(&mut set, parse_set(&mut xml)?)?,
            _ => return Err(MalformedXml.into()),
        }
    }
    xml.finish()?;
    checked(set.ok_or(MalformedXml)?, holder)
}

fn parse_set(xml: &mut XmlReader<'_>) -> Result<Tags, MalformedXml> {
    let mut tags = Vec::new();
    while let Some(name) = xml.child()? {
        if name != "Tag" || tags.len() == ELEMENTS_MAX {
            return Err(MalformedXml);
        }
        let (mut key, mut value) = (None, None);
        while let Some(name) = xml.child()? {
            match name.as_str() {
                "Key" => set_once(&mut key, xml.text()?)?,
                "Value" => set_once(&mut value, xml.text()?)?,
                _ => return Err(MalformedXml),
            }
        }
        tags.push((key.ok_or(MalformedXml)?, value.ok_or(MalformedXml)?));
    }
    Ok(tags)
}

pub(super) fn document(tags: &[(String, String)]) -> Bytes {
    let mut xml = XmlWriter::document("Tagging");
    xml.open("TagSet");
    for (key, value) in tags {
        xml.open("Tag");
        xml.text("Key", key);
        xml.text("Value", value);
        xml.close();
    }
    xml.finish()
}

/// Tags that obey S3's rules, in order of their keys. Each tag is looked at before they are counted, as on AWS.
fn checked(mut tags: Tags, holder: Holder) -> Result<Tags, S3Error> {
    for (key, value) in &tags {
        if !(1..=KEY_CHARACTERS_MAX).contains(&key.chars().count()) || !key.chars().all(is_allowed) {
            return Err(refused("The TagKey you have provided is invalid"));
        }
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(holder.system_tag());
        }
        if value.chars().count() > VALUE_CHARACTERS_MAX || !value.chars().all(is_allowed) {
            return Err(refused("The TagValue you have provided is invalid"));
        }
    }
    tags.sort();
    if tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(refused("Cannot provide multiple Tags with the same key"));
    }
    if tags.len() > holder.most() {
        return Err(holder.too_many());
    }
    Ok(tags)
}

fn is_allowed(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character) || is_wide_space(character)
}

fn is_wide_space(character: char) -> bool {
    !character.is_ascii() && character.is_whitespace()
}

fn refused(message: &str) -> S3Error {
    S3Error::new(ErrorCode::InvalidTag, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_pairs() {
        let expected = vec![("a".to_owned(), "1 2".to_owned()), ("b c".to_owned(), String::new())];
        assert_eq!(parse_header("a=1+2&b%20c=").unwrap(), expected);
        assert_eq!(parse_header("").unwrap(), vec![]);
    }

    #[test]
    fn holds_the_limits() {
        let many = (0..11).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&");
        let cases = [
            (many, ErrorCode::BadRequest),
            (format!("{}=1", "k".repeat(129)), ErrorCode::InvalidTag),
            (format!("k={}", "v".repeat(257)), ErrorCode::InvalidTag),
            ("aws:x=1".to_owned(), ErrorCode::InvalidTag),
            ("a=%00".to_owned(), ErrorCode::InvalidTag),
            ("a=%0d%0a".to_owned(), ErrorCode::InvalidTag),
        ];
        for (text, code) in cases {
            assert_eq!(parse_header(&text).unwrap_err().code, code, "{text}");
        }
        let most = format!("{}={}", "k".repeat(128), "v".repeat(256));
        assert_eq!(parse_header(&most).unwrap().len(), 1);
    }

    /// Measured on AWS: versitygw#1215. Names without a value, and empty pairs, are taken: versitygw#1216.
    #[test]
    fn f08_a_tagging_header_that_is_no_query_of_distinct_names_is_an_invalid_argument() {
        for text in ["=", "=v", "a=1&=", "a=1&a=2", "a&a", "a=%zz", "a=%", "%f=1", "a=%ff"] {
            let error = parse_header(text).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidArgument, "{text}");
            assert!(error.message.starts_with("The header 'x-amz-tagging' shall be encoded as UTF-8"), "{text}");
        }
        for text in ["key", "key=", "&", "&&", "a&b", "a=1&b"] {
            assert!(parse_header(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn documents_are_read_and_written_alike() {
        let tags = vec![("a".to_owned(), "<1>".to_owned()), ("b".to_owned(), String::new())];
        let plain = |text: &str| text.replace("<1>", "=1=");
        let kept: Vec<_> = tags.iter().map(|(key, value)| (key.clone(), plain(value))).collect();
        assert_eq!(parse_document(&document(&kept), Holder::Object).unwrap(), kept);
        assert_eq!(parse_document(&document(&tags), Holder::Bucket).unwrap_err().code, ErrorCode::InvalidTag);
        let unordered = b"<Tagging><TagSet><Tag><Key>b</Key><Value/></Tag><Tag><Value>=1=</Value><Key>a</Key></Tag></TagSet></Tagging>";
        assert_eq!(parse_document(unordered, Holder::Object).unwrap(), kept);
        assert_eq!(parse_document(b"<Tagging><TagSet/></Tagging>", Holder::Object).unwrap(), vec![]);
        for bad in [
            "",
            "<TagSet/><TagSet/>",
            "<Other/>",
            "<TagSet><Other/></TagSet>",
            "<TagSet><Tag><Key>a</Key></Tag></TagSet>",
            "<TagSet><Tag><Value>a</Value></Tag></TagSet>",
            "<TagSet><Tag><Key>a</Key><Key>b</Key><Value/></Tag></TagSet>",
        ] {
            let document = format!("<Tagging>{bad}</Tagging>");
            assert_eq!(
                parse_document(document.as_bytes(), Holder::Bucket).unwrap_err().code,
                ErrorCode::MalformedXML,
                "{bad}"
            );
        }
    }

    #[test]
    fn an_object_has_ten_tags_and_a_bucket_fifty() {
        let many = |count: usize| document(&(0..count).map(|n| (format!("k{n}"), "v".to_owned())).collect::<Vec<_>>());
        for (holder, most) in [(Holder::Object, 10), (Holder::Bucket, 50)] {
            assert_eq!(parse_document(&many(most), holder).unwrap().len(), most);
            assert_eq!(parse_document(&many(most + 1), holder).unwrap_err().code, ErrorCode::BadRequest);
        }
    }
}
