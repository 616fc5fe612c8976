//! Any bytes and any messages, after authentication: nothing panics, nothing hangs, and nothing changes outside of the peer's own path.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use tandem_storage::change::{NodeWrite, WriteNodeRows};
use tandem_storage::check::{Depth, State};
use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{Access, BlobKind, Digest, RowKey, Scope, SnapshotMeta, Total, TransferPhase};
use tandem_storage::types::{
    BucketGuid, ContentHash, Epoch, EpochNumber, NodeGuid, PathGuid, SnapshotGuid, Timestamp, TransferGuid,
};
use tandem_storage::{Lane, Store};

use super::super::driver::{Answers, Hub, HubParts, Published};
use super::super::message::{Answer, Attempt, BlobsHead, Envelope, Fetch, Request, Told, WireRow};
use super::super::pairing::Pairing;
use super::super::peers::{NodeCard, Peers};
use super::super::ship::stored_pages;
use super::super::wire::{BlobStream, Handler, decode, encode, encode_blob, encode_end, encode_head};
use super::rogue::snapshot;
use super::rows;
use super::victim::{OWN, VICTIM, digest_now, make_own, open_store, scope};
use crate::clock::{SharedClock, SystemClock};
use crate::role::machine::{
    self, Destination, DestinationPhase, HandOver, HandoverId, Life, Offer, PathView, Peer, Policy, SourcePhase,
};
use crate::tls::{NodeIdentity, Pins};

const PEER: NodeGuid = NodeGuid::from_bytes([2; 16]);
/// Sequences against one store, before the next.
const A_WORLD: u64 = 20;
const MESSAGES: usize = 16;
const DECODES: usize = 500;
/// Whoever waits longer has hung up.
const PATIENCE: Duration = Duration::from_millis(50);
/// A world in which every message is waited for in vain takes 16 s.
const HUNG: Duration = Duration::from_secs(300);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Randomness from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, sides: usize) -> usize {
        (self.roll() % sides as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    /// Small ones, and those at which arithmetic ends.
    fn number(&mut self) -> u64 {
        let roll = self.roll();
        let edges = [0, 1, 2, 3, 4, 1 << 32, (1 << 48) + 1, 1 << 63, u64::MAX - 1, u64::MAX, roll];
        edges[self.below(edges.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most + 1);
        (0..len).map(|_| self.roll() as u8).collect()
    }

    fn guid(&mut self) -> [u8; 16] {
        [self.below(8) as u8; 16]
    }

    /// Bends a few bytes; puts some in, or leaves some out.
    fn bend(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, self.roll() as u8),
                _ => drop(bytes.drain(at..(at + 1 + self.below(8)).min(bytes.len()))),
            }
        }
    }
}

/// A node in this process, as its port hands it messages, and a peer that says anything.
struct World {
    hub: Arc<Hub>,
    answers: Answers,
    own: Digest,
    dice: Dice,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(seed: u64) -> World {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock::new());
        let store = open_store(0);
        let own = make_own(&store, &clock).await;
        let identity = Arc::new(NodeIdentity::load_or_make(dir.path(), VICTIM).unwrap());
        let pins = Arc::new(Pins::default());
        let peers = Arc::new(Peers::load(store.clone(), clock.clone(), identity.clone(), pins.clone()).unwrap());
        let card = |node, name: &str| NodeCard {
            node,
            name: name.into(),
            address: "127.0.0.1:1".into(),
            s3_endpoint: String::new(),
            admin_endpoint: String::new(),
        };
        assert!(peers.keep(card(PEER, "peer"), identity.fingerprint(), None, None).await.is_ok());
        let (me, certificate) = (card(VICTIM, "victim"), identity.fingerprint());
        let pairing = Arc::new(Pairing::new(clock.clone(), pins, peers.clone(), me, certificate, None));
        let (read, retention_cap) = (stored_pages(), Duration::from_secs(3600));
        let hub = Hub::new(HubParts { store, clock, peers, pairing, read, retention_cap });
        let world = World { answers: Answers(hub.clone()), hub, own, dice: Dice(seed), _dir: dir };
        let request = Request::Accept(Box::new(world.plain_view()));
        let message = encode(&Envelope { sender: PEER, request }).unwrap();
        let accepted: Answer = decode(&world.answers.call(PEER, &message).await.unwrap()).unwrap();
        assert!(matches!(accepted, Answer::Done), "{accepted:?}");
        world
    }

    fn store(&self) -> &Store {
        &self.hub.store
    }

    /// The connection is given up when the answer is late.
    async fn send(&self, message: &[u8]) {
        let answer = tokio::time::timeout(PATIENCE, self.answers.call(PEER, message)).await;
        if let Ok(Some(answer)) = answer {
            let answer = decode::<Answer>(&answer).unwrap();
            assert!(!matches!(&answer, Answer::Bytes(bytes) if bytes[..] == *b"mine"), "bytes of another's were given");
        }
    }

    fn plain_view(&self) -> PathView {
        let keep = Duration::from_secs(600);
        let policy = Policy { every: Duration::from_secs(1), start_at: None, keep_local: keep, keep_remote: keep };
        let peer = Peer { guid: VICTIM, name: "victim".into() };
        let path = PathGuid::from_bytes([1; 16]);
        let made = machine::create(PEER, path, scope("path"), peer, policy, self.hub.clock.now());
        Published::new(made.unwrap().0).view()
    }

    fn epoch(&mut self) -> Epoch {
        let known = self.store().path(PathGuid::from_bytes([1; 16])).map(|row| row.epoch);
        match known.filter(|_| !self.dice.one_in(12)) {
            Some(epoch) => epoch,
            None => {
                let writer = if self.dice.one_in(3) { VICTIM } else { PEER };
                Epoch { number: EpochNumber::new(self.dice.number()), writer, fork: None }
            }
        }
    }

    fn attempt(&mut self) -> Attempt {
        let known: Vec<_> = self.store().transfers().unwrap();
        let path = PathGuid::from_bytes([1 + u8::from(self.dice.one_in(10)); 16]);
        let transfer = match known.first().filter(|_| !self.dice.one_in(8)) {
            Some(row) => row.id,
            None => TransferGuid::from_bytes(self.dice.guid()),
        };
        Attempt { path, epoch: self.epoch(), transfer }
    }

    fn meta(&mut self) -> SnapshotMeta {
        let number = self.dice.below(8) as u8;
        let created = if self.dice.one_in(8) { self.dice.number() as i64 } else { i64::from(number) * 1_000_000 };
        let name = match self.dice.below(8) {
            0 => String::from_utf8_lossy(&self.dice.bytes(400)).into_owned(),
            _ => format!("s{number}"),
        };
        let epoch = self.epoch().number;
        let creator = tandem_storage::record::CreatorKind::Policy;
        SnapshotMeta { guid: snapshot(number), name, created: Timestamp::from_micros(created), creator, epoch }
    }

    fn shown(&self) -> Option<SnapshotGuid> {
        let row = self.store().path(PathGuid::from_bytes([1; 16]))?;
        let Access::ReadAt(seq) = row.access else { return None };
        let snapshots = self.store().snapshots(row.guid).unwrap();
        snapshots.iter().rev().find(|snapshot| snapshot.seq == seq).map(|snapshot| snapshot.meta.guid)
    }

    fn view(&mut self) -> PathView {
        let mut view = self.plain_view();
        view.path = PathGuid::from_bytes([1 + self.dice.below(3) as u8; 16]);
        view.scope = match self.dice.below(6) {
            0 => Scope::Endpoint,
            1 => scope("own"),
            2 => scope("other"),
            _ => scope("path"),
        };
        view.epoch = self.epoch();
        view.revision = self.dice.number();
        view.snapshots = (0..self.dice.below(4)).map(|_| self.meta()).collect();
        if self.dice.one_in(5) {
            view.policy.every = Duration::from_micros(self.dice.number());
            view.policy.start_at = Some(Timestamp::from_micros(self.dice.number() as i64));
            view.policy.keep_remote = Duration::new(self.dice.number(), 0);
        }
        if let Life::Source(source) = &mut view.life
            && self.dice.one_in(3)
        {
            let id = HandoverId::from_bytes(self.dice.guid());
            let last = snapshot(self.dice.below(8) as u8);
            source.phase = SourcePhase::HandingOver(HandOver { id, last, abort: self.dice.one_in(2) });
        }
        if self.dice.one_in(12) {
            let visible = Some(snapshot(self.dice.below(8) as u8));
            let phase = DestinationPhase::Active;
            view.life = Life::Destination(Destination { phase, visible, previous: None, handover: None });
        }
        view
    }

    fn row(&mut self) -> WireRow {
        let bucket = if self.dice.one_in(12) { OWN } else { 1 };
        let key = ["a", "b", "c", "c/d"][self.dice.below(4)];
        let content = [&b"one"[..], b"two", b"three"][self.dice.below(3)];
        let mut row = match self.dice.below(10) {
            0 => rows::bucket(bucket, ["path", "own", "other"][self.dice.below(3)]),
            1 => rows::bucket(1, "path"),
            2 => rows::row(
                &RowKey::Setting(BucketGuid::from_bytes([bucket; 16]), "policy".into()),
                Some(self.dice.bytes(40)),
            ),
            3 => rows::row(&rows::object_key(bucket, key), None),
            4 => WireRow { key: self.dice.bytes(60), value: Some(self.dice.bytes(60)) },
            _ => rows::object(bucket, key, content),
        };
        if self.dice.one_in(12) {
            self.dice.bend(&mut row.key);
        }
        if self.dice.one_in(12)
            && let Some(value) = &mut row.value
        {
            self.dice.bend(value);
        }
        row
    }

    /// What the sender knows: it can count what it sent.
    fn digest(&mut self, transfer: TransferGuid) -> (u64, Digest) {
        let row = self.store().transfers().unwrap().into_iter().find(|row| row.id == transfer);
        let rows = match row.as_ref().map(|row| &row.phase) {
            Some(TransferPhase::Receiving { rows }) => *rows,
            _ => self.dice.number(),
        };
        let base = row.and_then(|row| row.base).and_then(|base| self.store().snapshot(base).unwrap());
        let digest = match &base {
            Some(base) => base.digest.as_ref().map(|digest| (digest, base.seq)),
            None => None,
        };
        let counted = self.store().staged_digest(transfer, digest).ok();
        match counted.filter(|_| !self.dice.one_in(6)) {
            Some(digest) => (rows, digest),
            None => (rows, LtHash::empty().digest()),
        }
    }

    fn total(&mut self, transfer: TransferGuid) -> Option<Total> {
        let row = self.store().transfers().unwrap().into_iter().find(|row| row.id == transfer);
        let base = row.and_then(|row| row.base).and_then(|base| self.store().snapshot(base).unwrap());
        let base = base.and_then(|base| Some((base.total?, base.seq)));
        let mut counted = self.store().staged_total(transfer, base).ok()?;
        match self.dice.below(12) {
            0 => None,
            1 => {
                counted.add_row(b"a row", b"that is not there");
                Some(counted)
            }
            _ => Some(counted),
        }
    }

    fn request(&mut self) -> Request {
        match self.dice.below(28) {
            0 | 1 => Request::Hello((0..self.dice.below(4)).map(|_| self.view()).collect()),
            2 if self.dice.one_in(2) => Request::Here(NodeCard {
                node: if self.dice.one_in(2) { PEER } else { VICTIM },
                name: ["peer", "other", "", "a b"][self.dice.below(4)].into(),
                address: ["127.0.0.1:1", "127.0.0.1:2", "0.0.0.0:1", "no address"][self.dice.below(4)].into(),
                s3_endpoint: String::new(),
                admin_endpoint: String::new(),
            }),
            2 => Request::Accept(Box::new(self.view())),
            3 => Request::MayAccept(Box::new(self.view())),
            4 if self.dice.one_in(8) => Request::Removed(PathGuid::from_bytes([1 + self.dice.below(2) as u8; 16])),
            4..=7 => {
                let Attempt { path, epoch, .. } = self.attempt();
                let transfer = TransferGuid::from_bytes(self.dice.guid());
                let base = self.shown().filter(|_| !self.dice.one_in(6));
                let (to, compares_all) = (self.meta(), self.dice.one_in(4));
                Request::Offer(Offer { transfer, path, epoch, base, to, compares_all })
            }
            8..=10 => {
                let hashes = [&b"one"[..], b"two", b"three", b"mine"].map(ContentHash::of);
                let hashes = (0..self.dice.below(5)).map(|_| hashes[self.dice.below(4)]).collect();
                Request::Lacking { attempt: self.attempt(), hashes }
            }
            11..=18 => {
                let attempt = self.attempt();
                let staged = self.store().transfers().unwrap().first().map(|row| row.phase.clone());
                let first = match staged {
                    Some(TransferPhase::Receiving { rows }) if !self.dice.one_in(8) => rows,
                    _ => self.dice.number(),
                };
                let mut rows: Vec<WireRow> = (0..self.dice.below(5)).map(|_| self.row()).collect();
                if first == 0 {
                    rows.insert(0, rows::bucket(1, "path"));
                }
                Request::Rows { attempt, first, rows }
            }
            19..=22 => {
                let attempt = self.attempt();
                let (rows, digest) = self.digest(attempt.transfer);
                let total = self.total(attempt.transfer);
                Request::Complete { attempt, rows, digest, total }
            }
            23..=25 => {
                let hashes = [&b"one"[..], b"two", b"three", b"mine"].map(ContentHash::of);
                let way = (0..self.dice.below(4)).map(|_| hashes[self.dice.below(4)]).collect();
                let key = match self.dice.below(4) {
                    0 => rows::object_key(OWN, "mine").encode(),
                    1 => self.dice.bytes(40),
                    _ => rows::object_key(1, ["a", "b", "c", "c/d"][self.dice.below(4)]).encode(),
                };
                let snapshot = self.shown().unwrap_or(snapshot(1));
                let offset = if self.dice.one_in(3) { self.dice.number() } else { 0 };
                Request::Fetch(Fetch { path: self.attempt().path, snapshot, key, way, offset })
            }
            _ => {
                let position = self.dice.one_in(2).then(|| self.dice.bytes(30));
                let over = self.shown().unwrap_or(snapshot(1));
                Request::Shown { attempt: self.attempt(), over, position }
            }
        }
    }

    async fn message(&mut self) {
        let request = self.request();
        let mut bytes = encode(&Envelope { sender: PEER, request }).unwrap();
        if self.dice.one_in(5) {
            self.dice.bend(&mut bytes);
        }
        self.send(&bytes).await;
    }

    async fn stream(&mut self) {
        let mut out = BytesMut::new();
        encode_head(&mut out, &BlobsHead { sender: PEER, attempt: self.attempt() }).unwrap();
        for _ in 0..self.dice.below(4) {
            let content = [&b"one"[..], b"two", b"three"][self.dice.below(3)];
            match self.dice.below(5) {
                0 => {
                    let child = (BlobKind::Data, ContentHash::of(content), self.dice.number());
                    let recipe = super::lies::recipe(&[child, child]);
                    encode_blob(&mut out, super::lies::recipe_hash(&recipe), BlobKind::Recipe, &recipe);
                }
                1 => {
                    let noise = self.dice.bytes(3000);
                    encode_blob(&mut out, ContentHash::of(&noise), BlobKind::Data, &noise);
                }
                _ => {
                    encode_blob(&mut out, ContentHash::of(content), BlobKind::Data, content);
                }
            }
        }
        encode_end(&mut out);
        let mut bytes = out.to_vec();
        if self.dice.one_in(5) {
            self.dice.bend(&mut bytes);
        }
        let stream = BlobStream::new(Full::new(Bytes::from(bytes)));
        let _ = tokio::time::timeout(PATIENCE, self.answers.take_blobs(PEER, stream)).await;
    }

    /// What must hold whatever was said.
    async fn holds(&self, seed: u64) {
        let write = NodeWrite { key: b"fuzz".to_vec(), value: Some(seed.to_le_bytes().to_vec()), expected: None };
        let alive = self.store().commit(Lane::Client, self.hub.clock.now(), WriteNodeRows(vec![write])).await;
        assert!(alive.is_ok(), "seed {seed}: the store has stopped: {alive:?}");
        assert_eq!(digest_now(self.store(), &scope("own")), self.own, "seed {seed}: the unprotected bucket changed");
        for path in self.store().paths().iter() {
            assert!(matches!(&path.scope, Scope::Bucket(name) if name.as_str() != "own"), "seed {seed}: {path:?}");
            let task = self.hub.handle(path.guid).unwrap_or_else(|| panic!("seed {seed}: {path:?} has no task"));
            assert!(!task.mail.is_closed(), "seed {seed}: the task of {path:?} ended");
            let Access::ReadAt(seq) = path.access else { continue };
            let snapshots = self.store().snapshots(path.guid).unwrap();
            let shown = snapshots.iter().find(|snapshot| snapshot.seq == seq).and_then(|row| row.digest.clone());
            if let (Some(told), Ok(counted)) = (shown, self.store().digest(&path.scope, seq)) {
                assert_eq!(told, counted, "seed {seed}: what is shown is not the snapshot that was told");
            }
        }
        assert_eq!(self.hub.peers.all().len(), 1, "seed {seed}");
    }

    async fn is_whole(&self, seed: u64) {
        let (store, now) = (self.store().clone(), self.hub.clock.now());
        let checked = tokio::task::spawn_blocking(move || {
            let _ = store.collect(now).unwrap();
            store.check(State::Running, Depth::Rows, &mut |_| ()).unwrap()
        });
        assert_eq!(checked.await.unwrap().findings, [], "seed {seed}");
    }
}

/// Bytes into every decoder there is on the port: an error at worst.
async fn decode_anything(dice: &mut Dice, messages: &[Vec<u8>]) {
    for _ in 0..DECODES {
        let bytes = match dice.below(4) {
            0 => dice.bytes(300),
            _ => {
                let mut bytes = messages[dice.below(messages.len())].clone();
                dice.bend(&mut bytes);
                bytes
            }
        };
        let _ = decode::<Envelope>(&bytes);
        let _ = decode::<Answer>(&bytes);
        let _ = decode::<Vec<Told>>(&bytes);
        let _ = RowKey::decode(&bytes);
        let mut stream = BlobStream::new(Full::new(Bytes::from(bytes)));
        if stream.head::<BlobsHead>().await.is_ok() {
            while let Ok(Some(blob)) = stream.next().await {
                assert!(blob.bytes.len() <= tandem_storage::blob::PIECE_BYTES);
            }
        }
    }
}

#[test]
fn no_bytes_and_no_messages_of_a_peer_reach_beyond_its_path() {
    let (sequences, first) = (number("TANDEM_FRAMES", 200), number("TANDEM_FRAMES_SEED", 0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut seed = first;
    while seed < first + sequences {
        let end = (first + sequences).min(seed + A_WORLD);
        runtime.block_on(async {
            let running = tokio::time::timeout(HUNG, sequences_of_one_world(seed, end));
            running.await.unwrap_or_else(|_| panic!("seeds from {seed}: it hangs"));
        });
        seed = end;
    }
}

async fn sequences_of_one_world(first: u64, end: u64) {
    let mut world = World::new(first).await;
    for seed in first..end {
        world.dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut said = Vec::new();
        for _ in 0..MESSAGES {
            match world.dice.below(5) {
                0 => world.stream().await,
                _ => world.message().await,
            }
            let request = world.request();
            said.push(encode(&Envelope { sender: PEER, request }).unwrap());
        }
        decode_anything(&mut world.dice, &said).await;
        world.holds(seed).await;
        if world.store().paths().is_empty() {
            // The peer took its path back: the rest is for another world.
            break;
        }
    }
    world.is_whole(first).await;
    world.hub.stop().await;
}
