//! What waits for the committer.

use std::collections::VecDeque;

use super::job::{Job, Outcome};
use crate::store::Lane;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Changes in two lanes.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    client: VecDeque<Box<dyn Job>>,
    background: VecDeque<Box<dyn Job>>,
    open: Open,
}

#[derive(Clone, Default)]
enum Open {
    #[default]
    Yes,
    /// What was accepted is still carried out.
    Closing,
    Stopped(String),
}

/// What the committer does next.
pub(super) enum Work {
    Batch(Batch),
    /// Closed, and nothing is left.
    End,
}

/// The jobs of a batch to be: clients' before background ones.
pub(super) struct Batch {
    pub client: Vec<Box<dyn Job>>,
    pub background: Vec<Box<dyn Job>>,
}

const CLOSED: &str = "the store is closed";
/// The most clients' changes that one batch takes.
const CLIENTS_MAX: usize = 1024;
/// The most background changes: each may be a page of rows.
const BACKGROUND_MAX: usize = 16;

impl Queue {
    pub fn push(&self, lane: Lane, job: Box<dyn Job>) {
        let mut waiting = self.lock();
        let reason = match &waiting.open {
            Open::Yes => {
                match lane {
                    Lane::Client => waiting.client.push_back(job),
                    Lane::Background => waiting.background.push_back(job),
                }
                drop(waiting);
                self.wake.notify_one();
                return;
            }
            Open::Closing => CLOSED.to_owned(),
            Open::Stopped(reason) => reason.clone(),
        };
        drop(waiting);
        job.answer(&Outcome::Stopped(reason));
    }

    /// Waits for work.
    pub fn next(&self) -> Work {
        let mut waiting = self.lock();
        loop {
            if !(waiting.client.is_empty() && waiting.background.is_empty()) {
                return Work::Batch(waiting.take_batch());
            }
            if !matches!(waiting.open, Open::Yes) {
                return Work::End;
            }
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts jobs back in front: the batch was full.
    pub fn put_back(&self, lane: Lane, jobs: impl DoubleEndedIterator<Item = Box<dyn Job>>) {
        let mut waiting = self.lock();
        for job in jobs.rev() {
            match lane {
                Lane::Client => waiting.client.push_front(job),
                Lane::Background => waiting.background.push_front(job),
            }
        }
    }

    /// Takes nothing new. What was accepted goes on.
    pub fn close(&self) {
        let mut waiting = self.lock();
        if matches!(waiting.open, Open::Yes) {
            waiting.open = Open::Closing;
        }
        drop(waiting);
        self.wake.notify_all();
    }

    /// Answers all that waits, and all that ever comes, with the reason.
    pub fn stop(&self, reason: &str) {
        let mut waiting = self.lock();
        waiting.open = Open::Stopped(reason.to_owned());
        let jobs: Vec<_> =
            std::mem::take(&mut waiting.client).into_iter().chain(std::mem::take(&mut waiting.background)).collect();
        drop(waiting);
        let outcome = Outcome::Stopped(reason.to_owned());
        jobs.into_iter().for_each(|job| job.answer(&outcome));
    }

    /// Why nothing is taken any more, if a failure was the reason.
    pub fn stopped(&self) -> Option<String> {
        match &self.lock().open {
            Open::Stopped(reason) => Some(reason.clone()),
            Open::Yes | Open::Closing => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take_batch(&mut self) -> Batch {
        let clients = self.client.len().min(CLIENTS_MAX);
        let background = self.background.len().min(BACKGROUND_MAX);
        Batch {
            client: self.client.drain(..clients).collect(),
            background: self.background.drain(..background).collect(),
        }
    }
}
