use tandem_storage::types::NodeGuid;

use super::super::peers::NodeCard;
use super::proof::{Side, Transcript};
use super::{InvalidToken, Secret, Token};
use crate::tls::Fingerprint;

fn fingerprint(byte: u8) -> Fingerprint {
    hex::encode([byte; 32]).parse().unwrap()
}

fn card(byte: u8) -> NodeCard {
    NodeCard {
        node: NodeGuid::from_bytes([byte; 16]),
        name: format!("node-{byte}"),
        address: format!("10.0.0.{byte}:9600"),
        s3_endpoint: String::new(),
        admin_endpoint: String::new(),
    }
}

fn transcript() -> Transcript {
    Transcript {
        joiner: card(1),
        joiner_certificate: fingerprint(1),
        joiner_nonce: [1; 32],
        issuer: card(2),
        issuer_certificate: fingerprint(2),
        issuer_nonce: [2; 32],
    }
}

#[test]
fn a_token_survives_being_carried_and_nothing_else_is_one() {
    let token = Token { address: "a.example:9600".into(), fingerprint: fingerprint(9), secret: [3; 32] };
    let text = token.to_text();
    assert!(text.parse::<Token>().is_ok_and(|parsed| parsed == token));
    assert!(format!("  {text}\n").parse::<Token>().is_ok_and(|parsed| parsed == token));
    for bad in ["", "tandem1.", "tandem2.AAAA", &text[..text.len() - 4], &format!("{text}AAAA")] {
        assert_eq!(bad.parse::<Token>().err(), Some(InvalidToken), "{bad}");
    }
}

#[test]
fn a_proof_counts_for_one_side_one_secret_and_both_certificates() {
    let (secret, other) = (Secret::of_token(&[1; 32]), Secret::of_token(&[2; 32]));
    let agreed = transcript();
    let proof = secret.prove(Side::Joiner, &agreed);
    assert!(secret.verify(Side::Joiner, &agreed, &proof));
    assert!(!secret.verify(Side::Issuer, &agreed, &proof));
    assert!(!other.verify(Side::Joiner, &agreed, &proof));
    let tampered = [
        Transcript { joiner_certificate: fingerprint(7), ..transcript() },
        Transcript { issuer_certificate: fingerprint(7), ..transcript() },
        Transcript { joiner_nonce: [7; 32], ..transcript() },
        Transcript { issuer_nonce: [7; 32], ..transcript() },
        Transcript { joiner: card(7), ..transcript() },
        Transcript { issuer: card(7), ..transcript() },
    ];
    for transcript in tampered {
        assert!(!secret.verify(Side::Joiner, &transcript, &proof));
    }
}

#[test]
fn what_a_peer_says_of_itself_is_checked() {
    assert!(card(1).is_sane() && card(1).is_reachable());
    for bad in ["", "a b", "x\u{1b}[2J", &"x".repeat(65)] {
        assert!(!NodeCard { name: bad.to_owned(), ..card(1) }.is_sane(), "{bad:?}");
    }
    assert!(!NodeCard { address: "h\n:1".into(), ..card(1) }.is_sane());
    assert!(!NodeCard { address: "0.0.0.0:9600".into(), ..card(1) }.is_reachable());
    assert!(!NodeCard { address: "[::]:9600".into(), ..card(1) }.is_reachable());
}
