//! What an operator may ask of replication, whichever face carries the words.

mod change;
mod diverged;
mod peer;
mod show;

use std::sync::Arc;
use std::time::Duration;

use tandem_storage::record::Scope;
use tandem_storage::types::{EpochNumber, PathGuid, SnapshotGuid};
use tokio::sync::oneshot;

use super::alarm::{Difference, Point};
use super::driver::{Hub, Mail, Order, PathHandle};
use super::report::{DivergedEntry, NodeReport, PathReport, PeerReport};
pub use crate::role::machine::FailoverMode;
use crate::role::machine::{Command, Refused};
use crate::tls::NodeIdentity;

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

/// What reports say of the node itself.
pub(super) struct NodeFacts {
    pub name: String,
    pub region: String,
    pub s3: String,
    pub admin: String,
    pub replication: String,
}

/// The operator's handle on replication. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    hub: Arc<Hub>,
    identity: Arc<NodeIdentity>,
    facts: Arc<NodeFacts>,
    confirmed: Option<Confirmed>,
}

/// What an operator has seen and confirmed, and must still hold when an order is carried out.
#[derive(Clone)]
struct Confirmed {
    /// The path's GUID: another path may have taken its name.
    path: String,
    /// None: the order is about no epoch of the path.
    epoch: Option<EpochNumber>,
}

impl Control {
    pub(super) fn new(hub: Arc<Hub>, identity: Arc<NodeIdentity>, facts: NodeFacts) -> Self {
        Control { hub, identity, facts: Arc::new(facts), confirmed: None }
    }

    /// The same handle, whose orders are refused (`Conflict`) if their path is another one, or at another epoch, by the time it gets to them.
    #[must_use]
    pub fn confirmed_at(&self, seen: &PathReport) -> Self {
        let confirmed = Confirmed { path: seen.guid.clone(), epoch: Some(EpochNumber::new(seen.epoch)) };
        Control { confirmed: Some(confirmed), ..self.clone() }
    }

    /// As [`confirmed_at`](Self::confirmed_at), for orders that hold at any epoch of the path.
    #[must_use]
    pub fn confirmed_path(&self, seen: &PathReport) -> Self {
        let confirmed = Confirmed { path: seen.guid.clone(), epoch: None };
        Control { confirmed: Some(confirmed), ..self.clone() }
    }

    /// A one-time token for the other node; good for 15 minutes.
    ///
    /// # Errors
    /// `Refused` while peers would not know what to dial.
    pub async fn pairing_token(&self) -> Result<String, ControlError> {
        self.reachable()?;
        Ok(self.hub.pairing.issue(None).to_text())
    }

    /// The same for a peer that is known and was made anew: the token is for that node alone, and gives it the peer's
    /// place.
    ///
    /// # Errors
    /// As [`pairing_token`](Self::pairing_token); `NotFound` without such a peer.
    pub async fn pairing_token_for(&self, name: &str) -> Result<String, ControlError> {
        self.reachable()?;
        let node = self.peer(name)?.row.card.node;
        Ok(self.hub.pairing.issue(Some(node)).to_text())
    }

    /// Pairs with the node that issued the token. `name` is what this node calls the peer.
    ///
    /// # Errors
    /// A token that is wrong, used or expired; a name that is taken; a peer that does not answer.
    pub async fn pair(&self, token: &str, name: &str) -> Result<PeerReport, ControlError> {
        self.pair_by_token(token, name).await
    }

    /// # Errors
    /// `Refused` while a path needs the peer.
    pub async fn remove_peer(&self, name: &str) -> Result<(), ControlError> {
        self.unpair(name).await
    }

    /// Protects a path: this node becomes Source, the peer Destination.
    ///
    /// # Errors
    /// What is in the way, on either node, by name.
    pub async fn create_path(&self, path: CreatePath) -> Result<PathReport, ControlError> {
        let handle = self.protect(path).await?;
        Ok(self.show_path(&handle))
    }

    /// Ends the protection on both nodes; data stay where they are.
    ///
    /// # Errors
    /// `Refused` while a failover or a rejoin is under way.
    pub async fn remove_path(&self, scope: &Scope) -> Result<(), ControlError> {
        self.unprotect(scope).await
    }

    /// Starts a role change; returns once it is recorded. Progress is in the report.
    ///
    /// # Errors
    /// Why the role cannot change so, and what to do next.
    pub async fn failover(&self, scope: &Scope, mode: FailoverMode) -> Result<PathReport, ControlError> {
        self.order(scope, Order::Role(Command::Failover(mode))).await
    }

    /// Calls a graceful failover off.
    ///
    /// # Errors
    /// `Refused` when none is in progress.
    pub async fn abort_failover(&self, scope: &Scope) -> Result<PathReport, ControlError> {
        self.order(scope, Order::Role(Command::Abort)).await
    }

    /// Standalone again under the peer, or Standalone to Source with the peer as destination.
    ///
    /// # Errors
    /// `Refused` when the path is not alone, or the peer does not answer.
    pub async fn reattach(&self, scope: &Scope) -> Result<PathReport, ControlError> {
        let view = self.fresh_view(scope).await?;
        self.order(scope, Order::Role(Command::Reattach { peer: view.map(Box::new) })).await
    }

    /// Takes a snapshot now and ships it.
    ///
    /// # Errors
    /// `Refused` on a node that is not the path's Source.
    pub async fn replicate_now(&self, scope: &Scope) -> Result<PathReport, ControlError> {
        self.order(scope, Order::Snapshot).await
    }

    /// The S3 endpoint of the path's source, for clients of its destination. None where it could only mislead: not known, or said to be on the
    /// peer's own loopback while the peer is another machine.
    pub fn source_endpoint(&self, path: PathGuid) -> Option<String> {
        let handle = self.hub.handle(path)?;
        if !handle.read().state.is_destination() {
            return None;
        }
        let peer = self.hub.peers.by_node(handle.peer)?;
        peer.row.card.reachable_endpoint().map(str::to_owned)
    }

    /// The scrub has found that what is stored of a restore point is not what its rows make: everything is compared with the peer. To be called
    /// in the runtime.
    pub fn suspect(&self, path: &str, snapshot: SnapshotGuid, name: &str, reason: &str) {
        let handles = self.hub.handles().into_iter();
        for handle in handles.filter(|handle| handle.read().state.scope.to_string() == path) {
            let point = Point { guid: snapshot, name: name.to_owned() };
            let mail = Mail::Suspect(point, Difference::Scrub(reason.to_owned()));
            tokio::spawn(async move { handle.mail.send(mail).await.is_ok() });
        }
    }

    pub fn report(&self) -> NodeReport {
        self.show_node()
    }

    /// # Errors
    /// `NotFound`.
    pub fn path(&self, scope: &Scope) -> Result<PathReport, ControlError> {
        Ok(self.show_path(&*self.handle(scope)?))
    }

    /// The manifest of a diverged snapshot.
    ///
    /// # Errors
    /// `NotFound`, when no writes of that epoch are kept.
    pub async fn diverged(&self, scope: &Scope, epoch: u64) -> Result<Vec<DivergedEntry>, ControlError> {
        self.manifest(scope, EpochNumber::new(epoch)).await
    }

    /// Drops what a rejoin kept aside, for good.
    ///
    /// # Errors
    /// `Refused` while some of it is locked.
    pub async fn discard_diverged(&self, scope: &Scope, epoch: u64) -> Result<(), ControlError> {
        let epoch = EpochNumber::new(epoch);
        let locked = self.diverged_is_locked(scope, epoch).await?;
        self.order(scope, Order::Role(Command::DiscardDiverged { epoch, locked })).await.map(|_| ())
    }

    fn handle(&self, scope: &Scope) -> Result<Arc<PathHandle>, ControlError> {
        let unknown = || ControlError::NotFound(format!("no protected path {scope} on this node; see tandem status"));
        let handle = self.hub.by_scope(scope).ok_or_else(unknown)?;
        match &self.confirmed {
            Some(confirmed) if confirmed.path != handle.guid.to_string() => {
                let text = format!("{scope} was removed and made anew since it was confirmed: look at it again");
                Err(ControlError::Conflict(text))
            }
            _ => Ok(handle),
        }
    }

    /// Hands an order to the path's task and waits until it is recorded or refused.
    async fn order(&self, scope: &Scope, order: Order) -> Result<PathReport, ControlError> {
        let handle = self.handle(scope)?;
        let (sender, answer) = oneshot::channel();
        let at = self.confirmed.as_ref().and_then(|confirmed| confirmed.epoch);
        let mail = Mail::Order { order, at, answer: sender };
        let stopping = || ControlError::Internal("the node is stopping".into());
        handle.mail.send(mail).await.map_err(|_| stopping())?;
        match answer.await {
            Ok(Ok(())) => Ok(self.show_path(&handle)),
            Ok(Err(refused)) => Err(ControlError::from(refused)),
            Err(_) => {
                let error = handle.read().last_error.clone();
                Err(ControlError::Internal(error.unwrap_or_else(|| "the node is stopping".into())))
            }
        }
    }
}

impl From<Refused> for ControlError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InConflict(_) | Refused::NotConfirmed(_) => ControlError::Conflict(refused.to_string()),
            Refused::PeerSilent => ControlError::PeerUnreachable(refused.to_string()),
            Refused::Unknown => ControlError::NotFound(refused.to_string()),
            _ => ControlError::Refused(refused.to_string()),
        }
    }
}
