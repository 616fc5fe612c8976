//! What the engine is given, and when. A thread of its own does it, so that no commit waits while the engine works or syncs.
//!
//! The committer gathers batches. When the table is full, or a checkpoint is due, whoever does the engine's work freezes the table and
//! goes on in steps. Between two steps, and during each, batches are gathered in the next table.
//!
//! ```text
//! idle --(the table is full)-----> HandOn ----------------------------> idle
//! idle --(a checkpoint is due)---> HandOn ----> Sync ----> Retire ----> idle
//!                                     |          |           |
//!                                     +----------+-----------+--(it fails)--> stopped, for good
//! ```
//!
//! Invariants:
//! 1. One step at a time is done: the engine has one writer.
//! 2. A checkpoint claims what the table that was frozen for it reaches: batches, all in synced frames, up to a Seq, and the place where
//!    the next frame begins. What is gathered later is not in it.
//! 3. Journal files go only after the engine is durable above them.
//! 4. The table that gathers is bounded: the committer waits when it has taken far too much, until the next freeze.

use std::sync::Arc;

use super::checkpoint::{Checkpoint, RetireError, retire};
use crate::meta::core::Core;
use crate::meta::engine::{EngineError, EngineWrite, Weight};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[cfg(test)]
mod tests;

/// A table is full when it takes so many bytes, whatever the number of writes.
const FULL_BYTES: usize = 4 * 1024 * 1024;
/// The committer waits when a table has taken so many times what makes it full: seconds of small PUTs. There may be two of these tables.
const ROOM_BYTES: usize = 3 * FULL_BYTES;
const ROOM_TIMES: usize = 64;

/// When the engine is given what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A table is full when it has taken so many writes.
    pub writes: usize,
    /// A checkpoint is due when this much journal has been written since the last began.
    pub checkpoint_bytes: u64,
}

impl Limits {
    fn is_full(&self, weight: Weight) -> bool {
        weight.writes > 0 && (weight.writes >= self.writes || weight.bytes >= FULL_BYTES)
    }

    fn has_room(&self, weight: Weight) -> bool {
        let writes = self.writes.saturating_mul(ROOM_TIMES);
        !self.is_full(weight) || (weight.writes < writes && weight.bytes < ROOM_BYTES)
    }
}

/// Who does the engine's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hands {
    /// A thread that does nothing else.
    Thread,
    /// Whoever asks for a step, and whoever would have to wait for one. So tests own the order of syncs.
    Callers,
}

/// Between the committer and whoever does the engine's work.
pub(crate) struct Handover {
    core: Arc<Core>,
    limits: Limits,
    hands: Hands,
    desk: Mutex<Desk>,
    changed: Condvar,
}

struct Desk {
    /// What the table that gathers reaches.
    reached: Checkpoint,
    /// Of journal, written since the last checkpoint began.
    journal_bytes: u64,
    /// How many checkpoints have been asked for, and how many of those requests are fulfilled.
    asked: u64,
    fulfilled: u64,
    next: Option<Step>,
    /// Somebody does a step.
    running: bool,
    /// Why nothing is done any more.
    stopped: Option<String>,
}

/// One step of the engine's work.
enum Step {
    /// The frozen table is given to the engine; for a checkpoint, if there is one.
    HandOn(Option<Covered>),
    /// The engine becomes durable.
    Sync(Covered),
    /// Journal files that nobody needs any more go.
    Retire(Covered),
}

/// A checkpoint on its way.
struct Covered {
    checkpoint: Checkpoint,
    /// How many requests it fulfills.
    asked: u64,
}

impl Handover {
    /// `reached`: what the engine has, durably.
    pub fn new(core: Arc<Core>, limits: Limits, hands: Hands, reached: Checkpoint) -> Self {
        let (next, stopped) = (None, None);
        let desk = Desk { reached, journal_bytes: 0, asked: 0, fulfilled: 0, next, running: false, stopped };
        Handover { core, limits, hands, desk: Mutex::new(desk), changed: Condvar::new() }
    }

    pub fn hands(&self) -> Hands {
        self.hands
    }

    /// Gathers a batch whose frame is synced. `reached` is what the table reaches with it; the frame has `journal_bytes`.
    pub fn gather(&self, writes: &[EngineWrite], reached: Checkpoint, journal_bytes: u64) {
        let mut desk = self.lock();
        self.core.engine.gather(writes);
        desk.reached = reached;
        desk.journal_bytes += journal_bytes;
        if self.is_due(&desk) {
            self.changed.notify_all();
        }
    }

    /// Waits while the table that gathers has taken far too much. The error says why nothing is done any more.
    pub fn make_room(&self) -> Result<(), String> {
        let desk = self.wait_until(|desk| {
            let others = self.hands == Hands::Callers && desk.running;
            others || self.limits.has_room(self.core.engine.weight())
        })?;
        desk.stopped.clone().map_or(Ok(()), Err)
    }

    /// Asks for a checkpoint of what has been gathered so far, and waits for it. The error says why there is none.
    pub fn checkpoint(&self) -> Result<(), String> {
        let asked = self.ask();
        self.wait_until(|desk| desk.fulfilled >= asked).map(drop)
    }

    /// Asks for a checkpoint. The number of the request.
    pub fn ask(&self) -> u64 {
        let mut desk = self.lock();
        desk.asked += 1;
        self.changed.notify_all();
        desk.asked
    }

    /// No step begins any more; whoever waits is told why. The first reason stays.
    pub fn stop(&self, reason: &str) {
        self.lock().stopped.get_or_insert_with(|| reason.to_owned());
        self.changed.notify_all();
    }

    /// The engine's thread.
    pub fn run(&self) {
        let _stop = StopOnPanic(self);
        while self.wait_for_work() && self.step().is_ok() {}
    }

    /// Does the next step. False: there is none, or somebody does one.
    pub fn step(&self) -> Result<bool, String> {
        let Some(step) = self.take()? else { return Ok(false) };
        let done = self.carry_out(step);
        let mut desk = self.lock();
        desk.running = false;
        self.changed.notify_all();
        match done {
            Ok((next, fulfilled)) => {
                desk.next = next;
                desk.fulfilled = desk.fulfilled.max(fulfilled);
                Ok(true)
            }
            Err(error) => {
                tracing::error!(%error, "the engine takes nothing any more");
                Err(desk.stopped.get_or_insert(error.to_string()).clone())
            }
        }
    }

    fn take(&self) -> Result<Option<Step>, String> {
        let mut desk = self.lock();
        if let Some(reason) = &desk.stopped {
            return Err(reason.clone());
        }
        if desk.running {
            return Ok(None);
        }
        let step = desk.next.take().or_else(|| self.begin(&mut desk));
        desk.running = step.is_some();
        Ok(step)
    }

    /// Freezes the table, if the engine is to be given it. Batches are gathered under the same lock, so the table has what `reached` says.
    fn begin(&self, desk: &mut Desk) -> Option<Step> {
        if !self.is_due(desk) {
            return None;
        }
        self.core.engine.freeze();
        self.changed.notify_all();
        Some(Step::HandOn(self.is_checkpoint_due(desk).then(|| {
            desk.journal_bytes = 0;
            Covered { checkpoint: desk.reached, asked: desk.asked }
        })))
    }

    fn is_due(&self, desk: &Desk) -> bool {
        self.is_checkpoint_due(desk) || self.limits.is_full(self.core.engine.weight())
    }

    fn is_checkpoint_due(&self, desk: &Desk) -> bool {
        desk.asked > desk.fulfilled || desk.journal_bytes >= self.limits.checkpoint_bytes
    }

    /// Does a step. What follows it, and how many requests are fulfilled with it.
    fn carry_out(&self, step: Step) -> Result<(Option<Step>, u64), EngineError> {
        let core = &*self.core;
        match step {
            Step::HandOn(covered) => {
                core.engine.hand_on()?;
                Ok((covered.map(Step::Sync), 0))
            }
            Step::Sync(covered) => {
                core.engine.make_durable(&covered.checkpoint.rows())?;
                Ok((Some(Step::Retire(covered)), 0))
            }
            Step::Retire(covered) => {
                core.reserve.lock().unwrap_or_else(PoisonError::into_inner).take(&*core.disk);
                match retire(core, covered.checkpoint.position) {
                    Ok(()) => {}
                    // They stay for the next checkpoint.
                    Err(RetireError::Io(error)) => tracing::warn!(%error, "journal files could not be removed"),
                    Err(RetireError::Engine(error)) => return Err(error),
                }
                Ok((None, covered.asked))
            }
        }
    }

    fn wait_for_work(&self) -> bool {
        let mut desk = self.lock();
        loop {
            if desk.stopped.is_some() {
                return false;
            }
            if desk.next.is_some() || self.is_due(&desk) {
                return true;
            }
            desk = self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_until(&self, is_so: impl Fn(&Desk) -> bool) -> Result<MutexGuard<'_, Desk>, String> {
        let mut desk = self.lock();
        loop {
            if is_so(&desk) {
                return Ok(desk);
            }
            if let Some(reason) = &desk.stopped {
                return Err(reason.clone());
            }
            desk = match self.hands {
                Hands::Callers if !desk.running => {
                    drop(desk);
                    self.step()?;
                    self.lock()
                }
                Hands::Callers | Hands::Thread => self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever waits, or comes later, is told also when the thread dies of a fault.
struct StopOnPanic<'handover>(&'handover Handover);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop("the engine's thread failed; see the log");
        }
    }
}
