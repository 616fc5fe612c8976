//! Each node says hello to each of its peers, now and then and when it has news, and hears what the peer has committed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tandem_storage::types::{NodeGuid, PathGuid, SnapshotGuid};

use super::super::message::{Answer, Failure, HELLO_VIEWS, Request, Told};
use super::super::peers::Peer;
use super::super::schedule::Age;
use super::super::ship::tied;
use super::super::wire::LinkError;
use super::handle::PathHandle;
use super::hub::Hub;
use super::mail::Mail;
use crate::role::machine::PathView;

pub(crate) const HELLO_DEADLINE: Duration = Duration::from_secs(10);
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(1);

impl Hub {
    /// Keeps one greeter for each peer. Runs until dropped.
    pub(crate) async fn greet_all(self: Arc<Self>) {
        let mut greeters = HashMap::new();
        loop {
            let peers: Vec<NodeGuid> = self.peers.all().iter().map(|peer| peer.row.card.node).collect();
            greeters.retain(|node, _| peers.contains(node));
            for node in peers {
                greeters.entry(node).or_insert_with(|| tied(self.clone().greet(node)));
            }
            let _ = tokio::time::timeout(Duration::from_secs(5), self.peers_changed.notified()).await;
            self.pairing.tidy();
        }
    }

    async fn greet(self: Arc<Self>, node: NodeGuid) {
        let bell = self.bell(node);
        let mut introduced = false;
        loop {
            let Some(peer) = self.peers.by_node(node) else { return };
            introduced = introduced || self.say_where(&peer).await;
            let handles: Vec<_> = self.handles().into_iter().filter(|handle| handle.peer == node).collect();
            if let Err(error) = self.hello(&peer, &handles).await {
                self.note_unanswered(node);
                if let LinkError::Protocol(other) = error {
                    self.note_protocol(node, other);
                }
                tracing::debug!(peer = %peer.row.name, %error, "a hello was not answered");
            }
            let heard = self.last_heartbeat(node).is_some_and(|ago| ago < HELLO_DEADLINE);
            if let Err(error) = self.peers.note_heard(node, heard).await {
                tracing::debug!(peer = %peer.row.name, %error, "it was not noted when the peer was heard");
            }
            let every = handles.iter().map(|handle| handle.read().state.detail.policy.every / 2).min();
            let pause = every.unwrap_or(SELDOM).clamp(OFTEN, SELDOM);
            let _ = tokio::time::timeout(pause, bell.notified()).await;
        }
    }

    /// Tells a peer where this node is now: its address may be another one since the last start. Whether that needs no repeating.
    async fn say_where(&self, peer: &Peer) -> bool {
        let card = self.pairing.card().clone();
        if !card.is_reachable() {
            return true;
        }
        match self.ask(peer, Request::Here(card), HELLO_DEADLINE).await {
            Ok(Answer::Failed(error @ Failure::Refused(_))) => {
                tracing::warn!(peer = %peer.row.name, %error, "the peer does not take this node's address");
                true
            }
            // It may take it later: its store has stopped, say.
            Ok(Answer::Failed(_)) => false,
            // Below the protocol: one that does not know the message.
            Ok(_) | Err(LinkError::Status(_)) => true,
            Err(_) => false,
        }
    }

    /// One exchange of views; what is heard goes to the paths' tasks.
    pub(crate) async fn hello(&self, peer: &Peer, handles: &[Arc<PathHandle>]) -> Result<Vec<PathView>, LinkError> {
        let mut heard = Vec::new();
        let mut left = handles;
        loop {
            let (now, later) = left.split_at(left.len().min(HELLO_VIEWS));
            left = later;
            let views = now.iter().map(|handle| handle.read().view()).collect();
            let asked = self.clock.monotonic();
            let told = match self.ask(peer, Request::Hello(views), HELLO_DEADLINE).await? {
                Answer::Hello(told) => told,
                _ => return Err(LinkError::Broken("the peer answered something else".into())),
            };
            self.beat(peer.row.card.node);
            // Once about each path that it was asked about, whatever else it says.
            let mut open: HashSet<PathGuid> = now.iter().map(|handle| handle.guid).collect();
            for told in told.into_iter().filter(|told| open.remove(&told.path())) {
                heard.extend(self.take(peer.row.card.node, told, asked));
            }
            if left.is_empty() {
                return Ok(heard);
            }
        }
    }

    fn take(&self, peer: NodeGuid, told: Told, asked: Duration) -> Option<PathView> {
        match told {
            Told::View { view, .. } if !view.is_sane() => None,
            Told::View { view, age } => {
                let handle = self.shared(view.path, peer)?;
                handle.tell(Mail::Heard { view: view.clone(), asked: Some(asked), age });
                Some(*view)
            }
            Told::Gone(path) => {
                self.shared(path, peer)?.tell(Mail::Gone);
                None
            }
            Told::Unknown(path) => {
                self.shared(path, peer)?.tell(Mail::Unknown);
                None
            }
        }
    }

    /// What this Source states about what the peer said it shows.
    pub(super) fn age_of_shown(&self, handle: &PathHandle, view: &PathView) -> Option<(SnapshotGuid, Age)> {
        let shown = view.visible()?;
        let created = view.meta(shown)?.created;
        let age = handle.marks().age(shown, created, self.clock.monotonic(), self.clock.now());
        Some((shown, age))
    }
}
