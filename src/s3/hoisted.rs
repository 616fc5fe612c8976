//! Headers that stand in the query: who presigns a URL moves them there, so that whoever uses the URL need not send them. Pure.
//!
//! Each `x-amz-*` parameter counts as the header of its name, in every operation and for every caller: it is taken as that header, or
//! refused as that header is. It is never dropped, because a signer who asked for a lock or a copy would not get one and would not hear of it.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::{ErrorCode, S3Error};
use super::request::Query;
use super::route::is_amz;

/// What belongs to the signature, and is no header.
const OF_THE_SIGNATURE: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// Adds the query's headers to those that were sent. To be called when the signature, which covers both as they came, is proved.
///
/// # Errors
/// `InvalidArgument`: a header stands in both places, or is none.
pub fn add(headers: &mut HeaderMap, query: &Query) -> Result<(), S3Error> {
    for (parameter, value) in &query.0 {
        let Some(name) = header_name(parameter) else { continue };
        let refused = |message: String| {
            let error = S3Error::new(ErrorCode::InvalidArgument, message).detail("ArgumentName", parameter.as_str());
            Err(error.detail("ArgumentValue", value.as_str()))
        };
        let (Ok(name), Ok(value)) = (HeaderName::try_from(&name), HeaderValue::from_bytes(value.as_bytes())) else {
            return refused(format!("The query parameter '{parameter}' cannot be the header that it stands for."));
        };
        if headers.contains_key(&name) {
            return refused(format!("'{name}' is given as a header and in the query."));
        }
        headers.insert(name, value);
    }
    Ok(())
}

/// The header that a parameter stands for.
fn header_name(parameter: &str) -> Option<String> {
    if !is_amz(parameter) {
        return None;
    }
    let name = parameter.to_ascii_lowercase();
    let is_header = !OF_THE_SIGNATURE.contains(&name.as_str()) && !is_unverified(&name);
    is_header.then_some(name)
}

/// Checksums in a query are not looked at, as with AWS: the JavaScript presigner always writes the one of an empty body there.
fn is_unverified(name: &str) -> bool {
    let value = name.strip_prefix("x-amz-checksum-").is_some_and(|rest| !matches!(rest, "algorithm" | "mode" | "type"));
    value || name == "x-amz-sdk-checksum-algorithm"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(sent: &[(&'static str, &'static str)], query: &[(&str, &str)]) -> Result<HeaderMap, ErrorCode> {
        let mut headers: HeaderMap =
            sent.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
        let query = Query(query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        add(&mut headers, &query).map(|()| headers).map_err(|error| error.code)
    }

    #[test]
    fn f01_every_amz_parameter_is_the_header_of_its_name() {
        let headers = added(
            &[("host", "h")],
            &[("x-amz-acl", "private"), ("X-Amz-Meta-A", "\u{e9}"), ("x-amz-copy-source", "/b/k%20x"), ("prefix", "x")],
        );
        let headers = headers.unwrap();
        assert_eq!(headers["x-amz-acl"], "private");
        assert_eq!(headers["x-amz-meta-a"].as_bytes(), "\u{e9}".as_bytes());
        assert_eq!(headers["x-amz-copy-source"], "/b/k%20x");
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn f01_the_signature_and_checksums_are_no_headers() {
        let query: Vec<(&str, &str)> = OF_THE_SIGNATURE.iter().map(|name| (*name, "x")).collect();
        assert!(added(&[], &query).unwrap().is_empty());
        let query =
            [("X-Amz-Signature", "x"), ("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "CRC32")];
        assert!(added(&[], &query).unwrap().is_empty());
        let asked =
            [("x-amz-checksum-algorithm", "SHA256"), ("x-amz-checksum-mode", "ENABLED"), ("x-amz-checksum-type", "x")];
        assert_eq!(added(&[], &asked).unwrap().len(), 3);
    }

    #[test]
    fn f01_what_stands_in_both_places_or_is_no_header_is_refused() {
        for value in ["private", "public-read"] {
            assert_eq!(
                added(&[("x-amz-acl", "private")], &[("x-amz-acl", value)]).unwrap_err(),
                ErrorCode::InvalidArgument
            );
        }
        for (name, value) in
            [("x-amz-meta-a", "b\r\nx-amz-acl: public-read"), ("x-amz-meta-\u{e9}", "x"), ("x-amz-meta-a b", "x")]
        {
            assert_eq!(added(&[], &[(name, value)]).unwrap_err(), ErrorCode::InvalidArgument, "{name}");
        }
    }
}
