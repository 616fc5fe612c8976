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

mod framing;
mod sessions;

use super::serve;
use crate::clock::{Clock as _, SharedClock, SystemClock};
use crate::identity::Register;
use crate::role::gate::WriteGate;
use crate::s3::auth::SigningKeys;
use crate::s3::payload::Documents;
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
    documents: Arc<Documents>,
    _dir: tempfile::TempDir,
}

impl Running {
    async fn start(settings: Settings) -> Self {
        Running::start_with(settings, Documents::default()).await
    }

    async fn start_with(settings: Settings, documents: Documents) -> Self {
        Running::build(settings, Arc::new(SystemClock::new()), None, crate::audit::Audit::off(), documents).await
    }

    async fn start_by(settings: Settings, clock: SharedClock, query: Option<Arc<dyn QueryFace>>) -> Self {
        Running::build(settings, clock, query, crate::audit::Audit::off(), Documents::default()).await
    }

    async fn build(
        settings: Settings,
        clock: SharedClock,
        query: Option<Arc<dyn QueryFace>>,
        audit: crate::audit::Audit,
        documents: Documents,
    ) -> Self {
        let documents = Arc::new(documents);
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
            audit,
            buckets: Default::default(),
            signing_keys: SigningKeys::default(),
            documents: Arc::clone(&documents),
            deciders: Default::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(serve(listener, None, Arc::new(service), stop.subscribe()));
        Running { address, stop, task, store, metrics, identities, documents, _dir: dir }
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
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
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
        assert!(head.contains("\r\nServer: Tandem\r\n") && head.contains("\r\nx-amz-request-id: "), "{head}");
        assert_eq!(body.len(), content.len());
        assert!(body == content, "{size} bytes");
        let (head, _) = server.ask("HEAD", "/bucket/key", b"").await;
        assert!(head.contains(&format!("\r\nContent-Length: {size}\r\n")), "{head}");
    }
    let (head, body) = server.ask("GET", "/bucket/%3Cabsent%3E", b"").await;
    let body = String::from_utf8(body).expect("text");
    assert!(head.starts_with("HTTP/1.1 404 ") && head.contains("X-Content-Type-Options: nosniff"), "{head}");
    assert!(body.contains("<Code>NoSuchKey</Code>") && !body.contains("<absent>"), "{body}");
    let (head, body) = server.ask("HEAD", "/bucket/absent", b"").await;
    assert!(head.starts_with("HTTP/1.1 404 ") && body.is_empty(), "{head}");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_names_of_headers_are_written_as_scripts_look_for_them() {
    let server = Running::start(Settings::default()).await;
    server.ask("PUT", "/bucket", b"").await;
    server.ask("PUT", "/bucket/key", b"x").await;
    let (head, _) = server.ask("GET", "/bucket/key", b"").await;
    for name in ["Content-Length", "Content-Type", "Last-Modified", "ETag", "Accept-Ranges", "Date", "Server"] {
        assert!(head.contains(&format!("\r\n{name}: ")), "{name} in {head}");
    }
    // boto3 names user metadata as it finds it.
    assert!(head.contains("\r\nx-amz-request-id: "), "{head}");
    for refused in ["nonsense\r\n\r\n", "GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"] {
        let answer = server.raw(refused).await;
        let head = answer.split("\r\n\r\n").next().expect("a head");
        let lower =
            |line: &str| line.starts_with(|first: char| first.is_ascii_lowercase()) && !line.starts_with("x-amz-");
        assert!(!head.lines().any(lower) && head.contains("\r\nContent-Length: "), "{head}");
    }
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l9_documents_of_all_requests_together_have_a_bound() {
    const LENGTH: usize = 200_000;
    // One account may hold half of it: two such lists at most, and one at least, as memory is taken in doubling steps.
    let server = Running::start_with(Settings::default(), Documents::of(2 * (3 * LENGTH - 1))).await;
    server.ask("PUT", "/bucket", b"").await;
    let mut waiting = Vec::new();
    let mut refused = loop {
        let mut stream = server.connect().await;
        let before = server.documents.in_use();
        stream.write_all(deletion(LENGTH).as_bytes()).await.expect("sent");
        // The answer may come before all is sent.
        let _ = stream.write_all(&vec![b' '; LENGTH - 1]).await;
        if !is_held(&server, &stream, before + LENGTH - 1).await {
            break stream;
        }
        waiting.push(stream);
        assert!(waiting.len() < 3, "there is no bound");
    };
    let (head, body) = read_answer(&mut refused, false).await;
    assert!(head.starts_with("HTTP/1.1 503 ") && code(&String::from_utf8_lossy(&body)) == "SlowDown", "{head}");
    assert!(!waiting.is_empty() && server.documents.in_use() < 3 * LENGTH);
    let (head, _) = server.ask("GET", "/bucket", b"").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "what needs no document is served: {head}");
    for mut stream in waiting {
        stream.write_all(b" ").await.expect("sent");
        let (head, _) = read_answer(&mut stream, false).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "what was held is judged: {head}");
    }
    let mut stream = server.connect().await;
    stream.write_all(deletion(LENGTH).as_bytes()).await.expect("sent");
    stream.write_all(&vec![b' '; LENGTH]).await.expect("sent");
    let (head, _) = read_answer(&mut stream, false).await;
    assert!(head.starts_with("HTTP/1.1 400 "), "there is room again: {head}");
    assert_eq!(server.documents.in_use(), 0, "nothing is held for nobody");
    server.end().await;
}

/// Whether so many bytes come to be held, and no answer comes instead.
async fn is_held(server: &Running, stream: &TcpStream, bytes: usize) -> bool {
    let held = async {
        loop {
            if server.documents.in_use() >= bytes {
                return true;
            }
            let mut first = [0];
            if matches!(tokio::time::timeout(Duration::ZERO, stream.peek(&mut first)).await, Ok(Ok(_))) {
                return false;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), held).await.expect("in time")
}

/// The head of a DeleteObjects whose digest is wrong.
fn deletion(length: usize) -> String {
    let head = signed("POST", "/bucket?delete=", length);
    head.replacen("\r\n", "\r\nContent-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_share_a_connection_until_one_leaves_its_body() {
    let server = Running::start(Settings::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(signed("GET", "/", 0).as_bytes()).await.expect("sent");
        let (head, _) = read_answer(&mut stream, false).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("Connection: close"), "{head}");
    }
    stream.write_all(signed("PUT", "/nowhere/key", 9_000_000).as_bytes()).await.expect("sent");
    stream.write_all(&vec![b'x'; 200_000]).await.expect("sent");
    let (head, body) = read_answer(&mut stream, false).await;
    assert!(head.starts_with("HTTP/1.1 404 ") && head.contains("\r\nConnection: close\r\n"), "{head}");
    assert_eq!(code(&String::from_utf8_lossy(&body)), "NoSuchBucket");
    server.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_rules_is_answered_and_closed() {
    let server = Running::start(Settings::default()).await;
    let bare = "Host: localhost\r\nContent-Length: 0\r\n";
    for (request, status, expected) in [
        (format!("GET /bucket/key HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "404", "NoSuchBucket"),
        (format!("GET / HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "403", "AccessDenied"),
        (format!("TRACE / HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "405", "MethodNotAllowed"),
        (format!("PROPFIND /b HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "405", "MethodNotAllowed"),
        (format!("CONNECT a:1 HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "405", "MethodNotAllowed"),
        (format!("GET /b?annotation HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "501", "NotImplemented"),
        (format!("OPTIONS /b/k HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "400", "BadRequest"),
        (format!("GET http://other/b HTTP/1.1\r\n{bare}Connection: close\r\n\r\n"), "400", "InvalidRequest"),
        (format!("PUT /b/k HTTP/1.1\r\n{bare}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "400", "BadRequest"),
        ("GET / HTTP/1.1\nHost: localhost\r\n\r\n".to_owned(), "400", "BadRequest"),
        ("nonsense\r\n\r\n".to_owned(), "400", "BadRequest"),
        (format!("GET / HTTP/1.1\r\n{bare}X: {}\r\n\r\n", "x".repeat(9000)), "400", "RequestHeaderSectionTooLarge"),
    ] {
        let answer = server.raw(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
        assert!(answer.contains("x-amz-request-id: ") && answer.contains("Server: Tandem"), "{answer}");
        assert_eq!(code(&answer), expected, "{request}\n{answer}");
    }
    server.end().await;
}

/// The fault: what follows a request ended the connection before the request was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_request_is_answered_before_what_is_malformed_after_it() {
    let server = Running::start(Settings::default()).await;
    let (head, _) = server.ask("PUT", "/bucket", b"").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let get = signed("GET", "/bucket?location=", 0);
    for (number, (after, code_after)) in [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(), "BadRequest"),
        ("nonsense\r\n\r\n".to_owned(), "BadRequest"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(9000)), "RequestHeaderSectionTooLarge"),
        (format!("{get}GET / HTTP/1.1\r\nbad header\r\n\r\n"), "BadRequest"),
    ]
    .into_iter()
    .enumerate()
    {
        let put = signed("PUT", &format!("/bucket/key{number}"), 200_000);
        let body = "y".repeat(200_000);
        for pieces in [vec![format!("{put}{body}{after}")], vec![format!("{put}{body}"), after.clone()]] {
            let mut stream = server.connect().await;
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.expect("sent");
                tokio::task::yield_now().await;
            }
            let answers = read_all(&mut stream).await;
            assert!(answers.starts_with("HTTP/1.1 200 OK\r\n"), "{number}: {answers}");
            assert!(answers.contains("\r\nETag: "), "{number}: {answers}");
            assert_eq!(code(&answers), code_after, "{number}: {answers}");
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 2 + after.matches("Signature=").count(), "{answers}");
        }
        let (head, _) = server.ask("HEAD", &format!("/bucket/key{number}"), b"").await;
        assert!(head.contains("\r\nContent-Length: 200000\r\n"), "{head}");
    }
    server.end().await;
}

/// The fault: one reader saw the end of the body at a bare line feed, and the other did not. No limit held from there
/// on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_trailer_makes_a_connection_that_is_held_for_ever() {
    let short = Duration::from_millis(200);
    let settings =
        Settings { header_timeout: short, idle_timeout: short, body_idle_timeout: short, ..Settings::default() };
    let server = Running::start_by(settings, Arc::new(SystemClock::new()), Some(Arc::new(sessions::Through))).await;
    let scope = "20260101/us-east-1/iam/aws4_request";
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nx-amz-date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=UNKNOWN/{scope}, SignedHeaders=host;x-amz-date, Signature={}\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        "0".repeat(64)
    );
    let second = "PUT /b/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n";
    for body in [
        "0\r\n\n",
        "0\r\na: b\n\r\n",
        "0\n\r\n",
        "0\n\n",
        "1\r\nx\n0\r\n\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1;x\n\r\nx\r\n0\r\n\r\n",
        "0\r\na: b\r\r\n\r\n",
        "0\r\n\r\n",
        "5\r\nx",
        "",
    ] {
        for pieces in [vec![format!("{head}{body}{second}")], vec![head.clone(), body.to_owned(), second.to_owned()]] {
            let mut stream = server.connect().await;
            for piece in pieces {
                // The server may have closed already.
                let _ = stream.write_all(piece.as_bytes()).await;
                tokio::task::yield_now().await;
            }
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer);
            let ended = tokio::time::timeout(Duration::from_secs(20), read).await;
            assert!(ended.is_ok(), "{body:?}: the connection is held");
        }
    }
    server.end().await;
}

/// The fault: what was told after the change was told by nobody, if the client had gone meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_policy_is_told_also_when_its_client_goes_away() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join("audit.log");
    let terms = crate::audit::Terms { target: crate::audit::Target::File(log.clone()), refusals_a_day: 1 << 30 };
    let audit = crate::audit::Audit::start(&terms, Metrics::new()).expect("a log");
    let server =
        Running::build(Settings::default(), Arc::new(SystemClock::new()), None, audit, Documents::default()).await;
    for number in 0..20 {
        let (head, _) = server.ask("PUT", &format!("/bucket{number}"), b"").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let body = br#"<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>"#;
        let request = signed("PUT", &format!("/bucket{number}?publicAccessBlock="), body.len());
        let mut stream = server.connect().await;
        stream.write_all(&[request.as_bytes(), body].concat()).await.expect("sent");
        // It waits for no answer; now and then long enough for the change to be under way.
        for _ in 0..number {
            tokio::task::yield_now().await;
        }
        drop(stream);
    }
    let (mut changed, clock) = (0, SystemClock::new());
    let told = || std::fs::read_to_string(&log).expect("a log").matches("PutPublicAccessBlock").count();
    // Until nothing is under way any more: the last connection is gone when the server has stopped.
    for number in 0..20 {
        let (head, _) = server.ask("GET", &format!("/bucket{number}?publicAccessBlock="), b"").await;
        changed += usize::from(head.starts_with("HTTP/1.1 200 "));
    }
    while told() < changed {
        assert!(clock.monotonic() < Duration::from_secs(20), "{} of {changed} are told", told());
        tokio::time::sleep(Duration::from_millis(5)).await;
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
