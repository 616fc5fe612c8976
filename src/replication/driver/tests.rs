use std::sync::Arc;
use std::time::Duration;

use tandem_storage::change::{BeginTransfer, CompleteTransfer, UpdatePaths};
use tandem_storage::disk::RealDisk;
use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{CreatorKind, Scope, SnapshotMeta, TransferPhase, TransferRow};
use tandem_storage::types::{EpochNumber, NodeGuid, PathGuid, SnapshotGuid, Timestamp, TransferGuid};
use tandem_storage::{EngineKind, Lane, Options, Store};
use tokio::sync::oneshot;

use super::super::pairing::Pairing;
use super::super::peers::{NodeCard, Peers};
use super::super::receive;
use super::actor::Actor;
use super::handle::Published;
use super::hub::{Hub, HubParts};
use super::mail::{Mail, Order};
use super::steps::UNKNOWN_THERE;
use crate::clock::{SharedClock, SystemClock};
use crate::role::machine::{
    self, Command, DestinationPhase, Event, FailoverMode, Life, PathView, Peer, Policy, Refused, Takeover,
};
use crate::tls::{NodeIdentity, Pins};

const ME: NodeGuid = NodeGuid::from_bytes([1; 16]);
const PEER: NodeGuid = NodeGuid::from_bytes([2; 16]);

/// A destination whose task does only what a test tells it to.
struct Bench {
    actor: Actor,
    view: PathView,
    _dir: tempfile::TempDir,
}

fn store(dir: &std::path::Path) -> Store {
    let options = Options {
        engine: EngineKind::Redb,
        node: ME,
        low_watermark_bytes: 1 << 20,
        reserve_bytes: 0,
        checkpoint_every_bytes: 16 << 20,
        cache_bytes: 16 << 20,
        memtable_writes: 64,
        journal_file_bytes: 64 << 20,
    };
    Store::open(Arc::new(RealDisk::new(dir.join("data")).unwrap()), options).unwrap()
}

fn hub(dir: &std::path::Path) -> Arc<Hub> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let store = store(dir);
    let identity = Arc::new(NodeIdentity::load_or_make(&dir.join("identity"), ME).unwrap());
    let pins = Arc::new(Pins::default());
    let peers = Arc::new(Peers::load(store.clone(), clock.clone(), identity.clone(), pins.clone()).unwrap());
    let text = String::new;
    let card = NodeCard { node: ME, name: "me".into(), address: text(), s3_endpoint: text(), admin_endpoint: text() };
    let pairing = Arc::new(Pairing::new(clock.clone(), pins, peers.clone(), card, identity.fingerprint(), None));
    Hub::new(HubParts { store, clock, peers, pairing, retention_cap: Duration::from_secs(3600) })
}

async fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let hub = hub(dir.path());
    let (path, now) = (PathGuid::from_bytes([3; 16]), hub.clock.now());
    let keep = Duration::from_secs(600);
    let policy = Policy { every: Duration::from_secs(1), start_at: None, keep_local: keep, keep_remote: keep };
    let peer = |guid, name: &str| Peer { guid, name: name.into() };
    let source = machine::create(PEER, path, Scope::Endpoint, peer(ME, "me"), policy, now).unwrap().0;
    let view = Published::new(source).view();
    let (state, ops) = machine::accept(ME, peer(PEER, "peer"), &view, now).unwrap();
    let _ = hub.store.commit(Lane::Client, now, UpdatePaths(ops)).await.unwrap();
    let mut actor = Actor::new(hub, state).1;
    actor.reload().await.unwrap();
    Bench { actor, view, _dir: dir }
}

impl Bench {
    fn store(&self) -> &Store {
        &self.actor.hub.store
    }

    /// All of an empty transfer arrives, and the task has not looked.
    async fn arrives(&self, number: u8, base: Option<u8>) -> TransferGuid {
        let (id, snapshot) = (TransferGuid::from_bytes([number; 16]), |n| SnapshotGuid::from_bytes([n; 16]));
        let to = SnapshotMeta {
            guid: snapshot(number),
            name: format!("s{number}"),
            created: Timestamp::from_secs(i64::from(number)),
            creator: CreatorKind::Policy,
            epoch: EpochNumber::new(1),
        };
        let (path, epoch, phase) =
            (self.actor.state.guid, self.actor.state.epoch, TransferPhase::Receiving { rows: 0 });
        let row = TransferRow { id, path, epoch, base: base.map(snapshot), to, phase, digest: None, total: None };
        let now = self.actor.hub.clock.now();
        let _ = self.store().commit(Lane::Client, now, BeginTransfer(row)).await.unwrap();
        let complete = CompleteTransfer { transfer: id, rows: 0, digest: LtHash::empty().digest(), total: None };
        let _ = self.store().commit(Lane::Client, now, complete).await.unwrap();
        id
    }

    async fn lands(&mut self, transfer: TransferGuid) {
        self.actor.load_transfer().await.unwrap();
        receive::apply(self.store(), &self.actor.hub.clock, transfer).await.unwrap();
        let digest = LtHash::empty().digest();
        self.actor.step(Event::Applied { transfer, digest: &digest }).await.unwrap();
    }

    fn phase(&self) -> DestinationPhase {
        match self.actor.state.life() {
            Life::Destination(destination) => destination.phase.clone(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_force_in_the_moment_a_transfer_is_complete_rolls_it_forward() {
    let mut bench = bench().await;
    let first = bench.arrives(1, None).await;
    bench.lands(first).await;
    assert_eq!(bench.phase(), DestinationPhase::Active);
    let second = bench.arrives(2, Some(1)).await;
    let (answer, answered) = oneshot::channel();
    bench.actor.obey(Order::Role(Command::Failover(FailoverMode::Force)), None, answer).await.unwrap();
    answered.await.unwrap().unwrap();
    assert_eq!(bench.phase(), DestinationPhase::Promoting(Takeover::Force));
    assert_eq!(bench.store().transfers().unwrap()[0].id, second);
    bench.lands(second).await;
    bench.actor.step(Event::Tick).await.unwrap();
    let Life::Source(source) = bench.actor.state.life() else { panic!() };
    assert_eq!(source.acked, Some(SnapshotGuid::from_bytes([2; 16])));
}

#[tokio::test]
async fn a_transfer_that_becomes_complete_under_a_force_is_not_dropped_either() {
    let mut bench = bench().await;
    let first = bench.arrives(1, None).await;
    bench.lands(first).await;
    // The task believes that it is still being received.
    let second = bench.arrives(2, Some(1)).await;
    bench.actor.load_transfer().await.unwrap();
    bench.actor.transfer.as_mut().unwrap().phase = TransferPhase::Receiving { rows: 0 };
    bench.actor.step(Event::Command(&Command::Failover(FailoverMode::Force))).await.unwrap();
    assert_eq!(bench.phase(), DestinationPhase::Promoting(Takeover::Force));
    assert_eq!(bench.store().transfers().unwrap()[0].id, second);
}

#[tokio::test]
async fn an_order_holds_only_at_the_epoch_that_was_confirmed() {
    let mut bench = bench().await;
    let first = bench.arrives(1, None).await;
    bench.lands(first).await;
    let now = bench.actor.state.epoch.number;
    let answers = [EpochNumber::new(now.get() + 1), now].map(|confirmed| {
        let (answer, answered) = oneshot::channel();
        (
            Mail::Order { order: Order::Role(Command::Failover(FailoverMode::Force)), at: Some(confirmed), answer },
            answered,
        )
    });
    let [(other, refused), (same, obeyed)] = answers;
    bench.actor.take_mail(other).await.unwrap();
    assert_eq!(refused.await.unwrap(), Err(Refused::NotConfirmed(now)));
    assert_eq!(bench.phase(), DestinationPhase::Active);
    bench.actor.take_mail(same).await.unwrap();
    assert_eq!(obeyed.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_job_that_ends_too_late_is_nothing_for_an_operator() {
    let mut bench = bench().await;
    let (late, digest) = (TransferGuid::from_bytes([9; 16]), LtHash::empty().digest());
    bench.actor.take_mail(Mail::Applied(late, Ok(digest))).await.unwrap();
    bench.actor.take_mail(Mail::Rewound(Ok(3))).await.unwrap();
    assert_eq!(bench.actor.last_error, None);
}

#[tokio::test]
async fn a_destination_says_that_its_peer_does_not_know_the_path() {
    let mut bench = bench().await;
    bench.actor.take_mail(Mail::Unknown).await.unwrap();
    assert_eq!(bench.actor.last_error.as_deref(), Some(UNKNOWN_THERE));
    let view = Box::new(bench.view.clone());
    bench.actor.take_mail(Mail::Heard { view, asked: None, age: None }).await.unwrap();
    assert_eq!(bench.actor.last_error, None);
}
