use aws_lc_rs::{hmac, pbkdf2};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::peers::NodeCard;
use crate::tls::Fingerprint;

/// Slows guessing of a configured secret down; a token's is random and needs none.
const STRETCH: std::num::NonZeroU32 = std::num::NonZeroU32::new(200_000).expect("not zero");

/// The key of the proofs. No `Debug`.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    pub(crate) fn of_token(secret: &[u8; 32]) -> Self {
        Secret(Zeroizing::new(*secret))
    }

    /// From the text of both nodes' configuration. Slow on purpose.
    pub(crate) fn of_configuration(text: &str) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, STRETCH, b"tandem pairing 1", text.as_bytes(), &mut *key);
        Secret(key)
    }

    /// Names the secret without telling it, so that the issuer knows which one is meant.
    pub(crate) fn id(&self) -> [u8; 16] {
        let tag = hmac::sign(&self.key(), b"tandem pairing 1 id");
        let mut id = [0; 16];
        id.copy_from_slice(&tag.as_ref()[..16]);
        id
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.0)
    }

    pub(crate) fn prove(&self, side: Side, transcript: &Transcript) -> Vec<u8> {
        hmac::sign(&self.key(), &transcript.bytes(side)).as_ref().to_vec()
    }

    /// In constant time.
    pub(crate) fn verify(&self, side: Side, transcript: &Transcript, proof: &[u8]) -> bool {
        hmac::verify(&self.key(), &transcript.bytes(side), proof).is_ok()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Side {
    Joiner,
    Issuer,
}

/// Everything that both sides must agree on. Each takes the certificates from its own TLS connection, never from a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Transcript {
    pub joiner: NodeCard,
    pub joiner_certificate: Fingerprint,
    pub joiner_nonce: [u8; 32],
    pub issuer: NodeCard,
    pub issuer_certificate: Fingerprint,
    pub issuer_nonce: [u8; 32],
}

impl Transcript {
    fn bytes(&self, side: Side) -> Vec<u8> {
        postcard::to_stdvec(&("tandem pairing 1", side, self)).expect("a transcript is plain data")
    }
}
