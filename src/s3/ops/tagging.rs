//! Tags as the `x-amz-tagging` header carries them: a query string.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::s3::error::{ErrorCode, S3Error};

const TAGS_MAX: usize = 10;
const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;

pub(super) fn parse_header(text: &str) -> Result<Vec<(String, String)>, S3Error> {
    let mut tags = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        tags.push((decode(key)?, decode(value)?));
    }
    check(&tags)?;
    Ok(tags)
}

/// S3's limits for an object's tags.
fn check(tags: &[(String, String)]) -> Result<(), S3Error> {
    if tags.len() > TAGS_MAX {
        return Err(S3Error::new(ErrorCode::BadRequest, "Object tags cannot be greater than 10"));
    }
    for (at, (key, value)) in tags.iter().enumerate() {
        let fits = (1..=KEY_CHARACTERS_MAX).contains(&key.chars().count()) && key.chars().all(is_allowed);
        if !fits || key.starts_with("aws:") {
            return Err(refused("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > VALUE_CHARACTERS_MAX || !value.chars().all(is_allowed) {
            return Err(refused("The TagValue you have provided is invalid"));
        }
        if tags[..at].iter().any(|(other, _)| other == key) {
            return Err(refused("Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(())
}

fn is_allowed(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character) || is_wide_space(character)
}

fn is_wide_space(character: char) -> bool {
    !character.is_ascii() && character.is_whitespace()
}

fn decode(text: &str) -> Result<String, S3Error> {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without \
                       tag name duplicates.";
        S3Error::new(ErrorCode::InvalidArgument, message)
    })
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
            ("a=1&a=2".to_owned(), ErrorCode::InvalidTag),
            ("=1".to_owned(), ErrorCode::InvalidTag),
            (format!("{}=1", "k".repeat(129)), ErrorCode::InvalidTag),
            (format!("k={}", "v".repeat(257)), ErrorCode::InvalidTag),
            ("aws:x=1".to_owned(), ErrorCode::InvalidTag),
            ("a=%00".to_owned(), ErrorCode::InvalidTag),
            ("a=%0d%0a".to_owned(), ErrorCode::InvalidTag),
            ("a=%ff".to_owned(), ErrorCode::InvalidArgument),
        ];
        for (text, code) in cases {
            assert_eq!(parse_header(&text).unwrap_err().code, code, "{text}");
        }
        let most = format!("{}={}", "k".repeat(128), "v".repeat(256));
        assert_eq!(parse_header(&most).unwrap().len(), 1);
    }
}
