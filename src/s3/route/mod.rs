//! Method, path and query to an operation. Pure. What it does not know never falls through to reading or writing an object.

mod percent;
mod table;
#[cfg(test)]
mod tests;

use http::Method;

pub use percent::{Plus, decode, encode_into, unreserved};
use table::FOREIGN;
use table::Row;
pub use table::{Level, ROWS, Verb};

use super::error::{ErrorCode, S3Error};
use super::operation::Operation;
use super::request::Query;

/// The header, or the parameter, that makes a PUT a copy.
pub const COPY_SOURCE: &str = "x-amz-copy-source";

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
    /// The header `x-amz-copy-source` is there.
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
    let copies = target.copies || query.header(COPY_SOURCE).is_some();
    Ok(Routed { operation: with_copy_source(row.operation, copies), path, bucket, key, query })
}

fn verb(method: &Method) -> Result<Verb, S3Error> {
    match *method {
        Method::GET => Ok(Verb::Get),
        Method::HEAD => Ok(Verb::Head),
        Method::PUT => Ok(Verb::Put),
        Method::POST => Ok(Verb::Post),
        Method::DELETE => Ok(Verb::Delete),
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
/// names no bucket. A dot at the end of a host says that the name is complete, and changes nothing.
pub(in crate::s3) fn virtual_bucket<'a>(host: &'a str, domains: &[String]) -> Option<&'a str> {
    let host = host.strip_suffix('.').unwrap_or(host);
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

/// The decoded parameters. A name that somebody reads and that comes twice is refused: nobody may guess which one counts. Names of
/// headers have no case.
fn parse_query(query: &str) -> Result<Query, S3Error> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let decoded = |text| decode(text, Plus::IsSpace).map_err(|_| S3Error::of(ErrorCode::InvalidURI));
        let (name, value) = (decoded(name)?, decoded(value)?);
        let same = |known: &str| *known == name || (is_amz(&name) && known.eq_ignore_ascii_case(&name));
        if pairs.iter().any(|(known, _)| same(known)) && is_read(&name) {
            return Err(argument(format!("The query parameter '{name}' is given more than once."), &name, &value));
        }
        if name.starts_with("response-") && value.chars().any(char::is_control) {
            return Err(argument(format!("The value of '{name}' has control characters."), &name, ""));
        }
        pairs.push((name, value));
    }
    Ok(Query(pairs))
}

/// Parameters of signatures, and headers that a signer moved into the query.
pub(in crate::s3) fn is_amz(name: &str) -> bool {
    name.as_bytes().get(..6).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"x-amz-"))
}

/// Whether any operation, or authentication, looks at the parameter. All others are signed and otherwise ignored, as with AWS.
fn is_read(name: &str) -> bool {
    let known = |row: &Row| row.subresource == name || row.needs == name || row.takes.contains(&name);
    let signs = is_amz(name) || matches!(name, "AWSAccessKeyId" | "Signature" | "Expires");
    signs || (!name.is_empty() && ROWS.iter().any(known))
}

/// Whether requests of `operation` may carry the parameter, which then has a meaning.
pub(in crate::s3) fn takes(operation: Operation, name: &str) -> bool {
    ROWS.iter().any(|row| row.operation == operation && row.takes.contains(&name))
}

/// Whether the parameter says what of a bucket or object is meant. `list-type` does so only where there is a list.
fn is_subresource(name: &str, level: Level, verb: Verb) -> bool {
    match name {
        "" => false,
        "list-type" => (level, verb) == (Level::Bucket, Verb::Get),
        name => FOREIGN.contains(&name) || ROWS.iter().any(|row| row.subresource == name),
    }
}

fn select(level: Level, verb: Verb, query: &Query) -> Result<&'static Row, S3Error> {
    let mut subresource = "";
    for (name, value) in query.0.iter().filter(|(name, _)| is_subresource(name, level, verb)) {
        if !subresource.is_empty() {
            return Err(argument("Conflicting query string parameters".to_owned(), name, value));
        }
        check_value(name, value)?;
        subresource = name;
    }
    let rows = || ROWS.iter().filter(|row| row.level == level && row.subresource == subresource);
    if rows().next().is_none() {
        let message = format!("The query parameter '{subresource}' is not implemented here.");
        return Err(S3Error::new(ErrorCode::NotImplemented, message).detail("ResourceType", subresource));
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

/// Parameters that say which bytes a request is about are never ignored.
fn check_parameters(row: &Row, query: &Query) -> Result<(), S3Error> {
    for name in ["versionId", "partNumber"] {
        let taken = name == row.needs || row.takes.contains(&name);
        if let Some(value) = query.get(name).filter(|_| !taken) {
            let message = format!("{} does not take the query parameter '{name}'.", row.operation.name());
            return Err(argument(message, name, value));
        }
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
