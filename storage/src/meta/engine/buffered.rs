//! An engine behind two tables in memory: one gathers batches while the engine is given the other.
//!
//! An engine pays for each batch that it applies: redb copies every page on the way to each row, and makes a new root. Most rows of
//! a batch are the same few again (a bucket's last change, the open journal file's count, the batch's number). So of a thousand
//! batches applied at once an engine sees less than half of the rows, in key order, for one root. An engine also needs time to
//! become durable, up to a second on a slow disk. Nobody waits for either: batches are gathered meanwhile.
//! The engine may be behind at no risk, because what is durable is in the journal.
//!
//! Invariants:
//! 1. A view sees whole batches: those that were gathered when it was opened, and no others.
//! 2. What a view sees of a row is in the table that gathers if a batch there wrote it, else in the frozen table if a batch there
//!    wrote it, else in the engine. A frozen table is let go only when the engine has all of it.
//! 3. A view's engine has all batches before the view's tables, and none after them; it may have those of the frozen table already,
//!    which hides them. So a table must not be frozen between the moments at which a view takes the tables and the engine: opening
//!    a view looks whether one was, and starts again if so.
//! 4. One table at most is frozen. One thread at a time hands it on and makes the engine durable.
//!
//! ```text
//!                   freeze: a new table gathers                     the engine has it
//! gathering ---------------------------------------> frozen: shown, -----------------> gone
//!    ^  |                                            and applied by
//!    +--+ a batch                                    the engine meanwhile
//! ```
//!
//! [`Handover`](crate::meta::committer::Handover) says when, and by which thread.

use std::sync::Arc;

use super::memtable::{Batches, Memtable, Weight};
use super::merge::Merge;
use super::{Cursor, Direction, Engine, EngineError, EngineWrite, KeyRange, Table, View};
use crate::sync::{ArcSwap, Mutex, PoisonError};

#[cfg(test)]
mod tests;

pub(crate) struct Buffered {
    shown: ArcSwap<Shown>,
    engine: Box<dyn Engine>,
    /// Held by whoever changes `shown`, and never while the engine works.
    changing: Mutex<()>,
}

/// What a view begins with.
#[derive(Clone, Default)]
struct Shown {
    gathering: Arc<Memtable>,
    /// How many batches there have been: a view sees these of the table that gathers, and all of the frozen one.
    batches: Batches,
    frozen: Option<Arc<Memtable>>,
    /// How many tables have been frozen so far.
    freezes: u64,
}

impl Buffered {
    /// `engine` has everything so far.
    pub fn new(engine: Box<dyn Engine>) -> Self {
        Buffered { shown: ArcSwap::default(), engine, changing: Mutex::new(()) }
    }

    /// A view that stays consistent across tables: see [`Engine::view`].
    pub fn view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.join(|| self.engine.view())
    }

    /// A view for a thread that may have one open already. It sees the same or a later state.
    pub fn nested_view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.join(|| self.engine.nested_view())
    }

    /// Takes a batch. Later views see it.
    pub fn gather(&self, writes: &[EngineWrite]) {
        self.change(|shown| {
            let batches = shown.batches.and_one();
            shown.gathering.add(batches, writes);
            Some(Shown { batches, ..shown })
        });
    }

    /// What the table that gathers has taken.
    pub fn weight(&self) -> Weight {
        self.shown.load().gathering.weight()
    }

    /// Puts a new table in the place of the one that gathers, to hand that on. Without a batch nothing is frozen.
    /// The table that was frozen before must have been handed on.
    pub fn freeze(&self) {
        self.change(|shown| {
            assert!(shown.frozen.is_none(), "one table at most is frozen");
            if shown.gathering.weight().writes == 0 {
                return None;
            }
            let (gathering, frozen) = (Arc::default(), Some(shown.gathering));
            Some(Shown { gathering, frozen, freezes: shown.freezes + 1, ..shown })
        });
    }

    /// Gives the frozen table to the engine, all at once, not durably. When this fails every view is still whole.
    pub fn hand_on(&self) -> Result<(), EngineError> {
        let Some(frozen) = self.shown.load().frozen.clone() else { return Ok(()) };
        self.engine.apply(&frozen.newest())?;
        self.change(|shown| Some(Shown { frozen: None, ..shown }));
        Ok(())
    }

    /// Makes durable what was handed on, and rows that tell of it. No table is frozen.
    pub fn make_durable(&self, rows: &[EngineWrite]) -> Result<(), EngineError> {
        self.engine.apply(rows)?;
        self.engine.checkpoint()
    }

    fn change(&self, change: impl FnOnce(Shown) -> Option<Shown>) {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = change(Shown::clone(&self.shown.load())) {
            self.shown.store(Arc::new(changed));
        }
    }

    fn join<'engine>(
        &'engine self,
        open: impl Fn() -> Result<Box<dyn View + 'engine>, EngineError>,
    ) -> Result<Box<dyn View + 'engine>, EngineError> {
        loop {
            let shown = self.shown.load_full();
            let below = open()?;
            if self.shown.load().freezes == shown.freezes {
                return Ok(Box::new(BufferedView { shown, below }));
            }
        }
    }
}

#[cfg(all(test, feature = "shuttle"))]
impl Buffered {
    /// A view while the engine takes its time to open its own.
    pub fn slow_view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.join(|| self.open_slowly())
    }

    /// The same as invariant 3 forbids it: the control of the tests that try orders of threads.
    pub fn careless_view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        let shown = self.shown.load_full();
        Ok(Box::new(BufferedView { below: self.open_slowly()?, shown }))
    }

    fn open_slowly(&self) -> Result<Box<dyn View + '_>, EngineError> {
        (0..60).for_each(|_| crate::sync::yield_now());
        self.engine.view()
    }
}

struct BufferedView<'engine> {
    shown: Arc<Shown>,
    below: Box<dyn View + 'engine>,
}

impl BufferedView<'_> {
    /// The tables in memory, the older first.
    fn tables(&self) -> impl DoubleEndedIterator<Item = &Memtable> {
        self.shown.frozen.iter().chain([&self.shown.gathering]).map(|table| &**table)
    }
}

impl View for BufferedView<'_> {
    fn get(&self, table: Table, key: &[u8], with: &mut dyn FnMut(Option<&[u8]>)) -> Result<(), EngineError> {
        match self.tables().rev().find_map(|memory| memory.get(self.shown.batches, table, key)) {
            Some(value) => {
                with(value.as_deref());
                Ok(())
            }
            None => self.below.get(table, key, with),
        }
    }

    fn cursor(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
    ) -> Result<Box<dyn Cursor + '_>, EngineError> {
        let mut walk = self.below.cursor(table, range, direction)?;
        for memory in self.tables() {
            let first = memory.first(self.shown.batches, table, range, direction);
            if let Some(first) = first {
                walk = Box::new(Merge::new(walk, memory, self.shown.batches, table, range, direction, first));
            }
        }
        Ok(walk)
    }
}
