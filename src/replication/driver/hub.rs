use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tandem_storage::change::{NodeWrite, UpdatePaths, WriteNodeRows};
use tandem_storage::record::{CorruptRecord, Scope};
use tandem_storage::types::{NodeGuid, PathGuid};
use tandem_storage::{CommitError, Lane, ReadError, Store};
use tokio::sync::Notify;

use super::super::alarm::Alarms;
use super::super::message::{Answer, Envelope, Failure, Request};
use super::super::pairing::Pairing;
use super::super::peers::{Peer, Peers};
use super::super::receive::Receiver;
use super::super::repair::Repair;
use super::super::ship::ReadPage;
use super::super::wire::{CALL, LinkError, OtherProtocol};
use super::actor::Actor;
use super::handle::PathHandle;
use super::hello::HELLO_DEADLINE;
use crate::clock::SharedClock;
use crate::role::machine::{self, PathState, PathView};

/// Paths that an operator removed here, so that peers learn of it when they come back.
const GONE: &[u8] = b"path-gone/";

/// How long an operator's call tries to reach a peer, and how often.
const PATIENCE: Duration = Duration::from_secs(8);
const AGAIN: Duration = Duration::from_millis(100);

/// What the hub is made of.
pub(crate) struct HubParts {
    pub store: Store,
    pub clock: SharedClock,
    pub peers: Arc<Peers>,
    pub pairing: Arc<Pairing>,
    /// How shipments read what differs between two points.
    pub read: ReadPage,
    pub retention_cap: Duration,
}

/// Everything that tasks of replication share.
pub(crate) struct Hub {
    pub store: Store,
    pub clock: SharedClock,
    pub me: NodeGuid,
    pub peers: Arc<Peers>,
    pub pairing: Arc<Pairing>,
    pub receiver: Receiver,
    pub alarms: Arc<Alarms>,
    pub read: ReadPage,
    pub repair: Repair,
    /// A peer that is away longer has no claim on history any more.
    pub retention_cap: Duration,
    paths: Mutex<HashMap<PathGuid, Running>>,
    /// One for each peer: say hello now.
    bells: Mutex<HashMap<NodeGuid, Arc<Notify>>>,
    heartbeats: Mutex<HashMap<NodeGuid, Duration>>,
    /// When a hello was last not answered. Monotonic.
    unanswered: Mutex<HashMap<NodeGuid, Duration>>,
    /// Peers whose last message was of another version of the protocol.
    protocols: Mutex<HashMap<NodeGuid, OtherProtocol>>,
    /// Monotonic.
    started: Duration,
    /// The set of peers may have changed.
    pub peers_changed: Notify,
    /// Paths are made one by one.
    making: tokio::sync::Mutex<()>,
}

struct Running {
    handle: Arc<PathHandle>,
    task: tokio::task::JoinHandle<()>,
}

impl Hub {
    pub(crate) fn new(parts: HubParts) -> Arc<Hub> {
        let HubParts { store, clock, peers, pairing, read, retention_cap } = parts;
        let alarms = Alarms::new(store.clone(), clock.clone());
        let receiver = Receiver::new(store.clone(), clock.clone(), alarms.clone());
        Arc::new(Hub {
            me: store.node(),
            started: clock.monotonic(),
            store,
            clock,
            peers,
            pairing,
            receiver,
            alarms,
            read,
            repair: Repair::default(),
            retention_cap,
            paths: Mutex::default(),
            bells: Mutex::default(),
            heartbeats: Mutex::default(),
            unanswered: Mutex::default(),
            protocols: Mutex::default(),
            peers_changed: Notify::new(),
            making: tokio::sync::Mutex::default(),
        })
    }

    /// Starts the tasks of all stored paths.
    pub(crate) fn resume(self: &Arc<Self>) -> Result<(), CorruptRecord> {
        self.alarms.load()?;
        for row in self.store.paths().iter() {
            self.run(PathState::from_row(self.me, row)?);
        }
        Ok(())
    }

    /// Starts a path's task.
    pub(crate) fn run(self: &Arc<Self>, state: PathState) -> Arc<PathHandle> {
        let guid = state.guid;
        let (handle, actor) = Actor::new(self.clone(), state);
        let task = tokio::spawn(actor.run());
        self.lock(&self.paths).insert(guid, Running { handle: handle.clone(), task });
        handle
    }

    /// Ends all tasks of paths; what they had not committed is as if it had not been begun.
    pub(crate) async fn stop(&self) {
        let running: Vec<Running> = self.lock(&self.paths).drain().map(|(_, running)| running).collect();
        for running in running {
            running.task.abort();
            let _ = running.task.await;
        }
    }

    pub(crate) fn forget(&self, path: PathGuid) {
        self.lock(&self.paths).remove(&path);
    }

    pub(crate) fn handles(&self) -> Vec<Arc<PathHandle>> {
        let mut all: Vec<_> = self.lock(&self.paths).values().map(|running| running.handle.clone()).collect();
        all.sort_by_key(|handle| handle.guid);
        all
    }

    pub(crate) fn handle(&self, path: PathGuid) -> Option<Arc<PathHandle>> {
        self.lock(&self.paths).get(&path).map(|running| running.handle.clone())
    }

    /// The path, if it is shared with this peer.
    pub(crate) fn shared(&self, path: PathGuid, peer: NodeGuid) -> Option<Arc<PathHandle>> {
        self.handle(path).filter(|handle| handle.peer == peer)
    }

    pub(crate) fn by_scope(&self, scope: &Scope) -> Option<Arc<PathHandle>> {
        self.handles().into_iter().find(|handle| handle.read().state.scope == *scope)
    }

    pub(crate) fn bell(&self, peer: NodeGuid) -> Arc<Notify> {
        self.lock(&self.bells).entry(peer).or_default().clone()
    }

    /// A message of the peer was understood.
    pub(crate) fn beat(&self, peer: NodeGuid) {
        let now = self.clock.monotonic();
        self.lock(&self.heartbeats).insert(peer, now);
        self.lock(&self.protocols).remove(&peer);
    }

    /// A message of the peer was of another version.
    pub(crate) fn note_protocol(&self, peer: NodeGuid, other: OtherProtocol) {
        let known = self.lock(&self.protocols).insert(peer, other);
        if known != Some(other) {
            let name = self.peers.by_node(peer).map_or_else(|| peer.to_string(), |peer| peer.row.name.clone());
            tracing::error!(peer = name, "{other}");
        }
    }

    /// The version that a peer speaks, if it is another one.
    pub(crate) fn other_protocol(&self, peer: NodeGuid) -> Option<OtherProtocol> {
        self.lock(&self.protocols).get(&peer).copied()
    }

    pub(crate) fn last_heartbeat(&self, peer: NodeGuid) -> Option<Duration> {
        let at = self.lock(&self.heartbeats).get(&peer).copied()?;
        Some(self.clock.monotonic().saturating_sub(at))
    }

    /// How long a peer has not been heard, as far as this process knows.
    pub(crate) fn silence(&self, peer: NodeGuid) -> Duration {
        self.last_heartbeat(peer).unwrap_or_else(|| self.clock.monotonic().saturating_sub(self.started))
    }

    pub(super) fn note_unanswered(&self, peer: NodeGuid) {
        let now = self.clock.monotonic();
        self.lock(&self.unanswered).insert(peer, now);
    }

    /// Whether a peer was asked of late and said nothing. A machine that has just woken has not asked yet, however long it has slept.
    pub(super) fn is_unanswered(&self, peer: NodeGuid) -> bool {
        let at = self.lock(&self.unanswered).get(&peer).copied();
        at.is_some_and(|at| self.clock.monotonic().saturating_sub(at) < 2 * HELLO_DEADLINE)
    }

    /// Asks a peer; a refusal of the protocol is the failure in the answer.
    pub(crate) async fn ask(&self, peer: &Peer, request: Request, deadline: Duration) -> Result<Answer, LinkError> {
        let envelope = Envelope { sender: self.me, request };
        peer.link.call(CALL, &envelope, deadline).await
    }

    /// As [`ask`](Self::ask), for an operator who waits: a link that is just being made, or made again, is no answer yet.
    pub(crate) async fn ask_patiently(&self, peer: &Peer, request: Request) -> Result<Answer, LinkError> {
        let patience = self.clock.monotonic() + PATIENCE;
        let envelope = Envelope { sender: self.me, request };
        loop {
            match peer.link.call(CALL, &envelope, PATIENCE).await {
                Err(LinkError::Connect(_) | LinkError::Broken(_) | LinkError::Wire(_))
                    if self.clock.monotonic() < patience =>
                {
                    tokio::time::sleep(AGAIN).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether the path that a peer tells of could be mirrored here; why not, by name.
    pub(crate) async fn may_accept(&self, peer: &Peer, view: &PathView) -> Result<(), Failure> {
        if self.handle(view.path).is_some() {
            return Ok(());
        }
        if let Some(other) = self.store.paths().iter().find(|row| row.scope.overlaps(&view.scope)) {
            let (mine, theirs) = (&other.scope, &view.scope);
            let text = format!("the path {mine} of node {} overlaps {theirs}: remove it there first", self.name());
            return Err(Failure::Refused(text));
        }
        let (store, scope) = (self.store.clone(), view.scope.clone());
        let checked = tokio::task::spawn_blocking(move || in_the_way(&store, &scope)).await;
        let names = checked
            .map_err(|_| Failure::Internal("the node is stopping".into()))?
            .map_err(|error| Failure::Internal(error.to_string()))?;
        if !names.is_empty() {
            let text = format!(
                "node {} already has {}: move or delete it there, the destination of a path begins empty",
                self.name(),
                names.join(", ")
            );
            return Err(Failure::Refused(text));
        }
        let machine_peer = machine::Peer { guid: peer.row.card.node, name: peer.row.name.clone() };
        let made = machine::accept(self.me, machine_peer, view, self.clock.now());
        made.map(|_| ()).map_err(|refused| Failure::Refused(refused.to_string()))
    }

    /// Becomes the Destination of a path that a peer tells of. Asking twice is harmless.
    pub(crate) async fn accept(self: &Arc<Self>, peer: &Peer, view: &PathView) -> Result<(), Failure> {
        let _one = self.making.lock().await;
        match self.handle(view.path) {
            Some(handle) if handle.peer == peer.row.card.node => return Ok(()),
            Some(_) => return Err(Failure::Refused("the path has another peer here".into())),
            None => {}
        }
        self.may_accept(peer, view).await?;
        let machine_peer = machine::Peer { guid: peer.row.card.node, name: peer.row.name.clone() };
        let (state, ops) = machine::accept(self.me, machine_peer, view, self.clock.now())
            .map_err(|refused| Failure::Refused(refused.to_string()))?;
        let commit = self.store.commit(Lane::Client, self.clock.now(), UpdatePaths(ops)).await;
        let _ = commit.map_err(|error| Failure::Refused(error.to_string()))?;
        tracing::info!(path = %state.scope, peer = %peer.row.name, "following a path as its destination");
        self.run(state);
        Ok(())
    }

    /// Stores a path that this node is Source of.
    pub(crate) async fn make(
        self: &Arc<Self>,
        state: PathState,
        ops: Vec<tandem_storage::change::PathOp>,
    ) -> Result<Arc<PathHandle>, CommitError> {
        let _one = self.making.lock().await;
        let _ = self.store.commit(Lane::Client, self.clock.now(), UpdatePaths(ops)).await?;
        Ok(self.run(state))
    }

    /// Remembers that an operator removed the path here.
    pub(crate) async fn bury(&self, path: PathGuid) -> Result<(), CommitError> {
        let key = [GONE, path.as_bytes()].concat();
        let write = NodeWrite { key, value: Some(vec![1]), expected: None };
        let _ = self.store.commit(Lane::Client, self.clock.now(), WriteNodeRows(vec![write])).await?;
        Ok(())
    }

    pub(crate) fn is_buried(&self, path: PathGuid) -> bool {
        let key = [GONE, path.as_bytes()].concat();
        matches!(self.store.node_row(&key), Ok(Some(_)))
    }

    fn name(&self) -> &str {
        &self.pairing.card().name
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names of buckets that are where a destination is to be, a few of them.
fn in_the_way(store: &Store, scope: &Scope) -> Result<Vec<String>, ReadError> {
    const SHOWN: usize = 5;
    if store.scope_is_empty(scope)? {
        return Ok(Vec::new());
    }
    if let Scope::Bucket(name) = scope {
        return Ok(vec![format!("the bucket {name}")]);
    }
    let mut names = Vec::new();
    store.read()?.buckets(None, &mut |bucket| {
        names.push(format!("the bucket {}", bucket.row.name));
        match names.len() < SHOWN {
            true => std::ops::ControlFlow::Continue(()),
            false => std::ops::ControlFlow::Break(()),
        }
    })?;
    if names.is_empty() {
        names.push("data".to_owned());
    }
    Ok(names)
}
