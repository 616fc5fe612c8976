//! The dialling end: one connection to a peer, made when it is needed, reused, and made again after a pause when it breaks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::PROTOCOL_HEADER;
use super::body::{Outgoing, read_whole};
use super::codec::{LARGE_MAX, MESSAGE_MAX, SMALL, VERSION, WireError, decode, encode};
use crate::clock::SharedClock;
use crate::tls::{ALPN, Fingerprint, NodeIdentity, TlsError, replication_client, server_name};

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(5);
const WINDOW: u32 = 4 * 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a call got no answer. The caller tries again later: every call is idempotent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("{0}")]
    Connect(String),
    /// The peer refused the whole call, below the protocol.
    #[error("the peer refused the call: {0}")]
    Status(StatusCode),
    /// The peer's build speaks another version. Nothing is replicated until one of the two is upgraded.
    #[error("{0}")]
    Protocol(OtherProtocol),
    #[error("no answer within {} s", .0.as_secs_f32())]
    Deadline(Duration),
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("{0}")]
    Broken(String),
    #[error("{0}")]
    Tls(#[from] TlsError),
}

/// The version that a peer speaks, when it is not this build's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OtherProtocol(pub u8);

impl std::fmt::Display for OtherProtocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (age, whom) = if self.0 < VERSION { ("an older", "the peer") } else { ("a newer", "this node") };
        write!(
            f,
            "the peer runs {age} build (replication protocol {}, this node speaks {VERSION}): upgrade {whom}. Nothing is \
             replicated until then; a source goes on taking writes, a destination shows its last restore point",
            self.0
        )
    }
}

/// How the link does, for reports.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkHealth {
    pub connected: bool,
    pub error: Option<String>,
}

/// Whom to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialer {
    pub address: String,
    /// None: whoever answers; for pairing by secret only.
    pub expected: Option<Fingerprint>,
}

#[derive(Default)]
struct State {
    sender: Option<http2::SendRequest<Outgoing>>,
    server: Option<Fingerprint>,
    failures: u32,
    not_before: Duration,
    error: Option<String>,
    /// What drives the connections.
    connections: JoinSet<()>,
    /// Why the last connection ended: those whose requests it cut off are told nothing but that.
    ended: Arc<Mutex<Option<String>>>,
    closed: bool,
}

/// A connection to one peer. Share it by `Arc`.
pub(crate) struct Link {
    identity: Arc<NodeIdentity>,
    clock: SharedClock,
    dialer: Dialer,
    state: Mutex<State>,
    /// Only one task dials at a time.
    dialling: tokio::sync::Mutex<()>,
    /// Long messages on their way.
    large: tokio::sync::Semaphore,
}

impl Link {
    pub(crate) fn new(identity: Arc<NodeIdentity>, clock: SharedClock, dialer: Dialer) -> Self {
        let (dialling, large) = (tokio::sync::Mutex::default(), tokio::sync::Semaphore::new(LARGE_MAX));
        Link { identity, clock, dialer, state: Mutex::default(), dialling, large }
    }

    pub(crate) fn health(&self) -> LinkHealth {
        let state = self.state();
        LinkHealth {
            connected: state.sender.as_ref().is_some_and(|sender| !sender.is_closed()),
            error: state.error.clone(),
        }
    }

    /// For good, with all that is under way: the peer was removed, or has another certificate now.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.sender = None;
        state.connections.abort_all();
    }

    /// The certificate that the peer showed on the present connection.
    pub(crate) fn server(&self) -> Option<Fingerprint> {
        self.state().server
    }

    /// Sends a message and waits for its answer.
    pub(crate) async fn call<M, A>(&self, path: &'static str, message: &M, deadline: Duration) -> Result<A, LinkError>
    where
        M: Serialize,
        A: DeserializeOwned,
    {
        let bytes = Bytes::from(encode(message)?);
        let _room = match bytes.len() > SMALL {
            true => Some(
                tokio::time::timeout(deadline, self.large.acquire())
                    .await
                    .map_err(|_| LinkError::Deadline(deadline))?,
            ),
            false => None,
        };
        self.post(path, Outgoing::Whole(Some(bytes)), deadline).await
    }

    /// Sends a body as it is produced. The answer comes after its end; `deadline` is for the whole.
    pub(crate) async fn stream<A: DeserializeOwned>(
        &self,
        path: &'static str,
        chunks: mpsc::Receiver<Bytes>,
        deadline: Duration,
    ) -> Result<A, LinkError> {
        self.post(path, Outgoing::Streamed(chunks), deadline).await
    }

    async fn post<A: DeserializeOwned>(
        &self,
        path: &'static str,
        body: Outgoing,
        deadline: Duration,
    ) -> Result<A, LinkError> {
        let sender = self.sender().await?;
        let outcome = match tokio::time::timeout(deadline, exchange(sender, path, body, deadline)).await {
            Ok(Err(LinkError::Broken(error))) => Err(LinkError::Broken(self.why_ended().await.unwrap_or(error))),
            Ok(outcome) => outcome,
            Err(_) => Err(LinkError::Deadline(deadline)),
        };
        match &outcome {
            Ok(_) | Err(LinkError::Status(_)) => {
                let mut state = self.state();
                state.failures = 0;
                state.error = None;
            }
            // The connection is good, and stays: an upgrade of the peer ends it.
            Err(LinkError::Protocol(other)) => {
                let mut state = self.state();
                state.failures = 0;
                state.error = Some(other.to_string());
            }
            Err(error) => self.broke(error),
        }
        outcome
    }

    /// What the connection itself met, if it has ended: its task may need a moment to say so.
    async fn why_ended(&self) -> Option<String> {
        let ended = self.state().ended.clone();
        for _ in 0..5 {
            if let Some(why) = ended.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                return Some(why);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        None
    }

    /// The present connection, or a new one unless the pause after a failure still lasts.
    async fn sender(&self) -> Result<http2::SendRequest<Outgoing>, LinkError> {
        let _one = self.dialling.lock().await;
        {
            let state = self.state();
            if state.closed {
                return Err(closed());
            }
            if let Some(sender) = state.sender.as_ref().filter(|sender| !sender.is_closed()) {
                return Ok(sender.clone());
            }
            if self.clock.monotonic() < state.not_before {
                let error = state.error.clone().unwrap_or_else(|| "waiting before the next attempt".into());
                return Err(LinkError::Connect(error));
            }
        }
        match tokio::time::timeout(CONNECT_DEADLINE, self.dial()).await {
            Ok(Ok((sender, server, connection))) => {
                let mut state = self.state();
                if state.closed {
                    return Err(closed());
                }
                while state.connections.try_join_next().is_some() {}
                state.ended = Arc::default();
                let ended = state.ended.clone();
                state.connections.spawn(async move {
                    if let Err(error) = connection.await {
                        let why = explain(&error);
                        tracing::debug!(error = why, "a connection to a peer ended");
                        *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                    }
                });
                state.sender = Some(sender.clone());
                state.server = Some(server);
                Ok(sender)
            }
            Ok(Err(error)) => {
                self.broke(&error);
                Err(error)
            }
            Err(_) => {
                let error = LinkError::Connect(format!("no connection to {} in time", self.dialer.address));
                self.broke(&error);
                Err(error)
            }
        }
    }

    /// A connection, and the future that must be driven for it.
    async fn dial(
        &self,
    ) -> Result<
        (http2::SendRequest<Outgoing>, Fingerprint, impl Future<Output = hyper::Result<()>> + Send + use<>),
        LinkError,
    > {
        let address = &self.dialer.address;
        let unreachable = |error: std::io::Error| LinkError::Connect(format!("{address}: {}", explain(&error)));
        let socket = TcpStream::connect(address.as_str()).await.map_err(unreachable)?;
        socket.set_nodelay(true).map_err(unreachable)?;
        let config = replication_client(&self.identity, self.dialer.expected)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(server_name(), socket).await.map_err(unreachable)?;
        let session = stream.get_ref().1;
        if session.alpn_protocol() != Some(ALPN) {
            return Err(LinkError::Connect("the other side does not speak the replication protocol".into()));
        }
        let shown: Option<&CertificateDer<'_>> = session.peer_certificates().and_then(|chain| chain.first());
        let server = shown.map(Fingerprint::of).ok_or_else(|| LinkError::Connect("no certificate".into()))?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(256 * 1024)
            .keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| LinkError::Connect(explain(&error)))?;
        Ok((sender, server, connection))
    }

    /// Drops the connection and sets the pause: exponential, with jitter, so that two nodes do not dance in step.
    fn broke(&self, error: &LinkError) {
        let now = self.clock.monotonic();
        let jitter = crate::clock::random_u64(&*self.clock) % 1000;
        let mut state = self.state();
        state.sender = None;
        state.server = None;
        let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(6)).min(LONGEST_PAUSE);
        let jittered = pause / 2 + pause.mul_f64(f64::from(u32::try_from(jitter).unwrap_or(0)) / 2000.0);
        state.failures = state.failures.saturating_add(1);
        state.not_before = now + jittered;
        state.error = Some(error.to_string());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes, for operators; and what to do about the two that only they can end.
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            told = format!("{told}: {text}");
        }
        cause = error.source();
    }
    let hint = if told.contains("invalid peer certificate") {
        "; another node answers there than the one that was paired: if that was made anew, pair with it and remove the old one"
    } else if told.contains("received fatal alert") {
        "; the other node does not know this one: it was unpaired there, or one of the two was made anew. Pair them again (tandem peer token, tandem peer add)"
    } else {
        ""
    };
    told + hint
}

fn closed() -> LinkError {
    LinkError::Connect("the peer was removed, or is paired anew".into())
}

async fn exchange<A: DeserializeOwned>(
    mut sender: http2::SendRequest<Outgoing>,
    path: &'static str,
    body: Outgoing,
    deadline: Duration,
) -> Result<A, LinkError> {
    let broken = |error: hyper::Error| LinkError::Broken(explain(&error));
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("https://{}{path}", "node.tandem.internal"))
        .body(body)
        .expect("a constant request");
    sender.ready().await.map_err(broken)?;
    let response = sender.send_request(request).await.map_err(broken)?;
    if response.status() != StatusCode::OK {
        let refusal = other_protocol(response.status(), response.headers());
        return Err(refusal.map_or(LinkError::Status(response.status()), LinkError::Protocol));
    }
    let bytes = read_whole(response.into_body(), MESSAGE_MAX + 1, deadline).await?;
    decode(&bytes).map_err(|error| match error {
        WireError::Version(version) => LinkError::Protocol(OtherProtocol(version)),
        error => LinkError::Wire(error),
    })
}

/// Whether a refusal comes from a build of another version. Version 1 refuses what it cannot decode, and does not say its version.
fn other_protocol(status: StatusCode, headers: &HeaderMap) -> Option<OtherProtocol> {
    let said = headers.get(PROTOCOL_HEADER);
    let version = match said {
        Some(said) => said.to_str().ok()?.parse().ok()?,
        None if status == StatusCode::BAD_REQUEST => 1,
        None => return None,
    };
    (version != VERSION).then_some(OtherProtocol(version))
}
