use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::auth;
use super::places::{Place, Places, Room};
use crate::descriptors::{Shares, limit};
use crate::s3::server::{Activity, Limits, Violation, close, under_watch};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const LIMITS: Limits =
    Limits { head: Duration::from_secs(10), idle: Duration::from_secs(60), stall: Duration::from_secs(20) };
/// After an accept that failed, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The admin port, being served. The task ends soon after `shutdown` turns true.
pub struct Admin {
    pub task: JoinHandle<()>,
}

/// What all connections of the port share.
#[derive(Clone)]
struct Shared {
    acceptor: TlsAcceptor,
    router: Router,
    stop: watch::Receiver<bool>,
}

/// Serves `router` over TLS until `shutdown` is true, then gives running requests `drain` to finish.
pub fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    shutdown: watch::Receiver<bool>,
    drain: Duration,
) -> Admin {
    let shared = Shared { acceptor: TlsAcceptor::from(tls), router, stop: shutdown };
    Admin { task: tokio::spawn(accept_all(listener, shared, Places::new(room()), drain)) }
}

/// A quarter of the places is for those who have logged in.
fn room() -> Room {
    let places = Shares::of(limit()).admin;
    Room { guests: places - places / 4, guests_of_one: (places / 8).max(2), known: places / 4 }
}

/// Each connection is accepted at once; only then is it decided who has a place.
async fn accept_all(listener: TcpListener, shared: Shared, places: Places, drain: Duration) {
    let mut stop = shared.stop.clone();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "admin accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Some(place) = places.take(address.ip()) {
            let (shared, place) = (shared.clone(), Arc::new(place));
            connections.spawn(async move {
                tokio::select! {
                    biased;
                    () = place.taken() => tracing::debug!(%address, "an admin connection gave way to another"),
                    () = connection(shared, stream, address.ip(), Arc::clone(&place)) => {}
                }
            });
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(shared: Shared, stream: TcpStream, address: IpAddr, place: Arc<Place>) {
    let Shared { acceptor, router, stop } = shared;
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "admin handshake"),
        Err(_) => return tracing::debug!("admin handshake took too long"),
    };
    place.arrived();
    let activity = Arc::new(Activity::default());
    let from = auth::From { address, place: Some(Arc::clone(&place)) };
    let router = TowerToHyperService::new(router.layer(axum::Extension(from)));
    let running = Arc::clone(&activity);
    let answers = service_fn(move |request: http::Request<Incoming>| {
        let (running, asking) = (Running::begin(&running), place.asks());
        let answered = router.call(request);
        Box::pin(async move {
            let answer = answered.await;
            drop((asking, running));
            Ok::<_, Infallible>(answer.unwrap_or_else(|never| match never {}))
        })
    });
    let (stream, violation) = under_watch(stream, LIMITS, activity, stop, answers).await;
    let last = violation.and_then(last_words);
    let unread = last.is_some();
    close(stream, last, unread).await;
}

/// A request until it is answered, or its client has gone.
struct Running(Arc<Activity>);

impl Running {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.begin();
        Running(Arc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.answer();
    }
}

/// The answer to a head that no handler sees.
fn last_words(violation: Violation) -> Option<Vec<u8>> {
    let (status, detail) = match violation {
        Violation::Malformed(reason) => ("400 Bad Request", reason),
        Violation::HeadTooLarge => ("431 Request Header Fields Too Large", "the head is too large"),
        Violation::HeadTooSlow => ("408 Request Timeout", "the head took too long"),
        Violation::Unframed(_) | Violation::BodyStopped | Violation::Idle => return None,
    };
    let body = json!({"detail": detail}).to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Some((head + &body).into_bytes())
}
