//! What a request's headers promise about its body, judged before a byte of it is read. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use tandem_storage::types::{Checksum, ChecksumAlgorithm, ChecksumKind};

use super::trailer::TrailerPlan;
use crate::s3::checksum::{self, ALGORITHMS};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::{BodyKind, Operation};

/// The longest content of one request: 5 GiB.
pub const CONTENT_MAX: u64 = 5 << 30;

/// What `x-amz-content-sha256` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadHash {
    Unsigned,
    Sha256([u8; 32]),
    StreamingSigned,
    StreamingSignedTrailer,
    StreamingUnsignedTrailer,
}

impl PayloadHash {
    /// # Errors
    /// `InvalidArgument`, for anything that is not one of the known values.
    pub fn parse(text: &str) -> Result<Self, S3Error> {
        match text {
            "UNSIGNED-PAYLOAD" => Ok(PayloadHash::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(PayloadHash::StreamingSigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(PayloadHash::StreamingSignedTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(PayloadHash::StreamingUnsignedTrailer),
            digits => {
                let mut sum = [0; 32];
                let lower = !digits.bytes().any(|byte| byte.is_ascii_uppercase());
                match lower && hex::decode_to_slice(digits, &mut sum).is_ok() {
                    true => Ok(PayloadHash::Sha256(sum)),
                    false => Err(S3Error::new(
                        ErrorCode::InvalidArgument,
                        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a known STREAMING value, or a valid sha256 value.",
                    )
                    .detail("ArgumentName", "x-amz-content-sha256")),
                }
            }
        }
    }

    /// As a header says it; absent for bodies that are sent in chunks.
    pub fn text(self) -> Option<HeaderValue> {
        match self {
            PayloadHash::Unsigned => Some(HeaderValue::from_static("UNSIGNED-PAYLOAD")),
            PayloadHash::Sha256(sum) => HeaderValue::from_str(&hex::encode(sum)).ok(),
            _ => None,
        }
    }

    pub fn is_streaming(self) -> bool {
        !matches!(self, PayloadHash::Unsigned | PayloadHash::Sha256(_))
    }

    pub fn is_signed_streaming(self) -> bool {
        matches!(self, PayloadHash::StreamingSigned | PayloadHash::StreamingSignedTrailer)
    }
}

/// How a body comes over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Plain,
    /// aws-chunked, of this decoded length.
    Chunked {
        length: u64,
        trailer: TrailerPlan,
    },
}

/// Where the client's checksum is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promised {
    Nothing,
    Header(Checksum),
    Trailer(ChecksumAlgorithm),
}

/// Everything that is to be proved about a body.
#[derive(Debug)]
pub struct Plan {
    pub framing: Framing,
    /// Decoded, when declared.
    pub length: Option<u64>,
    pub sha256: Option<[u8; 32]>,
    pub content_md5: Option<[u8; 16]>,
    /// The MD5 is wanted whether or not the client sent one: it is the ETag.
    pub md5: bool,
    pub checksum: Promised,
}

impl Plan {
    /// # Errors
    /// Whatever is wrong with the body can be told from the headers alone.
    pub fn of(operation: Operation, headers: &HeaderMap, hash: PayloadHash) -> Result<Self, S3Error> {
        let body = operation.body();
        if hash.is_streaming() && body != BodyKind::Content {
            let message = format!("{} does not take a body that is sent in chunks.", operation.name());
            return Err(S3Error::new(ErrorCode::InvalidRequest, message).closing());
        }
        let sha256 = match hash {
            PayloadHash::Sha256(sum) => Some(sum),
            _ => None,
        };
        let wire_length = match headers.contains_key(TRANSFER_ENCODING) {
            true => None,
            false => number(headers, &CONTENT_LENGTH),
        };
        let bare = Plan {
            framing: Framing::Plain,
            length: wire_length,
            sha256,
            content_md5: None,
            md5: false,
            checksum: Promised::Nothing,
        };
        match body {
            BodyKind::Nothing => Ok(Plan { sha256: None, ..bare }),
            BodyKind::ObjectSummary(limit) => {
                within(wire_length, limit)?;
                Ok(Plan { content_md5: content_md5(headers)?, ..bare })
            }
            BodyKind::Document(limit) => {
                within(wire_length, limit)?;
                let checksum = promised(headers, hash)?;
                let content_md5 = content_md5(headers)?;
                if operation == Operation::DeleteObjects && content_md5.is_none() && checksum == Promised::Nothing {
                    return Err(request("Missing required header for this request: Content-MD5 OR x-amz-checksum-*"));
                }
                Ok(Plan { content_md5, checksum, ..bare })
            }
            BodyKind::Content => {
                let (framing, length) = content_framing(headers, hash, wire_length)?;
                if length > CONTENT_MAX {
                    return Err(S3Error::of(ErrorCode::EntityTooLarge)
                        .detail("ProposedSize", length.to_string())
                        .detail("MaxSizeAllowed", CONTENT_MAX.to_string())
                        .closing());
                }
                let checksum = promised(headers, hash)?;
                let framing = match (framing, &checksum) {
                    (Framing::Chunked { length, trailer }, Promised::Trailer(algorithm)) => {
                        Framing::Chunked { length, trailer: TrailerPlan { checksum: Some(*algorithm), ..trailer } }
                    }
                    (framing, _) => framing,
                };
                Ok(Plan {
                    framing,
                    length: Some(length),
                    content_md5: content_md5(headers)?,
                    md5: true,
                    checksum,
                    ..bare
                })
            }
        }
    }
}

fn content_framing(
    headers: &HeaderMap,
    hash: PayloadHash,
    wire_length: Option<u64>,
) -> Result<(Framing, u64), S3Error> {
    let missing = || match headers.contains_key(TRANSFER_ENCODING) {
        true => S3Error::of(ErrorCode::NotImplemented).detail("Header", "Transfer-Encoding").closing(),
        false => S3Error::of(ErrorCode::MissingContentLength).closing(),
    };
    if !hash.is_streaming() {
        return wire_length.map(|length| (Framing::Plain, length)).ok_or_else(missing);
    }
    let length = number(headers, &HeaderName::from_static("x-amz-decoded-content-length")).ok_or_else(missing)?;
    let trailer = TrailerPlan { checksum: None, signed: hash == PayloadHash::StreamingSignedTrailer };
    Ok((Framing::Chunked { length, trailer }, length))
}

/// A header that is all digits.
fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let digits = headers.get(name)?.to_str().ok()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn within(length: Option<u64>, limit: usize) -> Result<(), S3Error> {
    match length {
        Some(length) if length > limit as u64 => Err(too_long(limit)),
        _ => Ok(()),
    }
}

pub fn too_long(limit: usize) -> S3Error {
    S3Error::of(ErrorCode::MaxMessageLengthExceeded).detail("MaxMessageLengthBytes", limit.to_string()).closing()
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, S3Error> {
    let Some(value) = headers.get("content-md5") else { return Ok(None) };
    let invalid = || S3Error::new(ErrorCode::InvalidDigest, "The Content-MD5 you specified was invalid.").closing();
    let decoded = STANDARD.decode(value.as_bytes()).map_err(|_| invalid())?;
    decoded.try_into().map(Some).map_err(|_| invalid())
}

/// The checksum the client promises: at most one, by header or by trailer, and the one that the SDK's header names.
fn promised(headers: &HeaderMap, hash: PayloadHash) -> Result<Promised, S3Error> {
    let mut found = Promised::Nothing;
    for (name, value) in headers {
        let Some(suffix) = name.as_str().strip_prefix("x-amz-checksum-") else { continue };
        if matches!(suffix, "algorithm" | "mode" | "type") {
            continue;
        }
        let algorithm = ALGORITHMS
            .into_iter()
            .find(|algorithm| checksum::header(*algorithm) == name.as_str())
            .ok_or_else(|| request("The algorithm type you specified in x-amz-checksum- header is invalid."))?;
        if found != Promised::Nothing {
            return Err(request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."));
        }
        found = Promised::Header(decode_checksum(algorithm, value.as_bytes())?);
    }
    if let Some(algorithm) = announced_trailer(headers, hash)? {
        if found != Promised::Nothing {
            return Err(request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."));
        }
        found = Promised::Trailer(algorithm);
    }
    check_sdk_algorithm(headers, &found)?;
    Ok(found)
}

/// Base64 of as many bytes as the algorithm gives.
pub fn decode_checksum(algorithm: ChecksumAlgorithm, text: &[u8]) -> Result<Checksum, S3Error> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| checksum::parse_value(algorithm, text))
        .map(|value| Checksum { algorithm, kind: ChecksumKind::FullObject, value })
        .ok_or_else(|| request(format!("Value for {} header is invalid.", checksum::header(algorithm))).closing())
}

fn announced_trailer(headers: &HeaderMap, hash: PayloadHash) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(value) = headers.get("x-amz-trailer") else { return Ok(None) };
    let unsupported = || request("The value specified in the x-amz-trailer header is not supported");
    if !matches!(hash, PayloadHash::StreamingSignedTrailer | PayloadHash::StreamingUnsignedTrailer) {
        return Err(request("x-amz-trailer needs an x-amz-content-sha256 that announces a trailer."));
    }
    let name = value.to_str().map_err(|_| unsupported())?.trim().to_ascii_lowercase();
    let algorithm = ALGORITHMS.into_iter().find(|algorithm| checksum::header(*algorithm) == name);
    algorithm.map(Some).ok_or_else(unsupported)
}

fn check_sdk_algorithm(headers: &HeaderMap, found: &Promised) -> Result<(), S3Error> {
    let Some(value) = headers.get("x-amz-sdk-checksum-algorithm") else { return Ok(()) };
    let algorithm = match found {
        Promised::Nothing => {
            return Err(request(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
            ));
        }
        Promised::Header(checksum) => checksum.algorithm,
        Promised::Trailer(algorithm) => *algorithm,
    };
    match value.as_bytes().eq_ignore_ascii_case(checksum::name(algorithm).as_bytes()) {
        true => Ok(()),
        false => Err(request("Value for x-amz-sdk-checksum-algorithm header is invalid.")),
    }
}

fn request(message: impl Into<String>) -> S3Error {
    S3Error::new(ErrorCode::InvalidRequest, message)
}
