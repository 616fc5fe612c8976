//! The one writer. It takes what has queued, checks and carries out each change, gives the batch its Seq, appends and syncs
//! one frame, applies it, shows it, and answers. Only here is a [`Durable`](crate::change::Durable) minted.

mod batch;
mod checkpoint;
pub(crate) use checkpoint::Checkpoint;
mod job;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use self::job::{Outcome, Task};
use self::queue::{Queue, Work};
use super::core::Core;
use super::reserve::Reserve;
use crate::journal::Journal;
use crate::store::{Change, CommitError, Lane, Pending};
use crate::types::Timestamp;

/// The committer's thread, seen from outside.
pub(crate) struct Committer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread owns.
pub(crate) struct Writing {
    pub core: Arc<Core>,
    pub journal: Journal,
    pub reserve: Reserve,
    pub checkpoint_every_bytes: u64,
    /// Journal bytes written since the last checkpoint.
    pub since_checkpoint: u64,
}

/// Why the thread has to stop for good.
struct Fatal(String);

impl Committer {
    pub fn start(writing: Writing) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let served = Arc::clone(&queue);
        let thread = std::thread::Builder::new().name("committer".into()).spawn(move || writing.run(&served))?;
        Ok(Committer { queue, thread: Mutex::new(Some(thread)) })
    }

    pub fn commit<C: Change>(&self, lane: Lane, now: Timestamp, change: C) -> Pending<C::Output> {
        let (waiting, answer) = oneshot::channel();
        self.queue.push(lane, Box::new(Task::new(now, change, waiting)));
        Pending(answer)
    }

    pub fn checkpoint(&self) -> Result<(), CommitError> {
        let (waiter, answer) = oneshot::channel();
        self.queue.ask_checkpoint(waiter);
        answer.blocking_recv().unwrap_or_else(|_| Err(CommitError::Stopped("the store is closed".into())))
    }

    /// Waits for what was accepted and ends the thread, after a checkpoint. Harmless when repeated.
    pub fn close(&self) -> Result<(), CommitError> {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            self.queue.stop("the committer ended unexpectedly");
        }
        self.queue.stopped().map_or(Ok(()), |reason| Err(CommitError::Stopped(reason)))
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // Who cares for the outcome has closed before.
        let _ = self.close();
    }
}

/// Whoever waits, or comes later, gets an answer also when the thread dies of a fault in a change.
struct StopOnPanic<'queue>(&'queue Queue);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop("the committer failed; see the log");
        }
    }
}

impl Writing {
    fn run(mut self, queue: &Queue) {
        let _stop = StopOnPanic(queue);
        let failed = loop {
            let step = match queue.next() {
                Work::Batch(batch) => self.commit(batch, queue),
                Work::Checkpoint(waiters) => self.checkpoint().inspect(|()| {
                    for waiter in waiters {
                        let _ = waiter.send(Ok(()));
                    }
                }),
                Work::End => break self.checkpoint().err(),
            };
            if let Err(fatal) = step.and_then(|()| self.settle()).and_then(|()| self.checkpoint_if_due()) {
                break Some(fatal);
            }
        };
        if let Some(Fatal(reason)) = failed {
            tracing::error!(reason, "the store has stopped");
            queue.stop(&reason);
        }
    }

    fn settle(&self) -> Result<(), Fatal> {
        self.core.engine.settle().map_err(|error| Fatal(error.to_string()))
    }
}
