//! Conditions of reads, of copy sources, and of writes.

use http::HeaderMap;
use tandem_storage::change::Precondition;
use tandem_storage::types::Timestamp;

use super::time::parse_date;
use crate::s3::error::{ErrorCode, S3Error};

/// `*`, or ETags without their quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<String>),
}

impl Tags {
    fn parse(text: &str) -> Tags {
        match text.trim() {
            "*" => Tags::Any,
            list => Tags::These(list.split(',').map(bare_etag).collect()),
        }
    }

    fn hold(&self, etag: &str) -> bool {
        match self {
            Tags::Any => true,
            Tags::These(tags) => tags.iter().any(|tag| tag == etag || tag == "*"),
        }
    }
}

/// An ETag as clients write it, without quotes and without the mark of a weak one.
pub(super) fn bare_etag(text: &str) -> String {
    let text = text.trim();
    let text = text.strip_prefix("W/").unwrap_or(text);
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// The four conditions that RFC 9110 gives a read, under their own names or those of a copy source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadConditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
}

/// The condition that did not hold, and so what a read answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    /// 304
    NotModified(&'static str),
    /// 412
    Failed(&'static str),
}

impl Unmet {
    /// The error of an operation that has no 304: a copy.
    pub(super) fn into_failure(self) -> S3Error {
        let (Unmet::NotModified(name) | Unmet::Failed(name)) = self;
        S3Error::of(ErrorCode::PreconditionFailed).detail("Condition", name)
    }
}

impl ReadConditions {
    pub(super) fn of_read(headers: &HeaderMap) -> Self {
        Self::parse(headers, ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"])
    }

    pub(super) fn of_copy_source(headers: &HeaderMap) -> Self {
        Self::parse(
            headers,
            [
                "x-amz-copy-source-if-match",
                "x-amz-copy-source-if-none-match",
                "x-amz-copy-source-if-modified-since",
                "x-amz-copy-source-if-unmodified-since",
            ],
        )
    }

    fn parse(headers: &HeaderMap, names: [&str; 4]) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let [matching, none_matching, modified, unmodified] = names;
        ReadConditions {
            if_match: text(matching).map(Tags::parse),
            if_none_match: text(none_matching).map(Tags::parse),
            if_modified_since: text(modified).and_then(parse_date),
            if_unmodified_since: text(unmodified).and_then(parse_date),
        }
    }

    /// RFC 9110's precedence, which is AWS's: an ETag condition overrules the date condition of its kind.
    pub(super) fn check(&self, etag: &str, modified: Timestamp) -> Result<(), Unmet> {
        let modified = modified.as_secs();
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.hold(etag) => return Err(Unmet::Failed("If-Match")),
            (None, Some(date)) if modified > date.as_secs() => return Err(Unmet::Failed("If-Unmodified-Since")),
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if tags.hold(etag) => Err(Unmet::NotModified("If-None-Match")),
            (None, Some(date)) if modified <= date.as_secs() => Err(Unmet::NotModified("If-Modified-Since")),
            _ => Ok(()),
        }
    }
}

/// Whether a `Range` counts: an `If-Range`, if there is one, must name this very content, by its ETag or by its date. Else all of it is sent, so that
/// a download which is resumed does not mix two versions. A date tells versions apart that are a second apart, no better.
pub(super) fn range_counts(headers: &HeaderMap, etag: &str, modified: Timestamp) -> bool {
    let Some(value) = headers.get("if-range") else { return true };
    let text = value.to_str().unwrap_or_default().trim();
    match parse_date(text) {
        Some(date) => date.as_secs() == modified.as_secs(),
        None => !text.starts_with("W/") && bare_etag(text) == etag,
    }
}

/// The condition of a PUT, a copy or a Complete. AWS knows `If-None-Match: *` only; a list of ETags is taken here too. Dates mean nothing to a
/// write, and to ignore a condition would lose data: they are refused.
pub(super) fn of_write(headers: &HeaderMap) -> Result<Precondition, S3Error> {
    if headers.contains_key("if-modified-since") || headers.contains_key("if-unmodified-since") {
        return Err(not_implemented("A date condition on a write is not implemented"));
    }
    match (one(headers, "if-match")?, one(headers, "if-none-match")?) {
        (None, None) => Ok(Precondition::None),
        (Some(Tags::Any), None) => Ok(Precondition::IfExists),
        (Some(Tags::These(tags)), None) => Ok(Precondition::IfMatch(tags)),
        (None, Some(Tags::Any)) => Ok(Precondition::IfAbsent),
        (None, Some(Tags::These(tags))) => Ok(Precondition::IfNoneMatch(tags)),
        (Some(_), Some(_)) => Err(not_implemented("If-Match together with If-None-Match is not implemented")),
    }
}

/// The error of a conditional write or delete: a condition that did not hold is named, as a read names it.
pub(super) fn named(error: S3Error, asked: &Precondition) -> S3Error {
    let name = match asked {
        Precondition::None => return error,
        Precondition::IfMatch(_) | Precondition::IfExists => "If-Match",
        Precondition::IfNoneMatch(_) | Precondition::IfAbsent => "If-None-Match",
    };
    match error.code {
        ErrorCode::PreconditionFailed => error.detail("Condition", name),
        _ => error,
    }
}

/// The condition of a delete: `If-Match` only.
pub(super) fn of_delete(headers: &HeaderMap) -> Result<Precondition, S3Error> {
    let others = ["if-none-match", "if-unmodified-since", "x-amz-if-match-last-modified-time", "x-amz-if-match-size"];
    if let Some(name) = others.into_iter().find(|name| headers.contains_key(*name)) {
        return Err(not_implemented(&format!("{name} on a delete is not implemented")));
    }
    Ok(one(headers, "if-match")?.map_or(Precondition::None, |tags| match tags {
        Tags::Any => Precondition::IfExists,
        Tags::These(tags) => Precondition::IfMatch(tags),
    }))
}

/// A write's condition is never skipped for being unreadable or doubled.
fn one(headers: &HeaderMap, name: &'static str) -> Result<Option<Tags>, S3Error> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    match (first.map(|value| value.to_str()), second) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) if !text.trim().is_empty() => Ok(Some(Tags::parse(text))),
        _ => Err(S3Error::new(ErrorCode::InvalidArgument, format!("{name} is not valid"))),
    }
}

fn not_implemented(message: &str) -> S3Error {
    S3Error::new(ErrorCode::NotImplemented, message)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const MODIFIED: Timestamp = Timestamp::from_micros(784_887_151_500_000);
    const BEFORE: &str = "Tue, 15 Nov 1994 08:12:30 GMT";
    const SAME: &str = "Tue, 15 Nov 1994 08:12:31 GMT";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn read(pairs: &[(&'static str, &'static str)]) -> Result<(), Unmet> {
        ReadConditions::of_read(&headers(pairs)).check("e1", MODIFIED)
    }

    #[test]
    fn read_conditions_follow_the_precedence() {
        let failed = |name| Err(Unmet::Failed(name));
        let unchanged = |name| Err(Unmet::NotModified(name));
        let cases: &[(&[(&'static str, &'static str)], Result<(), Unmet>)] = &[
            (&[], Ok(())),
            (&[("if-match", "\"e1\"")], Ok(())),
            (&[("if-match", "e1")], Ok(())),
            (&[("if-match", "*")], Ok(())),
            (&[("if-match", "\"x\", \"e1\"")], Ok(())),
            (&[("if-match", "\"x\"")], failed("If-Match")),
            (&[("if-none-match", "W/\"e1\"")], unchanged("If-None-Match")),
            (&[("if-none-match", "*")], unchanged("If-None-Match")),
            (&[("if-none-match", "\"x\"")], Ok(())),
            (&[("if-modified-since", BEFORE)], Ok(())),
            (&[("if-modified-since", SAME)], unchanged("If-Modified-Since")),
            (&[("if-unmodified-since", BEFORE)], failed("If-Unmodified-Since")),
            (&[("if-unmodified-since", SAME)], Ok(())),
            (&[("if-modified-since", "garbage")], Ok(())),
            // An ETag condition overrules the date of its kind.
            (&[("if-match", "e1"), ("if-unmodified-since", BEFORE)], Ok(())),
            (&[("if-none-match", "x"), ("if-modified-since", SAME)], Ok(())),
            (&[("if-none-match", "e1"), ("if-modified-since", BEFORE)], unchanged("If-None-Match")),
            (&[("if-match", "x"), ("if-none-match", "e1")], failed("If-Match")),
        ];
        for (pairs, expected) in cases {
            assert_eq!(&read(pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_range_counts_for_the_content_that_it_was_meant_for() {
        let counts = |value: &'static str| range_counts(&headers(&[("if-range", value)]), "e1", MODIFIED);
        assert!(range_counts(&HeaderMap::new(), "e1", MODIFIED));
        for same in ["\"e1\"", " e1 ", SAME] {
            assert!(counts(same), "{same}");
        }
        for other in ["\"e2\"", "W/\"e1\"", BEFORE, "", "*"] {
            assert!(!counts(other), "{other}");
        }
    }

    /// s3fs tells by it that another client has made the file.
    #[test]
    fn f04_a_failed_condition_of_a_write_is_named() {
        let condition = |asked: Precondition| named(S3Error::of(ErrorCode::PreconditionFailed), &asked).details;
        let named_as = |name: &str| vec![("Condition", name.to_owned())];
        for asked in [Precondition::IfAbsent, Precondition::IfNoneMatch(vec!["e".into()])] {
            assert_eq!(condition(asked), named_as("If-None-Match"));
        }
        for asked in [Precondition::IfExists, Precondition::IfMatch(vec!["e".into()])] {
            assert_eq!(condition(asked), named_as("If-Match"));
        }
        assert_eq!(condition(Precondition::None), []);
        assert_eq!(named(S3Error::of(ErrorCode::NoSuchKey), &Precondition::IfExists).details, []);
    }

    #[test]
    fn write_conditions_are_taken_or_refused_and_never_skipped() {
        let write = |pairs: &[(&'static str, &'static str)]| of_write(&headers(pairs));
        assert_eq!(write(&[]).unwrap(), Precondition::None);
        assert_eq!(write(&[("if-match", "\"a\"")]).unwrap(), Precondition::IfMatch(vec!["a".into()]));
        assert_eq!(write(&[("if-none-match", "*")]).unwrap(), Precondition::IfAbsent);
        assert_eq!(write(&[("if-match", "*")]).unwrap(), Precondition::IfExists);
        assert!(write(&[("if-match", "a"), ("if-none-match", "*")]).is_err());
        assert!(write(&[("if-unmodified-since", SAME)]).is_err());
        let doubled: HeaderMap = ["\"a\"", "\"b\""]
            .into_iter()
            .map(|value| (http::header::IF_MATCH, HeaderValue::from_static(value)))
            .collect::<Vec<_>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        assert!(of_write(&doubled).is_err());
        assert!(of_delete(&headers(&[("x-amz-if-match-size", "3")])).is_err());
        assert_eq!(of_delete(&headers(&[("if-match", "*")])).unwrap(), Precondition::IfExists);
    }
}
