//! The joiner's side of a pairing.

use std::time::Duration;

use super::super::peers::NodeCard;
use super::super::wire::{Link, LinkError, PAIR};
use super::exchange::{PairAnswer, PairRequest};
use super::proof::{Secret, Side, Transcript};
use crate::clock::Clock;
use crate::tls::Fingerprint;

const DEADLINE: Duration = Duration::from_secs(15);

#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("{0}")]
    Refused(String),
    #[error("the other side did not prove that it knows the pairing secret; somebody may sit between the nodes")]
    Unproved,
    #[error("the other side does not keep to the pairing protocol")]
    Protocol,
}

/// Pairs over a fresh link. Returns the issuer's card and certificate, both proved.
pub(crate) async fn join(
    link: &Link,
    clock: &dyn Clock,
    secret: &Secret,
    card: &NodeCard,
    certificate: Fingerprint,
) -> Result<(NodeCard, Fingerprint), JoinError> {
    let mut nonce = [0; 32];
    clock.fill_random(&mut nonce);
    let open = PairRequest::Open { secret: secret.id(), joiner: card.clone(), nonce };
    let (issuer, issuer_nonce) = match link.call(PAIR, &open, DEADLINE).await? {
        PairAnswer::Challenge { issuer, nonce } => (issuer, nonce),
        PairAnswer::Refused(reason) => return Err(JoinError::Refused(reason)),
        PairAnswer::Proved { .. } => return Err(JoinError::Protocol),
    };
    let issuer_certificate = link.server().ok_or(JoinError::Protocol)?;
    if !issuer.is_sane() || issuer.node == card.node {
        return Err(JoinError::Refused(
            "the other node's name or address is not acceptable, or it is this node".into(),
        ));
    }
    let transcript = Transcript {
        joiner: card.clone(),
        joiner_certificate: certificate,
        joiner_nonce: nonce,
        issuer,
        issuer_certificate,
        issuer_nonce,
    };
    let prove = PairRequest::Prove { proof: secret.prove(Side::Joiner, &transcript) };
    match link.call(PAIR, &prove, DEADLINE).await? {
        PairAnswer::Proved { proof } if secret.verify(Side::Issuer, &transcript, &proof) => {
            Ok((transcript.issuer, issuer_certificate))
        }
        PairAnswer::Proved { .. } => Err(JoinError::Unproved),
        PairAnswer::Refused(reason) => Err(JoinError::Refused(reason)),
        PairAnswer::Challenge { .. } => Err(JoinError::Protocol),
    }
}
