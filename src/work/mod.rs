//! Background work: one trait, one runner, one table of what each worker is doing.

mod checkpoint;
mod collect;
mod count;
mod scrub;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_storage::{CommitError, ReadError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use checkpoint::Checkpointer;
pub use collect::Collector;
pub use count::TotalsCounter;
pub use scrub::{Finding, Place, ScrubState, ScrubTable, ScrubTerms, Scrubber, Subject, Suspected};

use crate::clock::SharedClock;

/// When a worker wants its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There is more to do.
    Now,
    After(Duration),
}

/// Why a step failed. The runner reports it and tries again later.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The store takes nothing any more: no worker will get further.
    #[error("{0}")]
    Stopped(String),
    #[error("{0}")]
    Failed(String),
}

impl From<CommitError> for WorkError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Stopped(reason) => WorkError::Stopped(reason),
            CommitError::Refused(refusal) => WorkError::Failed(refusal.to_string()),
        }
    }
}

impl From<ReadError> for WorkError {
    fn from(error: ReadError) -> Self {
        WorkError::Failed(error.to_string())
    }
}

/// Something done in small steps, again and again.
pub trait Worker: Send + 'static {
    fn name(&self) -> &'static str;
    /// One bounded step. It may be cut off between steps only.
    fn step(&mut self) -> impl Future<Output = Result<Next, WorkError>> + Send;
}

/// What a worker is doing, as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    pub name: String,
    pub steps: u64,
    pub failures: u64,
    /// Of the last step, if it failed.
    pub error: Option<String>,
    /// The store has stopped.
    pub stopped: bool,
}

/// The rows of all workers of a node.
#[derive(Clone, Default)]
pub struct StatusTable(Arc<Mutex<Vec<WorkerStatus>>>);

impl StatusTable {
    pub fn rows(&self) -> Vec<WorkerStatus> {
        self.lock().clone()
    }

    /// Why the store takes nothing any more, if a worker has seen that.
    pub fn stopped(&self) -> Option<String> {
        self.lock().iter().find(|row| row.stopped).and_then(|row| row.error.clone())
    }

    fn add(&self, name: &str) -> usize {
        let mut rows = self.lock();
        rows.push(WorkerStatus { name: name.into(), steps: 0, failures: 0, error: None, stopped: false });
        rows.len() - 1
    }

    fn record(&self, row: usize, outcome: Result<(), &WorkError>) {
        let mut rows = self.lock();
        let row = &mut rows[row];
        row.steps += 1;
        match outcome {
            Ok(()) => row.error = None,
            Err(error) => {
                row.failures += 1;
                row.error = Some(error.to_string());
                row.stopped = matches!(error, WorkError::Stopped(_));
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<WorkerStatus>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(60);

/// Runs a node's workers until told to stop.
pub struct Runner {
    table: StatusTable,
    shutdown: watch::Receiver<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runner {
    pub fn new(table: StatusTable, shutdown: watch::Receiver<bool>) -> Self {
        Runner { table, shutdown, tasks: Vec::new() }
    }

    pub fn start<W: Worker>(&mut self, worker: W) {
        let row = self.table.add(worker.name());
        let (table, shutdown) = (self.table.clone(), self.shutdown.clone());
        self.tasks.push(tokio::spawn(run(worker, row, table, shutdown)));
    }

    /// Waits for the running steps to finish, after `shutdown` has turned true.
    pub async fn finished(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a worker broke off");
            }
        }
    }
}

async fn run<W: Worker>(mut worker: W, row: usize, table: StatusTable, mut shutdown: watch::Receiver<bool>) {
    let mut retry = RETRY_FIRST;
    while !*shutdown.borrow() {
        let outcome = worker.step().await;
        table.record(row, outcome.as_ref().map(|_| ()));
        let pause = match outcome {
            Ok(next) => {
                retry = RETRY_FIRST;
                match next {
                    Next::Now => Duration::ZERO,
                    Next::After(pause) => pause,
                }
            }
            Err(error) => {
                tracing::warn!(worker = worker.name(), %error, "background step failed");
                let pause = retry;
                retry = (retry * 2).min(RETRY_LAST);
                pause
            }
        };
        if pause.is_zero() {
            tokio::task::yield_now().await;
            continue;
        }
        // A sender that is gone means shutdown too.
        let _ = tokio::time::timeout(pause, shutdown.wait_for(|stop| *stop)).await;
    }
}

/// Runs `step` where blocking is allowed.
async fn blocking<T: Send + 'static, E: Into<WorkError> + Send + 'static>(
    step: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, WorkError> {
    match tokio::task::spawn_blocking(step).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(error) => Err(WorkError::Failed(error.to_string())),
    }
}

/// How the workers that every node has go about it.
pub struct Terms {
    pub collect_every: Duration,
    /// None: nothing is scrubbed.
    pub scrub: Option<ScrubTerms>,
    /// Told of restore points that the scrub finds to be wrong.
    pub suspected: Suspected,
}

/// The workers every node has. Returns where the scrub shows what it does.
pub fn start_all(
    runner: &mut Runner,
    store: &tandem_storage::Store,
    clock: &SharedClock,
    metrics: &Arc<crate::telemetry::Metrics>,
    terms: Terms,
) -> ScrubTable {
    runner.start(Collector::new(store.clone(), clock.clone(), Arc::clone(metrics), terms.collect_every));
    runner.start(Checkpointer::new(store.clone()));
    runner.start(TotalsCounter::new(store.clone(), clock.clone()));
    let table = ScrubTable::default();
    if let Some(scrub) = terms.scrub {
        let (store, clock, metrics) = (store.clone(), clock.clone(), Arc::clone(metrics));
        runner.start(Scrubber::new(store, clock, metrics, table.clone(), scrub, terms.suspected));
    }
    table
}
