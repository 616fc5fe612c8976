//! The trailer of an aws-chunked body: the announced checksum, and its signature when chunks are signed. Pure.

use bytes::{Buf, Bytes};
use tandem_storage::types::ChecksumAlgorithm;

use super::chain::ChunkChain;
use crate::s3::checksum;
use crate::s3::error::{ErrorCode, S3Error};

/// More than any checksum and signature need.
const TRAILER_MAX: usize = 1024;
const SIGNATURE: &str = "x-amz-trailer-signature";

/// What `x-amz-content-sha256` and `x-amz-trailer` announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrailerPlan {
    pub checksum: Option<ChecksumAlgorithm>,
    /// The trailer ends with its signature.
    pub signed: bool,
}

/// A trailer as it comes in.
pub struct Trailer {
    text: Vec<u8>,
    line_start: usize,
    awaits_signature: bool,
}

impl Trailer {
    pub fn new(plan: &TrailerPlan) -> Self {
        Trailer { text: Vec::new(), line_start: 0, awaits_signature: plan.signed }
    }

    /// Takes bytes up to the empty line that ends the trailer; `true` once it is there. Some clients put an empty line before the
    /// signature too, so while that is awaited one does not end the trailer.
    pub fn take(&mut self, input: &mut Bytes) -> Result<bool, S3Error> {
        while !input.is_empty() {
            let byte = input.get_u8();
            if self.text.len() == TRAILER_MAX {
                return Err(malformed());
            }
            self.text.push(byte);
            if byte != b'\n' {
                continue;
            }
            let line = self.text[self.line_start..].trim_ascii();
            let ends = line.is_empty() && !(self.awaits_signature && self.line_start > 0);
            if line.len() > SIGNATURE.len() && line[..SIGNATURE.len()].eq_ignore_ascii_case(SIGNATURE.as_bytes()) {
                self.awaits_signature = false;
            }
            if ends {
                return Ok(true);
            }
            self.line_start = self.text.len();
        }
        Ok(false)
    }

    /// Checks the complete trailer against what was announced; gives the checksum's text.
    ///
    /// # Errors
    /// `MalformedTrailerError`; `SignatureDoesNotMatch`.
    pub fn finish(&self, plan: &TrailerPlan, chain: Option<&mut ChunkChain>) -> Result<Option<String>, S3Error> {
        let text = std::str::from_utf8(&self.text).map_err(|_| malformed())?;
        let mut canonical = String::new();
        let (mut checksum, mut signature) = (None, None);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            let slot = match plan.checksum.map(checksum::header) {
                _ if name == SIGNATURE && plan.signed => &mut signature,
                Some(announced) if name == announced && signature.is_none() => {
                    canonical.push_str(&format!("{name}:{value}\n"));
                    &mut checksum
                }
                _ => return Err(malformed()),
            };
            if slot.replace(value.to_owned()).is_some() {
                return Err(malformed());
            }
        }
        if checksum.is_none() && plan.checksum.is_some() {
            return Err(malformed());
        }
        if plan.signed {
            let mismatch = || S3Error::of(ErrorCode::SignatureDoesNotMatch).closing();
            chain.ok_or_else(mismatch)?.verify_trailer(&canonical, &signature.ok_or_else(mismatch)?)?;
        }
        Ok(checksum)
    }
}

fn malformed() -> S3Error {
    S3Error::of(ErrorCode::MalformedTrailerError).closing()
}
