//! Damage at a destination, and a source that asks late.

use bytes::BytesMut;
use tandem_storage::disk::Disk;
use tandem_storage::record::{BlobKind, TransferPhase, TransferRow};
use tandem_storage::types::{Body, ContentHash, PathGuid};

use super::super::alarm::Alarms;
use super::super::message::{Answer, Attempt, Failure, Request};
use super::super::receive::{Declared, Receiver};
use super::super::wire::{encode_blob, encode_end};
use super::lies::{recipe, recipe_hash};
use super::rogue::{Rogue, digest_of, snapshot, total_of};
use super::rows::{self, sized};
use super::victim::{DEADLINE, Victim};

/// Flips a bit of these bytes where the journal has them.
pub fn spoil(victim: &Victim, bytes: &[u8]) {
    for path in victim.disk.files().into_iter().filter(|path| path.starts_with("journal/")) {
        let file = victim.disk.open(&path).unwrap();
        let mut all = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        assert_eq!(file.read_at(&mut all, 0).unwrap(), all.len());
        if let Some(at) = all.windows(bytes.len()).position(|window| window == bytes) {
            return victim.disk.flip_bit(&path, at as u64 + 10, 3).unwrap();
        }
    }
    panic!("the journal does not have it");
}

async fn lacking(rogue: &Rogue, number: u8, hashes: &[ContentHash]) -> Vec<ContentHash> {
    match rogue.ask(Request::Lacking { attempt: rogue.attempt(number), hashes: hashes.to_vec() }).await {
        Answer::Lacking(lacking) => lacking,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_recipe_that_is_damaged_at_the_destination_holds_nothing_up_and_is_asked_for_again() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    let data = ContentHash::of(b"a piece");
    let bytes = recipe(&[(BlobKind::Data, data, 7), (BlobKind::Data, data, 7)]);
    let hash = recipe_hash(&bytes);
    let read = || {
        let mut content = BytesMut::new();
        let mut body = victim.store.read().unwrap().open_body(&Body::Recipe(hash), 0..14)?;
        while body.next_chunk(&mut content)? {}
        Ok::<_, tandem_storage::blob::BlobError>(content)
    };
    for number in 2..5 {
        assert!(matches!(rogue.begin(number, Some(number - 1)).await, crate::role::machine::Taking::Begin { .. }));
        let wanted = lacking(&rogue, number, &[data, hash]).await;
        match number {
            2 => assert_eq!(wanted, [data, hash]),
            // Nobody knows yet.
            3 => assert_eq!(wanted, []),
            _ => assert_eq!(wanted, [hash]),
        }
        let mut out = rows::head(rogue.node, rogue.attempt(number));
        if wanted.contains(&data) {
            encode_blob(&mut out, data, BlobKind::Data, b"a piece");
        }
        if wanted.contains(&hash) {
            encode_blob(&mut out, hash, BlobKind::Recipe, &bytes);
        }
        encode_end(&mut out);
        let stored = rogue.stream(out).await;
        assert!(matches!(stored, Answer::Stored), "{stored:?}");
        let rows = [sized(1, &format!("k{number}"), Body::Recipe(hash), 14)];
        let staged = rogue.ask(rogue.rows_request(number, 0, &rows)).await;
        assert!(matches!(staged, Answer::Staged(1)), "{staged:?}");
        rogue.take(&rows);
        rogue.land(number, 1).await;
        rogue.is_shown(&victim, number);
        if number == 2 {
            assert_eq!(read().unwrap()[..], *b"a piecea piece");
            spoil(&victim, &bytes);
        }
    }
    assert_eq!(read().unwrap()[..], *b"a piecea piece", "what was sent again has taken its place");
    victim.stop().await;
}

#[tokio::test]
async fn a_source_that_asks_again_after_its_transfer_has_landed_is_told_so() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    let alarms = Alarms::new(victim.store.clone(), victim.clock.clone());
    let receiver = Receiver::new(victim.store.clone(), victim.clock.clone(), alarms);
    rogue.begin(2, Some(1)).await;
    rogue.send_blobs(2, &[b"two"]).await;
    let rows = [rows::object(1, "k", b"two")];
    let staged = rogue.ask(rogue.rows_request(2, 0, &rows)).await;
    assert!(matches!(staged, Answer::Staged(1)), "{staged:?}");
    rogue.take(&rows);
    let declared = Declared { rows: 1, digest: digest_of(&rogue.rows), total: Some(total_of(&rogue.rows)) };
    let complete = |attempt, patience| receiver.complete(attempt, declared.clone(), patience);
    let checked = async {
        let received = |row: &TransferRow| matches!(row.phase, TransferPhase::Receiving { .. });
        while victim.store.transfers().unwrap().iter().any(received) {
            tokio::task::yield_now().await;
        }
    };
    // The question is given up when the check is over, and before it is told so: the verdict is kept.
    tokio::select! {
        biased;
        () = checked => {}
        told = complete(rogue.attempt(2), DEADLINE) => panic!("told too early: {told:?}"),
    }
    // Once it has landed, which it may by itself, there is no such transfer any more.
    loop {
        match rogue.ask(rogue.complete_request(2, 1)).await {
            Answer::Landed | Answer::Failed(Failure::NotCurrent) => break,
            Answer::Landing => {}
            other => panic!("{other:?}"),
        }
    }
    rogue.is_shown(&victim, 2);
    assert!(victim.store.transfers().unwrap().is_empty());
    let other = Attempt { path: PathGuid::from_bytes([77; 16]), ..rogue.attempt(2) };
    assert_eq!(complete(other, DEADLINE).await, Err(Failure::NotCurrent), "it is not another path's");
    let told = complete(rogue.attempt(2), DEADLINE).await;
    assert!(matches!(&told, Ok(Some(to)) if *to == snapshot(2)), "{told:?}");
    victim.stop().await;
}
