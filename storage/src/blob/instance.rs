use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::record::InstanceId;

/// Gives out instance ids, each once. The counter itself is in memory: every frame that brings new instances also writes
/// [`next`](Self::next) as a row, and opening begins above both that row and every piece file on the disk
/// ([`BlobStore::pieces`](super::BlobStore::pieces)). So an id that any durable row or file has carried is never given out again.
#[derive(Debug)]
pub(crate) struct InstanceAllocator(AtomicU64);

impl InstanceAllocator {
    pub fn starting_at(next: u64) -> Self {
        InstanceAllocator(AtomicU64::new(next.max(1)))
    }

    pub fn allocate(&self) -> InstanceId {
        InstanceId::new(self.0.fetch_add(1, Ordering::Relaxed))
    }

    /// Every id given out so far is below this.
    pub fn next(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Piece files that nobody will ever reference, waiting for the collector to unlink them. In memory only: what a crash forgets is found
/// by the collector after the next open as an orphan.
#[derive(Debug, Default)]
pub(crate) struct Surplus(Mutex<Vec<InstanceId>>);

impl Surplus {
    fn push(&self, instance: InstanceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(instance);
    }

    /// Takes up to `limit` of them: the caller unlinks them.
    pub fn take(&self, limit: usize) -> Vec<InstanceId> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let keep = waiting.len().saturating_sub(limit);
        waiting.split_off(keep)
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// A piece file that no row references. Dropped, it becomes surplus; the committer calls [`adopt`](Self::adopt) when the batch that
/// references it is certain to be written.
#[derive(Debug)]
#[must_use]
pub(crate) struct StagedPiece {
    instance: InstanceId,
    surplus: Option<Arc<Surplus>>,
}

impl StagedPiece {
    pub(super) fn new(instance: InstanceId, surplus: Arc<Surplus>) -> Self {
        StagedPiece { instance, surplus: Some(surplus) }
    }

    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// From here on rows decide how long the file lives.
    pub fn adopt(mut self) -> InstanceId {
        self.surplus = None;
        self.instance
    }
}

impl Drop for StagedPiece {
    fn drop(&mut self) {
        if let Some(surplus) = self.surplus.take() {
            surplus.push(self.instance);
        }
    }
}
