//! An engine behind a table in memory that takes batches as they come and hands them on many at once.
//!
//! An engine pays for each batch that it applies: redb copies every page on the way to each row, and makes a new root. Most rows of
//! a batch are the same few again (a bucket's last change, the open journal file's count, the batch's number), so of a thousand
//! batches applied at once an engine sees less than half of the rows, in key order, for one root. Nothing depends on the engine being
//! up to date but memory: what is durable is in the journal, and a checkpoint hands everything on first.
//!
//! Invariants:
//! 1. A view sees whole batches: those that were applied when it was opened, no others.
//! 2. The engine never has a row that the table's batches have replaced and the table does not have: a batch leaves the table only
//!    when the engine has it, and all batches leave at once.
//! 3. A view joins a table with the engine as it was when every batch that it has and the table has not was in it, and none that came
//!    after the view. To be sure, opening one looks whether the engine began to take something meanwhile, and starts again if so.
//!
//! ```text
//! gathering --(settled when full; a checkpoint; a batch too large)--> handing on: the table still shown --(the engine has it)--> gathering, in a new table
//!                                                                     a batch too large then goes to the engine itself
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::memtable::{Batches, Memtable};
use super::merge::Merge;
use super::{Cursor, Direction, Engine, EngineError, EngineWrite, KeyRange, Table, View};

/// The table is handed on when it has taken so many bytes, whatever the number of writes. It may have taken a batch more by then.
const BYTES_MAX: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;

pub(crate) struct Buffered<E> {
    shown: ArcSwap<Shown>,
    engine: E,
    /// The table is handed on when it has taken so many writes, with the batch that made it so; a batch of so many goes to the engine itself.
    writes_max: usize,
    /// Held by whoever changes `shown`.
    applying: Mutex<()>,
}

/// What a view begins with.
#[derive(Clone, Default)]
struct Shown {
    memtable: Arc<Memtable>,
    batches: Batches,
    /// How often the engine has begun to take something.
    handovers: u64,
}

impl<E: Engine> Buffered<E> {
    pub fn new(engine: E, writes_max: usize) -> Self {
        Buffered { shown: ArcSwap::default(), engine, writes_max, applying: Mutex::new(()) }
    }

    fn hand_on(&self) -> Result<(), EngineError> {
        let shown = Shown::clone(&self.shown.load());
        if shown.memtable.weight().0 == 0 {
            return Ok(());
        }
        let handing = Shown { handovers: shown.handovers + 1, ..shown };
        self.shown.store(Arc::new(handing.clone()));
        self.engine.apply(&handing.memtable.newest())?;
        self.shown.store(Arc::new(Shown { memtable: Arc::default(), ..handing }));
        Ok(())
    }

    /// What is too much for the table. It must have been handed on.
    fn pass(&self, writes: &[EngineWrite]) -> Result<(), EngineError> {
        let shown = Shown::clone(&self.shown.load());
        self.shown.store(Arc::new(Shown { handovers: shown.handovers + 1, ..shown }));
        self.engine.apply(writes)
    }

    fn gather(&self, writes: &[EngineWrite]) {
        let shown = Shown::clone(&self.shown.load());
        let batches = shown.batches.and_one();
        shown.memtable.add(batches, writes);
        self.shown.store(Arc::new(Shown { batches, ..shown }));
    }

    fn join<'engine>(
        &'engine self,
        open: impl Fn() -> Result<Box<dyn View + 'engine>, EngineError>,
    ) -> Result<Box<dyn View + 'engine>, EngineError> {
        loop {
            let shown = self.shown.load_full();
            let below = open()?;
            if self.shown.load().handovers == shown.handovers {
                return Ok(Box::new(BufferedView { shown, below }));
            }
        }
    }
}

impl<E: Engine> Engine for Buffered<E> {
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.join(|| self.engine.view())
    }

    fn nested_view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.join(|| self.engine.nested_view())
    }

    fn apply(&self, writes: &[EngineWrite]) -> Result<(), EngineError> {
        let _alone = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        if writes.len() < self.writes_max {
            self.gather(writes);
            return Ok(());
        }
        self.hand_on()?;
        self.pass(writes)
    }

    fn settle(&self) -> Result<(), EngineError> {
        let _alone = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let (writes, bytes) = self.shown.load().memtable.weight();
        if writes >= self.writes_max || bytes >= BYTES_MAX { self.hand_on() } else { Ok(()) }
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        let _alone = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        self.hand_on()?;
        self.engine.checkpoint()
    }
}

struct BufferedView<'engine> {
    shown: Arc<Shown>,
    below: Box<dyn View + 'engine>,
}

impl View for BufferedView<'_> {
    fn get(&self, table: Table, key: &[u8], with: &mut dyn FnMut(Option<&[u8]>)) -> Result<(), EngineError> {
        match self.shown.memtable.get(self.shown.batches, table, key) {
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
        let below = self.below.cursor(table, range, direction)?;
        let Shown { memtable, batches, .. } = &*self.shown;
        Ok(match memtable.first(*batches, table, range, direction) {
            None => below,
            Some(first) => Box::new(Merge::new(below, memtable, *batches, table, range, direction, first)),
        })
    }
}
