//! Snapshots to the peer, deltas between them, and the switch of roles. `DESIGN.md` beside this file holds the protocol.
//!
//! *Architecture invariant:* never imports `s3`; `plan`, `session` and `schedule` are pure.

mod config;
pub mod control;
mod pairing;
mod peers;
pub mod plan;
pub mod report;
pub mod schedule;
mod wire;

use std::net::SocketAddr;

use tandem_storage::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use config::{ReplicationConfig, SecretPairing, StartError};

use crate::clock::SharedClock;

/// Replication, running.
pub struct Replication {
    pub control: control::Control,
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
    _store: Store,
    _clock: SharedClock,
    mut shutdown: watch::Receiver<bool>,
) -> Result<Replication, StartError> {
    // Until the driver lands: a node without peers.
    let task = tokio::spawn(async move {
        let _ = shutdown.wait_for(|stop| *stop).await;
    });
    Ok(Replication { control: control::Control {}, address: config.listen, task })
}
