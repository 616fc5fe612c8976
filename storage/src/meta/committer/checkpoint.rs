//! Checkpoints: the engine durable, with what it has applied inside; then journal files that nobody needs any more go.

use super::{Fatal, Writing};
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

    /// Makes the engine durable with this inside.
    pub fn write(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        let row = EngineWrite { table: Table::Meta, key: meta_row::CHECKPOINT.to_vec(), value: Some(self.encode()) };
        engine.apply(&[row, super::batch::applied(self.applied)])?;
        engine.checkpoint()
    }
}

impl Writing {
    pub(super) fn checkpoint_if_due(&mut self) -> Result<(), Fatal> {
        if self.since_checkpoint < self.checkpoint_every_bytes { Ok(()) } else { self.checkpoint() }
    }

    pub(super) fn checkpoint(&mut self) -> Result<(), Fatal> {
        let checkpoint = Checkpoint { applied: self.journal.last(), position: self.journal.position() };
        checkpoint.write(&*self.core.engine).map_err(|error| Fatal(error.to_string()))?;
        self.since_checkpoint = 0;
        self.reserve.take(&*self.core.disk);
        match retire(&self.core, checkpoint.position) {
            Ok(()) => Ok(()),
            // They stay for the next checkpoint.
            Err(RetireError::Io(error)) => {
                tracing::warn!(%error, "journal files could not be removed");
                Ok(())
            }
            Err(RetireError::Engine(error)) => Err(Fatal(error.to_string())),
        }
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
fn retire(core: &Core, position: JournalPosition) -> Result<(), RetireError> {
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
