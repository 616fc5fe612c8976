//! Sockets to requests: connections bounded, watched and closed in order.

mod answer;
mod case;
mod connection;
mod document;
mod exchange;
mod guarded;
mod head;
mod object_stream;
mod places;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use case::NameCase;
use connection::{Shared, refuse, serve_connection};
use exchange::RequestIds;
use places::Places;

use super::service::Service;
use crate::clock::random_u64;

/// Refusals under way at a time; beyond them a connection is dropped without a word.
const REFUSALS_MAX: usize = 64;
/// After a failed accept (no descriptor is free, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves S3 on `listener` until `shutdown` says true; then running requests get the settings' deadline.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    service: Arc<Service>,
    mut shutdown: watch::Receiver<bool>,
) {
    let settings = Arc::clone(&service.settings);
    let ids = Arc::new(RequestIds::from_random(random_u64(&*service.clock)));
    let case = NameCase::learn().await;
    let shared = Shared { service, ids, case, tls: tls.map(TlsAcceptor::from), stop: shutdown.clone() };
    let places = Places::new(settings.connections_max, settings.connections_per_address_max);
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let (stream, client) = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener) => accepted,
        };
        let shared = shared.clone();
        if let Some(place) = places.take(client) {
            connections.spawn(async move {
                let _count = shared.service.metrics.connection();
                serve_connection(shared, stream, client).await;
                drop(place);
            });
        } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
            connections.spawn(async move {
                refuse(shared, stream).await;
                drop(place);
            });
        }
    }
    drop(listener);
    drain(connections, settings.shutdown_deadline).await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => return (stream, client.ip()),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Connections end by themselves after their running request; those that do not are cut.
async fn drain(mut connections: JoinSet<()>, deadline: Duration) {
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(deadline, ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests did not finish in time and are cut");
        connections.shutdown().await;
    }
}
