//! Garbage collection: what nothing needs any more goes, in steps that are bounded and may be cut anywhere.
//!
//! `plan` decides from plain values. Each room under `sweep` looks at a view, hands the committer a small change that checks again what it was told,
//! and, where bytes are at stake, unlinks only after that change is durable.

pub(crate) mod plan;
mod sweep;

use std::sync::{Mutex, PoisonError};

use crate::change::Refusal;
use crate::meta::committer::Committer;
use crate::meta::core::Core;
use crate::record::InstanceId;
use crate::store::{Change, Collected, CommitError, Lane, ReadError};
use crate::types::Timestamp;

/// What collection remembers between steps. Losing it costs a walk, nothing else.
pub(crate) struct Collector {
    progress: Mutex<sweep::Progress>,
}

impl Collector {
    /// `pieces`: the piece files there were when the store was opened.
    pub fn new(pieces: Vec<InstanceId>) -> Self {
        Collector { progress: Mutex::new(sweep::Progress::new(pieces)) }
    }

    /// One bounded step. Steps never overlap.
    ///
    /// # Errors
    /// When the store has stopped, or stored data does not decode.
    pub fn step(&self, core: &Core, committer: &Committer, now: Timestamp) -> Result<Collected, CommitError> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let mut step = Step { core, committer, now, done: Collected::default() };
        sweep::all(&mut step, &mut progress)?;
        Ok(step.done)
    }
}

/// A step in progress.
struct Step<'store> {
    core: &'store Core,
    committer: &'store Committer,
    now: Timestamp,
    done: Collected,
}

impl Step<'_> {
    /// Commits behind clients, and waits until it is durable.
    fn commit<C: Change>(&self, change: C) -> Result<C::Output, CommitError> {
        Ok(self.committer.commit(Lane::Background, self.now, change).wait()?.into_inner())
    }
}

/// Stored data that cannot be read stops the step, not the store.
fn unreadable(error: impl Into<ReadError>) -> CommitError {
    CommitError::Refused(Refusal::from(error.into()))
}
