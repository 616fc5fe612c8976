//! Two readers of one stream: the watch over the socket and the HTTP library get the same bytes, one at a time, and say
//! after each how many requests have begun and how many have ended.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::head::{HEAD_MAX, HeadScanner, Phase};

/// A connection in memory: it gives what was pushed, and swallows what is written.
#[derive(Default)]
struct Wire {
    byte: Arc<std::sync::Mutex<Option<u8>>>,
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.byte.lock().unwrap().take() {
            Some(byte) => {
                buf.put_slice(&[byte]);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Requests that the library handed over, and those whose bodies it brought to their end.
#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// How far both went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Both took everything.
    Taken { requests: u64 },
    /// The watch refused at this byte.
    Refused { at: usize },
    /// The library ended the connection at this byte. The watch judges a line of a head when it has come whole, and the
    /// library before, so that is the one place where this may be.
    Ended { at: usize },
}

async fn read_body(
    counts: Arc<Counts>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Empty<Bytes>>, Infallible> {
    counts.begun.fetch_add(1, Ordering::Relaxed);
    let mut body = request.into_body();
    loop {
        match body.frame().await {
            Some(Ok(_)) => {}
            Some(Err(_)) => break,
            None => {
                counts.ended.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
    }
    // As every method that there is no handler for, CONNECT too: a success would be a tunnel.
    let mut refused = http::Response::new(Empty::new());
    *refused.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
    Ok(refused)
}

/// Feeds both. Panics where they differ.
fn compare(text: &[u8]) -> Outcome {
    let (wire, counts) = (Wire::default(), Arc::new(Counts::default()));
    let next = Arc::clone(&wire.byte);
    let service = service_fn({
        let counts = Arc::clone(&counts);
        move |request| read_body(Arc::clone(&counts), request)
    });
    let mut library = Box::pin(
        http1::Builder::new()
            .half_close(false)
            .header_read_timeout(None)
            .max_header_size(HEAD_MAX)
            .serve_connection(TokioIo::new(wire), service),
    );
    let mut scanner = HeadScanner::new();
    for (at, byte) in text.iter().enumerate() {
        if scanner.observe(&[*byte]).is_err() {
            return Outcome::Refused { at };
        }
        *next.lock().unwrap() = Some(*byte);
        let mut context = Context::from_waker(Waker::noop());
        // A byte may wake the handler, whose answer makes room for the next head.
        for _ in 0..4 {
            if library.as_mut().poll(&mut context).is_ready() {
                let asked_to = counts.begun.load(Ordering::Relaxed) == scanner.heads() && closes(&text[..=at]);
                assert!(scanner.phase() == Phase::Head || asked_to, "the library alone refused: {}", shown(text, at));
                return Outcome::Ended { at };
            }
        }
        assert!(next.lock().unwrap().is_none(), "the library does not read: {}", shown(text, at));
        let (begun, ended) = (counts.begun.load(Ordering::Relaxed), counts.ended.load(Ordering::Relaxed));
        assert_eq!(scanner.heads(), begun, "begun: {}", shown(text, at));
        let open = u64::from(scanner.phase() == Phase::Body);
        assert_eq!(scanner.heads() - open, ended, "ended: {}", shown(text, at));
    }
    Outcome::Taken { requests: scanner.heads() }
}

/// Whether a request asked for the end of the connection, by its version or its header.
fn closes(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    text.contains("http/1.0") || text.contains("close")
}

fn shown(text: &[u8], at: usize) -> String {
    format!("after byte {at} of {:?}", String::from_utf8_lossy(text))
}

const CHUNKED: &[u8] = b"PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Every text of some bytes after `start`, as long as the watch takes it. How many texts there were, and how many were
/// taken.
fn every_text(start: &[u8], alphabet: &[u8], depth: usize, seen: &mut (u64, u64)) {
    seen.0 += 1;
    let mut probe = start.to_vec();
    match compare(&probe) {
        Outcome::Refused { .. } | Outcome::Ended { .. } => return,
        Outcome::Taken { .. } => seen.1 += 1,
    }
    // What follows must be seen alike, too, whether or not the body has ended.
    probe.extend_from_slice(GET);
    compare(&probe);
    if depth > 0 {
        for byte in alphabet {
            let mut longer = start.to_vec();
            longer.push(*byte);
            every_text(&longer, alphabet, depth - 1, seen);
        }
    }
}

#[test]
fn both_readers_see_each_end_of_every_short_chunked_body() {
    let mut seen = (0, 0);
    every_text(CHUNKED, b"01;\r\n a:", 5, &mut seen);
    assert!(seen.0 > 300 && seen.1 > 50, "{seen:?}");
    // From the middle of trailers, where the watch used to stop early.
    for start in ["0\r\n", "0\r\na:", "1\r\nx", "1;", "0\r\na: b\r\n\r"] {
        every_text(&[CHUNKED, start.as_bytes()].concat(), b"\r\na: \t;\0", 3, &mut seen);
    }
}

#[test]
fn both_readers_see_each_end_of_every_short_head() {
    let mut seen = (0, 0);
    for start in ["", "\r\n", "GET / HTTP/1.1\r\nHost: a", "GET / HTTP/1.1\r\nHost: a\r\n", "GET /"] {
        every_text(start.as_bytes(), b"\r\n :aG/", 4, &mut seen);
    }
    assert!(seen.0 > 1_000, "{seen:?}");
}

/// What requests are made of, and what attacks put between.
const PIECES: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "PUT /b/k HTTP/1.1\r\nHost: a\r\n",
    "POST / HTTP/1.0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:\tChunked \r\n",
    "Transfer-Encoding: identity\r\n",
    "Content-Length: 3\r\n",
    "content-length:0\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "X: y\r\n",
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    "\u{b}",
    ":",
    ";",
    "0",
    "3",
    "abc",
    "0\r\n\r\n",
    "3\r\nabc\r\n",
    "3;x=y\r\nabc\r\n",
    "0\r\na: b\r\n\r\n",
    "0\r\n\n",
    "\u{e9}",
    "/b/{k}|%zz?x=#y",
    "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/b?x HTTP/1.1\r\nHost: a\r\n\r\n",
];

/// SplitMix64, from a fixed start: the same texts each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("it fits")
    }
}

/// Requests one after another, with a few bytes or pieces changed.
fn random_text(chance: &mut Chance) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..1 + chance.below(3) {
        text.extend_from_slice(match chance.below(4) {
            0 => GET,
            1 => b"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            2 => b"PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\na: b\r\n\r\n",
            _ => b"PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        });
    }
    for _ in 0..chance.below(3) {
        let at = chance.below(text.len() + 1);
        match chance.below(4) {
            0 if at < text.len() => drop(text.remove(at)),
            1 if at < text.len() => text[at] = chance.below(256) as u8,
            2 => text.insert(at, b"\r\n\0 \t:;0"[chance.below(8)]),
            _ => {
                let piece = PIECES[chance.below(PIECES.len())];
                text.splice(at..at, piece.bytes());
            }
        }
    }
    text.extend_from_slice(GET);
    text
}

#[test]
fn both_readers_see_each_end_of_random_requests() {
    let mut chance = Chance(1);
    let (mut taken, mut refused, mut ended) = (0, 0, Vec::new());
    for _ in 0..6_000 {
        let text = random_text(&mut chance);
        match compare(&text) {
            Outcome::Taken { .. } => taken += 1,
            Outcome::Refused { .. } => refused += 1,
            Outcome::Ended { at } => ended.push(shown(&text, at)),
        }
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
    assert!(ended.len() < 1_000, "the library ends too much that the watch takes: {ended:#?}");
}

#[test]
fn both_readers_see_each_end_of_what_pieces_make() {
    let mut chance = Chance(2);
    let mut requests = 0;
    for _ in 0..4_000 {
        let mut text = if chance.below(2) == 0 { Vec::new() } else { CHUNKED.to_vec() };
        for _ in 0..1 + chance.below(8) {
            text.extend_from_slice(PIECES[chance.below(PIECES.len())].as_bytes());
        }
        if let Outcome::Taken { requests: more } = compare(&text) {
            requests += more;
        }
    }
    assert!(requests > 100, "{requests}");
}
