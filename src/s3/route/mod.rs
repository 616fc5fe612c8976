//! Method, path and query to an operation. Pure. What it does not know never falls through to reading or writing an object.

mod percent;
mod table;
#[cfg(test)]
mod tests;

use http::Method;

pub use percent::{Plus, decode, encode_into, unreserved};
use table::Row;
pub use table::{Level, ROWS, Verb};

use super::error::{ErrorCode, S3Error};
use super::operation::Operation;
use super::request::Query;

/// What the client sent, as the server's connection has it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub method: &'a Method,
    /// The path as sent.
    pub path: &'a str,
    /// The query string as sent.
    pub query: Option<&'a str>,
    /// The Host header without its port.
    pub host: &'a str,
    /// `x-amz-copy-source` is there.
    pub copies: bool,
}

/// A request's place, decoded exactly once; signature, policy and storage use these same values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    pub operation: Operation,
    /// The decoded path, as the signature covers it.
    pub path: String,
    /// Not yet checked against the naming rules.
    pub bucket: Option<String>,
    pub key: Option<String>,
    pub query: Query,
}

/// # Errors
/// `InvalidURI`, `InvalidArgument`, `MethodNotAllowed`, `NotImplemented`.
pub fn route(target: Target<'_>, domains: &[String]) -> Result<Routed, S3Error> {
    let verb = verb(target.method)?;
    let path = decode(target.path, Plus::IsItself).map_err(|_| S3Error::of(ErrorCode::InvalidURI))?;
    if !path.starts_with('/') {
        return Err(ErrorCode::InvalidURI.into());
    }
    let query = parse_query(target.query.unwrap_or_default())?;
    let (bucket, key) = match virtual_bucket(target.host, domains) {
        // Names of hosts have no case, and a bucket's is lower.
        Some(bucket) => (Some(bucket.to_ascii_lowercase()), non_empty(&path[1..])),
        None => split(&path),
    };
    let level = match (&bucket, &key) {
        (None, _) => Level::Service,
        (Some(_), None) => Level::Bucket,
        (Some(_), Some(_)) => Level::Object,
    };
    let row = select(level, verb, &query)?;
    check_parameters(row, &query)?;
    Ok(Routed { operation: with_copy_source(row.operation, target.copies), path, bucket, key, query })
}

fn verb(method: &Method) -> Result<Verb, S3Error> {
    match *method {
        Method::GET => Ok(Verb::Get),
        Method::HEAD => Ok(Verb::Head),
        Method::PUT => Ok(Verb::Put),
        Method::POST => Ok(Verb::Post),
        Method::DELETE => Ok(Verb::Delete),
        Method::OPTIONS => {
            Err(S3Error::new(ErrorCode::AccessForbidden, "CORSResponse: CORS is not enabled for this bucket."))
        }
        _ => Err(not_allowed(Verb::ALL.into_iter())),
    }
}

/// RFC 9110 has such an answer name what is allowed.
fn not_allowed(verbs: impl Iterator<Item = Verb>) -> S3Error {
    let mut names: Vec<&str> = verbs.map(Verb::name).collect();
    names.dedup();
    S3Error::of(ErrorCode::MethodNotAllowed).header("allow", names.join(", "))
}

/// The bucket of virtual-host style: the labels before one of the node's domains, the longest that fits. A domain itself, also one below another,
/// names no bucket.
pub(in crate::s3) fn virtual_bucket<'a>(host: &'a str, domains: &[String]) -> Option<&'a str> {
    if domains.iter().any(|domain| domain.eq_ignore_ascii_case(host)) {
        return None;
    }
    let buckets = domains.iter().filter_map(|domain| {
        let labels = host.len().checked_sub(domain.len())?;
        let (bucket, tail) = host.split_at_checked(labels)?;
        let bucket = bucket.strip_suffix('.')?;
        (tail.eq_ignore_ascii_case(domain) && !bucket.is_empty()).then_some(bucket)
    });
    buckets.min_by_key(|bucket| bucket.len())
}

fn split(path: &str) -> (Option<String>, Option<String>) {
    let path = &path[1..];
    if path.is_empty() {
        return (None, None);
    }
    match path.split_once('/') {
        None => (Some(path.to_owned()), None),
        Some((bucket, key)) => (Some(bucket.to_owned()), non_empty(key)),
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The decoded parameters. A name that comes twice is refused: nobody may guess which one counts.
fn parse_query(query: &str) -> Result<Query, S3Error> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let decoded = |text| decode(text, Plus::IsSpace).map_err(|_| S3Error::of(ErrorCode::InvalidURI));
        let (name, value) = (decoded(name)?, decoded(value)?);
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(argument(format!("The query parameter '{name}' is given more than once."), &name, &value));
        }
        if name.starts_with("response-") && value.chars().any(char::is_control) {
            return Err(argument(format!("The value of '{name}' has control characters."), &name, ""));
        }
        pairs.push((name, value));
    }
    Ok(Query(pairs))
}

/// Parameters that clients may add to any request: signatures, `x-id` and what they like to find in their logs. Those of
/// version 2 signatures too, so that it is authentication that refuses them, by name.
fn ignored(name: &str) -> bool {
    matches!(name, "AWSAccessKeyId" | "Signature" | "Expires")
        || name.as_bytes().get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"x-"))
}

fn is_subresource(name: &str) -> bool {
    ROWS.iter().any(|row| row.subresource == name)
}

fn select(level: Level, verb: Verb, query: &Query) -> Result<&'static Row, S3Error> {
    let mut subresource = "";
    for (name, value) in query.0.iter().filter(|(name, _)| !ignored(name)) {
        if !is_subresource(name) {
            continue;
        }
        if !subresource.is_empty() {
            return Err(argument("Conflicting query string parameters".to_owned(), name, value));
        }
        check_value(name, value)?;
        subresource = name;
    }
    let rows = || ROWS.iter().filter(|row| row.level == level && row.subresource == subresource);
    if rows().next().is_none() {
        return Err(ErrorCode::NotImplemented.into());
    }
    let mut verbs = rows().filter(|row| row.verb == verb).peekable();
    let missing = verbs.peek().ok_or_else(|| not_allowed(rows().map(|row| row.verb)))?.needs;
    verbs
        .find(|row| row.needs.is_empty() || query.has(row.needs))
        .ok_or_else(|| argument(format!("This operation needs the query parameter '{missing}'."), missing, ""))
}

/// A subresource is only a name, except for those that carry an argument.
fn check_value(name: &str, value: &str) -> Result<(), S3Error> {
    let good = match name {
        "uploadId" => !value.is_empty(),
        "list-type" => value == "2",
        _ => value.is_empty(),
    };
    if good { Ok(()) } else { Err(argument(format!("The value of '{name}' is not valid."), name, value)) }
}

fn check_parameters(row: &Row, query: &Query) -> Result<(), S3Error> {
    for (name, value) in &query.0 {
        let taken = name == row.subresource || name == row.needs || row.takes.contains(&name.as_str());
        if taken || ignored(name) {
            continue;
        }
        let known = ROWS.iter().any(|row| row.needs == name || row.takes.contains(&name.as_str()));
        return Err(match known {
            true => {
                argument(format!("{} does not take the query parameter '{name}'.", row.operation.name()), name, value)
            }
            false => {
                S3Error::new(ErrorCode::NotImplemented, format!("The query parameter '{name}' is not implemented."))
                    .detail("ResourceType", name.as_str())
            }
        });
    }
    Ok(())
}

fn with_copy_source(operation: Operation, copies: bool) -> Operation {
    match operation {
        Operation::PutObject if copies => Operation::CopyObject,
        Operation::UploadPart if copies => Operation::UploadPartCopy,
        other => other,
    }
}

fn argument(message: String, name: &str, value: &str) -> S3Error {
    S3Error::new(ErrorCode::InvalidArgument, message).detail("ArgumentName", name).detail("ArgumentValue", value)
}
