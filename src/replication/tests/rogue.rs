use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{CreatorKind, Digest, Scope, SnapshotMeta, Total};
use tandem_storage::types::{
    ContentHash, Epoch, EpochNumber, NodeGuid, PathGuid, SnapshotGuid, Timestamp, TransferGuid,
};
use tokio::sync::mpsc;

use super::super::driver::Published;
use super::super::message::{Answer, Attempt, Envelope, Failure, Request, WireRow};
use super::super::pairing::{Secret, Token, join};
use super::super::peers::NodeCard;
use super::super::wire::{BLOBS, CALL, Dialer, Link, LinkError};
use super::rows;
use super::victim::{DEADLINE, VICTIM, Victim};
use crate::clock::SharedClock;
use crate::role::machine::{self, Offer, PathView, Peer, Policy, Taking};
use crate::tls::{Fingerprint, NodeIdentity};

/// The source of a path, in the hands of somebody who says what he likes.
pub struct Rogue {
    pub link: Link,
    pub node: NodeGuid,
    pub path: PathGuid,
    pub epoch: Epoch,
    pub scope: Scope,
    pub identity: Arc<NodeIdentity>,
    pub server: Fingerprint,
    clock: SharedClock,
    /// What it has told, and the other node shows.
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What its offers say.
    pub compares_all: bool,
    _dir: tempfile::TempDir,
}

pub fn snapshot(number: u8) -> SnapshotGuid {
    SnapshotGuid::from_bytes([number; 16])
}

/// The digest of these rows.
pub fn digest_of(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Digest {
    let mut hash = LtHash::empty();
    rows.iter().for_each(|(key, value)| hash.add(key, value));
    hash.digest()
}

/// The total of these rows.
pub fn total_of(rows: &BTreeMap<Vec<u8>, Vec<u8>>) -> Total {
    let mut total = Total::default();
    rows.iter().for_each(|(key, value)| total.add_row(key, value));
    total
}

impl Rogue {
    /// Pairs, as any node would, by a token that an operator carried.
    pub async fn paired(victim: &Victim, number: u8) -> Rogue {
        Rogue::called(victim, NodeGuid::from_bytes([number; 16])).await
    }

    pub async fn called(victim: &Victim, node: NodeGuid) -> Rogue {
        Rogue::at(victim, node, "127.0.0.1:1".to_owned()).await
    }

    /// Where it says that it listens.
    pub async fn at(victim: &Victim, node: NodeGuid, address: String) -> Rogue {
        let dir = tempfile::tempdir().unwrap();
        let identity = Arc::new(NodeIdentity::load_or_make(dir.path(), node).unwrap());
        let known = victim.control.report().peers.into_iter().find(|peer| peer.node == node.to_string());
        let token = match known {
            Some(peer) => victim.control.pairing_token_for(&peer.name).await,
            None => victim.control.pairing_token().await,
        };
        let token: Token = token.unwrap().parse().ok().unwrap();
        let dial = |address: String| {
            let dialer = Dialer { address, expected: Some(token.fingerprint) };
            Link::new(identity.clone(), victim.clock.clone(), dialer)
        };
        let card =
            NodeCard { node, name: "rogue".into(), address, s3_endpoint: String::new(), admin_endpoint: String::new() };
        let secret = Secret::of_token(&token.secret);
        let pairing = dial(token.address.clone());
        assert!(join(&pairing, &*victim.clock, &secret, &card, identity.fingerprint()).await.is_ok());
        let epoch = Epoch { number: EpochNumber::new(1), writer: node, fork: None };
        Rogue {
            link: dial(token.address.clone()),
            node,
            path: PathGuid::from_bytes([9; 16]),
            epoch,
            scope: super::victim::scope("path"),
            server: token.fingerprint,
            identity: identity.clone(),
            clock: victim.clock.clone(),
            rows: BTreeMap::new(),
            compares_all: false,
            _dir: dir,
        }
    }

    /// Paired, and the source of bucket "path", which shows snapshot 1 with one object.
    pub async fn protecting(victim: &Victim) -> Rogue {
        let mut rogue = Rogue::paired(victim, 2).await;
        rogue.accept().await;
        rogue.deliver(1, None, vec![rows::bucket(1, "path"), rows::object(1, "k", b"first")], &[b"first"]).await;
        rogue
    }

    /// The same key by another way.
    pub fn through(&self, address: String) -> Link {
        let dialer = Dialer { address, expected: Some(self.server) };
        Link::new(self.identity.clone(), self.clock.clone(), dialer)
    }

    pub fn view(&self) -> PathView {
        let keep = Duration::from_secs(600);
        let policy = Policy { every: Duration::from_secs(1), start_at: None, keep_local: keep, keep_remote: keep };
        let peer = Peer { guid: VICTIM, name: "victim".into() };
        let made = machine::create(self.node, self.path, self.scope.clone(), peer, policy, self.clock.now());
        Published::new(made.unwrap().0).view()
    }

    pub async fn accept(&self) {
        let answer = self.ask(Request::Accept(Box::new(self.view()))).await;
        assert!(matches!(answer, Answer::Done), "{answer:?}");
    }

    pub async fn try_ask(&self, request: Request) -> Result<Answer, LinkError> {
        let envelope = Envelope { sender: self.node, request };
        self.link.call(CALL, &envelope, DEADLINE).await
    }

    pub async fn ask(&self, request: Request) -> Answer {
        self.try_ask(request).await.unwrap()
    }

    /// Any bytes, wherever.
    pub async fn post(&self, path: &'static str, bytes: impl Into<Bytes>) -> Result<Answer, LinkError> {
        let (sender, chunks) = mpsc::channel(1);
        sender.send(bytes.into()).await.unwrap();
        drop(sender);
        self.link.stream(path, chunks, DEADLINE).await
    }

    pub async fn stream(&self, bytes: BytesMut) -> Answer {
        self.post(BLOBS, bytes.freeze()).await.unwrap()
    }

    pub fn attempt(&self, number: u8) -> Attempt {
        Attempt { path: self.path, epoch: self.epoch, transfer: TransferGuid::from_bytes([number; 16]) }
    }

    pub fn offer(&self, number: u8, base: Option<u8>) -> Offer {
        let to = SnapshotMeta {
            guid: snapshot(number),
            name: format!("s{number}"),
            created: Timestamp::from_secs(i64::from(number)),
            creator: CreatorKind::Policy,
            epoch: self.epoch.number,
        };
        let Attempt { path, epoch, transfer } = self.attempt(number);
        Offer { transfer, path, epoch, base: base.map(snapshot), to, compares_all: self.compares_all }
    }

    pub async fn begin(&self, number: u8, base: Option<u8>) -> Taking {
        match self.ask(Request::Offer(self.offer(number, base))).await {
            Answer::Taking(Ok(taking)) => taking,
            other => panic!("{other:?}"),
        }
    }

    pub async fn send_blobs(&self, number: u8, bytes: &[&[u8]]) {
        let answer = self.stream(rows::blobs(self.node, self.attempt(number), bytes)).await;
        assert!(matches!(answer, Answer::Stored), "{answer:?}");
    }

    pub fn rows_request(&self, number: u8, first: u64, rows: &[WireRow]) -> Request {
        Request::Rows { attempt: self.attempt(number), first, rows: rows.to_vec() }
    }

    pub fn complete_request(&self, number: u8, rows: u64) -> Request {
        let (digest, total) = (digest_of(&self.rows), Some(total_of(&self.rows)));
        Request::Complete { attempt: self.attempt(number), rows, digest, total }
    }

    /// Rows as they will be once these have landed.
    pub fn take(&mut self, rows: &[WireRow]) {
        for WireRow { key, value } in rows {
            match value {
                Some(value) => drop(self.rows.insert(key.clone(), value.clone())),
                None => drop(self.rows.remove(key)),
            }
        }
    }

    /// Everything as a source should.
    pub async fn deliver(&mut self, number: u8, base: Option<u8>, rows: Vec<WireRow>, blobs: &[&[u8]]) {
        let begun = self.begin(number, base).await;
        assert!(matches!(begun, Taking::Begin { .. }), "{begun:?}");
        let hashes: Vec<_> = blobs.iter().map(|bytes| ContentHash::of(bytes)).collect();
        let lacking = self.ask(Request::Lacking { attempt: self.attempt(number), hashes }).await;
        assert!(matches!(lacking, Answer::Lacking(_)), "{lacking:?}");
        self.send_blobs(number, blobs).await;
        let staged = self.ask(self.rows_request(number, 0, &rows)).await;
        assert!(matches!(staged, Answer::Staged(count) if count == rows.len() as u64), "{staged:?}");
        self.take(&rows);
        self.land(number, rows.len() as u64).await;
    }

    pub async fn land(&self, number: u8, rows: u64) {
        loop {
            match self.ask(self.complete_request(number, rows)).await {
                Answer::Landed => return,
                Answer::Landing => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether the victim shows exactly what it was told last.
    pub fn is_shown(&self, victim: &Victim, number: u8) {
        assert_eq!(victim.shown(&self.scope), (Some(snapshot(number)), digest_of(&self.rows)));
    }
}

pub fn failed(answer: &Answer) -> &Failure {
    match answer {
        Answer::Failed(failure) => failure,
        other => panic!("not refused: {other:?}"),
    }
}
