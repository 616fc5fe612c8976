//! A change on its way through the committer, whatever its type.

use tokio::sync::oneshot;

use crate::change::{Durable, Refusal};
use crate::meta::Tx;
use crate::store::{Change, CommitError};
use crate::types::{Seq, Timestamp};

/// How a batch ended, for each of its changes.
pub(super) enum Outcome {
    /// What the changes did, and all that their answers rest on, is on stable storage.
    Durable(Seq),
    /// Nothing of the batch was written.
    Refused(Refusal),
    /// Nothing is known of the batch, and nothing more is taken.
    Stopped(String),
}

pub(super) trait Job: Send {
    fn now(&self) -> Timestamp;
    /// Carries the change out and keeps its answer. False: it was refused.
    fn carry_out(&mut self, tx: &mut Tx<'_>) -> bool;
    fn answer(self: Box<Self>, outcome: &Outcome);
}

pub(super) struct Task<C: Change> {
    now: Timestamp,
    change: Option<C>,
    result: Option<Result<C::Output, Refusal>>,
    waiting: oneshot::Sender<Result<Durable<C::Output>, CommitError>>,
}

impl<C: Change> Task<C> {
    pub fn new(now: Timestamp, change: C, waiting: oneshot::Sender<Result<Durable<C::Output>, CommitError>>) -> Self {
        Task { now, change: Some(change), result: None, waiting }
    }
}

impl<C: Change> Job for Task<C> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn carry_out(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(change) = self.change.take() else { return false };
        let result = change.carry_out(tx);
        let accepted = result.is_ok();
        self.result = Some(result);
        accepted
    }

    fn answer(self: Box<Self>, outcome: &Outcome) {
        let stopped = |reason: &str| Err(CommitError::Stopped(reason.to_owned()));
        let answer = match (outcome, self.result) {
            (Outcome::Durable(seq), Some(Ok(value))) => Ok(Durable::mint(*seq, value)),
            (Outcome::Durable(_), Some(Err(refusal))) => Err(CommitError::Refused(refusal)),
            (Outcome::Durable(_), None) => stopped("the change was not carried out"),
            (Outcome::Refused(refusal), _) => Err(CommitError::Refused(refusal.clone())),
            (Outcome::Stopped(reason), _) => stopped(reason),
        };
        // Nobody may be waiting any more.
        let _ = self.waiting.send(answer);
    }
}
