use tandem_storage::change::VersionSelector;
use tandem_storage::types::{UploadId, VersionId};

use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;

/// `InvalidArgument`, with the argument's name and value in the document as AWS has them.
pub(super) fn invalid(name: &str, value: &str, message: impl Into<String>) -> S3Error {
    S3Error::new(ErrorCode::InvalidArgument, message).detail("ArgumentName", name).detail("ArgumentValue", value)
}

/// The version that `versionId` names; none: the latest.
pub(super) fn version(request: &Request) -> Result<VersionSelector, S3Error> {
    request.query.get("versionId").map_or(Ok(VersionSelector::Latest), parse_version)
}

pub(super) fn parse_version(text: &str) -> Result<VersionSelector, S3Error> {
    match text {
        "null" => Ok(VersionSelector::Null),
        "" => Err(invalid("versionId", text, "Version id cannot be the empty string")),
        text => text
            .parse::<VersionId>()
            .map(VersionSelector::Id)
            .map_err(|_| invalid("versionId", text, "Invalid version id specified")),
    }
}

/// The upload that `uploadId` names. An id that we cannot have given is an upload that does not exist.
pub(super) fn upload_id(request: &Request) -> Result<UploadId, S3Error> {
    let text = request.query.get("uploadId").unwrap_or_default();
    text.parse().map_err(|_| S3Error::of(ErrorCode::NoSuchUpload).detail("UploadId", text))
}

/// `partNumber`, if there is one: 1 to 10,000.
pub(super) fn part_number(request: &Request) -> Result<Option<u16>, S3Error> {
    let Some(text) = request.query.get("partNumber") else { return Ok(None) };
    let valid = |number: &u16| (1..=10_000).contains(number);
    let number = digits(text).and_then(|number| u16::try_from(number).ok()).filter(valid);
    number
        .map(Some)
        .ok_or_else(|| invalid("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive"))
}

/// A limit of entries a page (`max-keys` and its kin): at most 1,000, which is also what its absence means.
pub(super) fn limit(request: &Request, name: &'static str) -> Result<usize, S3Error> {
    limit_of(name, request.query.get(name))
}

/// The same of a parameter's or a header's text.
pub(super) fn limit_of(name: &'static str, text: Option<&str>) -> Result<usize, S3Error> {
    const MOST: u64 = 1000;
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(MOST as usize) };
    Ok(integer(name, text)?.min(MOST) as usize)
}

/// `part-number-marker`, as a parameter or a header. Part numbers end at 10,000; a marker behind them lists nothing.
pub(super) fn part_marker(name: &'static str, text: Option<&str>) -> Result<u16, S3Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(0) };
    Ok(u16::try_from(integer(name, text)?).unwrap_or(u16::MAX - 1))
}

fn integer(name: &'static str, text: &str) -> Result<u64, S3Error> {
    let number = digits(text).filter(|number| *number <= i32::MAX as u64);
    number.ok_or_else(|| invalid(name, text, format!("Provided {name} not an integer or within integer range")))
}

/// Digits and nothing else: no sign, no blanks.
pub(super) fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
