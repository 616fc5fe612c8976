//! The listening end: handshakes, who may call what, limits.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tandem_storage::types::NodeGuid;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::blobs::BlobStream;
use super::body::{read_in_room, read_whole};
use super::codec::{LARGE_MAX, MESSAGE_MAX, SMALL, VERSION};
use super::{BLOBS, CALL, PAIR, PROTOCOL_HEADER};
use crate::tls::{ALPN, Fingerprint, Pins};

/// Who may be connected at once. Each kind has places of its own, so that none keeps another out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Nobody has shown a certificate yet. One more, and the oldest gives way: a peer's takes milliseconds, an idle one until its deadline.
    pub handshakes: usize,
    pub peers: usize,
    /// Of those, one peer's. One that lost its link may dial several times before the old connections are known to be dead.
    pub of_one_peer: usize,
    /// Unknown certificates, while pairing is open.
    pub strangers: usize,
}

impl Limits {
    pub(crate) const USUAL: Limits = Limits { handshakes: 256, peers: 64, of_one_peer: 8, strangers: 8 };

    /// The usual ones, or fewer of each if there are no descriptors for so many.
    pub(crate) fn within(descriptors: usize) -> Limits {
        let Limits { handshakes, peers, of_one_peer, strangers } = Limits::USUAL;
        let all = handshakes + peers + strangers;
        let part = |of: usize| if descriptors < all { (of * descriptors / all).max(1) } else { of };
        Limits {
            handshakes: part(handshakes),
            peers: part(peers).max(2),
            of_one_peer: of_one_peer.min(part(peers).max(2)),
            strangers: part(strangers),
        }
    }
}

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// A stranger has so long to pair.
const STRANGER_DEADLINE: Duration = Duration::from_secs(30);
const STRANGER_MESSAGE_MAX: usize = 16 * 1024;
const SILENCE: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(5);
const WINDOW: u32 = 4 * 1024 * 1024;
/// Blob streams of one peer at once: each may hold a piece in memory. More wait, for that peer's own only: a slow peer keeps no other waiting.
const BLOB_STREAMS_MAX: usize = 4;
/// Of all peers together: what bounds the memory. Enough for four slow peers beside any number of others' turns.
const BLOB_STREAMS_ALL: usize = 32;

/// Long messages and answers of all peers together.
const LARGE_ALL: usize = 32;
/// Calls of one peer that are being answered, each of which may come to a long answer.
const CALLS_MAX: usize = 32;

/// Who is calling, by certificate.
pub(crate) struct Caller {
    pub fingerprint: Fingerprint,
    /// What the pairing exchange of this connection remembers between its two rounds.
    pub pairing: std::sync::Mutex<Option<Vec<u8>>>,
}

/// What the server hands messages to. Answers are encoded; none is a malformed message.
pub(crate) trait Handler: Send + Sync + 'static {
    fn pair(&self, caller: &Caller, message: &[u8]) -> impl Future<Output = Option<Vec<u8>>> + Send;
    fn call(&self, peer: NodeGuid, message: &[u8]) -> impl Future<Output = Option<Vec<u8>>> + Send;
    fn blobs(&self, peer: NodeGuid, stream: BlobStream<Incoming>) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

struct Server<H> {
    handler: Arc<H>,
    pins: Arc<Pins>,
    acceptor: TlsAcceptor,
    limits: Limits,
    peers: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    blob_streams: Semaphore,
    large: Arc<Semaphore>,
    /// Connections for which there was no place.
    refused: AtomicU64,
    /// By peer; as few as have ever been paired since the start.
    places: Mutex<HashMap<NodeGuid, Arc<PeerPlaces>>>,
}

/// What one peer may have at once.
struct PeerPlaces {
    connections: Arc<Semaphore>,
    blob_streams: Semaphore,
    large: Arc<Semaphore>,
    calls: Semaphore,
}

/// The room of a long message or answer, among its peer's and among all.
type Room = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// A connection's places, among all of its kind and among its peer's.
type Place = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl<H> Server<H> {
    fn places_of(&self, peer: NodeGuid) -> Arc<PeerPlaces> {
        let fresh = || PeerPlaces {
            connections: Arc::new(Semaphore::new(self.limits.of_one_peer)),
            blob_streams: Semaphore::new(BLOB_STREAMS_MAX),
            large: Arc::new(Semaphore::new(LARGE_MAX)),
            calls: Semaphore::new(CALLS_MAX),
        };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(peer).or_insert_with(|| Arc::new(fresh())).clone()
    }

    /// Waits for room. The peer's own comes first, so that those who wait for room among all are few of each.
    async fn room(&self, places: &PeerPlaces) -> Option<Room> {
        let own = places.large.clone().acquire_owned().await.ok()?;
        Some((own, self.large.clone().acquire_owned().await.ok()?))
    }

    /// None: all are taken.
    fn place(&self, known: Option<NodeGuid>) -> Option<Place> {
        let Some(peer) = known else { return Some((self.strangers.clone().try_acquire_owned().ok()?, None)) };
        let own = self.places_of(peer).connections.clone().try_acquire_owned().ok()?;
        Some((self.peers.clone().try_acquire_owned().ok()?, Some(own)))
    }
}

/// Connections that have not shown a certificate yet, oldest first.
struct Handshakes {
    max: usize,
    /// Dropping one ends its handshake; closed, the handshake is over.
    running: VecDeque<oneshot::Sender<Infallible>>,
    /// Those that gave way.
    ended: u64,
}

impl Handshakes {
    /// A place for one more; its end is the end of the handshake.
    fn begin(&mut self) -> oneshot::Receiver<Infallible> {
        self.running.retain(|running| !running.is_closed());
        if self.running.len() >= self.max {
            self.running.pop_front();
            self.ended += 1;
            // Anybody can cause this: ever fewer lines for ever more of them.
            if self.ended.is_power_of_two() {
                let ended = self.ended;
                tracing::warn!(ended, "too many unfinished handshakes on the replication port; the oldest are ended");
            }
        }
        let (running, ended) = oneshot::channel();
        self.running.push_back(running);
        ended
    }
}

/// Serves until `shutdown` turns true; then connections are told to go away and dropped.
pub(crate) async fn serve<H: Handler>(
    listener: TcpListener,
    config: rustls::ServerConfig,
    pins: Arc<Pins>,
    handler: Arc<H>,
    limits: Limits,
    mut shutdown: watch::Receiver<bool>,
) {
    let server = Arc::new(Server {
        handler,
        pins,
        acceptor: TlsAcceptor::from(Arc::new(config)),
        limits,
        peers: Arc::new(Semaphore::new(limits.peers)),
        strangers: Arc::new(Semaphore::new(limits.strangers)),
        blob_streams: Semaphore::new(BLOB_STREAMS_ALL),
        large: Arc::new(Semaphore::new(LARGE_ALL)),
        refused: AtomicU64::new(0),
        places: Mutex::default(),
    });
    let mut handshakes = Handshakes { max: limits.handshakes, running: VecDeque::new(), ended: 0 };
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = tasks.join_next(), if !tasks.is_empty() => continue,
            _ = shutdown.wait_for(|down| *down) => break,
        };
        match accepted {
            Ok((socket, _)) => {
                let (server, ended) = (server.clone(), handshakes.begin());
                tasks.spawn(async move {
                    if let Some(stream) = shake_hands(&server.acceptor, socket, ended).await {
                        serve_connection(server, stream).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed on the replication port");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    tasks.shutdown().await;
}

/// TLS, until the deadline or until the place is wanted.
async fn shake_hands(
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    ended: oneshot::Receiver<Infallible>,
) -> Option<TlsStream<TcpStream>> {
    let _ = socket.set_nodelay(true);
    tokio::select! {
        shaken = tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(socket)) => match shaken {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a handshake on the replication port failed");
                None
            }
            Err(_) => None,
        },
        _ = ended => None,
    }
}

async fn serve_connection<H: Handler>(server: Arc<Server<H>>, stream: TlsStream<TcpStream>) {
    let session = stream.get_ref().1;
    // TLS refuses another protocol; one who names none at all is turned away here.
    if session.alpn_protocol() != Some(ALPN) {
        return tracing::debug!("a connection to the replication port that agreed on no protocol");
    }
    let shown = session.peer_certificates().and_then(|chain| chain.first());
    let Some(fingerprint) = shown.map(Fingerprint::of) else { return };
    let peer = server.pins.node(&fingerprint);
    let known = peer.is_some();
    let Some(_place) = server.place(peer) else {
        let whose = peer.map_or_else(|| "strangers".to_owned(), |peer| format!("peers, or of {peer}"));
        let refused = server.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if refused.is_power_of_two() {
            tracing::warn!(refused, "too many connections of {whose} on the replication port; they are refused");
        }
        return;
    };
    let caller = Arc::new(Caller { fingerprint, pairing: std::sync::Mutex::default() });
    let pins = server.pins.clone();
    let service = service_fn(move |request| {
        let (server, caller) = (server.clone(), caller.clone());
        async move { Ok::<_, Infallible>(answer(&server, &caller, request).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(256 * 1024)
        .max_concurrent_streams(32)
        .max_header_list_size(4 * 1024)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .serve_connection(TokioIo::new(stream), service);
    let ended = match known {
        true => tokio::select! {
            ended = connection => ended,
            () = pins.withdrawn(&fingerprint) => {
                tracing::info!(%fingerprint, "a connection was ended: its certificate is no peer's any more");
                Ok(())
            }
        },
        false => tokio::time::timeout(STRANGER_DEADLINE, connection).await.unwrap_or(Ok(())),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of a peer ended");
    }
}

async fn answer<H: Handler>(server: &Server<H>, caller: &Caller, request: Request<Incoming>) -> Response<Full<Bytes>> {
    // Asked for every request: a pin that was withdrawn counts at once.
    let peer = server.pins.node(&caller.fingerprint);
    let outcome = match (request.uri().path(), peer) {
        _ if request.method() != Method::POST => Err(StatusCode::METHOD_NOT_ALLOWED),
        (PAIR, _) => pair(server, caller, request).await.map(Bytes::from),
        (CALL, Some(peer)) => while_pinned(server, caller, call(server, peer, request)).await,
        (BLOBS, Some(peer)) => while_pinned(server, caller, blobs(server, peer, request)).await.map(Bytes::from),
        (CALL | BLOBS, None) => Err(StatusCode::FORBIDDEN),
        _ => Err(StatusCode::NOT_FOUND),
    };
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(status) => (status, Bytes::new()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(PROTOCOL_HEADER, HeaderValue::from(u16::from(VERSION)));
    response
}

/// A long answer, which has its room until it is sent, or given up.
struct Roomed {
    bytes: Vec<u8>,
    _room: Room,
}

impl AsRef<[u8]> for Roomed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is under way when a pin is withdrawn ends there, however long its sender has been sending.
async fn while_pinned<H: Handler, T>(
    server: &Server<H>,
    caller: &Caller,
    work: impl Future<Output = Result<T, StatusCode>>,
) -> Result<T, StatusCode> {
    tokio::select! {
        biased;
        () = server.pins.withdrawn(&caller.fingerprint) => Err(StatusCode::FORBIDDEN),
        outcome = work => outcome,
    }
}

async fn pair<H: Handler>(
    server: &Server<H>,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Vec<u8>, StatusCode> {
    let message = read_whole(request.into_body(), STRANGER_MESSAGE_MAX, SILENCE).await.map_err(refused)?;
    server.handler.pair(caller, &message).await.ok_or(StatusCode::BAD_REQUEST)
}

/// Reads, answers and sends in bounded memory: what a peer sends and does not finish, or asks for and does not read,
/// takes its own room alone.
async fn call<H: Handler>(server: &Server<H>, peer: NodeGuid, request: Request<Incoming>) -> Result<Bytes, StatusCode> {
    let places = server.places_of(peer);
    let room = async || server.room(&places).await;
    let read = read_in_room(request.into_body(), MESSAGE_MAX + 1, SILENCE, SMALL, room);
    let (message, room) = read.await.map_err(refused)?;
    let one = places.calls.acquire().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let bytes = server.handler.call(peer, &message).await.ok_or(StatusCode::BAD_REQUEST)?;
    drop(message);
    if bytes.len() <= SMALL {
        return Ok(Bytes::from(bytes));
    }
    let room = match room {
        Some(room) => room,
        None => server.room(&places).await.ok_or(StatusCode::SERVICE_UNAVAILABLE)?,
    };
    drop(one);
    Ok(Bytes::from_owner(Roomed { bytes, _room: room }))
}

async fn blobs<H: Handler>(
    server: &Server<H>,
    peer: NodeGuid,
    request: Request<Incoming>,
) -> Result<Vec<u8>, StatusCode> {
    let places = server.places_of(peer);
    // The peer's own first, so that those who wait for one of all are few of each.
    let _own = places.blob_streams.acquire().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let _one = server.blob_streams.acquire().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let stream = BlobStream::new(request.into_body());
    server.handler.blobs(peer, stream).await.ok_or(StatusCode::BAD_REQUEST)
}

fn refused(error: super::WireError) -> StatusCode {
    match error {
        super::WireError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}
