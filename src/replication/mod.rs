//! Snapshots to the peer, deltas between them, and the switch of roles. `DESIGN.md` beside this file holds the protocol.
//!
//! *Architecture invariant:* never imports `s3`; `plan`, `retry` and `schedule` are pure.

mod alarm;
mod config;
pub mod control;
mod driver;
mod manifest;
mod message;
mod pairing;
mod peers;
pub mod plan;
mod receive;
mod repair;
pub mod report;
mod retry;
pub mod schedule;
mod ship;
#[cfg(test)]
mod tests;
mod totals;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use tandem_storage::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use config::{ReplicationConfig, SecretPairing, StartError};

use crate::clock::SharedClock;
use crate::descriptors::{Shares, limit};
use crate::tls::{NodeIdentity, Pins, replication_server};
use control::{Control, NodeFacts};
use driver::{Answers, Hub, HubParts};
use pairing::{Pairing, Secret};
use peers::{NodeCard, Peers};
use ship::ReadPage;

/// The shortest secret of a pairing by configuration.
const SECRET_MIN: usize = 16;

/// Replication, running.
pub struct Replication {
    pub control: Control,
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends soon after `shutdown` turns true; the store may be closed afterwards.
    pub task: JoinHandle<()>,
}

/// Listens for peers, dials them, and follows every protected path until `shutdown` is true.
///
/// # Errors
/// When the port is taken, the identity cannot be read, or stored rows do not decode. Peers that do not answer are no error.
pub async fn start(
    config: ReplicationConfig,
    store: Store,
    clock: SharedClock,
    shutdown: watch::Receiver<bool>,
) -> Result<Replication, StartError> {
    start_reading(config, store, clock, ship::stored_pages(), shutdown).await
}

/// As [`start`]; `read` is how shipments read what differs between two points.
async fn start_reading(
    config: ReplicationConfig,
    store: Store,
    clock: SharedClock,
    read: ReadPage,
    shutdown: watch::Receiver<bool>,
) -> Result<Replication, StartError> {
    let cannot = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let identity = Arc::new(NodeIdentity::load_or_make(&config.identity_dir, store.node())?);
    let pins = Arc::new(Pins::default());
    let server = replication_server(&identity, pins.clone())?;
    let peers = Arc::new(Peers::load(store.clone(), clock.clone(), identity.clone(), pins.clone())?);
    let card = NodeCard {
        node: store.node(),
        name: config.name.clone(),
        address: config.advertise.clone().unwrap_or_else(|| address.to_string()),
        s3_endpoint: config.s3_endpoint.clone(),
        admin_endpoint: config.admin_endpoint.clone(),
    };
    let secret = configured_secret(&config).await?;
    let facts = NodeFacts {
        name: config.name,
        region: config.region,
        s3: config.s3_endpoint,
        admin: config.admin_endpoint,
        replication: card.address.clone(),
    };
    let certificate = identity.fingerprint();
    let pairing = Arc::new(Pairing::new(clock.clone(), pins.clone(), peers.clone(), card, certificate, secret));
    let hub = Hub::new(HubParts { store, clock, peers, pairing, read, retention_cap: config.retention_cap });
    hub.resume().map_err(|error| StartError::Corrupt(error.to_string()))?;
    let answers = Arc::new(Answers(hub.clone()));
    let limits = wire::Limits::within(Shares::of(limit()).replication);
    let serving = wire::serve(listener, server, pins, answers, limits, shutdown.clone());
    let control = Control::new(hub.clone(), identity, facts);
    let task = tokio::spawn(run(hub, serving, control.clone(), config.pairing, shutdown));
    Ok(Replication { control, address, task })
}

async fn configured_secret(config: &ReplicationConfig) -> Result<Option<Secret>, StartError> {
    let Some(pairing) = &config.pairing else { return Ok(None) };
    if pairing.secret.len() < SECRET_MIN {
        return Err(StartError::ShortSecret);
    }
    let text = pairing.secret.clone();
    let stretched = tokio::task::spawn_blocking(move || Secret::of_configuration(&text)).await;
    Ok(stretched.ok())
}

/// Everything that runs beside the paths' own tasks, until the node stops.
async fn run(
    hub: Arc<Hub>,
    serving: impl Future<Output = ()> + Send + 'static,
    control: Control,
    pairing: Option<SecretPairing>,
    mut shutdown: watch::Receiver<bool>,
) {
    let greeting = ship::tied(hub.clone().greet_all());
    let repairing = ship::tied(hub.clone().repair_all());
    let joining = pairing.map(|pairing| ship::tied(async move { control.join_by_secret(pairing).await }));
    let serving = tokio::spawn(serving);
    let _ = shutdown.wait_for(|down| *down).await;
    drop(joining);
    drop(repairing);
    drop(greeting);
    hub.stop().await;
    let _ = serving.await;
}
