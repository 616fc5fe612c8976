//! Steps of the machine: facts in, commit, then actions.

use std::sync::Arc;
use std::time::Duration;

use tandem_storage::change::{BeginTransfer, PathOp, Refusal, UpdatePaths};
use tandem_storage::record::{TransferPhase, TransferRow};
use tandem_storage::types::{SnapshotGuid, Timestamp};
use tandem_storage::{CommitError, Lane};

use super::super::message::{Answer, Request};
use super::actor::{Actor, StepError};
use crate::clock::random_guid;
use crate::role::machine::{
    self, Action, Event, Facts, Fresh, HandoverId, Life, Offer, PathState, Refused, RoleChange, Step, Taking,
};

const INTRODUCTION: Duration = Duration::from_secs(15);
/// How often a command is tried again that found the store moved on.
const TRIES: usize = 8;
/// What a destination says while its source does not know the path.
pub(super) const UNKNOWN_THERE: &str = "the peer does not know this path (was it set back, or made anew?): \
     force a failover here to write on, or remove the path here";

/// What became of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Persisted,
    /// There was nothing to persist.
    Nothing,
    /// The store had moved on; the state was read again.
    Stale,
}

impl Actor {
    /// One transition; whether it persisted anything. What finds the store moved on is drawn again by the next look; a command, which is
    /// answered once, is tried again here.
    pub(super) async fn step(&mut self, event: Event<'_>) -> Result<bool, StepError> {
        let tries = if matches!(event, Event::Command(_)) { TRIES } else { 1 };
        for _ in 0..tries {
            match self.try_step(event).await? {
                Outcome::Persisted => return Ok(true),
                Outcome::Nothing => return Ok(false),
                Outcome::Stale => {}
            }
        }
        match event {
            Event::Command(_) => Err(Refused::Busy("the path is changing".into()).into()),
            _ => Ok(true),
        }
    }

    async fn try_step(&mut self, event: Event<'_>) -> Result<Outcome, StepError> {
        // A snapshot that the step takes is complete up to here at least.
        let before = self.hub.clock.monotonic();
        let dirty = self.is_dirty(&event).await?;
        let now = self.hub.clock.now();
        let fresh = self.fresh();
        let metas = self.metas.clone();
        let (transfer, account) = (self.transfer.as_ref(), self.account());
        let facts = Facts { now, snapshots: &metas, dirty, transfer, account, fresh };
        let step = machine::step(&self.state, &facts, event)?;
        self.carry_out(now, before, step).await
    }

    async fn carry_out(&mut self, now: Timestamp, before: Duration, step: Step) -> Result<Outcome, StepError> {
        let Step { state, persist, then, removed } = step;
        let outcome = if persist.is_empty() { Outcome::Nothing } else { Outcome::Persisted };
        if outcome == Outcome::Persisted {
            match self.hub.store.commit(Lane::Client, now, UpdatePaths(persist)).await {
                Ok(_) => {}
                Err(CommitError::Refused(Refusal::Stale)) => {
                    self.reload().await?;
                    return Ok(Outcome::Stale);
                }
                Err(error) => {
                    self.reload().await?;
                    return Err(error.into());
                }
            }
            self.state = state;
            self.removed |= removed;
            if !self.removed {
                let known = self.metas.first().map(|meta| meta.guid);
                self.load_snapshots().await?;
                self.load_transfer().await?;
                let taken = self.metas.first().map(|meta| meta.guid).filter(|newest| known != Some(*newest));
                if let (Some(taken), false) = (taken, self.state.is_destination()) {
                    self.handle.marks().taken(taken, before);
                }
            }
            // Spoken only now that it is durable.
            self.publish();
        }
        for action in then {
            self.act(action).await?;
        }
        Ok(outcome)
    }

    async fn act(&mut self, action: Action) -> Result<(), StepError> {
        match action {
            Action::Announce => self.hub.bell(self.handle.peer).notify_one(),
            Action::StopTransfer => self.job = None,
            Action::Audit(change) => self.audit(&change),
            Action::Ship(flight) => self.start_shipping(flight),
            Action::FinishTransfer(transfer) => self.start_finishing(transfer),
            Action::UndoTransfer(transfer) => self.start_undoing(transfer),
            Action::Rewind { to } => self.start_rewinding(to),
        }
        Ok(())
    }

    fn audit(&self, change: &RoleChange) {
        tracing::info!(
            path = %self.state.scope,
            epoch = change.epoch.number.get(),
            writer = %change.epoch.writer,
            cause = ?change.cause,
            "role changed"
        );
    }

    fn fresh(&self) -> Fresh {
        let clock = &*self.hub.clock;
        Fresh {
            snapshot: SnapshotGuid::from_bytes(random_guid(clock)),
            handover: HandoverId::from_bytes(random_guid(clock)),
        }
    }

    /// Asked only where the answer counts: a writable side that hears its peer, or obeys.
    async fn is_dirty(&mut self, event: &Event<'_>) -> Result<bool, StepError> {
        let counts = matches!(event, Event::Heard(_) | Event::Command(_));
        match self.rows.first().cloned() {
            Some(newest) if counts && !self.state.is_destination() => self.differs(&newest).await,
            _ => Ok(true),
        }
    }

    /// Everything anew from the store: at the start, and when a commit found another revision.
    pub(super) async fn reload(&mut self) -> Result<(), StepError> {
        match self.hub.store.path(self.state.guid) {
            None => self.removed = true,
            Some(row) => {
                let corrupt = |error: tandem_storage::record::CorruptRecord| StepError::Corrupt(error.to_string());
                self.state = PathState::from_row(self.hub.me, &row).map_err(corrupt)?;
                self.load_snapshots().await?;
                self.load_transfer().await?;
            }
        }
        Ok(())
    }

    pub(super) async fn load_snapshots(&mut self) -> Result<(), StepError> {
        let path = self.state.guid;
        let mut rows = self
            .read(move |store| {
                let mut rows = store.snapshots(path)?;
                rows.iter_mut().for_each(|row| row.digest = None);
                Ok(rows)
            })
            .await?;
        rows.reverse();
        self.metas = Arc::new(rows.iter().map(|row| row.meta.clone()).collect());
        self.rows = rows;
        Ok(())
    }

    pub(super) async fn load_transfer(&mut self) -> Result<(), StepError> {
        if !matches!(self.state.detail.life, Life::Destination(_)) {
            self.transfer = None;
            return Ok(());
        }
        let path = self.state.guid;
        let transfers = self.read(|store| store.transfers()).await?;
        self.transfer = transfers.into_iter().find(|row| row.path == path);
        Ok(())
    }

    /// Answers an offer; a transfer that is taken up is durable before the answer.
    pub(super) async fn consider(&mut self, offer: &Offer) -> Result<Taking, StepError> {
        self.load_transfer().await?;
        let now = self.hub.clock.now();
        let metas = self.metas.clone();
        let fresh = self.fresh();
        let (transfer, account) = (self.transfer.as_ref(), self.account());
        let facts = Facts { now, snapshots: &metas, dirty: true, transfer, account, fresh };
        let taking = machine::consider(&self.state, &facts, offer)?;
        self.compared = offer.compares_all.then_some(offer.transfer);
        let Taking::Begin { drop } = taking else { return Ok(taking) };
        if let Some(id) = drop {
            let ops = UpdatePaths(vec![PathOp::DropTransfer { id }]);
            let _ = self.hub.store.commit(Lane::Client, now, ops).await?;
        }
        let begin = BeginTransfer(TransferRow {
            id: offer.transfer,
            path: offer.path,
            epoch: offer.epoch,
            base: offer.base,
            to: offer.to.clone(),
            phase: TransferPhase::Receiving { rows: 0 },
            digest: None,
            total: None,
        });
        let _ = self.hub.store.commit(Lane::Client, now, begin).await?;
        self.load_transfer().await?;
        Ok(taking)
    }

    pub(super) async fn drop_snapshots(&mut self, snapshots: Vec<SnapshotGuid>) -> Result<(), StepError> {
        let path = self.state.guid;
        let ops = snapshots.into_iter().map(|snapshot| PathOp::DropSnapshot { path, snapshot }).collect();
        let _ = self.hub.store.commit(Lane::Background, self.hub.clock.now(), UpdatePaths(ops)).await?;
        self.load_snapshots().await
    }

    /// The peer does not know the path: a Source tells it again; a Destination says so, for nothing comes any more.
    pub(super) async fn introduce(&mut self) {
        match self.state.detail.life {
            Life::Source(_) => {}
            Life::Destination(_) => return self.trouble(&UNKNOWN_THERE),
            Life::Standalone(_) => return,
        }
        let Some(peer) = self.hub.peers.by_node(self.handle.peer) else { return };
        let view = Box::new(self.handle.read().view());
        match self.hub.ask(&peer, Request::Accept(view), INTRODUCTION).await {
            Ok(Answer::Done) => self.hub.bell(self.handle.peer).notify_one(),
            Ok(Answer::Failed(failure)) => self.trouble(&failure),
            Ok(_) => self.trouble(&"the peer answered something else"),
            Err(error) => self.trouble(&error),
        }
    }
}
