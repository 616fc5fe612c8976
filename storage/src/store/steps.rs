//! The engine's work by hand, for tests that own the order of syncs.

use std::sync::Arc;

use super::CommitError;
use crate::meta::committer::Handover;

/// Does the engine's work of a store that was [opened](crate::Store::open_in_steps) without a thread for it. Let it go before the directory is
/// opened again.
///
/// Whoever has to wait for the engine (a checkpoint that is waited for, a close, a committer whose table has no room) does the steps itself.
pub struct EngineSteps {
    handover: Arc<Handover>,
}

impl EngineSteps {
    pub(super) fn of(handover: Arc<Handover>) -> Self {
        EngineSteps { handover }
    }

    /// Asks for a checkpoint, and waits for nothing: three steps make it.
    pub fn ask_checkpoint(&self) {
        self.handover.ask();
    }

    /// Does the next step: a table to the engine, its sync, or the end of journal files. False: there is none, or somebody does one.
    ///
    /// # Errors
    /// [`CommitError::Stopped`]: the step failed, or something before it.
    pub fn step(&self) -> Result<bool, CommitError> {
        self.handover.step().map_err(CommitError::Stopped)
    }
}
