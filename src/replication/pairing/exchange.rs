//! The issuer's side of a pairing, and what passes between the two.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_storage::types::NodeGuid;

use super::super::peers::{NodeCard, Peers};
use super::super::wire::{Caller, decode, encode};
use super::proof::{Secret, Side, Transcript};
use super::token::Token;
use crate::clock::SharedClock;
use crate::tls::{Fingerprint, Pins};

/// How long a token is good.
const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);
/// Tokens outstanding at once.
const TOKENS_MAX: usize = 16;
/// Wrong proofs against one token before it is void.
const WRONG_PROOFS_MAX: u32 = 5;

/// The joiner's two messages. It speaks first and proves first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum PairRequest {
    Open { secret: [u8; 16], joiner: NodeCard, nonce: [u8; 32] },
    Prove { proof: Vec<u8> },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum PairAnswer {
    Challenge {
        issuer: NodeCard,
        nonce: [u8; 32],
    },
    /// The peer is stored at the issuer.
    Proved {
        proof: Vec<u8>,
    },
    Refused(String),
}

/// What the issuer remembers of a connection between its two messages.
#[derive(Serialize, Deserialize)]
struct Opened {
    secret: [u8; 16],
    transcript: Transcript,
}

struct Outstanding {
    secret: Secret,
    expires: Duration,
    wrong: u32,
    /// The known node that this token was made for: only that one may use it, and it may come with another key.
    replaces: Option<NodeGuid>,
    /// Who has used it: a repeat by the same certificate is the same pairing, whose answer was lost.
    used_by: Option<Fingerprint>,
}

/// The secrets that joiners may prove, and the node's own card.
pub(crate) struct Pairing {
    clock: SharedClock,
    pins: Arc<Pins>,
    peers: Arc<Peers>,
    card: NodeCard,
    certificate: Fingerprint,
    configured: Option<Secret>,
    tokens: Mutex<Vec<Outstanding>>,
}

impl Pairing {
    pub(crate) fn new(
        clock: SharedClock,
        pins: Arc<Pins>,
        peers: Arc<Peers>,
        card: NodeCard,
        certificate: Fingerprint,
        configured: Option<Secret>,
    ) -> Self {
        let pairing = Pairing { clock, pins, peers, card, certificate, configured, tokens: Mutex::default() };
        pairing.tidy();
        pairing
    }

    pub(crate) fn card(&self) -> &NodeCard {
        &self.card
    }

    /// Issues a token; the oldest goes when there are too many. With `replaces` it is for that node alone, which may
    /// have a new key.
    pub(crate) fn issue(&self, replaces: Option<NodeGuid>) -> Token {
        let mut secret = [0; 32];
        self.clock.fill_random(&mut secret);
        let expires = self.clock.monotonic() + TOKEN_LIFE;
        let mut tokens = self.tokens();
        if tokens.len() >= TOKENS_MAX {
            tokens.remove(0);
        }
        tokens.push(Outstanding { secret: Secret::of_token(&secret), expires, wrong: 0, replaces, used_by: None });
        drop(tokens);
        self.tidy();
        Token { address: self.card.address.clone(), fingerprint: self.certificate, secret }
    }

    /// Forgets tokens that have expired and closes the door to strangers when none is left. Called now and then.
    pub(crate) fn tidy(&self) {
        let now = self.clock.monotonic();
        let mut tokens = self.tokens();
        tokens.retain(|token| token.expires > now && token.wrong < WRONG_PROOFS_MAX);
        self.pins.open_pairing(self.configured.is_some() || !tokens.is_empty());
    }

    /// Answers a joiner; none for a message that makes no sense.
    pub(crate) async fn answer(&self, caller: &Caller, message: &[u8]) -> Option<Vec<u8>> {
        self.tidy();
        let answer = match decode(message).ok()? {
            PairRequest::Open { secret, joiner, nonce } => self.open(caller, secret, joiner, nonce)?,
            PairRequest::Prove { proof } => self.prove(caller, &proof).await?,
        };
        encode(&answer).ok()
    }

    fn open(&self, caller: &Caller, secret: [u8; 16], joiner: NodeCard, nonce: [u8; 32]) -> Option<PairAnswer> {
        if !joiner.is_sane() {
            return Some(PairAnswer::Refused("the joining node's name or address is not acceptable".into()));
        }
        if joiner.node == self.card.node {
            return Some(PairAnswer::Refused("a node cannot pair with itself".into()));
        }
        let mut issuer_nonce = [0; 32];
        self.clock.fill_random(&mut issuer_nonce);
        let transcript = Transcript {
            joiner,
            joiner_certificate: caller.fingerprint,
            joiner_nonce: nonce,
            issuer: self.card.clone(),
            issuer_certificate: self.certificate,
            issuer_nonce,
        };
        let opened = postcard::to_stdvec(&Opened { secret, transcript }).ok()?;
        *caller.pairing.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        Some(PairAnswer::Challenge { issuer: self.card.clone(), nonce: issuer_nonce })
    }

    async fn prove(&self, caller: &Caller, proof: &[u8]) -> Option<PairAnswer> {
        let opened = caller.pairing.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let Opened { secret, transcript } = postcard::from_bytes(&opened).ok()?;
        // One answer for an unknown secret and a wrong proof: nothing is told about which secrets there are.
        let Some((secret, replaces)) = self.proven(&secret, &transcript, proof) else {
            let refusal = "the pairing token is wrong, used or expired; ask the other node for a new one";
            return Some(PairAnswer::Refused(refusal.into()));
        };
        let kept = self.peers.keep(transcript.joiner.clone(), caller.fingerprint, None, replaces).await;
        Some(match kept {
            Ok(peer) => {
                tracing::info!(peer = %peer.row.name, node = %peer.row.card.node, "paired");
                PairAnswer::Proved { proof: secret.prove(Side::Issuer, &transcript) }
            }
            Err(error) => PairAnswer::Refused(error.to_string()),
        })
    }

    /// The secret, if the proof is right and it is still free for this joiner; and the node whose place it gives.
    fn proven(&self, id: &[u8; 16], transcript: &Transcript, proof: &[u8]) -> Option<(Secret, Option<NodeGuid>)> {
        if let Some(secret) = self.configured.as_ref().filter(|secret| secret.id() == *id) {
            return secret.verify(Side::Joiner, transcript, proof).then(|| (secret.clone(), None));
        }
        let mut tokens = self.tokens();
        let token = tokens.iter_mut().find(|token| token.secret.id() == *id)?;
        if !token.secret.verify(Side::Joiner, transcript, proof) {
            token.wrong += 1;
            return None;
        }
        let meant = token.replaces.is_none_or(|node| node == transcript.joiner.node);
        let free = token.used_by.is_none_or(|other| other == transcript.joiner_certificate);
        if !meant || !free {
            return None;
        }
        token.used_by = Some(transcript.joiner_certificate);
        Some((token.secret.clone(), token.replaces))
    }

    pub(crate) fn configured(&self) -> Option<&Secret> {
        self.configured.as_ref()
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Vec<Outstanding>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
