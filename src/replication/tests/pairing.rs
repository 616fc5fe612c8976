//! Whose place a token gives: a node that is paired keeps its key, whoever says that it is that node.

use std::sync::Arc;

use tandem_storage::types::NodeGuid;

use super::super::pairing::{JoinError, Secret, Token, join};
use super::super::peers::{KeepError, NodeCard, Peers};
use super::super::wire::{Dialer, Link};
use super::rogue::Rogue;
use super::victim::{Victim, open_store};
use crate::clock::{SharedClock, SystemClock};
use crate::tls::{Fingerprint, NodeIdentity, Pins};

const KNOWN: NodeGuid = NodeGuid::from_bytes([2; 16]);
const OTHER: NodeGuid = NodeGuid::from_bytes([3; 16]);

fn card(node: NodeGuid, address: &str) -> NodeCard {
    NodeCard {
        node,
        name: "rogue".into(),
        address: address.into(),
        s3_endpoint: String::new(),
        admin_endpoint: String::new(),
    }
}

/// A key of somebody's own.
fn key(node: NodeGuid) -> (Arc<NodeIdentity>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Arc::new(NodeIdentity::load_or_make(dir.path(), node).unwrap()), dir)
}

/// Says that it is `node`, with a key of its own and a secret that is right.
async fn says_it_is(
    victim: &Victim,
    node: NodeGuid,
    identity: &Arc<NodeIdentity>,
    secret: &Secret,
    server: Option<Fingerprint>,
) -> Result<(), JoinError> {
    let dialer = Dialer { address: victim.address.to_string(), expected: server };
    let link = Link::new(identity.clone(), victim.clock.clone(), dialer);
    let card = card(node, "10.9.9.9:9600");
    join(&link, &*victim.clock, secret, &card, identity.fingerprint()).await.map(|_| ())
}

async fn by_token(victim: &Victim, node: NodeGuid, identity: &Arc<NodeIdentity>, token: &str) -> Result<(), JoinError> {
    let token: Token = token.parse().ok().unwrap();
    says_it_is(victim, node, identity, &Secret::of_token(&token.secret), Some(token.fingerprint)).await
}

/// The known peer is as it was, and still let in.
async fn keeps_its_place(victim: &Victim, rogue: &Rogue) {
    let peers = victim.control.report().peers;
    let known: Vec<_> = peers.iter().filter(|peer| peer.node == KNOWN.to_string()).collect();
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].address, "127.0.0.1:1", "nobody else's address is dialled");
    assert!(rogue.try_ask(super::super::message::Request::Hello(Vec::new())).await.is_ok());
}

/// The fault: whoever had a token for a third node took the place of one that was paired.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_gives_nobodys_place_away() {
    let victim = Victim::start().await;
    let rogue = Rogue::called(&victim, KNOWN).await;
    let (thief, _dir) = key(KNOWN);
    for _ in 0..2 {
        let token = victim.control.pairing_token().await.unwrap();
        let refused = by_token(&victim, KNOWN, &thief, &token).await;
        assert!(matches!(&refused, Err(JoinError::Refused(why)) if why.contains("--replaces rogue")), "{refused:?}");
        keeps_its_place(&victim, &rogue).await;
        // Nor by the key of a peer under another id.
        let token = victim.control.pairing_token().await.unwrap();
        let refused = by_token(&victim, OTHER, &rogue.identity, &token).await;
        assert!(matches!(&refused, Err(JoinError::Refused(why)) if why.contains("another peer")), "{refused:?}");
        keeps_its_place(&victim, &rogue).await;
    }
    // The node itself may pair again by any token, and from another place: its key proves it.
    let token = victim.control.pairing_token().await.unwrap();
    by_token(&victim, KNOWN, &rogue.identity, &token).await.unwrap();
    assert_eq!(victim.control.report().peers[0].address, "10.9.9.9:9600");
    victim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_both_nodes_gives_nobodys_place_away() {
    let secret = "correct horse battery staple";
    let victim = Victim::with_secret(secret).await;
    let rogue = Rogue::called(&victim, KNOWN).await;
    let (thief, _dir) = key(KNOWN);
    let refused = says_it_is(&victim, KNOWN, &thief, &Secret::of_configuration(secret), None).await;
    assert!(matches!(&refused, Err(JoinError::Refused(_))), "{refused:?}");
    keeps_its_place(&victim, &rogue).await;
    let (new, _dir) = key(OTHER);
    says_it_is(&victim, OTHER, &new, &Secret::of_configuration(secret), None).await.unwrap();
    victim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_node_replaces_that_one_and_serves_no_other() {
    let victim = Victim::start().await;
    let rogue = Rogue::called(&victim, KNOWN).await;
    assert!(victim.control.pairing_token_for("nobody").await.is_err());
    let token = victim.control.pairing_token_for("rogue").await.unwrap();
    let (third, _dir) = key(OTHER);
    let refused = by_token(&victim, OTHER, &third, &token).await;
    assert!(matches!(&refused, Err(JoinError::Refused(why)) if why.contains("token is wrong")), "{refused:?}");
    keeps_its_place(&victim, &rogue).await;
    let (anew, _other_dir) = key(KNOWN);
    by_token(&victim, KNOWN, &anew, &token).await.unwrap();
    let peers = victim.control.report().peers;
    assert_eq!((peers.len(), peers[0].name.as_str(), peers[0].address.as_str()), (1, "rogue", "10.9.9.9:9600"));
    assert!(rogue.try_ask(super::super::message::Request::Hello(Vec::new())).await.is_err(), "the old key is out");
    victim.stop().await;
}

#[tokio::test]
async fn an_issuer_that_says_it_is_another_peer_is_refused() {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let (own, _dir) = key(NodeGuid::from_bytes([1; 16]));
    let store = open_store(0);
    let peers = Peers::load(store.clone(), clock, own, Arc::new(Pins::default())).ok().unwrap();
    let ((first, _one), (second, _two)) = (key(KNOWN), key(KNOWN));
    let keep = async |identity: &NodeIdentity, node, name, replaced| {
        peers.keep(card(node, "10.0.0.2:9600"), identity.fingerprint(), Some(name), replaced).await
    };
    assert!(keep(&first, KNOWN, "b", None).await.is_ok());
    // The operator calls it `c`: then it is not to take the place of `b`.
    for replaced in [None, Some(OTHER)] {
        assert!(matches!(keep(&second, KNOWN, "c", replaced).await, Err(KeepError::Known { name, .. }) if name == "b"));
    }
    assert!(matches!(keep(&first, OTHER, "c", None).await, Err(KeepError::KeyTaken(name)) if name == "b"));
    assert_eq!(peers.by_node(KNOWN).unwrap().row.fingerprint, first.fingerprint());
    assert!(keep(&second, KNOWN, "b", Some(KNOWN)).await.is_ok(), "the operator means it");
    assert_eq!(peers.by_name("b").unwrap().row.fingerprint, second.fingerprint());
    drop(peers);
    tokio::task::spawn_blocking(move || store.close().unwrap()).await.unwrap();
}
