//! The server over real sockets, with a real store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use tandem_storage::disk::RealDisk;
use tandem_storage::types::{NodeGuid, Timestamp};
use tandem_storage::{EngineKind, Options, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod sessions;

use super::serve;
use crate::clock::{Clock as _, SharedClock, SystemClock};
use crate::identity::Register;
use crate::role::gate::WriteGate;
use crate::s3::auth::SigningKeys;
use crate::s3::query::QueryFace;
use crate::s3::service::{Service, Settings};
use crate::telemetry::Metrics;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    store: Store,
    metrics: Arc<Metrics>,
    identities: Arc<Register>,
    _dir: tempfile::TempDir,
}

impl Running {
    async fn start(settings: Settings) -> Self {
        Running::start_by(settings, Arc::new(SystemClock::new()), None).await
    }

    async fn start_by(settings: Settings, clock: SharedClock, query: Option<Arc<dyn QueryFace>>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let options = Options {
            engine: EngineKind::Redb,
            node: NodeGuid::from_bytes([7; 16]),
            low_watermark_bytes: 0,
            reserve_bytes: 0,
            checkpoint_every_bytes: 64 << 20,
            cache_bytes: 16 << 20,
            memtable_writes: 64,
            journal_file_bytes: 64 << 20,
        };
        let disk = RealDisk::new(dir.path()).expect("a disk");
        let store = Store::open(Arc::new(disk), options).expect("a store");
        let metrics = Metrics::new();
        let identities = Arc::new(Register::administrator(KEY.into(), SECRET.into(), &*clock));
        let service = Service {
            store: store.clone(),
            gate: WriteGate::new(store.clone()),
            clock,
            settings: Arc::new(settings),
            query,
            identities: Arc::clone(&identities),
            metrics: Arc::clone(&metrics),
            audit: crate::audit::Audit::off(),
            buckets: Default::default(),
            signing_keys: SigningKeys::default(),
            deciders: Default::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(serve(listener, None, Arc::new(service), stop.subscribe()));
        Running { address, stop, task, store, metrics, identities, _dir: dir }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends `request` on a connection of its own and reads until the server closes.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("sent");
        read_all(&mut stream).await
    }

    /// A signed request; the answer's head and body.
    async fn ask(&self, method: &str, target: &str, body: &[u8]) -> (String, Vec<u8>) {
        let mut stream = self.connect().await;
        stream.write_all(signed(method, target, body.len()).as_bytes()).await.expect("sent");
        stream.write_all(body).await.expect("sent");
        read_answer(&mut stream, method == "HEAD").await
    }

    async fn end(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(20), self.task).await.expect("in time").expect("no panic");
        self.store.close().expect("closed");
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("in time");
    read.expect("an orderly end");
    String::from_utf8(answer).expect("text")
}

async fn read_answer(stream: &mut TcpStream, is_head: bool) -> (String, Vec<u8>) {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let head_end = answer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = head_end {
            let head = String::from_utf8(answer[..end].to_vec()).expect("text");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |digits| digits.parse().expect("a number"));
            if is_head || answer.len() == end + length {
                return (head, answer[end..].to_vec());
            }
        }
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut buffer)).await.expect("in time");
        match read.expect("readable") {
            0 => return (String::from_utf8_lossy(&answer).into_owned(), Vec::new()),
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
}

/// `20261122T031415Z`
fn stamp(now: Timestamp) -> String {
    jiff::Timestamp::from_second(now.as_secs()).expect("a time").strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The signature of a canonical request, by a secret for a scope.
fn sign(secret: &str, now: Timestamp, scope: &str, canonical: &str) -> String {
    let service = scope.split('/').nth(2).expect("a service");
    let hash = hex::encode(digest(&SHA256, canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", stamp(now));
    let day = std::time::UNIX_EPOCH + Duration::from_secs(now.as_secs().unsigned_abs());
    calculate_signature(generate_signing_key(secret, day, "us-east-1", service), text.as_bytes())
}

/// The head of a signed request with an unsigned payload. Written out by hand, so that it does not lean on what it tests.
fn signed(method: &str, target: &str, length: usize) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let now = SystemClock::new().now();
    let at = stamp(now);
    let scope = format!("{}/us-east-1/s3/aws4_request", &at[..8]);
    let names = "host;x-amz-content-sha256;x-amz-date";
    let headers = format!("host:localhost\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{at}\n");
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\nUNSIGNED-PAYLOAD");
    let signature = sign(SECRET, now, &scope, &canonical);
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nx-amz-date: {at}\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\nContent-Length: {length}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\r\n"
    )
}

fn code(answer: &str) -> &str {
    answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_go_in_and_come_out() {
    let server = Running::start(Settings::default()).await;
    let (head, _) = server.ask("PUT", "/bucket", b"").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for size in [0, 5, 4096, 200_000, 3_000_000] {
        let content: Vec<u8> = (0..size).map(|index: u32| (index % 251) as u8).collect();
        let (head, body) = server.ask("PUT", "/bucket/key", &content).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head} {}", String::from_utf8_lossy(&body));
        let (head, body) = server.ask("GET", "/bucket/key", b"").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nserver: Tandem\r\n") && head.contains("\r\nx-amz-request-id: "), "{head}");
        assert_eq!(body.len(), content.len());
        assert!(body == content, "{size} bytes");
        let (head, _) = server.ask("HEAD", "/bucket/key", b"").await;
        assert!(head.contains(&format!("\r\ncontent-length: {size}\r\n")), "{head}");
    }
    let (head, body) = server.ask("GET", "/bucket/%3Cabsent%3E", b"").await;
    let body = String::from_utf8(body).expect("text");
    assert!(head.starts_with("HTTP/1.1 404 ") && head.contains("x-content-type-options: nosniff"), "{head}");
    assert!(body.contains("<Code>NoSuchKey</Code>") && !body.contains("<absent>"), "{body}");
    let (head, body) = server.ask("HEAD", "/bucket/absent", b"").await;
    assert!(head.starts_with("HTTP/1.1 404 ") && body.is_empty(), "{head}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_share_a_connection_until_one_leaves_its_body() {
    let server = Running::start(Settings::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(signed("GET", "/", 0).as_bytes()).await.expect("sent");
        let (head, _) = read_answer(&mut stream, false).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("connection: close"), "{head}");
    }
    stream.write_all(signed("PUT", "/nowhere/key", 9_000_000).as_bytes()).await.expect("sent");
    stream.write_all(&vec![b'x'; 200_000]).await.expect("sent");
    let (head, body) = read_answer(&mut stream, false).await;
    assert!(head.starts_with("HTTP/1.1 404 ") && head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(code(&String::from_utf8_lossy(&body)), "NoSuchBucket");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_rules_is_answered_and_closed() {
    let server = Running::start(Settings::default()).await;
    let bare = "Host: localhost\r\nContent-Length: 0\r\n";
    for (request, status, expected) in [
        (format!("GET /bucket/key HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "403", "AccessDenied"),
        (format!("TRACE / HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "405", "MethodNotAllowed"),
        (format!("PROPFIND /b HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "405", "MethodNotAllowed"),
        (format!("CONNECT a:1 HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "405", "MethodNotAllowed"),
        (format!("GET /b?foo HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "501", "NotImplemented"),
        (format!("GET http://other/b HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "400", "InvalidRequest"),
        (format!("PUT /b/k HTTP/1.1\r\n{bare}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400", "BadRequest"),
        ("GET / HTTP/1.1\nHost: localhost\r\n\r\n".to_owned(), "400", "BadRequest"),
        ("nonsense\r\n\r\n".to_owned(), "400", "BadRequest"),
        (format!("GET / HTTP/1.1\r\n{bare}X: {}\r\n\r\n", "x".repeat(9000)), "400", "RequestHeaderSectionTooLarge"),
    ] {
        let answer = server.raw(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
        assert!(answer.contains("x-amz-request-id: ") && answer.contains("server: Tandem"), "{answer}");
        assert_eq!(code(&answer), expected, "{request}\n{answer}");
    }
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_body_is_never_asked_for() {
    let server = Running::start(Settings::default()).await;
    let request = signed("PUT", "/bucket/key", 5)
        .replace("Signature=", "Signature=0")
        .replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let answer = server.raw(&request).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(code(&answer), "SignatureDoesNotMatch");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_silent_clients_are_let_go() {
    let short = Duration::from_millis(400);
    let settings =
        Settings { header_timeout: short, idle_timeout: short, body_idle_timeout: short, ..Settings::default() };
    let server = Running::start(settings).await;
    assert_eq!(code(&server.raw("GET / HT").await), "RequestTimeout");
    assert_eq!(server.raw("").await, "");
    let (head, _) = server.ask("PUT", "/bucket", b"").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let answer = server.raw(&format!("{}hell", signed("PUT", "/bucket/key", 5))).await;
    assert_eq!(code(&answer), "RequestTimeout", "{answer}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_over_the_limit_are_told_so() {
    let server = Running::start(Settings { connections_max: 1, ..Settings::default() }).await;
    let mut first = server.connect().await;
    first.write_all(signed("GET", "/", 0).as_bytes()).await.expect("sent");
    let (head, _) = read_answer(&mut first, false).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let answer = server.raw("").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && code(&answer) == "SlowDown", "{answer}");
    drop(first);
    assert!(server.metrics.encode().contains("tandem_s3_connections_refused_total 1"));
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_closes_idle_connections_at_once() {
    let server = Running::start(Settings::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(signed("GET", "/", 0).as_bytes()).await.expect("sent");
    let (head, _) = read_answer(&mut idle, false).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    server.end().await;
    assert_eq!(read_all(&mut idle).await, "");
}
