//! The task that owns one path's state. Mail, time and finished jobs come in one by one; each is a step of the machine, committed, then
//! acted upon. Between them the task settles: what is due by the state, the schedule and the plan is done until nothing is.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tandem_storage::record::{SnapshotMeta, SnapshotRow, TransferRow};
use tandem_storage::types::{EpochNumber, Seq, SnapshotGuid, Timestamp, TransferGuid};
use tandem_storage::{CommitError, ReadError, Store};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::alarm::Alarm;
use super::super::retry::Retry;
use super::super::schedule::{self, Due, Marks, Stated};
use super::super::ship::{Progress, Tied};
use super::handle::{PathHandle, Published};
use super::hub::Hub;
use super::mail::{Mail, Order};
use super::steps::UNKNOWN_THERE;
use crate::role::machine::{Command, Event, InFlight, Life, Offer, PathState, PathView, Refused, Taking};

/// Mail that waits; more is dropped or waits outside.
const MAILBOX: usize = 64;
/// The task looks at least so often.
const LOOK: Duration = Duration::from_millis(500);
/// After an error of the store, or of a job, so long nothing is tried.
const PAUSE: Duration = Duration::from_millis(500);
/// Steps that follow from one another without anything from outside; a bound, never reached.
const CHAIN: usize = 16;

/// Why a step was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("the store: {0}")]
    Commit(#[from] CommitError),
    #[error("the store: {0}")]
    Read(#[from] ReadError),
    #[error("{0}")]
    Corrupt(String),
}

/// The one long job that a path has under way.
pub(super) enum Job {
    Shipping(InFlight, #[allow(dead_code)] Tied<()>),
    Finishing(TransferGuid, #[allow(dead_code)] Tied<()>),
    Undoing(TransferGuid, #[allow(dead_code)] Tied<()>),
    Rewinding(SnapshotGuid, #[allow(dead_code)] Tied<()>),
}

pub(super) struct Actor {
    pub(super) hub: Arc<Hub>,
    pub(super) handle: Arc<PathHandle>,
    mailbox: mpsc::Receiver<Mail>,
    pub(super) state: PathState,
    /// Newest first, without digests.
    pub(super) rows: Vec<SnapshotRow>,
    pub(super) metas: Arc<Vec<SnapshotMeta>>,
    pub(super) transfer: Option<TransferRow>,
    /// What the peer said last; none after a shipment, until it speaks again.
    pub(super) peer_view: Option<PathView>,
    /// The age that the source stated, of the snapshot it spoke of.
    stated: Option<(SnapshotGuid, Stated)>,
    /// The slot of the schedule that was served last.
    pub(super) served: Option<Timestamp>,
    /// At this Seq the present was equal to this snapshot.
    pub(super) clean: Option<(SnapshotGuid, Seq)>,
    pub(super) job: Option<Job>,
    /// What the shipments so far mean for the next one.
    pub(super) retry: Retry,
    /// Source: the newest snapshot of which the peer has said that it shows it and that it is proved.
    pub(super) proved_there: Option<SnapshotGuid>,
    /// Source: when (monotonic) a snapshot was last taken for a proof alone.
    pub(super) proof_asked: Option<Duration>,
    /// When (monotonic) the question was asked whose answer said most about the peer's account.
    pub(super) account_asked: Duration,
    /// Destination: the transfer for which the source compares everything.
    pub(super) compared: Option<TransferGuid>,
    /// Destination: the alarm that this restore point answers if it lands proved.
    pub(super) answers: Option<(Alarm, SnapshotGuid)>,
    /// What an operator must decide on the other node before anything moves.
    pub(super) undecided: Option<String>,
    /// Not before this monotonic time.
    paused_until: Duration,
    pub(super) last_error: Option<String>,
    pub(super) removed: bool,
}

impl Actor {
    pub(super) fn new(hub: Arc<Hub>, state: PathState) -> (Arc<PathHandle>, Actor) {
        let (mail, mailbox) = mpsc::channel(MAILBOX);
        let published = Published::new(state.clone());
        let handle = Arc::new(PathHandle {
            guid: state.guid,
            peer: state.detail.peer.guid,
            mail,
            published: watch::Sender::new(Arc::new(published)),
            marks: Mutex::new(Marks::default()),
            progress: Arc::new(Progress::default()),
            full: AtomicBool::new(false),
        });
        let actor = Actor {
            hub,
            handle: handle.clone(),
            mailbox,
            state,
            rows: Vec::new(),
            metas: Arc::default(),
            transfer: None,
            peer_view: None,
            stated: None,
            served: None,
            clean: None,
            job: None,
            retry: Retry::trusting(),
            proved_there: None,
            proof_asked: None,
            account_asked: Duration::ZERO,
            compared: None,
            answers: None,
            undecided: None,
            paused_until: Duration::ZERO,
            last_error: None,
            removed: false,
        };
        (handle, actor)
    }

    pub(super) async fn run(mut self) {
        while let Err(error) = self.reload().await {
            self.trouble(&error);
            tokio::time::sleep(PAUSE).await;
        }
        self.served = self.newest_of_line().map(|row| row.meta.created);
        while !self.removed {
            if self.hub.clock.monotonic() >= self.paused_until
                && let Err(error) = self.settle().await
            {
                self.trouble(&error);
            }
            self.publish();
            if self.removed {
                break;
            }
            let pause = self.next_look();
            if let Ok(Some(mail)) = tokio::time::timeout(pause, self.mailbox.recv()).await {
                self.read_mail(mail).await;
                // What is there already is read before settling: the newest view counts.
                while let Ok(mail) = self.mailbox.try_recv() {
                    self.read_mail(mail).await;
                }
            }
        }
        self.publish();
        if let Err(error) = self.hub.alarms.end(self.state.guid).await {
            tracing::debug!(path = %self.state.scope, %error, "the alarm of a removed path is still on record");
        }
        self.hub.forget(self.state.guid);
    }

    fn next_look(&self) -> Duration {
        let every = self.state.detail.policy.every;
        let next = match schedule::due(&self.state.detail.policy, self.served, self.hub.clock.now(), true, 0) {
            Due::NotBefore(at) => at.as_micros().saturating_sub(self.hub.clock.now().as_micros()).max(0).unsigned_abs(),
            _ => 10_000,
        };
        let next = if self.state.writable() { Duration::from_micros(next) } else { every };
        next.clamp(Duration::from_millis(5), LOOK)
    }

    /// Remembers what went wrong, for the report, and gives it time.
    pub(super) fn trouble(&mut self, error: &dyn std::fmt::Display) {
        let text = error.to_string();
        if self.last_error.as_deref() != Some(&text) {
            tracing::warn!(path = %self.state.scope, error = %text, "replication is held up");
        }
        self.last_error = Some(text);
        self.paused_until = self.hub.clock.monotonic() + PAUSE;
    }

    /// What a test reads instead of the task.
    #[cfg(test)]
    pub(super) async fn take_next_mail(&mut self, patience: Duration) {
        if let Ok(Some(mail)) = tokio::time::timeout(patience, self.mailbox.recv()).await {
            self.read_mail(mail).await;
        }
    }

    async fn read_mail(&mut self, mail: Mail) {
        if let Err(error) = self.take_mail(mail).await {
            self.trouble(&error);
        }
    }

    pub(super) async fn take_mail(&mut self, mail: Mail) -> Result<(), StepError> {
        match mail {
            Mail::Heard { view, asked, age } => self.heard(*view, asked, age).await,
            Mail::Unknown => self.introduce().await,
            Mail::Gone => {
                tracing::warn!(path = %self.state.scope, "the peer removed the path; it is removed here too");
                self.step(Event::Command(&Command::Remove)).await?;
            }
            Mail::Offer(offer, answer) => {
                let taking = self.offered(&offer).await;
                let _ = answer.send(taking);
            }
            Mail::Order { order, at, answer } => self.obey(order, at, answer).await?,
            Mail::Look => self.paused_until = Duration::ZERO,
            Mail::Shipped(transfer, outcome) => self.shipped(transfer, outcome).await,
            Mail::Applied(transfer, outcome) => {
                self.job = None;
                match outcome {
                    Ok(digest) => self.flip(transfer, &digest).await?,
                    Err(error) => self.trouble(&error),
                }
            }
            Mail::Undone(transfer, outcome) => {
                self.job = None;
                match outcome {
                    Ok(rewound) => self.undone(transfer, rewound).await?,
                    Err(error) => self.trouble(&error),
                }
            }
            Mail::Rewound(outcome) => {
                self.job = None;
                match outcome {
                    Ok(rewound) => self.rewound(rewound).await?,
                    Err(error) => self.trouble(&error),
                }
            }
            Mail::Suspect(point, difference) => self.suspect(point, difference).await,
        }
        Ok(())
    }

    /// A job's end. One that the path has moved on from is refused, and that is nothing for an operator.
    pub(super) async fn finished(&mut self, event: Event<'_>) -> Result<(), StepError> {
        self.last_error = None;
        match self.step(event).await {
            Err(StepError::Refused(refused)) => {
                tracing::debug!(path = %self.state.scope, %refused, "a job ended too late to count");
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    async fn heard(&mut self, view: PathView, asked: Option<Duration>, age: Option<(SnapshotGuid, schedule::Age)>) {
        if self.last_error.as_deref() == Some(UNKNOWN_THERE) {
            self.last_error = None;
        }
        if let (Some(asked), Some((shown, age))) = (asked, age) {
            self.stated = Some((shown, Stated { age, asked }));
        }
        if let Some(asked) = asked {
            self.hear_account(&view, asked).await;
        }
        // Unasked views may overtake one another; an answer is as new as its question, even from a node that was set back.
        let older = self.peer_view.as_ref().is_some_and(|known| known.revision > view.revision);
        if asked.is_some() || !older {
            self.peer_view = Some(view);
        }
    }

    pub(super) async fn obey(
        &mut self,
        order: Order,
        at: Option<EpochNumber>,
        answer: oneshot::Sender<Result<(), Refused>>,
    ) -> Result<(), StepError> {
        // What has become complete meanwhile is rolled forward, not dropped.
        self.load_transfer().await?;
        // Here and not before: an equal order that was on its way with this one may have changed the epoch meanwhile.
        let now = self.state.epoch.number;
        if at.is_some_and(|at| at != now) {
            let _ = answer.send(Err(Refused::NotConfirmed(now)));
            return Ok(());
        }
        let outcome = match &order {
            Order::Role(command @ Command::Remove) => match self.hub.bury(self.state.guid).await {
                Ok(()) => self.step(Event::Command(command)).await,
                Err(error) => Err(error.into()),
            },
            Order::Role(command) => self.step(Event::Command(command)).await,
            Order::Snapshot => {
                self.retry.asked_for_newer();
                self.snapshot_now().await
            }
        };
        self.publish();
        match outcome {
            Ok(_) => {
                self.paused_until = Duration::ZERO;
                let _ = answer.send(Ok(()));
                Ok(())
            }
            Err(StepError::Refused(refused)) => {
                let _ = answer.send(Err(refused));
                Ok(())
            }
            // Dropping the sender tells the operator's call to look at the report.
            Err(error) => Err(error),
        }
    }

    /// Does what is due until nothing is.
    async fn settle(&mut self) -> Result<(), StepError> {
        for _ in 0..CHAIN {
            self.load_transfer().await?;
            let mut moved = self.step(Event::Tick).await?;
            if let Some(view) = self.peer_view.clone() {
                moved |= self.step(Event::Heard(&view)).await?;
            }
            if self.removed {
                return Ok(());
            }
            if !moved {
                break;
            }
        }
        self.look_for_a_decision();
        self.look_for_an_alarm();
        self.schedule().await?;
        self.plan().await?;
        self.retain().await?;
        self.relieve().await
    }

    async fn offered(&mut self, offer: &Offer) -> Result<Taking, Refused> {
        let internal = |error: StepError| match error {
            StepError::Refused(refused) => refused,
            other => Refused::Busy(other.to_string()),
        };
        let taken = self.consider(offer).await.map_err(internal);
        self.publish();
        taken
    }

    /// Makes the present state readable for others.
    pub(super) fn publish(&self) {
        let lag = self.lag();
        let shipping = match &self.job {
            Some(Job::Shipping(flight, _)) => Some(*flight),
            _ => None,
        };
        let published = Published {
            state: self.state.clone(),
            snapshots: self.metas.clone(),
            transfer: self.transfer.clone(),
            account: self.account(),
            proved: self.proved(),
            lag,
            shipping,
            undecided: self.undecided.clone(),
            last_error: self.last_error.clone(),
        };
        self.handle.published.send_replace(Arc::new(published));
    }

    fn lag(&self) -> Option<(schedule::Age, Duration)> {
        let (now, monotonic) = (self.hub.clock.now(), self.hub.clock.monotonic());
        let created = |guid: SnapshotGuid| self.metas.iter().find(|meta| meta.guid == guid).map(|meta| meta.created);
        let age = match &self.state.detail.life {
            Life::Source(source) => {
                let acked = source.acked?;
                self.handle.marks().age(acked, created(acked)?, monotonic, now)
            }
            Life::Destination(destination) => {
                let visible = destination.visible?;
                match self.stated.filter(|(shown, _)| *shown == visible) {
                    Some((_, stated)) => stated.lag(monotonic),
                    None => schedule::by_wall_clock(created(visible)?, now),
                }
            }
            Life::Standalone(_) => return None,
        };
        Some((age, monotonic))
    }

    /// Reads the store away from the runtime's threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, StepError> {
        let store = self.hub.store.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(StepError::Corrupt("the node is stopping".into())),
        }
    }
}
