//! A key that is a peer's no more: removed, or replaced by a new one.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::message::Answer;
use super::super::wire::{BLOBS, LinkError};
use super::rogue::Rogue;
use super::rows;
use super::victim::{DEADLINE, Victim};
use crate::role::machine::Taking;

/// A stream of blobs whose end has not been sent.
struct Open {
    chunks: mpsc::Sender<Bytes>,
    answer: tokio::task::JoinHandle<Result<Answer, LinkError>>,
}

/// Sends the first of two blobs, and waits until it is claimed.
async fn half_way(victim: &Victim, rogue: &std::sync::Arc<Rogue>, number: u8) -> Open {
    let long = vec![number; 700_000];
    let whole = rows::blobs(rogue.node, rogue.attempt(number), &[&long, b"second"]).freeze();
    let (chunks, waiting) = mpsc::channel(4);
    let rogue = rogue.clone();
    let answer = tokio::spawn(async move { rogue.link.stream(BLOBS, waiting, DEADLINE).await });
    chunks.send(whole.slice(..whole.len() - 5)).await.unwrap();
    let hash = tandem_storage::types::ContentHash::of(&long);
    tokio::time::timeout(DEADLINE, async {
        while victim.store.blob(hash).is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    Open { chunks, answer }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_peer_is_refused_at_once_and_its_open_session_is_ended() {
    let victim = Victim::start().await;
    let rogue = std::sync::Arc::new(Rogue::paired(&victim, 2).await);
    rogue.accept().await;
    assert!(matches!(rogue.begin(1, None).await, Taking::Begin { .. }));
    let open = half_way(&victim, &rogue, 1).await;
    victim.control.remove_path(&rogue.scope).await.unwrap();
    victim.control.remove_peer("rogue").await.unwrap();
    // Nothing more need be sent for it to end.
    let ended = tokio::time::timeout(DEADLINE, open.answer).await.unwrap().unwrap();
    assert!(ended.is_err(), "{ended:?}");
    drop(open.chunks);
    assert!(rogue.try_ask(super::super::message::Request::Hello(Vec::new())).await.is_err());
    let anew = rogue.through(victim.address.to_string());
    let hello = super::super::message::Envelope {
        sender: rogue.node,
        request: super::super::message::Request::Hello(Vec::new()),
    };
    assert!(anew.call::<_, Answer>(super::super::wire::CALL, &hello, DEADLINE).await.is_err());
    assert!(victim.store.transfers().unwrap().is_empty());
    victim.is_whole().await;
    victim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_paired_with_a_new_key_is_refused_under_the_old_one() {
    let victim = Victim::start().await;
    let old = std::sync::Arc::new(Rogue::protecting(&victim).await);
    assert!(matches!(old.begin(2, Some(1)).await, Taking::Begin { .. }));
    let open = half_way(&victim, &old, 2).await;
    let mut new = Rogue::called(&victim, old.node).await;
    new.rows = old.rows.clone();
    let ended = tokio::time::timeout(DEADLINE, open.answer).await.unwrap().unwrap();
    assert!(ended.is_err(), "{ended:?}");
    drop(open.chunks);
    let refused = old.try_ask(old.rows_request(2, 0, &[rows::object(1, "k", b"by the old key")])).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(victim.control.report().peers.len(), 1);
    // What the node had begun goes on under the new key.
    assert_eq!(new.begin(2, Some(1)).await, Taking::Resume { rows: 0 });
    new.send_blobs(2, &[b"by the new key"]).await;
    let row = rows::object(1, "k", b"by the new key");
    assert!(matches!(new.ask(new.rows_request(2, 0, std::slice::from_ref(&row))).await, Answer::Staged(1)));
    new.take(&[row]);
    new.land(2, 1).await;
    new.is_shown(&victim, 2);
    victim.is_clean().await;
    victim.stop().await;
}
