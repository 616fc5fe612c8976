//! A store whose engine fails once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::meta::core::Core;
use crate::meta::engine::{
    Buffered, Cursor, Direction, Engine, EngineError, EngineWrite, Entry, KeyRange, Table, View,
};
use crate::meta::published::{Published, State};
use crate::meta::reserve::Reserve;
use crate::sync::Mutex;

/// How a read fails.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Error,
    Panic,
}

/// What the `at`th read (from 1) does, whether it opens a view or a cursor, or takes a value.
struct Faults {
    reads: AtomicU64,
    at: u64,
    fault: Fault,
}

impl Faults {
    fn read(&self) -> Result<(), EngineError> {
        if self.reads.fetch_add(1, Ordering::Relaxed) + 1 != self.at {
            return Ok(());
        }
        match self.fault {
            Fault::Error => Err(EngineError("simulated: unreadable".into())),
            Fault::Panic => panic!("simulated: a panic while reading"),
        }
    }
}

/// The same store, whose engine's `at`th read fails.
pub fn core(sound: &Arc<Core>, at: u64, fault: Fault) -> Core {
    let faults = Faults { reads: AtomicU64::new(0), at, fault };
    Core {
        disk: Arc::clone(&sound.disk),
        engine: Buffered::new(Box::new(FaultyEngine { sound: Arc::clone(sound), faults })),
        blobs: Arc::clone(&sound.blobs),
        journal: Arc::clone(&sound.journal),
        published: Published::new(sound.published.newest(), State::default()),
        readers: Arc::clone(&sound.readers),
        reserve: Mutex::new(Reserve::new(0, 0)),
        node: sound.node,
        _lock: Box::new(()),
    }
}

struct FaultyEngine {
    sound: Arc<Core>,
    faults: Faults,
}

impl Engine for FaultyEngine {
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.faults.read()?;
        Ok(Box::new(FaultyView { sound: self.sound.engine.view()?, faults: &self.faults }))
    }

    fn apply(&self, writes: &[EngineWrite]) -> Result<(), EngineError> {
        self.sound.engine.gather(writes);
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

struct FaultyView<'a> {
    sound: Box<dyn View + 'a>,
    faults: &'a Faults,
}

impl View for FaultyView<'_> {
    fn get(&self, table: Table, key: &[u8], with: &mut dyn FnMut(Option<&[u8]>)) -> Result<(), EngineError> {
        self.faults.read()?;
        self.sound.get(table, key, with)
    }

    fn cursor(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
    ) -> Result<Box<dyn Cursor + '_>, EngineError> {
        self.faults.read()?;
        Ok(Box::new(FaultyCursor { sound: self.sound.cursor(table, range, direction)?, faults: self.faults }))
    }
}

struct FaultyCursor<'a> {
    sound: Box<dyn Cursor + 'a>,
    faults: &'a Faults,
}

impl Cursor for FaultyCursor<'_> {
    fn next(&mut self) -> Result<Option<Entry<'_>>, EngineError> {
        self.faults.read()?;
        self.sound.next()
    }
}
