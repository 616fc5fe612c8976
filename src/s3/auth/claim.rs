//! What a request claims about who signed it, out of the Authorization header or the query. Pure.

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};
use tandem_storage::types::Timestamp;

use super::scope::{Credential, Face, Mechanism, format_iso, format_timestamp, parse_http_date, parse_timestamp};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Query;
use crate::s3::service::Settings;

/// How far a signature's time may be from the node's.
const SKEW_SECONDS: i64 = 15 * 60;
/// The longest life of a presigned URL: a week.
const EXPIRES_MAX: i64 = 604_800;

/// A claim that is well-formed, of this node and of this time. It is not proved yet.
#[derive(Debug)]
pub struct Claim<'a> {
    pub mechanism: Mechanism,
    pub credential: Credential<'a>,
    pub signed_headers: &'a str,
    pub signature: &'a str,
    /// `20130524T000000Z`
    pub timestamp: String,
    /// The last line of the canonical request.
    pub payload: &'a str,
}

/// The claim of a request; none: it is anonymous.
///
/// # Errors
/// Whatever is wrong with the claim, short of a false signature.
pub fn claim<'a>(
    headers: &'a HeaderMap,
    query: &'a Query,
    face: Face,
    settings: &Settings,
    now: Timestamp,
) -> Result<Option<Claim<'a>>, S3Error> {
    refuse_duplicates(headers)?;
    let by_query = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"].iter().any(|name| query.has(name));
    let by_old_query = query.has("AWSAccessKeyId") || query.has("Signature");
    match (headers.get(AUTHORIZATION), by_query) {
        (Some(_), _) if by_query || by_old_query => Err(argument(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
        )),
        (Some(value), _) => {
            let value = value.to_str().map_err(|_| unsupported_type())?;
            by_header(value, headers, face, settings, now).map(Some)
        }
        (None, true) => by_presigned(headers, query, settings, now).map(Some),
        (None, false) if by_old_query => Err(unsupported_mechanism()),
        (None, false) => Ok(None),
    }
}

/// Headers that decide who asks for what come once. Metadata may repeat; its values are joined.
fn refuse_duplicates(headers: &HeaderMap) -> Result<(), S3Error> {
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    for name in headers.keys() {
        let text = name.as_str();
        let decisive = matches!(
            text,
            "authorization"
                | "host"
                | "date"
                | "content-md5"
                | "content-type"
                | "content-length"
                | "transfer-encoding"
                | "range"
        ) || (text.starts_with("x-amz-") && !text.starts_with("x-amz-meta-"));
        if decisive && headers.get_all(name).iter().nth(1).is_some() {
            return Err(argument(&format!("The header '{text}' is given more than once.")).closing());
        }
    }
    Ok(())
}

fn by_header<'a>(
    value: &'a str,
    headers: &'a HeaderMap,
    face: Face,
    settings: &Settings,
    now: Timestamp,
) -> Result<Claim<'a>, S3Error> {
    let mechanism = Mechanism::Header;
    let (algorithm, components) = value.trim().split_once(' ').unwrap_or((value, ""));
    match algorithm {
        "AWS4-HMAC-SHA256" => {}
        "AWS" => return Err(unsupported_mechanism()),
        _ => return Err(unsupported_type()),
    }
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for component in components.split(',').map(str::trim) {
        let (name, value) = component
            .split_once('=')
            .ok_or_else(|| mechanism.malformed("a component of the Authorization header is not NAME=VALUE"))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(mechanism.malformed("the Authorization header has an unknown component")),
        };
        if slot.replace(value).is_some() {
            return Err(mechanism.malformed("the Authorization header has a component twice"));
        }
    }
    let missing = |name| move || mechanism.malformed(format!("the authorization header requires {name}"));
    let credential = credential.ok_or_else(missing("Credential"))?;
    let signed_headers = signed_headers.filter(|names| !names.is_empty()).ok_or_else(missing("SignedHeaders"))?;
    let signature = signature.ok_or_else(missing("Signature"))?;
    let (at, timestamp) = header_time(headers)?;
    let credential = Credential::parse(credential, mechanism, face, settings)?;
    let payload = match headers.get("x-amz-content-sha256") {
        Some(payload) => payload.to_str().map_err(|_| argument("x-amz-content-sha256 is not text"))?,
        // Of other services the signature covers the body's hash, whether or not a header says it.
        None if face == Face::Query => "",
        None => {
            let message = "Missing required header for this request: x-amz-content-sha256";
            return Err(S3Error::new(ErrorCode::InvalidRequest, message));
        }
    };
    if timestamp.get(..8) != Some(credential.date) {
        return Err(mechanism.malformed(format!(
            "Invalid credential date {:?}. This date is not the same as X-Amz-Date: {:?}.",
            credential.date,
            &timestamp[..8]
        )));
    }
    if (now.as_secs() - at.as_secs()).abs() > SKEW_SECONDS {
        return Err(S3Error::of(ErrorCode::RequestTimeTooSkewed)
            .detail("RequestTime", timestamp)
            .detail("ServerTime", format_iso(now))
            .detail("MaxAllowedSkewMilliseconds", (SKEW_SECONDS * 1000).to_string()));
    }
    Ok(Claim { mechanism, credential, signed_headers, signature, timestamp, payload })
}

/// `x-amz-date`, or else `Date`.
fn header_time(headers: &HeaderMap) -> Result<(Timestamp, String), S3Error> {
    let missing =
        || S3Error::new(ErrorCode::AccessDenied, "AWS authentication requires a valid Date or x-amz-date header");
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let at = match text("x-amz-date") {
        Some(date) => parse_timestamp(date),
        None => text(DATE.as_str()).and_then(|date| parse_timestamp(date).or_else(|| parse_http_date(date))),
    };
    at.map(|at| (at, format_timestamp(at))).ok_or_else(missing)
}

fn by_presigned<'a>(
    headers: &'a HeaderMap,
    query: &'a Query,
    settings: &Settings,
    now: Timestamp,
) -> Result<Claim<'a>, S3Error> {
    let mechanism = Mechanism::Query;
    let required = |name: &str| {
        query.get(name).ok_or_else(|| {
            mechanism.malformed(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            )
        })
    };
    let algorithm = required("X-Amz-Algorithm")?;
    let (credential, signature) = (required("X-Amz-Credential")?, required("X-Amz-Signature")?);
    let (date, expires) = (required("X-Amz-Date")?, required("X-Amz-Expires")?);
    let signed_headers = required("X-Amz-SignedHeaders")?;
    if algorithm != "AWS4-HMAC-SHA256" {
        return Err(mechanism.malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
    }
    let credential = Credential::parse(credential, mechanism, Face::S3, settings)?;
    let at = parse_timestamp(date)
        .ok_or_else(|| mechanism.malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
    if date[..8] != *credential.date {
        return Err(mechanism.malformed(format!(
            "Invalid credential date {:?}. This date is not the same as X-Amz-Date: {:?}.",
            credential.date,
            &date[..8]
        )));
    }
    check_life(at, lifetime(expires)?, now)?;
    let payload = match headers.get("x-amz-content-sha256") {
        Some(value) => value.to_str().map_err(|_| argument("x-amz-content-sha256 is not text"))?,
        None => query.header("x-amz-content-sha256").unwrap_or("UNSIGNED-PAYLOAD"),
    };
    Ok(Claim { mechanism, credential, signed_headers, signature, timestamp: date.to_owned(), payload })
}

fn lifetime(expires: &str) -> Result<i64, S3Error> {
    let malformed = |message: &str| Mechanism::Query.malformed(message);
    let seconds: i64 = expires.parse().map_err(|_| malformed("X-Amz-Expires should be a number"))?;
    match seconds {
        ..=-1 => Err(malformed("X-Amz-Expires must be non-negative")),
        0..=EXPIRES_MAX => Ok(seconds),
        _ => Err(malformed(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        )),
    }
}

fn check_life(at: Timestamp, seconds: i64, now: Timestamp) -> Result<(), S3Error> {
    let denied = |message: &str| {
        S3Error::new(ErrorCode::AccessDenied, message)
            .detail("X-Amz-Expires", seconds.to_string())
            .detail("ServerTime", format_iso(now))
    };
    let end = at.plus_micros(seconds * 1_000_000);
    // A URL that lives for no time at all has expired in the second in which it was made, as with AWS.
    if now.as_secs() > end.as_secs() || seconds == 0 {
        Err(denied("Request has expired").detail("Expires", format_iso(end)))
    } else if at.as_secs() - now.as_secs() > SKEW_SECONDS {
        Err(denied("Request is not valid yet"))
    } else {
        Ok(())
    }
}

fn argument(message: &str) -> S3Error {
    S3Error::new(ErrorCode::InvalidArgument, message)
}

fn unsupported_type() -> S3Error {
    argument("Unsupported Authorization Type").detail("ArgumentName", "Authorization")
}

fn unsupported_mechanism() -> S3Error {
    S3Error::new(
        ErrorCode::InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}
