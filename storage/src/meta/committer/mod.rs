//! The one writer. It takes what has queued, checks and carries out each change, gives the batch its Seq, appends and syncs
//! one frame, applies it, shows it, and answers. Only here is a [`Durable`](crate::change::Durable) minted.

mod batch;
mod checkpoint;
pub(crate) use checkpoint::Checkpoint;
mod handover;
mod job;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::oneshot;

pub(crate) use self::handover::{Handover, Hands, Limits};
use self::job::{Outcome, Task};
use self::queue::{Queue, Work};
use super::core::Core;
use crate::journal::Journal;
use crate::store::{Change, CommitError, Lane, Pending};
use crate::sync::{Builder, JoinHandle, Mutex, PoisonError};
use crate::types::Timestamp;

/// The committer's thread and the engine's, seen from outside.
pub(crate) struct Committer {
    queue: Arc<Queue>,
    handover: Arc<Handover>,
    /// The committer's goes first, and ends the other.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the committer's thread owns.
pub(crate) struct Writing {
    pub core: Arc<Core>,
    pub journal: Journal,
    pub handover: Arc<Handover>,
}

/// Why the thread has to stop for good.
struct Fatal(String);

impl Committer {
    pub fn start(writing: Writing) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let handover = Arc::clone(&writing.handover);
        let served = Arc::clone(&queue);
        let mut threads = vec![Builder::new().name("committer".into()).spawn(move || writing.run(&served))?];
        let committer = |threads| Committer { queue, handover: Arc::clone(&handover), threads: Mutex::new(threads) };
        if handover.hands() == Hands::Callers {
            return Ok(committer(threads));
        }
        let engine = Arc::clone(&handover);
        match Builder::new().name("engine".into()).spawn(move || engine.run()) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                // Nobody would ever make a checkpoint.
                handover.stop("the engine's thread did not start");
                drop(committer(threads));
                return Err(error);
            }
        }
        Ok(committer(threads))
    }

    pub fn commit<C: Change>(&self, lane: Lane, now: Timestamp, change: C) -> Pending<C::Output> {
        let (waiting, answer) = oneshot::channel();
        self.queue.push(lane, Box::new(Task::new(now, change, waiting)));
        Pending(answer)
    }

    pub fn checkpoint(&self) -> Result<(), CommitError> {
        self.handover.checkpoint().map_err(CommitError::Stopped)
    }

    pub fn handover(&self) -> &Arc<Handover> {
        &self.handover
    }

    /// Waits for what was accepted and ends the threads, after a checkpoint. Harmless when repeated.
    pub fn close(&self) -> Result<(), CommitError> {
        self.queue.close();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                self.queue.stop("a thread of the store ended unexpectedly");
            }
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
struct StopOnPanic<'thread> {
    queue: &'thread Queue,
    handover: &'thread Handover,
}

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "the committer failed; see the log";
            self.handover.stop(reason);
            self.queue.stop(reason);
        }
    }
}

impl Writing {
    fn run(mut self, queue: &Queue) {
        let handover = Arc::clone(&self.handover);
        let _stop = StopOnPanic { queue, handover: &handover };
        let ended = loop {
            match queue.next() {
                Work::Batch(batch) => {
                    if let Err(fatal) = self.commit(batch, queue) {
                        break Err(fatal);
                    }
                }
                Work::End => break handover.checkpoint().map_err(Fatal),
            }
        };
        match ended {
            Ok(()) => handover.stop("the store is closed"),
            Err(Fatal(reason)) => {
                tracing::error!(reason, "the store has stopped");
                handover.stop(&reason);
                queue.stop(&reason);
            }
        }
    }
}
