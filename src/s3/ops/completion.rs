//! The list that CompleteMultipartUpload sends, and what it must match. Pure.

use std::collections::BTreeMap;

use http::HeaderMap;
use tandem_storage::record::{PartRow, UploadRow};
use tandem_storage::types::{Checksum, ChecksumAlgorithm, UploadId};

use super::argument::invalid;
use super::attributes;
use super::create_multipart_upload::type_name;
use super::etag::part_md5;
use crate::s3::checksum;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::xml::{MalformedXml, XmlReader, set_once};

/// No part but the last is smaller.
const PART_BYTES_MIN: u64 = 5 << 20;
/// The largest object: 5 TiB.
const OBJECT_BYTES_MAX: u64 = 5 << 40;

/// A part as the client lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedPart {
    pub number: u16,
    /// None: the ETag is no part's.
    pub md5: Option<[u8; 16]>,
    checksums: Vec<(ChecksumAlgorithm, String)>,
}

/// At least one part, in ascending order of numbers from 1 to 10,000.
pub(super) fn parse(document: &[u8]) -> Result<Vec<AskedPart>, S3Error> {
    let mut xml = XmlReader::open(document, "CompleteMultipartUpload")?;
    let mut parts: Vec<AskedPart> = Vec::new();
    while let Some(name) = xml.child()? {
        if name != "Part" {
            return Err(MalformedXml.into());
        }
        let part = parse_part(&mut xml)?;
        if parts.last().is_some_and(|last| last.number >= part.number) {
            return Err(S3Error::of(ErrorCode::InvalidPartOrder));
        }
        parts.push(part);
    }
    xml.finish()?;
    if parts.is_empty() { Err(MalformedXml.into()) } else { Ok(parts) }
}

fn parse_part(xml: &mut XmlReader<'_>) -> Result<AskedPart, S3Error> {
    let (mut number, mut etag) = (None, None);
    let mut checksums: Vec<(ChecksumAlgorithm, String)> = Vec::new();
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "PartNumber" => set_once(&mut number, xml.value::<i64>()?)?,
            "ETag" => set_once(&mut etag, xml.text()?)?,
            name => {
                let known = checksum::ALGORITHMS.into_iter().find(|algorithm| checksum::element(*algorithm) == name);
                let algorithm = known.ok_or(MalformedXml)?;
                let text = xml.text()?.trim().to_owned();
                // minio-go writes an element for each algorithm that it knows: an empty one says nothing.
                if text.is_empty() {
                    continue;
                }
                if checksums.iter().any(|(other, _)| *other == algorithm) {
                    return Err(MalformedXml.into());
                }
                checksums.push((algorithm, text));
            }
        }
    }
    let number = number.ok_or(MalformedXml)?;
    let valid = u16::try_from(number).ok().filter(|number| (1..=10_000).contains(number));
    let number = valid.ok_or_else(|| {
        let message = "PartNumber must be an integer between 1 and 10000, inclusive";
        invalid("PartNumber", &number.to_string(), message)
    })?;
    let etag = etag.ok_or(MalformedXml)?;
    Ok(AskedPart { number, md5: part_md5(&etag), checksums })
}

/// The parts that the list names, as they are stored.
pub(super) fn matched(
    upload: &UploadRow,
    asked: &[AskedPart],
    mut stored: BTreeMap<u16, PartRow>,
) -> Result<Vec<(u16, PartRow)>, S3Error> {
    let mut parts = Vec::with_capacity(asked.len());
    for part in asked {
        let row = stored.remove(&part.number).filter(|row| part.md5 == Some(row.md5));
        let row = row.ok_or_else(|| invalid_part(upload.id, part.number))?;
        check_checksums(upload, part, &row)?;
        parts.push((part.number, row));
    }
    let small = parts.split_last().and_then(|(_, others)| others.iter().find(|(_, row)| row.size < PART_BYTES_MIN));
    if let Some((number, row)) = small {
        return Err(S3Error::of(ErrorCode::EntityTooSmall)
            .detail("PartNumber", number.to_string())
            .detail("ProposedSize", row.size.to_string())
            .detail("MinSizeAllowed", PART_BYTES_MIN.to_string()));
    }
    Ok(parts)
}

fn invalid_part(upload: UploadId, number: u16) -> S3Error {
    S3Error::of(ErrorCode::InvalidPart).detail("UploadId", upload.to_string()).detail("PartNumber", number.to_string())
}

/// Checksums that are listed must be the parts' own; an upload that was begun for a composite one needs each of them listed.
fn check_checksums(upload: &UploadRow, part: &AskedPart, row: &PartRow) -> Result<(), S3Error> {
    for (algorithm, text) in &part.checksums {
        let stored = row.checksum.as_ref().filter(|stored| stored.algorithm == *algorithm);
        if stored.is_none_or(|stored| checksum::text(stored) != *text) {
            return Err(invalid_part(upload.id, part.number));
        }
    }
    match upload.checksum {
        Some((algorithm, false)) if part.checksums.iter().all(|(listed, _)| *listed != algorithm) => {
            let message = format!(
                "The upload was created using a {} checksum. The complete request must include the checksum for each \
                 part. It was missing for part {} in the request.",
                checksum::name(algorithm).to_ascii_lowercase(),
                part.number
            );
            Err(S3Error::new(ErrorCode::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}

/// The object's size, as `x-amz-mp-object-size` may foretell it.
pub(super) fn size(parts: &[(u16, PartRow)], headers: &HeaderMap) -> Result<u64, S3Error> {
    let size: u64 = parts.iter().map(|(_, row)| row.size).sum();
    if size > OBJECT_BYTES_MAX {
        return Err(S3Error::of(ErrorCode::EntityTooLarge));
    }
    let name = "x-amz-mp-object-size";
    let Some(text) = attributes::text(headers, name)? else { return Ok(size) };
    let expected = super::argument::digits(&text)
        .ok_or_else(|| invalid(name, &text, "Value for x-amz-mp-object-size header is invalid."))?;
    if expected != size {
        let message = format!("The provided '{name}' header value {expected} does not match what was computed: {size}");
        return Err(S3Error::new(ErrorCode::InvalidRequest, message));
    }
    Ok(size)
}

/// The object's checksum, out of its parts' and without reading a byte. An upload begun without an algorithm has the one that all its parts have,
/// over the whole object where that can be combined.
pub(super) fn checksum_of(upload: &UploadRow, parts: &[(u16, PartRow)]) -> Option<Checksum> {
    let sums: Option<Vec<(&Checksum, u64)>> =
        parts.iter().map(|(_, row)| Some((row.checksum.as_ref()?, row.size))).collect();
    let sums = sums?;
    let (algorithm, full_object) = match upload.checksum {
        Some(asked) => asked,
        None => (sums.first()?.0.algorithm, true),
    };
    if sums.iter().any(|(sum, _)| sum.algorithm != algorithm) {
        return None;
    }
    let values = sums.iter().map(|(sum, size)| (sum.value.as_slice(), *size));
    let whole = if full_object { checksum::full_object(algorithm, values.clone()) } else { None };
    Some(whole.unwrap_or_else(|| checksum::composite(algorithm, values.map(|(value, _)| value))))
}

/// A checksum that the client computed itself (`x-amz-checksum-*`, `x-amz-checksum-type`) must be the one that was found.
pub(super) fn check_declared(headers: &HeaderMap, upload: &UploadRow, found: Option<&Checksum>) -> Result<(), S3Error> {
    if let Some(kind) = attributes::text(headers, "x-amz-checksum-type")? {
        let expected = upload.checksum.map_or("FULL_OBJECT", |(_, full_object)| type_name(full_object));
        if kind != expected {
            let message = format!(
                "The upload was created using the {expected} checksum mode. The complete request must use the same \
                 checksum mode."
            );
            return Err(S3Error::new(ErrorCode::InvalidRequest, message));
        }
    }
    for algorithm in checksum::ALGORITHMS {
        let Some(declared) = attributes::text(headers, checksum::header(algorithm))? else { continue };
        let same = found.filter(|found| found.algorithm == algorithm).map(checksum::text);
        // A composite value may be given with its count of parts or without.
        let holds = same.is_some_and(|text| text == declared || text.split('-').next() == Some(declared.as_str()));
        if !holds {
            let name = checksum::name(algorithm);
            let message = format!("The {name} you specified did not match the calculated checksum.");
            return Err(S3Error::new(ErrorCode::BadDigest, message));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "completion_tests.rs"]
mod tests;
