use std::sync::Arc;
use std::time::Duration;

use tandem_storage::change::{BeginTransfer, CompleteTransfer, UpdatePaths};
use tandem_storage::disk::RealDisk;
use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{
    Access, CreatorKind, Scope, SnapshotMeta, SnapshotRow, Total, TransferPhase, TransferRow,
};
use tandem_storage::types::{EpochNumber, NodeGuid, PathGuid, SnapshotGuid, Timestamp, TransferGuid};
use tandem_storage::{EngineKind, Lane, Options, Store};
use tokio::sync::oneshot;

use super::super::alarm::Difference;
use super::super::pairing::Pairing;
use super::super::peers::{NodeCard, Peers};
use super::super::{receive, ship};
use super::actor::{Actor, StepError};
use super::handle::Published;
use super::hub::{Hub, HubParts};
use super::mail::{Mail, Order, Rewound};
use super::steps::UNKNOWN_THERE;
use crate::clock::{SharedClock, SystemClock};
use crate::role::machine::{
    self, Account, Command, DestinationPhase, Event, FailoverMode, Life, Offer, PathState, PathView, Peer, Policy,
    Refused, Takeover,
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
    let (read, retention_cap) = (ship::stored_pages(), Duration::from_secs(3600));
    Hub::new(HubParts { store, clock, peers, pairing, read, retention_cap })
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
        self.arrives_with(number, base, Total::default()).await
    }

    /// The same, of a transfer whose source declares this total. Its check is passed over.
    async fn arrives_with(&self, number: u8, base: Option<u8>, total: Total) -> TransferGuid {
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
        let complete = CompleteTransfer { transfer: id, rows: 0, digest: LtHash::empty().digest(), total: Some(total) };
        let _ = self.store().commit(Lane::Client, now, complete).await.unwrap();
        id
    }

    async fn lands(&mut self, transfer: TransferGuid) {
        self.actor.load_transfer().await.unwrap();
        receive::apply(self.store(), &self.actor.hub.clock, transfer).await.unwrap();
        self.actor.take_mail(Mail::Applied(transfer, Ok(LtHash::empty().digest()))).await.unwrap();
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
    bench.actor.take_mail(Mail::Rewound(Ok(Rewound { entries: 3, fault: None }))).await.unwrap();
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

/// The total of a row that is nowhere.
fn another() -> Total {
    let mut total = Total::default();
    total.add_row(b"a row", b"that is nowhere");
    total
}

impl Bench {
    /// A transfer is applied, and its flip is refused.
    async fn is_refused(&mut self, number: u8, base: Option<u8>) -> TransferGuid {
        let transfer = self.arrives_with(number, base, another()).await;
        self.actor.load_transfer().await.unwrap();
        receive::apply(self.store(), &self.actor.hub.clock, transfer).await.unwrap();
        self.actor.take_mail(Mail::Applied(transfer, Ok(LtHash::empty().digest()))).await.unwrap();
        assert!(matches!(self.transfer_phase(), Some(TransferPhase::Undoing { .. })), "{:?}", self.transfer_phase());
        transfer
    }

    fn transfer_phase(&self) -> Option<TransferPhase> {
        self.store().transfers().unwrap().first().map(|row| row.phase.clone())
    }

    /// Mail of the job that runs, until `seen` holds of the bench.
    async fn works_until(&mut self, seen: impl Fn(&Bench) -> bool) {
        let polled = tokio::time::timeout(Duration::from_secs(60), async {
            while !seen(self) {
                self.actor.step(Event::Tick).await.unwrap();
                self.actor.take_next_mail(Duration::from_millis(20)).await;
            }
        });
        polled.await.unwrap_or_else(|_| panic!("{:?} {:?}", self.transfer_phase(), self.actor.last_error));
    }

    /// The task ends where it is, and begins again from what is durable.
    async fn restarts(&mut self) {
        let state = PathState::from_row(ME, &self.store().paths()[0]).unwrap();
        self.actor = Actor::new(self.actor.hub.clone(), state).1;
        self.actor.reload().await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_flip_raises_an_alarm_and_the_transfer_is_taken_back() {
    let mut bench = bench().await;
    let first = bench.arrives(1, None).await;
    bench.lands(first).await;
    let refused = bench.is_refused(2, Some(1)).await;
    let alarm = bench.actor.hub.alarms.of(bench.actor.state.guid).unwrap();
    assert_eq!((alarm.point, alarm.difference), (SnapshotGuid::from_bytes([2; 16]), Difference::Applied));
    assert_eq!(bench.actor.account(), Account::Alarm);
    // The peer is told before and after.
    let view = bench.actor.handle.read().view();
    assert_eq!((view.account, view.transfer.unwrap().id), (Account::Alarm, refused));
    bench.works_until(|bench| bench.transfer_phase().is_none()).await;
    let Life::Destination(destination) = bench.actor.state.life() else { panic!() };
    assert_eq!(
        (&destination.phase, destination.visible),
        (&DestinationPhase::Active, Some(SnapshotGuid::from_bytes([1; 16])))
    );
}

#[tokio::test]
async fn a_restart_goes_on_with_taking_back() {
    let mut bench = bench().await;
    let first = bench.arrives(1, None).await;
    bench.lands(first).await;
    bench.is_refused(2, Some(1)).await;
    bench.restarts().await;
    bench.works_until(|bench| bench.transfer_phase().is_none()).await;
    // Cut between the end of the rewind and the end of the transfer.
    bench.is_refused(3, Some(1)).await;
    let path = bench.store().paths()[0].clone();
    let Access::ReadAt(shown) = path.access else { panic!() };
    receive::rewind(bench.store(), &bench.actor.hub.clock, path.guid, path.epoch.number, shown).await.unwrap();
    assert!(matches!(bench.transfer_phase(), Some(TransferPhase::Undone { .. })));
    bench.restarts().await;
    bench.works_until(|bench| bench.transfer_phase().is_none()).await;
    // And cut before the flip: it is refused again.
    let refused = bench.arrives_with(4, Some(1), another()).await;
    bench.restarts().await;
    bench.works_until(|bench| bench.transfer_phase().is_none()).await;
    let alarm = bench.actor.hub.alarms.of(bench.actor.state.guid).unwrap();
    assert_eq!(alarm.point.as_bytes(), refused.as_bytes());
    assert_eq!(alarm.times, 3);
}

#[tokio::test]
async fn a_forced_failover_while_a_transfer_is_taken_back_waits_for_its_end_and_no_longer() {
    for (restart, mode) in [(false, FailoverMode::Force), (true, FailoverMode::Force), (true, FailoverMode::StandAlone)]
    {
        let mut bench = bench().await;
        let first = bench.arrives(1, None).await;
        bench.lands(first).await;
        bench.is_refused(2, Some(1)).await;
        let (answer, answered) = oneshot::channel();
        bench.actor.obey(Order::Role(Command::Failover(mode)), None, answer).await.unwrap();
        answered.await.unwrap().unwrap();
        assert!(matches!(bench.phase(), DestinationPhase::Promoting(_)), "{:?}", bench.phase());
        assert!(!bench.actor.state.writable());
        if restart {
            bench.restarts().await;
        }
        bench.works_until(|bench| bench.actor.state.writable()).await;
        assert_eq!(bench.transfer_phase(), None);
        // The evidence goes with the node: as a Source it has everything compared.
        assert!(bench.actor.hub.alarms.of(bench.actor.state.guid).is_some());
        bench.actor.look_for_an_alarm();
        assert_eq!(bench.actor.retry.compares_everything(), mode == FailoverMode::Force);
    }
}

#[tokio::test]
async fn orders_that_cannot_wait_are_told_what_is_being_taken_back() {
    let mut bench = bench().await;
    let first = bench.arrives(1, None).await;
    bench.lands(first).await;
    bench.is_refused(2, Some(1)).await;
    let meta = SnapshotMeta { guid: SnapshotGuid::from_bytes([3; 16]), ..bench.actor.metas[0].clone() };
    let offer = Offer {
        transfer: TransferGuid::from_bytes([3; 16]),
        path: bench.actor.state.guid,
        epoch: bench.actor.state.epoch,
        base: Some(SnapshotGuid::from_bytes([1; 16])),
        to: meta,
        compares_all: true,
    };
    let offered = bench.actor.consider(&offer).await;
    assert!(matches!(offered, Err(StepError::Refused(Refused::Busy(why))) if why.contains("taken back")));
    let removed = bench.actor.step(Event::Command(&Command::Remove)).await;
    assert!(matches!(removed, Err(StepError::Refused(Refused::Busy(why))) if why.contains("taken back")));
}

#[tokio::test]
async fn an_alarm_ends_only_with_a_proved_restore_point_for_which_everything_was_compared() {
    let mut bench = bench().await;
    let first = bench.arrives(1, None).await;
    bench.lands(first).await;
    let guid = bench.actor.state.guid;
    bench.actor.raise(SnapshotGuid::from_bytes([1; 16]), Difference::Applied).await;
    // Proved, and not compared.
    let second = bench.arrives(2, Some(1)).await;
    bench.lands(second).await;
    assert!(bench.actor.hub.alarms.of(guid).is_some());
    // Compared, and not proved.
    let third = bench.arrives_with(3, Some(2), another()).await;
    bench.actor.compared = Some(third);
    bench.actor.load_transfer().await.unwrap();
    bench.works_until(|bench| bench.transfer_phase().is_none()).await;
    assert!(bench.actor.hub.alarms.of(guid).is_some());
    let fourth = bench.arrives(4, Some(2)).await;
    bench.actor.compared = Some(fourth);
    bench.lands(fourth).await;
    assert!(bench.actor.hub.alarms.of(guid).is_none());
    assert_eq!(bench.actor.account(), Account::Proved);
    assert!(bench.store().node_rows(b"replica-alarm/").unwrap().is_empty());
    // What is found after that is not answered by it.
    bench.actor.raise(SnapshotGuid::from_bytes([4; 16]), Difference::Applied).await;
    assert_eq!(bench.actor.account(), Account::Alarm);
}

#[tokio::test]
async fn a_total_that_changed_without_a_change_on_record_is_an_alarm_and_counts_as_changed() {
    let mut bench = bench().await;
    let first = bench.arrives(1, None).await;
    bench.lands(first).await;
    bench.actor.step(Event::Command(&Command::Failover(FailoverMode::Force))).await.unwrap();
    let newest = bench.actor.newest_of_line().unwrap().clone();
    assert!(!bench.actor.differs(&newest).await.unwrap());
    bench.actor.clean = None;
    let unknown = SnapshotRow { total: None, ..newest.clone() };
    assert!(bench.actor.differs(&unknown).await.unwrap(), "without its total nothing is known");
    assert!(bench.actor.hub.alarms.of(bench.actor.state.guid).is_none());
    let missed = SnapshotRow { total: Some(another()), ..newest };
    assert!(bench.actor.differs(&missed).await.unwrap());
    let alarm = bench.actor.hub.alarms.of(bench.actor.state.guid).unwrap();
    assert_eq!(alarm.difference, Difference::Unrecorded);
    assert!(bench.actor.retry.compares_everything());
}
