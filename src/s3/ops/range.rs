//! Byte ranges: `Range` of a read, and `x-amz-copy-source-range` of a copied part.

use std::ops::Range;

use super::argument::{digits, invalid};
use crate::s3::error::S3Error;

/// What a `Range` header asks of a content of some size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// All of it: no range, or one that RFC 9110 has us ignore (malformed, another unit, several ranges).
    Whole,
    Part(Range<u64>),
    /// Nothing of the content lies in it.
    Unsatisfiable,
}

/// One range, end inclusive, as written: `first-last`, `first-`, or `-suffix`.
enum Spec {
    From { first: u64, last: Option<u64> },
    Suffix(u64),
}

pub(super) fn select(header: Option<&str>, size: u64) -> Selection {
    match header.and_then(parse) {
        None => Selection::Whole,
        Some(Spec::Suffix(0)) => Selection::Unsatisfiable,
        // The last bytes of nothing are all of it, as with AWS.
        Some(Spec::Suffix(_)) if size == 0 => Selection::Whole,
        Some(Spec::Suffix(length)) => Selection::Part(size.saturating_sub(length)..size),
        Some(Spec::From { first, .. }) if first >= size => Selection::Unsatisfiable,
        Some(Spec::From { first, last }) => {
            Selection::Part(first..last.map_or(size, |last| last.saturating_add(1).min(size)))
        }
    }
}

fn parse(header: &str) -> Option<Spec> {
    let (unit, spec) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = spec.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", suffix) => digits(suffix).map(Spec::Suffix),
        (first, "") => Some(Spec::From { first: digits(first)?, last: None }),
        (first, last) => {
            let (first, last) = (digits(first)?, digits(last)?);
            (first <= last).then_some(Spec::From { first, last: Some(last) })
        }
    }
}

/// `x-amz-copy-source-range`, which is strict: `bytes=first-last`, both given, inside the source.
pub(super) fn copy_range(header: &str, size: u64) -> Result<Range<u64>, S3Error> {
    let bounds = header.strip_prefix("bytes=").and_then(|spec| spec.split_once('-'));
    let bounds = bounds.and_then(|(first, last)| Some((digits(first)?, digits(last)?)));
    let (first, last) = bounds.filter(|(first, last)| first <= last).ok_or_else(|| {
        let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are \
                       the zero-based offsets of the first and last bytes to copy";
        invalid("x-amz-copy-source-range", header, message)
    })?;
    if last >= size {
        let message = format!("Range specified is not valid for source object of size: {size}");
        return Err(invalid("x-amz-copy-source-range", header, message));
    }
    Ok(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::error::ErrorCode;

    #[test]
    fn ranges_of_reads() {
        let cases = [
            ("bytes=0-4", 10, Selection::Part(0..5)),
            ("bytes=5-", 10, Selection::Part(5..10)),
            ("bytes=5-100", 10, Selection::Part(5..10)),
            ("bytes=-3", 10, Selection::Part(7..10)),
            ("bytes=-30", 10, Selection::Part(0..10)),
            ("BYTES = 1-1", 10, Selection::Part(1..2)),
            ("bytes=9-18446744073709551615", 10, Selection::Part(9..10)),
            ("bytes=10-", 10, Selection::Unsatisfiable),
            ("bytes=10-12", 10, Selection::Unsatisfiable),
            ("bytes=-0", 10, Selection::Unsatisfiable),
            ("bytes=0-", 0, Selection::Unsatisfiable),
            ("bytes=-0", 0, Selection::Unsatisfiable),
            ("bytes=4-2", 10, Selection::Whole),
            ("bytes=0-1,3-4", 10, Selection::Whole),
            ("bytes=", 10, Selection::Whole),
            ("bytes=-", 10, Selection::Whole),
            ("bytes=a-b", 10, Selection::Whole),
            ("bytes=+1-2", 10, Selection::Whole),
            ("bytes=99999999999999999999-", 10, Selection::Whole),
            ("items=0-1", 10, Selection::Whole),
            ("0-1", 10, Selection::Whole),
        ];
        for (header, size, expected) in cases {
            assert_eq!(select(Some(header), size), expected, "{header} of {size}");
        }
        assert_eq!(select(None, 10), Selection::Whole);
    }

    /// Measured on AWS.
    #[test]
    fn f06_the_last_bytes_of_an_empty_object_are_all_of_it() {
        for header in ["bytes=-1", "bytes=-5", "bytes=-18446744073709551615"] {
            assert_eq!(select(Some(header), 0), Selection::Whole, "{header}");
        }
    }

    /// Measured on AWS: versitygw#610.
    #[test]
    fn f07_a_copied_range_beyond_its_source_is_an_invalid_argument() {
        let error = copy_range("bytes=0-999", 12).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert_eq!(error.message, "Range specified is not valid for source object of size: 12");
        assert_eq!(copy_range("bytes=12-12", 12).unwrap_err().message, error.message);
    }

    #[test]
    fn ranges_of_copies_are_strict() {
        assert_eq!(copy_range("bytes=0-9", 10).unwrap(), 0..10);
        for bad in
            ["", "bytes=", "bytes=1-", "bytes=-1", "0-9", "bytes=4-2", "bytes=0-1,2-3", "bytes=0-99999999999999999999"]
        {
            assert_eq!(copy_range(bad, 10).unwrap_err().code, ErrorCode::InvalidArgument, "{bad}");
        }
        assert_eq!(copy_range("bytes=0-10", 10).unwrap_err().code, ErrorCode::InvalidArgument);
    }
}
