//! Checkpoints: what the engine has durably, and which journal files nobody needs any more then.

use crate::journal::JournalPosition;
use crate::meta::core::Core;
use crate::meta::engine::{Engine, EngineError, EngineWrite, Table, View};
use crate::meta::layout::{meta_row, segment_key};
use crate::record::Record;
use crate::store::ReadError;
use crate::types::Seq;

/// What a checkpoint covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Checkpoint {
    /// Every batch up to this one is in the engine.
    pub applied: Seq,
    /// Where the next frame begins.
    pub position: JournalPosition,
}

impl Record for Checkpoint {
    const KIND: &'static str = "checkpoint";
    const VERSION: u8 = 1;
}

impl Checkpoint {
    /// The last one; that of a new store covers nothing.
    pub fn read(view: &dyn View) -> Result<Self, ReadError> {
        let stored = view.value(Table::Meta, meta_row::CHECKPOINT)?;
        Ok(stored.map(|value| Checkpoint::decode(&value)).transpose()?.unwrap_or_default())
    }

    /// Makes an engine durable with this inside, after a replay.
    pub fn write(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        engine.apply(&self.rows())?;
        engine.checkpoint()
    }

    /// The rows that say so.
    pub fn rows(&self) -> [EngineWrite; 2] {
        let row = EngineWrite { table: Table::Meta, key: meta_row::CHECKPOINT.to_vec(), value: Some(self.encode()) };
        [row, super::batch::applied(self.applied)]
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RetireError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Removes journal files wholly below `position` in which no body lives.
pub(super) fn retire(core: &Core, position: JournalPosition) -> Result<(), RetireError> {
    let view = core.engine.view()?;
    for file in core.journal.list()?.into_iter().filter(|file| *file < position.file) {
        let mut live = false;
        view.get(Table::Segments, &segment_key(file), &mut |row| live = row.is_some())?;
        if !live {
            core.journal.remove(file)?;
        }
    }
    Ok(())
}
