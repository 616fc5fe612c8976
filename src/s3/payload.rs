//! A request's body, decoded and verified as it streams: aws-chunked framing, chunk signatures, `x-amz-content-sha256`,
//! Content-MD5 and `x-amz-checksum-*` by header and trailer.

use bytes::Bytes;
use tandem_storage::types::{Checksum, ChecksumAlgorithm};

use super::error::S3Error;

/// What was proved about a body once all of it has been read.
#[derive(Clone, Debug)]
pub struct Verified {
    /// MD5 of the decoded content.
    pub md5: [u8; 16],
    /// The checksum the client sent (header or trailer), or, if it sent none, the one asked for with [`Payload::compute`].
    pub checksum: Option<Checksum>,
    pub size: u64,
}

/// Implementer (protocol): real fields; this signature is the seam that `ops` codes against.
#[derive(Debug)]
pub struct Payload {}

impl Payload {
    /// Decoded length, when it was declared (Content-Length, or x-amz-decoded-content-length).
    pub fn declared_size(&self) -> Option<u64> {
        todo!()
    }

    /// Asks for a checksum to be computed when the client sends none (the default is CRC64NVME for whole objects).
    pub fn compute(&mut self, _algorithm: ChecksumAlgorithm) {
        todo!()
    }

    /// The next decoded bytes; none at the end, and then everything was verified. Any mismatch is an error here, before the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        todo!()
    }

    /// After `next` gave none.
    pub fn verified(self) -> Result<Verified, S3Error> {
        todo!()
    }

    /// The whole body of a small document, at most `limit` bytes (else MaxMessageLengthExceeded, unread).
    pub async fn collect(self, _limit: usize) -> Result<Bytes, S3Error> {
        todo!()
    }
}
