//! What an operator may ask of replication, whichever face carries the words.

use std::time::Duration;

use tandem_storage::record::Scope;

use super::report::{DivergedEntry, NodeReport, PathReport, PeerReport};

/// Why an operator's request was not carried out; each message says what to do next.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Conflict(String),
    #[error("the peer did not answer: {0}")]
    PeerUnreachable(String),
    #[error("{0}")]
    Internal(String),
}

#[derive(Clone, Debug)]
pub struct CreatePath {
    pub scope: Scope,
    /// A peer's name.
    pub peer: String,
    /// At least 1 s.
    pub interval: Duration,
    pub keep_local: Duration,
    pub keep_remote: Duration,
}

/// On a Destination: become Source. On a Source: hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverMode {
    Graceful,
    StandAlone,
    Force,
}

/// Implementer (replication driver): holds the store, the peers, the paths' drivers. Cheap to clone.
#[derive(Clone)]
pub struct Control {}

#[allow(unused_variables, clippy::todo)]
impl Control {
    /// A one-time token for the other node; good for 15 minutes.
    pub async fn pairing_token(&self) -> Result<String, ControlError> {
        todo!()
    }

    /// Pairs with the node that issued the token. `name` is what this node calls the peer.
    pub async fn pair(&self, token: &str, name: &str) -> Result<PeerReport, ControlError> {
        todo!()
    }

    pub async fn remove_peer(&self, name: &str) -> Result<(), ControlError> {
        todo!()
    }

    /// Protects a path: this node becomes Source, the peer Destination.
    pub async fn create_path(&self, path: CreatePath) -> Result<PathReport, ControlError> {
        todo!()
    }

    pub async fn remove_path(&self, scope: &Scope) -> Result<(), ControlError> {
        todo!()
    }

    /// Starts a role change; returns once it is recorded. Progress is in the report.
    pub async fn failover(&self, scope: &Scope, mode: FailoverMode) -> Result<PathReport, ControlError> {
        todo!()
    }

    pub async fn abort_failover(&self, scope: &Scope) -> Result<PathReport, ControlError> {
        todo!()
    }

    /// Standalone again under the peer, or Standalone to Source with the peer as destination.
    pub async fn reattach(&self, scope: &Scope) -> Result<PathReport, ControlError> {
        todo!()
    }

    /// Takes a snapshot now and ships it.
    pub async fn replicate_now(&self, scope: &Scope) -> Result<PathReport, ControlError> {
        todo!()
    }

    pub fn report(&self) -> NodeReport {
        todo!()
    }

    pub fn path(&self, scope: &Scope) -> Result<PathReport, ControlError> {
        todo!()
    }

    /// The manifest of a diverged snapshot.
    pub async fn diverged(&self, scope: &Scope, epoch: u64) -> Result<Vec<DivergedEntry>, ControlError> {
        todo!()
    }

    pub async fn discard_diverged(&self, scope: &Scope, epoch: u64) -> Result<(), ControlError> {
        todo!()
    }
}
