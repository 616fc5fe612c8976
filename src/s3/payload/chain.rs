//! The chain of chunk signatures: each covers the one before, from the request's own signature on.

use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_sigv4::sign::v4::calculate_signature;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::s3::error::{ErrorCode, S3Error};

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What each chunk's signature is made with.
pub struct ChunkChain {
    key: Zeroizing<[u8; 32]>,
    /// `20130524T000000Z`
    timestamp: String,
    /// `20130524/us-east-1/s3/aws4_request`
    scope: String,
    previous: String,
    chunk: Context,
}

impl ChunkChain {
    pub fn new(key: Zeroizing<[u8; 32]>, timestamp: String, scope: String, seed: String) -> Self {
        ChunkChain { key, timestamp, scope, previous: seed, chunk: Context::new(&SHA256) }
    }

    /// More bytes of the running chunk.
    pub fn update(&mut self, bytes: &[u8]) {
        self.chunk.update(bytes);
    }

    /// Ends the running chunk.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify_chunk(&mut self, signature: &str) -> Result<(), S3Error> {
        let chunk = std::mem::replace(&mut self.chunk, Context::new(&SHA256)).finish();
        let hash = format!("{EMPTY_SHA256}\n{}", hex::encode(chunk));
        self.verify("AWS4-HMAC-SHA256-PAYLOAD", &hash, signature)
    }

    /// Verifies the trailer: its lines as `name:value\n`.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub fn verify_trailer(&mut self, canonical: &str, signature: &str) -> Result<(), S3Error> {
        let hash = hex::encode(digest(&SHA256, canonical.as_bytes()));
        self.verify("AWS4-HMAC-SHA256-TRAILER", &hash, signature)
    }

    fn verify(&mut self, kind: &str, hash: &str, signature: &str) -> Result<(), S3Error> {
        let text = format!("{kind}\n{}\n{}\n{}\n{hash}", self.timestamp, self.scope, self.previous);
        let expected = calculate_signature(self.key.as_slice(), text.as_bytes());
        if bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
            self.previous = expected;
            Ok(())
        } else {
            Err(S3Error::of(ErrorCode::SignatureDoesNotMatch).closing())
        }
    }
}
