//! A request's body, decoded and verified as it streams: aws-chunked framing, chunk signatures, `x-amz-content-sha256`,
//! Content-MD5 and `x-amz-checksum-*` by header and trailer.
//!
//! *Architecture invariant:* [`Payload::next`] gives none only after everything promised about the body was proved.

mod chain;
mod chunked;
mod digest;
mod plan;
mod room;
mod source;
#[cfg(test)]
mod tests;
mod trailer;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use tandem_storage::types::{Checksum, ChecksumAlgorithm};

pub use chain::ChunkChain;
use chunked::ChunkDecoder;
use digest::{Digests, Sums};
pub use plan::{CONTENT_MAX, PayloadHash, Plan};
use plan::{Framing, Promised, decode_checksum, too_long};
pub use room::{Document, Documents, Holder, Place};
pub use source::Source;

use super::checksum;
use super::error::{ErrorCode, S3Error};

/// What was proved about a body once all of it has been read.
#[derive(Clone, Debug)]
pub struct Verified {
    /// MD5 of the decoded content.
    pub md5: [u8; 16],
    /// The checksum the client sent (header or trailer), or, if it sent none, the one asked for with [`Payload::compute`].
    pub checksum: Option<Checksum>,
    pub size: u64,
}

/// A body that is verified while it is read.
pub struct Payload {
    source: Source,
    plan: Plan,
    /// Present when the body is aws-chunked.
    decoder: Option<ChunkDecoder>,
    /// Received, and not yet decoded.
    undecoded: Bytes,
    digests: Digests,
    size: u64,
    verified: Option<Verified>,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").field("plan", &self.plan).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Payload {
    /// Only authentication has a plan and the chain to go with it.
    pub(in crate::s3) fn new(plan: Plan, chain: Option<ChunkChain>, source: Source) -> Self {
        let mut digests = Digests::default();
        if plan.md5 || plan.content_md5.is_some() {
            digests.want_md5();
        }
        if plan.sha256.is_some() {
            digests.want_sha256();
        }
        match &plan.checksum {
            Promised::Nothing => {}
            Promised::Header(Checksum { algorithm, .. }) | Promised::Trailer(algorithm) => digests.want(*algorithm),
        }
        let decoder = match plan.framing {
            Framing::Plain => None,
            Framing::Chunked { length, trailer } => Some(ChunkDecoder::new(length, chain, trailer)),
        };
        Payload { source, plan, decoder, undecoded: Bytes::new(), digests, size: 0, verified: None }
    }

    /// A body in hand, with nothing promised about it: for tests of handlers.
    pub fn in_memory(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let plan = Plan {
            framing: Framing::Plain,
            length: Some(content.len() as u64),
            sha256: None,
            content_md5: None,
            md5: true,
            checksum: Promised::Nothing,
        };
        Payload::new(plan, None, Source::memory([content]))
    }

    /// Decoded length, when it was declared (Content-Length, or x-amz-decoded-content-length).
    pub fn declared_size(&self) -> Option<u64> {
        self.plan.length
    }

    /// The algorithm of the checksum that the client sends, by header or trailer.
    pub fn promised_checksum(&self) -> Option<ChecksumAlgorithm> {
        match &self.plan.checksum {
            Promised::Nothing => None,
            Promised::Header(Checksum { algorithm, .. }) | Promised::Trailer(algorithm) => Some(*algorithm),
        }
    }

    /// Asks for a checksum to be computed when the client sends none (the default is CRC64NVME for whole objects). To be called
    /// before the first [`next`](Self::next).
    pub fn compute(&mut self, algorithm: ChecksumAlgorithm) {
        if self.size == 0 && !self.digests.has_checksum() {
            self.digests.want(algorithm);
        }
    }

    /// The next decoded bytes; none at the end, and then everything was verified. Any mismatch is an error here, before the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        if self.verified.is_some() {
            return Ok(None);
        }
        loop {
            let decoded = match &mut self.decoder {
                None => None,
                Some(decoder) => decoder.next(&mut self.undecoded)?,
            };
            if let Some(data) = decoded {
                return Ok(Some(self.take(data)));
            }
            match self.source.next().await? {
                None => {
                    self.verified = Some(self.verify()?);
                    return Ok(None);
                }
                Some(data) if data.is_empty() => {}
                Some(data) if self.decoder.is_some() => self.undecoded = data,
                Some(data) => return Ok(Some(self.take(data))),
            }
        }
    }

    /// After `next` gave none.
    ///
    /// # Errors
    /// `IncompleteBody`, if the body was not read to its end.
    pub fn verified(self) -> Result<Verified, S3Error> {
        self.verified.ok_or_else(|| S3Error::of(ErrorCode::IncompleteBody))
    }

    /// The whole body of a document, at most `limit` bytes. It takes its room in memory as it comes in.
    ///
    /// # Errors
    /// `MaxMessageLengthExceeded`, if it can be without reading; `SlowDown`: documents of other requests have the room.
    pub async fn collect(mut self, limit: usize) -> Result<Document, S3Error> {
        if self.plan.length.is_some_and(|length| length > limit as u64) {
            return Err(too_long(limit));
        }
        let mut place = self.source.place();
        let mut hold = |bytes: usize| place.as_mut().map_or(Ok(()), |place| place.hold(bytes));
        let Some(first) = self.next().await? else { return Ok(Document::default()) };
        if first.len() > limit {
            return Err(too_long(limit));
        }
        hold(first.len())?;
        let Some(mut more) = self.next().await? else { return Ok(Document::new(first, place)) };
        let mut whole = BytesMut::from(first);
        loop {
            if whole.len() + more.len() > limit {
                return Err(too_long(limit));
            }
            // Before it is allocated: what grows is at most doubled.
            let room =
                if whole.len() + more.len() > whole.capacity() { 2 * whole.capacity() } else { whole.capacity() };
            hold(room.max(whole.len() + more.len()))?;
            whole.extend_from_slice(&more);
            match self.next().await? {
                Some(next) => more = next,
                None => return Ok(Document::new(whole.freeze(), place)),
            }
        }
    }

    fn take(&mut self, data: Bytes) -> Bytes {
        self.digests.update(&data);
        self.size += data.len() as u64;
        data
    }

    fn verify(&mut self) -> Result<Verified, S3Error> {
        if let Some(decoder) = &self.decoder {
            decoder.end()?;
        }
        if self.plan.length.is_some_and(|length| length != self.size) {
            return Err(S3Error::of(ErrorCode::IncompleteBody).closing());
        }
        let sums = self.digests.finish();
        self.verify_sha256(&sums)?;
        if self.plan.content_md5.is_some() && self.plan.content_md5 != sums.md5 {
            return Err(S3Error::new(
                ErrorCode::BadDigest,
                "The Content-MD5 you specified did not match what we received.",
            ));
        }
        let expected = match (&self.plan.checksum, self.decoder.as_ref().and_then(ChunkDecoder::checksum)) {
            (Promised::Nothing, _) => None,
            (Promised::Header(checksum), _) => Some(checksum.clone()),
            (Promised::Trailer(algorithm), text) => {
                Some(decode_checksum(*algorithm, text.unwrap_or_default().as_bytes())?)
            }
        };
        match (expected, &sums.checksum) {
            (Some(expected), Some(computed)) if expected != *computed => Err(S3Error::new(
                ErrorCode::BadDigest,
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    checksum::name(expected.algorithm)
                ),
            )
            .detail("CalculatedDigest", STANDARD.encode(&computed.value))),
            _ => Ok(Verified { md5: sums.md5.unwrap_or_default(), checksum: sums.checksum, size: self.size }),
        }
    }

    fn verify_sha256(&self, sums: &Sums) -> Result<(), S3Error> {
        match (self.plan.sha256, sums.sha256) {
            (Some(claimed), Some(computed)) if claimed != computed => {
                Err(S3Error::of(ErrorCode::XAmzContentSHA256Mismatch)
                    .detail("ClientComputedContentSHA256", hex::encode(claimed))
                    .detail("S3ComputedContentSHA256", hex::encode(computed)))
            }
            _ => Ok(()),
        }
    }
}
