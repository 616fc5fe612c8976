//! The listening end: handshakes, who may call what, limits.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tandem_storage::types::NodeGuid;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::blobs::BlobStream;
use super::body::read_whole;
use super::codec::MESSAGE_MAX;
use super::{BLOBS, CALL, PAIR};
use crate::tls::{Fingerprint, Pins};

/// Connections at once, peers and strangers together.
const CONNECTIONS_MAX: usize = 64;
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// A stranger has so long to pair.
const STRANGER_DEADLINE: Duration = Duration::from_secs(30);
const STRANGER_MESSAGE_MAX: usize = 16 * 1024;
const SILENCE: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(5);
const WINDOW: u32 = 4 * 1024 * 1024;
/// Blob streams at once: each may hold a piece in memory.
const BLOB_STREAMS_MAX: usize = 4;

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
    blob_streams: Semaphore,
}

/// Serves until `shutdown` turns true; then connections are told to go away and dropped.
pub(crate) async fn serve<H: Handler>(
    listener: TcpListener,
    config: rustls::ServerConfig,
    pins: Arc<Pins>,
    handler: Arc<H>,
    mut shutdown: watch::Receiver<bool>,
) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let server = Arc::new(Server { handler, pins, blob_streams: Semaphore::new(BLOB_STREAMS_MAX) });
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = tasks.join_next(), if !tasks.is_empty() => continue,
            _ = shutdown.wait_for(|down| *down) => break,
        };
        match accepted {
            Ok((socket, _)) => match connections.clone().try_acquire_owned() {
                Ok(permit) => {
                    let (server, acceptor) = (server.clone(), acceptor.clone());
                    tasks.spawn(async move {
                        serve_connection(server, acceptor, socket).await;
                        drop(permit);
                    });
                }
                Err(_) => tracing::warn!("too many connections on the replication port; one was refused"),
            },
            Err(error) => {
                tracing::warn!(%error, "accept failed on the replication port");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    tasks.shutdown().await;
}

async fn serve_connection<H: Handler>(server: Arc<Server<H>>, acceptor: TlsAcceptor, socket: TcpStream) {
    let _ = socket.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(socket)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake on the replication port failed"),
        Err(_) => return,
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let Some(fingerprint) = shown.map(Fingerprint::of) else { return };
    let known = server.pins.node(&fingerprint).is_some();
    let caller = Arc::new(Caller { fingerprint, pairing: std::sync::Mutex::default() });
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
        true => connection.await,
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
        (PAIR, _) => pair(server, caller, request).await,
        (CALL, Some(peer)) => call(server, peer, request).await,
        (BLOBS, Some(peer)) => blobs(server, peer, request).await,
        (CALL | BLOBS, None) => Err(StatusCode::FORBIDDEN),
        _ => Err(StatusCode::NOT_FOUND),
    };
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(status) => (status, Vec::new()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

async fn pair<H: Handler>(
    server: &Server<H>,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Vec<u8>, StatusCode> {
    let message = read_whole(request.into_body(), STRANGER_MESSAGE_MAX, SILENCE).await.map_err(refused)?;
    server.handler.pair(caller, &message).await.ok_or(StatusCode::BAD_REQUEST)
}

async fn call<H: Handler>(
    server: &Server<H>,
    peer: NodeGuid,
    request: Request<Incoming>,
) -> Result<Vec<u8>, StatusCode> {
    let message = read_whole(request.into_body(), MESSAGE_MAX + 1, SILENCE).await.map_err(refused)?;
    server.handler.call(peer, &message).await.ok_or(StatusCode::BAD_REQUEST)
}

async fn blobs<H: Handler>(
    server: &Server<H>,
    peer: NodeGuid,
    request: Request<Incoming>,
) -> Result<Vec<u8>, StatusCode> {
    let permit = server.blob_streams.acquire().await;
    let _permit = permit.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let stream = BlobStream::new(request.into_body());
    server.handler.blobs(peer, stream).await.ok_or(StatusCode::BAD_REQUEST)
}

fn refused(error: super::WireError) -> StatusCode {
    match error {
        super::WireError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}
