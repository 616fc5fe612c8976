//! The peers of this node: durable rows, live pins and links.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_storage::change::{NodeWrite, WriteNodeRows};
use tandem_storage::record::Record;
use tandem_storage::types::{NodeGuid, Timestamp};
use tandem_storage::{CommitError, Lane, ReadError, Store};

use super::config::StartError;
use super::wire::{Dialer, Link};
use crate::clock::SharedClock;
use crate::tls::{Fingerprint, NodeIdentity, Pins};

const PREFIX: &[u8] = b"peer/";
/// When a peer was last heard, by wall clock.
const HEARD: &[u8] = b"peer-heard/";
/// That is told so often at most: a commit an hour, an hour's precision.
const HEARD_EVERY: Duration = Duration::from_secs(60 * 60);

/// What a node says about itself when it pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeCard {
    pub node: NodeGuid,
    pub name: String,
    /// host:port of its replication port.
    pub address: String,
    pub s3_endpoint: String,
    pub admin_endpoint: String,
}

impl NodeCard {
    /// Whether a peer could dial the address: not so when a node listens everywhere and was not told what it is called.
    pub(crate) fn is_reachable(&self) -> bool {
        !self.address.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_unspecified())
    }

    /// Its S3 endpoint, if that is told in a way that holds on other machines too, or it is on this one.
    pub(crate) fn reachable_endpoint(&self) -> Option<&str> {
        let local = |host: &str| {
            let host = host.trim_matches(['[', ']']);
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        };
        let uri: http::Uri = self.s3_endpoint.parse().ok()?;
        let beside = self.address.rsplit_once(':').is_some_and(|(host, _)| local(host));
        (!local(uri.host()?) || beside).then_some(self.s3_endpoint.as_str())
    }

    /// Texts that a peer sends are shown to operators and dialled: bounded, printable ASCII.
    pub(crate) fn is_sane(&self) -> bool {
        let sane =
            |text: &str, max| !text.is_empty() && text.len() <= max && text.bytes().all(|b| b.is_ascii_graphic());
        let url = |text: &str| text.is_empty() || sane(text, 512);
        name_is_sane(&self.name) && sane(&self.address, 300) && url(&self.s3_endpoint) && url(&self.admin_endpoint)
    }
}

/// A name of a peer: what commands and paths call it.
pub(crate) fn name_is_sane(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(letter)
}

/// A peer as stored in the node row `peer/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerRow {
    /// What this node calls it.
    pub name: String,
    pub card: NodeCard,
    pub fingerprint: Fingerprint,
}

impl Record for PeerRow {
    const KIND: &'static str = "peer";
    const VERSION: u8 = 1;
}

/// A peer, live.
pub(crate) struct Peer {
    pub row: PeerRow,
    pub link: Link,
}

/// All peers. One place changes rows, pins and links together.
pub(crate) struct Peers {
    store: Store,
    clock: SharedClock,
    identity: Arc<NodeIdentity>,
    pins: Arc<Pins>,
    live: Mutex<Vec<Arc<Peer>>>,
    /// Changes go one by one, so that a name is not given twice.
    changing: tokio::sync::Mutex<()>,
}

impl Peers {
    pub(crate) fn load(
        store: Store,
        clock: SharedClock,
        identity: Arc<NodeIdentity>,
        pins: Arc<Pins>,
    ) -> Result<Self, StartError> {
        let peers =
            Peers { store, clock, identity, pins, live: Mutex::default(), changing: tokio::sync::Mutex::default() };
        let mut rows = Vec::new();
        for (_, value) in peers.store.node_rows(PREFIX)? {
            rows.push(PeerRow::decode(&value).map_err(|error| StartError::Corrupt(error.to_string()))?);
        }
        peers.publish(rows);
        Ok(peers)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Peer>> {
        self.live().clone()
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Peer>> {
        self.live().iter().find(|peer| peer.row.name == name).cloned()
    }

    pub(crate) fn by_node(&self, node: NodeGuid) -> Option<Arc<Peer>> {
        self.live().iter().find(|peer| peer.row.card.node == node).cloned()
    }

    /// Stores a peer that has proved itself; one that is known keeps its name unless `name` gives another. It keeps its
    /// key, too, unless the operator said that this node may be `replaced`: whoever has a token proves nothing about
    /// whose place it may take.
    pub(crate) async fn keep(
        &self,
        card: NodeCard,
        fingerprint: Fingerprint,
        name: Option<&str>,
        replaced: Option<NodeGuid>,
    ) -> Result<Arc<Peer>, KeepError> {
        let _one = self.changing.lock().await;
        let known = self.by_node(card.node);
        if let Some(known) = known.as_ref().filter(|known| known.row.fingerprint != fingerprint)
            && replaced != Some(card.node)
        {
            tracing::warn!(peer = %known.row.name, node = %card.node, "somebody with another key wants the place of a peer");
            return Err(KeepError::Known { name: known.row.name.clone(), node: card.node });
        }
        if let Some(other) =
            self.all().iter().find(|peer| peer.row.fingerprint == fingerprint && peer.row.card.node != card.node)
        {
            return Err(KeepError::KeyTaken(other.row.name.clone()));
        }
        let name = match (name, &known) {
            (Some(name), _) => name.to_owned(),
            (None, Some(known)) => known.row.name.clone(),
            (None, None) => self.free_name(&card),
        };
        if let Some(other) = self.by_name(&name).filter(|other| other.row.card.node != card.node) {
            return Err(KeepError::NameTaken(other.row.name.clone()));
        }
        let node = card.node;
        self.replace(known.as_deref(), PeerRow { name, card, fingerprint }).await?;
        self.by_node(node).ok_or(KeepError::Vanished)
    }

    /// Takes up what a known peer says of itself now. Its key, and what this node calls it, stay as they are.
    pub(crate) async fn relocate(&self, card: NodeCard) -> Result<(), KeepError> {
        let _one = self.changing.lock().await;
        let known = self.by_node(card.node).ok_or(KeepError::Vanished)?;
        if known.row.card != card {
            tracing::info!(peer = %known.row.name, from = %known.row.card.address, to = %card.address, "a peer has moved");
        }
        let row = PeerRow { card, ..known.row.clone() };
        Ok(self.replace(Some(&*known), row).await?)
    }

    /// The caller holds `changing`.
    async fn replace(&self, known: Option<&Peer>, row: PeerRow) -> Result<(), CommitError> {
        if known.is_some_and(|known| known.row == row) {
            return Ok(());
        }
        let mut writes = vec![write(&row.name, Some(row.encode()))];
        if let Some(known) = known.filter(|known| known.row.name != row.name) {
            writes.push(write(&known.row.name, None));
        }
        let _ = self.store.commit(Lane::Client, self.clock.now(), WriteNodeRows(writes)).await?;
        let node = row.card.node;
        let others = self.all().into_iter().map(|peer| peer.row.clone()).filter(|peer| peer.card.node != node);
        self.publish(others.chain([row]).collect());
        Ok(())
    }

    pub(crate) async fn forget(&self, node: NodeGuid) -> Result<(), CommitError> {
        let _one = self.changing.lock().await;
        let Some(peer) = self.by_node(node) else { return Ok(()) };
        let heard = NodeWrite { key: heard_key(node), value: None, expected: None };
        let rows = WriteNodeRows(vec![write(&peer.row.name, None), heard]);
        let _ = self.store.commit(Lane::Client, self.clock.now(), rows).await?;
        let others = self.all().into_iter().map(|peer| peer.row.clone()).filter(|row| row.card.node != node);
        self.publish(others.collect());
        Ok(())
    }

    /// When a peer was last heard, over restarts; up to an hour earlier than it was. None: not counted yet.
    pub(crate) fn last_heard(&self, node: NodeGuid) -> Result<Option<Timestamp>, ReadError> {
        let row = self.store.node_row(&heard_key(node))?;
        let micros = row.and_then(|row| Some(i64::from_le_bytes(row.try_into().ok()?)));
        Ok(micros.map(Timestamp::from_micros))
    }

    /// Notes that a peer was just heard, or (`heard` is false) that waiting for it begins, if that has not been noted yet.
    pub(crate) async fn note_heard(&self, node: NodeGuid, heard: bool) -> Result<(), CommitError> {
        let now = self.clock.now();
        let noted = self.last_heard(node).ok().flatten();
        let fresh = |at: Timestamp| at <= now && now < at.plus_micros(HEARD_EVERY.as_micros() as i64);
        if noted.is_some_and(|at| !heard || fresh(at)) {
            return Ok(());
        }
        let value = Some(now.as_micros().to_le_bytes().to_vec());
        let write = NodeWrite { key: heard_key(node), value, expected: None };
        self.store.commit(Lane::Background, now, WriteNodeRows(vec![write])).await.map(|_| ())
    }

    /// The name that the peer gives itself, or, if another has it, that with the head of its GUID.
    fn free_name(&self, card: &NodeCard) -> String {
        match self.by_name(&card.name) {
            None => card.name.clone(),
            Some(_) => format!("{}-{}", card.name.get(..40).unwrap_or(&card.name), &card.node.to_string()[..8]),
        }
    }

    /// Replaces the live set; links to unchanged peers stay connected, all others are closed.
    fn publish(&self, rows: Vec<PeerRow>) {
        let pins: HashMap<_, _> = rows.iter().map(|row| (row.fingerprint, row.card.node)).collect();
        let mut live = self.live();
        let before = live.clone();
        *live = rows
            .into_iter()
            .map(|row| match live.iter().find(|peer| peer.row == row) {
                Some(peer) => peer.clone(),
                None => {
                    let dialer = Dialer { address: row.card.address.clone(), expected: Some(row.fingerprint) };
                    Arc::new(Peer { link: Link::new(self.identity.clone(), self.clock.clone(), dialer), row })
                }
            })
            .collect();
        live.sort_by(|one, two| one.row.name.cmp(&two.row.name));
        self.pins.replace(pins);
        // Who holds an old key is sent nothing more, not even what is on its way.
        for gone in before.iter().filter(|before| !live.iter().any(|peer| Arc::ptr_eq(peer, before))) {
            gone.link.close();
        }
    }

    fn live(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Peer>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("another peer is called {0} already; choose another name")]
    NameTaken(String),
    #[error(
        "node {node} is paired already, as {name}, with another key; if that node was made anew, the operator says so: \
         `tandem peer token --replaces {name}` where it is known, or `tandem peer add {name}` with a token of it"
    )]
    Known { name: String, node: NodeGuid },
    #[error("this key is that of another peer, {0}")]
    KeyTaken(String),
    #[error("the peer was removed meanwhile; pair again")]
    Vanished,
    #[error(transparent)]
    Commit(#[from] CommitError),
}

fn write(name: &str, value: Option<Vec<u8>>) -> NodeWrite {
    NodeWrite { key: [PREFIX, name.as_bytes()].concat(), value, expected: None }
}

fn heard_key(node: NodeGuid) -> Vec<u8> {
    [HEARD, node.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_on_the_loopback_of_another_machine_is_not_told() {
        let told = |s3: &str, address: &str| {
            let card = NodeCard {
                node: NodeGuid::from_bytes([1; 16]),
                name: "a".into(),
                address: address.into(),
                s3_endpoint: s3.into(),
                admin_endpoint: String::new(),
            };
            card.reachable_endpoint().is_some()
        };
        assert!(told("http://127.0.0.1:9000", "127.0.0.1:9600") && told("http://[::1]:9000", "[::1]:9600"));
        assert!(told("https://a.example", "a.example:9600") && told("http://10.0.0.1:9000", "a.example:9600"));
        assert!(!told("http://127.0.0.1:9000", "a.example:9600") && !told("http://localhost:9000", "10.0.0.1:9600"));
        assert!(!told("", "127.0.0.1:9600"));
    }
}
