use std::time::Duration;

use tandem_storage::Store;
use tandem_storage::types::Seq;

use super::{Next, WorkError, Worker, blocking};

const EVERY: Duration = Duration::from_secs(60);

/// Bounds what the next start must replay on a node that writes little; the store itself makes a checkpoint by volume.
pub struct Checkpointer {
    store: Store,
    last: Option<Seq>,
}

impl Checkpointer {
    pub fn new(store: Store) -> Self {
        Checkpointer { store, last: None }
    }
}

impl Worker for Checkpointer {
    fn name(&self) -> &'static str {
        "checkpoint"
    }

    async fn step(&mut self) -> Result<Next, WorkError> {
        let newest = self.store.newest();
        // The first turn comes right after opening, which has just replayed.
        if self.last.is_some_and(|last| last != newest) {
            let store = self.store.clone();
            blocking(move || store.checkpoint()).await?;
        }
        self.last = Some(newest);
        Ok(Next::After(EVERY))
    }
}
