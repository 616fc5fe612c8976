use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::body::Incoming;
use proptest::prelude::*;
use tandem_storage::record::BlobKind;
use tandem_storage::types::{ContentHash, NodeGuid};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::codec::{LARGE_MAX, SMALL};
use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::tls::{Fingerprint, NodeIdentity, Pins, replication_server};

fn stream_of(bytes: &[u8]) -> BlobStream<Full<Bytes>> {
    BlobStream::new(Full::new(Bytes::copy_from_slice(bytes)))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn blobs_come_through_as_they_were(blobs in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..600), 1usize..400), 0..6)) {
        let blobs: Vec<Vec<u8>> = blobs.into_iter().map(|(bytes, times)| bytes.repeat(times)).collect();
        let mut out = BytesMut::new();
        for blob in &blobs {
            encode_blob(&mut out, ContentHash::of(blob), BlobKind::Data, blob);
        }
        encode_end(&mut out);
        block_on(async {
            let mut stream = stream_of(&out);
            for blob in &blobs {
                let received = stream.next().await.unwrap().unwrap();
                assert_eq!((received.hash, &received.bytes[..]), (ContentHash::of(blob), &blob[..]));
            }
            assert!(stream.next().await.unwrap().is_none() && stream.ended());
        });
    }

    #[test]
    fn a_cut_stream_is_never_taken_for_a_whole_one(cut in 0usize..300) {
        let mut out = BytesMut::new();
        encode_blob(&mut out, ContentHash::of(b"x"), BlobKind::Data, &[7; 200]);
        encode_end(&mut out);
        let cut = cut.min(out.len() - 1);
        block_on(async {
            let mut stream = stream_of(&out[..cut]);
            while let Ok(Some(_)) = stream.next().await {}
            assert!(!stream.ended());
        });
    }

    #[test]
    fn arbitrary_bytes_are_an_error_at_worst(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        block_on(async {
            let mut stream = stream_of(&bytes);
            while let Ok(Some(_)) = stream.next().await {}
        });
        let _ = decode::<(u64, String, Vec<Vec<u8>>)>(&bytes);
    }
}

#[test]
fn compressible_blobs_shrink_and_lies_about_lengths_are_refused() {
    let zeros = vec![0; 1 << 20];
    let mut out = BytesMut::new();
    let sent = encode_blob(&mut out, ContentHash::of(&zeros), BlobKind::Data, &zeros);
    assert!(sent < zeros.len() / 50);
    for (at, value) in [(35, 8u32 << 20), (35, 1 << 10), (35, u32::MAX), (39, u32::MAX)] {
        let mut lie = out.to_vec();
        lie[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert!(block_on(stream_of(&lie).next()).is_err(), "{at} {value}");
    }
}

struct Echo;

impl Handler for Echo {
    async fn pair(&self, _caller: &Caller, message: &[u8]) -> Option<Vec<u8>> {
        Some(message.to_vec())
    }

    async fn call(&self, _peer: NodeGuid, message: &[u8]) -> Option<Vec<u8>> {
        Some(message.to_vec())
    }

    async fn blobs(&self, _peer: NodeGuid, mut stream: BlobStream<Incoming>) -> Option<Vec<u8>> {
        let mut total = 0u64;
        while let Some(blob) = stream.next().await.ok()? {
            total += blob.bytes.len() as u64;
        }
        stream.ended().then(|| encode(&total).unwrap())
    }
}

struct Pair {
    link: Link,
    pins: Arc<Pins>,
    address: SocketAddr,
    server: Fingerprint,
    down: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
    dirs: [tempfile::TempDir; 2],
}

async fn pair(pinned: bool) -> Pair {
    limited(pinned, Limits::USUAL).await
}

async fn limited(pinned: bool, limits: Limits) -> Pair {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let identity =
        |at: usize| NodeIdentity::load_or_make(dirs[at].path(), NodeGuid::from_bytes([at as u8; 16])).unwrap();
    let (server, client) = (identity(0), Arc::new(identity(1)));
    let pins = Arc::new(Pins::default());
    pins.open_pairing(true);
    if pinned {
        pins.replace(HashMap::from([(client.fingerprint(), NodeGuid::from_bytes([1; 16]))]));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (down, shutdown) = watch::channel(false);
    let config = replication_server(&server, pins.clone()).unwrap();
    let serving = tokio::spawn(serve(listener, config, pins.clone(), Arc::new(Echo), limits, shutdown));
    let server = server.fingerprint();
    let link = dial(client, address, server);
    Pair { link, pins, address, server, down, serving, dirs }
}

fn dial(client: Arc<NodeIdentity>, address: SocketAddr, server: Fingerprint) -> Link {
    let dialer = Dialer { address: address.to_string(), expected: Some(server) };
    Link::new(client, Arc::new(SystemClock::new()), dialer)
}

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn messages_and_blobs_travel_over_one_pinned_connection() {
    let pair = pair(true).await;
    let answer: String = pair.link.call(CALL, &"hello".to_string(), DEADLINE).await.unwrap();
    assert_eq!(answer, "hello");
    let (sender, chunks) = mpsc::channel(2);
    let producer = tokio::spawn(async move {
        for byte in 0..5u8 {
            let mut out = BytesMut::new();
            encode_blob(&mut out, ContentHash::from_bytes([byte; 32]), BlobKind::Data, &vec![byte; 3_000_000]);
            sender.send(out.freeze()).await.unwrap();
        }
        let mut out = BytesMut::new();
        encode_end(&mut out);
        sender.send(out.freeze()).await.unwrap();
    });
    let total: u64 = pair.link.stream(BLOBS, chunks, DEADLINE).await.unwrap();
    producer.await.unwrap();
    assert_eq!(total, 15_000_000);
    pair.down.send(true).unwrap();
    pair.serving.await.unwrap();
    assert!(pair.link.call::<_, String>(CALL, &"late".to_string(), DEADLINE).await.is_err());
}

#[tokio::test]
async fn strangers_may_pair_and_nothing_else_and_a_withdrawn_pin_counts_at_once() {
    let pair = pair(false).await;
    let message = "x".to_string();
    assert_eq!(pair.link.call::<_, String>(PAIR, &message, DEADLINE).await.unwrap(), message);
    let refused = pair.link.call::<_, String>(CALL, &message, DEADLINE).await.unwrap_err();
    assert!(matches!(refused, LinkError::Status(http::StatusCode::FORBIDDEN)), "{refused}");
    pair.pins.open_pairing(false);
    let oversized = pair.link.call::<_, String>(PAIR, &"x".repeat(20_000), DEADLINE).await.unwrap_err();
    assert!(matches!(oversized, LinkError::Status(http::StatusCode::PAYLOAD_TOO_LARGE)), "{oversized}");
}

#[tokio::test]
async fn an_operator_is_told_which_node_has_forgotten_the_other() {
    let pair = pair(false).await;
    pair.pins.open_pairing(false);
    let message = "x".to_string();
    let refused = pair.link.call::<_, String>(CALL, &message, DEADLINE).await.unwrap_err().to_string();
    assert!(refused.contains("does not know this one"), "{refused}");
    let health = pair.link.health();
    assert!(!health.connected && health.error.as_ref() == Some(&refused), "{health:?}");
    // Another node at the address of the one that was paired.
    let client = Arc::new(NodeIdentity::load_or_make(pair.dirs[1].path(), NodeGuid::from_bytes([1; 16])).unwrap());
    let astray = dial(client.clone(), pair.address, client.fingerprint());
    let refused = astray.call::<_, String>(CALL, &message, DEADLINE).await.unwrap_err().to_string();
    assert!(refused.contains("another node answers there"), "{refused}");
}

#[tokio::test]
async fn idle_connections_and_strangers_keep_no_peer_out() {
    let pair = limited(true, Limits { handshakes: 4, peers: 1, of_one_peer: 1, strangers: 2 }).await;
    let message = "x".to_string();
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(pair.address).await.unwrap());
    }
    let strangers: Vec<_> = (2..5)
        .map(|node| {
            let dir = pair.dirs[1].path().join(node.to_string());
            let identity = NodeIdentity::load_or_make(&dir, NodeGuid::from_bytes([node; 16])).unwrap();
            dial(Arc::new(identity), pair.address, pair.server)
        })
        .collect();
    for stranger in &strangers[..2] {
        assert_eq!(stranger.call::<_, String>(PAIR, &message, DEADLINE).await.unwrap(), message);
    }
    assert!(strangers[2].call::<_, String>(PAIR, &message, DEADLINE).await.is_err());
    for _ in 0..20 {
        idle.push(TcpStream::connect(pair.address).await.unwrap());
    }
    // Long before the first of them comes to its deadline.
    let soon = Duration::from_secs(5);
    assert_eq!(pair.link.call::<_, String>(CALL, &message, soon).await.unwrap(), message);
    drop(idle);
}

/// A further peer, and a link of its.
fn further(pair: &Pair, node: u8) -> Link {
    let identity = |node: u8, dir: &str| {
        NodeIdentity::load_or_make(&pair.dirs[1].path().join(dir), NodeGuid::from_bytes([node; 16])).unwrap()
    };
    let (first, second) = (identity(1, "."), identity(node, "further"));
    let pinned = [(&first, 1), (&second, node)]
        .map(|(identity, node)| (identity.fingerprint(), NodeGuid::from_bytes([node; 16])));
    pair.pins.replace(HashMap::from(pinned));
    dial(Arc::new(second), pair.address, pair.server)
}

#[tokio::test]
async fn a_peer_whose_streams_stand_still_keeps_no_other_waiting() {
    let pair = pair(true).await;
    let other = further(&pair, 2);
    let slow = Arc::new(pair.link);
    let mut standing = Vec::new();
    for _ in 0..8 {
        let (sender, chunks) = mpsc::channel(2);
        let link = slow.clone();
        let streaming = tokio::spawn(async move { link.stream::<u64>(BLOBS, chunks, DEADLINE).await });
        let mut out = BytesMut::new();
        encode_blob(&mut out, ContentHash::of(b"x"), BlobKind::Data, b"x");
        sender.send(out.freeze()).await.unwrap();
        // Once it has taken that, it is under way, or waits for a place.
        drop(sender.reserve_many(2).await.unwrap());
        standing.push((sender, streaming));
    }
    let (sender, chunks) = mpsc::channel(2);
    let mut out = BytesMut::new();
    encode_blob(&mut out, ContentHash::of(b"yy"), BlobKind::Data, b"yy");
    encode_end(&mut out);
    sender.send(out.freeze()).await.unwrap();
    drop(sender);
    let soon = Duration::from_secs(5);
    assert_eq!(other.stream::<u64>(BLOBS, chunks, soon).await.unwrap(), 2);
    // Nor do its calls wait behind its streams.
    assert_eq!(slow.call::<_, String>(CALL, &"x".to_string(), soon).await.unwrap(), "x");
    for (_, streaming) in standing {
        streaming.abort();
    }
}

/// The fault: 8 connections of 32 streams of 4 MiB each, for one stolen key.
#[tokio::test]
async fn calls_of_one_peer_that_do_not_end_are_kept_in_bounded_memory_and_keep_no_other_waiting() {
    const CONNECTIONS: usize = 2;
    const STREAMS: usize = 30;
    const CHUNK: usize = 64 * 1024;
    let pair = pair(true).await;
    let other = further(&pair, 2);
    let client = Arc::new(NodeIdentity::load_or_make(pair.dirs[1].path(), NodeGuid::from_bytes([1; 16])).unwrap());
    let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let link = Arc::new(dial(client.clone(), pair.address, pair.server));
        assert_eq!(link.call::<_, String>(CALL, &"x".to_string(), DEADLINE).await.unwrap(), "x");
        for _ in 0..STREAMS {
            let (sender, chunks) = mpsc::channel(1);
            let (link, taken) = (link.clone(), taken.clone());
            tasks.spawn(async move { drop(link.stream::<u64>(CALL, chunks, DEADLINE).await) });
            tasks.spawn(async move {
                // Far less than the longest message: nothing ends, and nothing is refused.
                for _ in 0..48 {
                    if sender.send(Bytes::from_static(&[1; CHUNK])).await.is_err() {
                        return;
                    }
                    taken.fetch_add(CHUNK, std::sync::atomic::Ordering::Relaxed);
                }
                std::future::pending::<()>().await;
            });
        }
    }
    let count = || taken.load(std::sync::atomic::Ordering::Relaxed);
    let clock = SystemClock::new();
    let mut before = (count(), clock.monotonic());
    while count() == 0 || clock.monotonic() - before.1 < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if count() != before.0 {
            before = (count(), clock.monotonic());
        }
        assert!(clock.monotonic() < DEADLINE * 2, "it never comes to rest");
    }
    // What has room, what each stream may have without, what lies in the windows, and what the client holds back.
    let windows = CONNECTIONS * 4 * 1024 * 1024;
    let most = LARGE_MAX * 48 * CHUNK + CONNECTIONS * STREAMS * (SMALL + 3 * CHUNK) + windows;
    let all = CONNECTIONS * STREAMS * 48 * CHUNK;
    assert!(before.0 <= most && most < all / 3, "{} of {all} were taken, {most} may be", before.0);
    let long = "y".repeat(1 << 20);
    assert_eq!(other.call::<_, String>(CALL, &long, Duration::from_secs(5)).await.unwrap(), long);
    tasks.shutdown().await;
    // Its room is free again.
    assert_eq!(pair.link.call::<_, String>(CALL, &long, DEADLINE).await.unwrap(), long);
}

#[tokio::test]
async fn more_long_messages_than_have_room_all_come_through() {
    let pair = pair(true).await;
    let link = Arc::new(pair.link);
    let long = "z".repeat(3 << 20);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let (link, long) = (link.clone(), long.clone());
        calls.spawn(async move { link.call::<_, String>(CALL, &long, DEADLINE).await.unwrap() == long });
    }
    while let Some(same) = calls.join_next().await {
        assert!(same.unwrap());
    }
}

#[tokio::test]
async fn one_peer_does_not_take_every_place() {
    let pair = limited(true, Limits { handshakes: 16, peers: 4, of_one_peer: 2, strangers: 1 }).await;
    let other = further(&pair, 2);
    let message = "x".to_string();
    let client = NodeIdentity::load_or_make(pair.dirs[1].path(), NodeGuid::from_bytes([1; 16])).unwrap();
    let client = Arc::new(client);
    let greedy: Vec<_> = (0..5).map(|_| dial(client.clone(), pair.address, pair.server)).collect();
    let mut let_in = 0;
    for link in &greedy {
        let_in += usize::from(link.call::<_, String>(CALL, &message, DEADLINE).await.is_ok());
    }
    assert_eq!(let_in, 2);
    assert_eq!(other.call::<_, String>(CALL, &message, DEADLINE).await.unwrap(), message);
}

#[tokio::test]
async fn a_link_that_is_closed_ends_what_is_under_way() {
    let pair = pair(true).await;
    let link = Arc::new(pair.link);
    let message = "x".to_string();
    assert_eq!(link.call::<_, String>(CALL, &message, DEADLINE).await.unwrap(), message);
    let (sender, chunks) = mpsc::channel(2);
    let streaming = {
        let link = link.clone();
        tokio::spawn(async move { link.stream::<u64>(BLOBS, chunks, DEADLINE).await })
    };
    let mut out = BytesMut::new();
    encode_blob(&mut out, ContentHash::of(b"x"), BlobKind::Data, b"x");
    sender.send(out.freeze()).await.unwrap();
    // Once it has taken that, it is under way.
    let taken = sender.reserve_many(2).await.unwrap();
    drop(taken);
    link.close();
    assert!(streaming.await.unwrap().is_err());
    assert!(link.call::<_, String>(CALL, &message, DEADLINE).await.is_err());
    assert!(!link.health().connected);
}
