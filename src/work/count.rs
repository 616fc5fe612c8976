use std::time::Duration;

use tandem_storage::{Counted, Store};

use super::{Next, WorkError, Worker, blocking};
use crate::clock::SharedClock;

/// So often it is looked whether the totals must be counted: once after an upgrade, and again if they are found to be wrong.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Between two steps of a count, so that it takes no more than part of a core from clients.
const BREATH: Duration = Duration::from_millis(2);

/// Counts the totals of all rows in the store's bounded steps, until they are whole.
pub struct TotalsCounter {
    store: Store,
    clock: SharedClock,
    counting: bool,
}

impl TotalsCounter {
    pub fn new(store: Store, clock: SharedClock) -> Self {
        TotalsCounter { store, clock, counting: false }
    }
}

impl Worker for TotalsCounter {
    fn name(&self) -> &'static str {
        "count"
    }

    async fn step(&mut self) -> Result<Next, WorkError> {
        if self.store.totals_whole() {
            return Ok(Next::After(LOOK_EVERY));
        }
        if !self.counting {
            self.counting = true;
            tracing::info!("all rows are counted once; restore points are not proved until that is done");
        }
        let (store, now) = (self.store.clone(), self.clock.now());
        match blocking(move || store.count_step(now)).await? {
            Counted::Whole => {
                self.counting = false;
                tracing::info!("all rows are counted; the next restore points are proved");
                Ok(Next::After(LOOK_EVERY))
            }
            Counted::NotBegun | Counted::Running { .. } => Ok(Next::After(BREATH)),
        }
    }
}
