use std::sync::Arc;
use std::time::Duration;

use tandem_storage::Store;

use super::{Next, WorkError, Worker, blocking};
use crate::clock::SharedClock;
use crate::telemetry::Metrics;

/// Frees what nothing can reach any more, in the store's bounded steps.
pub struct Collector {
    store: Store,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    every: Duration,
}

impl Collector {
    pub fn new(store: Store, clock: SharedClock, metrics: Arc<Metrics>, every: Duration) -> Self {
        Collector { store, clock, metrics, every }
    }
}

impl Worker for Collector {
    fn name(&self) -> &'static str {
        "collect"
    }

    async fn step(&mut self) -> Result<Next, WorkError> {
        let (store, now) = (self.store.clone(), self.clock.now());
        let collected = blocking(move || store.collect(now)).await?;
        self.metrics.collected(&collected);
        Ok(if collected.more { Next::Now } else { Next::After(self.every) })
    }
}
