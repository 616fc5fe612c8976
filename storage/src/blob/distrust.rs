use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::types::ContentHash;

/// More are not remembered: they are met again.
const MAX: usize = 4096;

/// Blobs whose live instance was found to be damaged, by a read or by the scrub: the next upload of the same bytes takes its place. In memory, and a hint
/// only: to replace a good instance costs its bytes and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Distrust {
    /// How many there are: asked by every upload of what is stored already.
    count: AtomicUsize,
    hashes: Mutex<HashSet<ContentHash>>,
}

impl Distrust {
    pub fn add(&self, hash: ContentHash) {
        let mut hashes = self.lock();
        if hashes.len() < MAX {
            hashes.insert(hash);
        }
        self.count.store(hashes.len(), Ordering::Relaxed);
    }

    pub fn has(&self, hash: ContentHash) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.lock().contains(&hash)
    }

    pub fn all(&self) -> Vec<ContentHash> {
        match self.count.load(Ordering::Relaxed) {
            0 => Vec::new(),
            _ => self.lock().iter().copied().collect(),
        }
    }

    /// Lets go of a blob; whether it was among them.
    pub fn remove(&self, hash: ContentHash) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut hashes = self.lock();
        let known = hashes.remove(&hash);
        self.count.store(hashes.len(), Ordering::Relaxed);
        known
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<ContentHash>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
