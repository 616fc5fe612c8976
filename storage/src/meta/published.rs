//! What the committer shows everybody: the newest Seq, and paths and points as of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::gates::Gates;
use super::points::Points;
use super::totals::Counting;
use crate::types::Seq;

/// Paths and points, as one commit left them.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub gates: Arc<Gates>,
    pub points: Arc<Points>,
    pub counting: Counting,
    /// The newest commit that changed a bucket, a bucket's name or a setting.
    pub catalogue: Seq,
}

/// Which buckets, settings and paths a reader sees, as a mark: readers with equal marks see equal ones, so what was made from them
/// under one mark holds under an equal one without being read again.
#[derive(Clone, Debug)]
pub struct Catalogue {
    gates: Arc<Gates>,
    changed: Seq,
}

impl Catalogue {
    pub(crate) fn of(state: &State) -> Self {
        Catalogue { gates: Arc::clone(&state.gates), changed: state.catalogue }
    }

    pub(crate) fn is_of(&self, state: &State) -> bool {
        self.changed == state.catalogue && Arc::ptr_eq(&self.gates, &state.gates)
    }
}

pub(crate) struct Published {
    newest: AtomicU64,
    state: ArcSwap<State>,
    /// Odd while a batch that changes the state is being applied.
    generation: AtomicU64,
}

impl Published {
    pub fn new(newest: Seq, state: State) -> Self {
        Published {
            newest: AtomicU64::new(newest.get()),
            state: ArcSwap::from_pointee(state),
            generation: AtomicU64::new(0),
        }
    }

    pub fn newest(&self) -> Seq {
        Seq::new(self.newest.load(Ordering::Acquire))
    }

    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Opens something together with the state that belongs to it.
    pub fn consistently<T, E>(&self, open: impl Fn() -> Result<T, E>) -> Result<(T, Arc<State>), E> {
        loop {
            let generation = self.generation.load(Ordering::Acquire);
            if generation % 2 == 1 {
                std::thread::yield_now();
                continue;
            }
            let state = self.state();
            let opened = open()?;
            std::sync::atomic::fence(Ordering::Acquire);
            if self.generation.load(Ordering::Relaxed) == generation {
                return Ok((opened, state));
            }
        }
    }

    /// Applies a batch and shows it. Only the committer publishes.
    pub fn publish<E>(&self, newest: Seq, state: State, apply: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let now = self.state.load();
        let changes = now.catalogue != state.catalogue
            || now.counting != state.counting
            || !(Arc::ptr_eq(&now.gates, &state.gates) && Arc::ptr_eq(&now.points, &state.points));
        drop(now);
        if changes {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        let applied = apply();
        if changes {
            self.state.store(Arc::new(state));
        }
        if applied.is_ok() {
            self.newest.store(newest.get(), Ordering::Release);
        }
        if changes {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        applied
    }
}
