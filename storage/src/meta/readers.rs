//! Who is reading, since which Seq: FORMAT invariants 8 and 9.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::types::Seq;

#[derive(Debug, Default)]
pub(crate) struct Readers {
    running: Mutex<BTreeMap<Seq, usize>>,
}

impl Readers {
    /// Registers a reader at the newest Seq, which is asked for under the lock: so a reader that registers after
    /// [`oldest`](Self::oldest) was asked has at least the newest Seq of that moment.
    pub fn register(self: &Arc<Self>, newest: impl FnOnce() -> Seq) -> Registration {
        let mut running = self.running();
        let at = newest();
        *running.entry(at).or_default() += 1;
        drop(running);
        Registration { readers: Arc::clone(self), at }
    }

    /// The oldest Seq that a running reader began at. What died at or before it, no running reader can name.
    pub fn oldest(&self) -> Option<Seq> {
        self.running().keys().next().copied()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<Seq, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as it lives, what its reader could name stays on the disk.
#[derive(Debug)]
pub(crate) struct Registration {
    readers: Arc<Readers>,
    at: Seq,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut running = self.readers.running();
        if let Some(count) = running.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_oldest_that_still_runs() {
        let readers = Arc::new(Readers::default());
        let at = |seq| readers.register(|| Seq::new(seq));
        let (one, two, three) = (at(3), at(5), at(3));
        drop(one);
        assert_eq!(readers.oldest(), Some(Seq::new(3)));
        drop(three);
        assert_eq!(readers.oldest(), Some(Seq::new(5)));
        drop(two);
        assert_eq!(readers.oldest(), None);
    }
}
