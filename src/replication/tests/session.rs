//! Sessions and messages that come again, late, in another order, in part, or to another address.

use tandem_storage::record::BlobKind;
use tandem_storage::types::{ContentHash, EpochNumber};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::message::{Answer, Attempt, Envelope, Failure, Request};
use super::super::wire::{BLOBS, CALL, LinkError, PAIR, encode, encode_blob, encode_end};
use super::rogue::{Rogue, failed};
use super::rows;
use super::victim::{DEADLINE, Victim};
use crate::role::machine::{Refused, Taking};

/// Carries connections to `target`; tells what clients sent.
async fn recorder(target: std::net::SocketAddr) -> (String, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (told, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(target).await.unwrap();
        let ((mut client_in, mut client_out), (mut server_in, mut server_out)) =
            (client.into_split(), server.into_split());
        tokio::spawn(async move { tokio::io::copy(&mut server_in, &mut client_out).await });
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = client_in.read(&mut buffer).await {
            told.send(buffer[..count].to_vec()).unwrap();
            server_out.write_all(&buffer[..count]).await.unwrap();
        }
    });
    (address, heard)
}

#[tokio::test]
async fn a_recorded_session_that_is_played_back_changes_nothing() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    let (address, mut heard) = recorder(victim.address).await;
    let recorded = rogue.through(address);
    let direct = std::mem::replace(&mut rogue.link, recorded);
    rogue.deliver(2, Some(1), vec![rows::object(1, "k", b"second")], &[b"second"]).await;
    rogue.link = direct;
    rogue.deliver(3, Some(2), vec![rows::object(1, "k", b"third")], &[b"third"]).await;
    let mut recorded = Vec::new();
    while let Ok(bytes) = heard.try_recv() {
        recorded.extend(bytes);
    }
    assert!(recorded.len() > 1000);
    // Whole, and from behind the handshake on: the keys are of that session alone.
    for from in [0, recorded.len() / 2] {
        let mut socket = TcpStream::connect(victim.address).await.unwrap();
        let _ = socket.write_all(&recorded[from..]).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection stays open");
        assert!(answer.len() < 8192, "{} bytes were answered", answer.len());
        rogue.is_shown(&victim, 3);
        victim.is_clean().await;
    }
    victim.stop().await;
}

#[tokio::test]
async fn a_message_that_is_said_again_changes_nothing() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    let all = [rows::object(1, "a", b"one"), rows::object(1, "b", b"two")];
    assert_eq!(rogue.begin(2, Some(1)).await, Taking::Begin { drop: None });
    assert_eq!(rogue.begin(2, Some(1)).await, Taking::Resume { rows: 0 });
    for _ in 0..2 {
        rogue.send_blobs(2, &[b"one", b"two"]).await;
    }
    for (first, rows) in [(0, &all[..1]), (0, &all[..1]), (0, &all[..]), (1, &all[1..]), (0, &all[..1])] {
        let staged = rogue.ask(rogue.rows_request(2, first, rows)).await;
        assert!(matches!(staged, Answer::Staged(1 | 2)), "{staged:?}");
    }
    assert_eq!(rogue.begin(2, Some(1)).await, Taking::Resume { rows: 2 });
    rogue.take(&all);
    for _ in 0..3 {
        let answer = rogue.ask(rogue.complete_request(2, 2)).await;
        // Once it has landed there is no such transfer any more.
        let known = matches!(answer, Answer::Landed | Answer::Landing | Answer::Failed(Failure::NotCurrent));
        assert!(known, "{answer:?}");
    }
    let deadline = tokio::time::timeout(DEADLINE, async { while rogue.begin(2, Some(1)).await != Taking::Landed {} });
    deadline.await.unwrap();
    rogue.is_shown(&victim, 2);
    // Everything of the finished transfer comes once more.
    let late = [rogue.rows_request(2, 0, &all), rogue.complete_request(2, 2)];
    for request in late {
        assert_eq!(failed(&rogue.ask(request).await), &Failure::NotCurrent);
    }
    let stream = rows::blobs(rogue.node, rogue.attempt(2), &[b"late"]);
    assert_eq!(failed(&rogue.stream(stream).await), &Failure::NotCurrent);
    let older = rogue.ask(Request::Offer(rogue.offer(1, None))).await;
    assert!(matches!(older, Answer::Taking(Err(Refused::WrongBase))), "{older:?}");
    rogue.is_shown(&victim, 2);
    victim.is_clean().await;
    victim.stop().await;
}

#[tokio::test]
async fn a_message_counts_only_where_its_sender_its_path_and_its_method_fit() {
    let victim = Victim::start().await;
    let rogue = Rogue::protecting(&victim).await;
    let other = Rogue::paired(&victim, 3).await;
    rogue.begin(2, Some(1)).await;
    let rows = [rows::object(1, "a", b"one")];
    // Word for word what the source says, from another peer; and under the source's name.
    let answer = other.ask(rogue.rows_request(2, 0, &rows)).await;
    assert_eq!(failed(&answer), &Failure::NoPath);
    let stream = rows::blobs(other.node, rogue.attempt(2), &[b"one"]);
    assert_eq!(failed(&other.stream(stream).await), &Failure::NoPath);
    let envelope = Envelope { sender: rogue.node, request: rogue.rows_request(2, 0, &rows) };
    let bytes = encode(&envelope).unwrap();
    let forged = [
        other.post(CALL, bytes.clone()).await,
        other.post(BLOBS, rows::blobs(rogue.node, rogue.attempt(2), &[b"one"]).freeze()).await,
        rogue.post(BLOBS, bytes.clone()).await,
        rogue.post(PAIR, bytes).await,
        rogue.post(CALL, rows::blobs(rogue.node, rogue.attempt(2), &[b"one"]).freeze()).await,
    ];
    for answer in forged {
        assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::BAD_REQUEST))), "{answer:?}");
    }
    assert_eq!(rogue.begin(2, Some(1)).await, Taking::Resume { rows: 0 });
    rogue.is_shown(&victim, 1);
    victim.is_whole().await;
    victim.stop().await;
}

#[tokio::test]
async fn messages_of_another_epoch_or_another_transfer_are_refused() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    rogue.begin(2, Some(1)).await;
    let epoch = rogue.epoch;
    let rows = [rows::bucket(1, "path")];
    for number in [0, 2, 1 << 63, u64::MAX] {
        rogue.epoch.number = EpochNumber::new(number);
        let offered = rogue.ask(Request::Offer(rogue.offer(4, Some(1)))).await;
        assert!(matches!(offered, Answer::Taking(Err(Refused::WrongEpoch))), "{offered:?}");
        assert_eq!(failed(&rogue.ask(rogue.rows_request(2, 0, &rows)).await), &Failure::NotCurrent);
        assert_eq!(failed(&rogue.ask(rogue.complete_request(2, 0)).await), &Failure::NotCurrent);
    }
    // The end of all numbers is no epoch, whoever says so.
    let before = victim.store.paths();
    let mut view = rogue.view();
    view.epoch.number = EpochNumber::new(u64::MAX);
    view.revision = u64::MAX;
    assert!(matches!(rogue.ask(Request::Hello(vec![view])).await, Answer::Hello(_)));
    rogue.epoch = epoch;
    assert_eq!(failed(&rogue.ask(rogue.rows_request(7, 0, &rows)).await), &Failure::NotCurrent);
    // A new transfer takes the place of the one that was begun: its rows are late from then on.
    assert!(matches!(rogue.begin(3, Some(1)).await, Taking::Begin { drop: Some(_) }));
    assert_eq!(failed(&rogue.ask(rogue.rows_request(2, 0, &rows)).await), &Failure::NotCurrent);
    assert_eq!(victim.store.paths()[0].epoch, before[0].epoch);
    rogue.is_shown(&victim, 1);
    victim.is_whole().await;
    victim.stop().await;
}

#[tokio::test]
async fn rows_that_are_left_out_or_change_places_never_land() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    let all = [rows::object(1, "a", b"one"), rows::object(1, "b", b"two"), rows::object(1, "c", b"three")];
    let bytes: [&[u8]; 3] = [b"one", b"two", b"three"];
    rogue.begin(2, Some(1)).await;
    rogue.send_blobs(2, &bytes).await;
    assert!(matches!(rogue.ask(rogue.rows_request(2, 1, &all[1..])).await, Answer::Failed(Failure::NotCurrent)));
    assert!(matches!(rogue.ask(rogue.rows_request(2, u64::MAX, &all[1..])).await, Answer::Failed(_)));
    rogue.is_shown(&victim, 1);
    let shown = rogue.rows.clone();
    // One dropped, one twice, one fewer than was said: the digest is not what was said, or cannot be.
    for (number, sent) in [(3, vec![0, 2]), (4, vec![0, 1, 1]), (5, vec![0, 1])] {
        rogue.begin(number, Some(1)).await;
        rogue.send_blobs(number, &bytes).await;
        let rows: Vec<_> = sent.iter().map(|at| all[*at].clone()).collect();
        rogue.ask(rogue.rows_request(number, 0, &rows)).await;
        rogue.take(&all);
        let counted = if number == 5 { 3 } else { rows.len() as u64 };
        let answer = rogue.ask(rogue.complete_request(number, counted)).await;
        let refused = match number {
            4 => matches!(failed(&answer), Failure::Refused(why) if why.contains("a key twice")),
            _ => *failed(&answer) == Failure::DigestDiffers,
        };
        assert!(refused, "{number}: {answer:?}");
        rogue.rows = shown.clone();
        rogue.is_shown(&victim, 1);
        victim.is_clean().await;
    }
    rogue.deliver(6, Some(1), all.to_vec(), &bytes).await;
    rogue.is_shown(&victim, 6);
    victim.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_cut_or_out_of_order_is_not_stored() {
    let victim = Victim::start().await;
    let rogue = Rogue::protecting(&victim).await;
    rogue.begin(2, Some(1)).await;
    let whole = rows::blobs(rogue.node, rogue.attempt(2), &[&[7; 5000]]);
    for cut in [1, 30, 120, whole.len() - 1] {
        let mut part = whole.clone();
        part.truncate(cut);
        let answer = rogue.post(BLOBS, part.freeze()).await;
        let refused = matches!(&answer, Err(LinkError::Status(_)) | Ok(Answer::Failed(Failure::Internal(_))));
        assert!(refused, "{cut}: {answer:?}");
    }
    // A recipe before its pieces.
    let recipe = super::lies::recipe(&[(BlobKind::Data, ContentHash::of(b"later"), 5)]);
    let mut early = rows::head(rogue.node, rogue.attempt(2));
    encode_blob(&mut early, super::lies::recipe_hash(&recipe), BlobKind::Recipe, &recipe);
    encode_blob(&mut early, ContentHash::of(b"later"), BlobKind::Data, b"later");
    encode_end(&mut early);
    let answer = rogue.stream(early).await;
    assert!(matches!(failed(&answer), Failure::Internal(_)), "{answer:?}");
    let Attempt { transfer, .. } = rogue.attempt(2);
    assert_eq!(victim.store.transfers().unwrap()[0].id, transfer);
    rogue.is_shown(&victim, 1);
    victim.is_whole().await;
    victim.stop().await;
}
