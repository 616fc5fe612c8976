//! Sessions that have ended: no route lets them in, whichever way they are shown.

use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::Response;

use super::*;
use crate::clock::Clock;
use crate::identity::{Issued, NewSession, SessionOf};
use crate::s3::access::table::{RouteNeeds, routes};
use crate::s3::query::{Form, Refused};

/// The system's clock, moved ahead by the test.
struct Ahead {
    system: SystemClock,
    seconds: AtomicI64,
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.system.now().plus_micros(self.seconds.load(Ordering::Relaxed) * 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.system.fill_random(bytes);
    }
}

/// How a session is shown.
#[derive(Clone, Copy, Debug)]
enum Shown {
    ByHeader,
    ByQuery,
}

/// A request: its method, its path, its parameters in order, and whether it copies.
struct Ask {
    method: &'static str,
    path: &'static str,
    query: Vec<(&'static str, &'static str)>,
    copies: bool,
}

impl Ask {
    fn of(route: &RouteNeeds) -> Self {
        let mut query: Vec<(&str, &str)> = [route.subresource, route.parameter]
            .into_iter()
            .filter(|name| !name.is_empty())
            .map(|name| match name {
                "uploadId" => (name, "00000000000000000000000000000000"),
                "list-type" => (name, "2"),
                "partNumber" => (name, "1"),
                _ => (name, ""),
            })
            .collect();
        query.sort_unstable();
        let path = match route.resource {
            "service" => "/",
            "bucket" => "/walk",
            _ => "/walk/present",
        };
        Ask { method: route.method, path, query, copies: route.copies }
    }

    /// The bytes of the request, signed with the session.
    fn signed(&self, session: &Issued, shown: Shown, now: Timestamp) -> String {
        let at = stamp(now);
        let scope = format!("{}/us-east-1/s3/aws4_request", &at[..8]);
        let credential = format!("{}/{scope}", session.access_key);
        let mut headers = vec![("host", "localhost")];
        headers.extend(self.copies.then_some(("x-amz-copy-source", "/walk/source")));
        let mut query: Vec<(String, String)> =
            self.query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match shown {
            Shown::ByHeader => headers.extend([
                ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
                ("x-amz-date", at.as_str()),
                ("x-amz-security-token", session.token.as_str()),
            ]),
            Shown::ByQuery => {
                let names = if self.copies { "host;x-amz-copy-source" } else { "host" };
                let pairs = [
                    ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
                    ("X-Amz-Credential", credential.as_str()),
                    ("X-Amz-Date", at.as_str()),
                    ("X-Amz-Expires", "604800"),
                    ("X-Amz-Security-Token", session.token.as_str()),
                    ("X-Amz-SignedHeaders", names),
                ];
                query.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
        }
        headers.sort_unstable();
        query.sort_unstable();
        let encoded = query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        let query = encoded.collect::<Vec<_>>().join("&");
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("{}\n{}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD", self.method, self.path);
        let signature = sign(&session.secret, now, &scope, &canonical);
        let sent: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (query, proof) = match shown {
            Shown::ByQuery => (format!("{query}&X-Amz-Signature={signature}"), String::new()),
            Shown::ByHeader => {
                let words = format!("Credential={credential}, SignedHeaders={names}, Signature={signature}");
                (query, format!("Authorization: AWS4-HMAC-SHA256 {words}\r\n"))
            }
        };
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{query} HTTP/1.1\r\n{sent}{proof}Content-Length: 0\r\n\r\n", self.method, self.path)
    }
}

/// Stands for IAM and STS: says whether a form got through.
pub(super) struct Through;

impl QueryFace for Through {
    fn answer(&self, _form: Form) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + '_>> {
        Box::pin(async { Response::new(Bytes::from_static(b"<Code>Through</Code>")) })
    }

    fn refuse(&self, refused: Refused<'_>) -> Response<Bytes> {
        Response::new(format!("<Code>{}</Code>", refused.error.code.as_str()).into())
    }
}

/// A form, signed with the session.
fn form(session: &Issued, service: &str, body: &str, now: Timestamp) -> String {
    let at = stamp(now);
    let scope = format!("{}/us-east-1/{service}/aws4_request", &at[..8]);
    let names = "host;x-amz-date;x-amz-security-token";
    let (token, hash) = (&session.token, hex::encode(digest(&SHA256, body.as_bytes())));
    let lines = format!("host:localhost\nx-amz-date:{at}\nx-amz-security-token:{token}\n");
    let signature = sign(&session.secret, now, &scope, &format!("POST\n/\n\n{lines}\n{names}\n{hash}"));
    let credential = format!("Credential={}/{scope}", session.access_key);
    format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nx-amz-date: {at}\r\nx-amz-security-token: {token}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}\r\n\r\n{body}",
        body.len()
    )
}

/// As SigV4 has it: nothing but unreserved characters stays.
fn encode(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let each =
        value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    each.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_lets_an_expired_session_in() {
    let clock = Arc::new(Ahead { system: SystemClock::new(), seconds: AtomicI64::new(0) });
    let server =
        Running::start_by(Settings::default(), Arc::clone(&clock) as SharedClock, Some(Arc::new(Through))).await;
    for target in ["/walk", "/walk/present", "/walk/source"] {
        let (head, _) = server.ask("PUT", target, b"").await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    let new = NewSession {
        of: SessionOf::Administrator,
        seconds: 900,
        tags: Vec::new(),
        transitive: Vec::new(),
        policy: None,
        policies: Vec::new(),
    };
    let session = server.identities.issue(&*clock, new).expect("a session");
    let ask = async |ask: &Ask, shown| {
        let mut stream = server.connect().await;
        stream.write_all(ask.signed(&session, shown, clock.now()).as_bytes()).await.expect("sent");
        let (head, body) = read_answer(&mut stream, ask.method == "HEAD").await;
        (head, String::from_utf8_lossy(&body).into_owned())
    };
    let post = async |service: &str| {
        let mut stream = server.connect().await;
        let request = form(&session, service, "Action=GetCallerIdentity&Version=2011-06-15", clock.now());
        stream.write_all(request.as_bytes()).await.expect("sent");
        code(&String::from_utf8_lossy(&read_answer(&mut stream, false).await.1)).to_owned()
    };
    assert_eq!((post("iam").await.as_str(), post("sts").await.as_str()), ("Through", "Through"));
    // A form carries its credentials in its fields.
    let asks: Vec<(&str, Ask)> = routes()
        .iter()
        .filter(|route| route.operation != "PostObject")
        .map(|route| (route.operation, Ask::of(route)))
        .collect();
    assert!(asks.len() > 60, "{}", asks.len());
    // While it lasts it is let in, by every route that reads: so it is its end that shuts it out afterwards.
    for (operation, read) in asks.iter().filter(|(_, ask)| ask.method == "GET") {
        for shown in [Shown::ByHeader, Shown::ByQuery] {
            let (head, body) = ask(read, shown).await;
            assert!(!head.starts_with("HTTP/1.1 403 "), "{operation} {shown:?}: {head}{body}");
            assert!(!["ExpiredToken", "InvalidToken"].contains(&code(&body)), "{operation} {shown:?}: {head}{body}");
        }
    }
    clock.seconds.store(900, Ordering::Relaxed);
    let before = server.store.newest();
    for (operation, request) in &asks {
        for shown in [Shown::ByHeader, Shown::ByQuery] {
            let (head, body) = ask(request, shown).await;
            assert!(head.starts_with("HTTP/1.1 400 "), "{operation} {shown:?}: {head}{body}");
            let said = if request.method == "HEAD" { "" } else { "ExpiredToken" };
            assert_eq!(code(&body), said, "{operation} {shown:?}: {head}{body}");
        }
    }
    assert_eq!((post("iam").await.as_str(), post("sts").await.as_str()), ("ExpiredToken", "ExpiredToken"));
    assert_eq!(server.store.newest(), before, "nothing was committed");
    server.end().await;
}
