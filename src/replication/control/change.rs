//! Paths made, removed, and asked about.

use std::sync::Arc;
use std::time::Duration;

use tandem_storage::CommitError;
use tandem_storage::change::Refusal;
use tandem_storage::record::Scope;
use tandem_storage::types::PathGuid;

use super::super::driver::{Order, PathHandle, Published};
use super::super::message::{Answer, Request};
use super::super::peers::Peer;
use super::super::wire::LinkError;
use super::{Control, ControlError, CreatePath};
use crate::clock::random_guid;
use crate::role::machine::{self, Command, PathState, PathView, Policy};

impl Control {
    pub(super) async fn protect(&self, path: CreatePath) -> Result<Arc<PathHandle>, ControlError> {
        let CreatePath { scope, peer, interval, keep_local, keep_remote } = path;
        let peer = self.peer(&peer)?;
        if let Some(other) = self.hub.store.paths().iter().find(|row| row.scope.overlaps(&scope)) {
            let text = format!("the path {} overlaps {scope}: remove it first (tandem path remove)", other.scope);
            return Err(ControlError::Conflict(text));
        }
        let guid = PathGuid::from_bytes(random_guid(&*self.hub.clock));
        let policy = Policy { every: interval, start_at: None, keep_local, keep_remote };
        let (me, now) = (self.hub.me, self.hub.clock.now());
        let machine_peer = machine::Peer { guid: peer.row.card.node, name: peer.row.name.clone() };
        let (state, ops) = machine::create(me, guid, scope, machine_peer, policy, now)?;
        // Asked first, so that what is in the way over there is told to the operator and leaves no path behind here.
        self.ask(&peer, Request::MayAccept(Box::new(view(&state)))).await?;
        let refused = |error: CommitError| match error {
            CommitError::Refused(Refusal::Overlaps) => {
                ControlError::Conflict("another path overlaps; remove it first".into())
            }
            other => ControlError::Internal(other.to_string()),
        };
        let told = Box::new(view(&state));
        let handle = self.hub.make(state, ops).await.map_err(refused)?;
        // Lost or refused, it is told again by the path's task until it is accepted; the report shows why it is not.
        if let Err(error) = self.ask(&peer, Request::Accept(told)).await {
            tracing::warn!(%error, "the peer has not taken up the path yet");
        }
        self.hub.bell(peer.row.card.node).notify_one();
        Ok(handle)
    }

    pub(super) async fn unprotect(&self, scope: &Scope) -> Result<(), ControlError> {
        let handle = self.handle(scope)?;
        self.order(scope, Order::Role(Command::Remove)).await?;
        if let Some(peer) = self.hub.peers.by_node(handle.peer) {
            // If this is lost, the peer learns of it by the next hello.
            let told = self.ask(&peer, Request::Removed(handle.guid)).await;
            if let Err(error) = told {
                tracing::warn!(path = %scope, %error, "the peer has not been told that the path was removed");
            }
        }
        Ok(())
    }

    /// What the peer says of the path right now; none if it does not answer.
    pub(super) async fn fresh_view(&self, scope: &Scope) -> Result<Option<PathView>, ControlError> {
        let handle = self.handle(scope)?;
        let Some(peer) = self.hub.peers.by_node(handle.peer) else { return Ok(None) };
        let patience = self.hub.clock.monotonic() + Duration::from_secs(5);
        loop {
            let heard = self.hub.hello(&peer, std::slice::from_ref(&handle)).await;
            if let Ok(views) = heard {
                return Ok(views.into_iter().find(|view| view.path == handle.guid));
            }
            if self.hub.clock.monotonic() >= patience {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) fn peer(&self, name: &str) -> Result<Arc<Peer>, ControlError> {
        let unknown = || ControlError::NotFound(format!("no peer {name}; pair with it first (tandem peer add)"));
        self.hub.peers.by_name(name).ok_or_else(unknown)
    }

    async fn ask(&self, peer: &Peer, request: Request) -> Result<(), ControlError> {
        match self.hub.ask_patiently(peer, request).await {
            Ok(Answer::Done) => Ok(()),
            Ok(Answer::Failed(failure)) => Err(ControlError::Refused(failure.to_string())),
            Ok(_) => Err(ControlError::Internal("the peer answered something else".into())),
            Err(error @ LinkError::Protocol(_)) => Err(ControlError::Refused(error.to_string())),
            Err(error @ LinkError::Status(_)) => {
                Err(ControlError::Refused(format!("{error}; is this node still paired there?")))
            }
            Err(error) => Err(ControlError::PeerUnreachable(error.to_string())),
        }
    }
}

/// A path's view before it has a task.
fn view(state: &PathState) -> PathView {
    Published::new(state.clone()).view()
}
