//! Opening: the engine at its last checkpoint, the journal replayed over it, what is kept in memory loaded. Pieces are listed, and none is opened.

use std::sync::Arc;

use super::committer::{Checkpoint, Writing};
use super::core::Core;
use super::engine::{Buffered, Engine, EngineError, EngineWrite, RedbEngine, Table, View};
use super::format::{Format, Found};
use super::gates::Gates;
use super::layout::{Span, meta_row, parse_number};
use super::lists;
use super::points::Points;
use super::published::{Published, State};
use super::readers::Readers;
use super::reserve::Reserve;
use super::totals::Counting;
use crate::blob::{BlobStore, InstanceAllocator};
use crate::disk::Disk;
use crate::journal::{Journal, JournalError, JournalFiles, JournalOptions};
use crate::record::{CorruptRecord, CursorRow, HoldRow, InstanceId, PathRow};
use crate::store::{EngineKind, OpenError, Options, ReadError};
use crate::types::Seq;

/// Replay applies this many memtables' worth of writes at once.
const REPLAYED_AT_ONCE: usize = 8;

/// A store, open.
pub(crate) struct Opened {
    pub writing: Writing,
    /// The piece files there were, before anything was written.
    pub pieces: Vec<InstanceId>,
}

/// Opens all but the committer's thread.
pub(crate) fn open(disk: Arc<dyn Disk>, options: &Options) -> Result<Opened, OpenError> {
    let lock = disk.lock("LOCK").map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => OpenError::Locked,
        _ => OpenError::Io(error),
    })?;
    let format = Format::read(&*disk, options.engine)?;
    if format.is_some() && !engine_exists(&*disk, options.engine)? {
        return Err(OpenError::Damaged("the engine's file is gone".into()));
    }
    let engine = open_engine(&*disk, options)?;
    let node = match format {
        Some(Found { format, version }) => {
            // Before anything is written that an older build would not understand.
            if version < Format::VERSION {
                format.write(&*disk)?;
            }
            format.node
        }
        None => {
            Format { node: options.node, engine: options.engine }.write(&*disk)?;
            options.node
        }
    };
    let files = Arc::new(JournalFiles::new(Arc::clone(&disk)));
    let rotation = JournalOptions { rotate_bytes: options.journal_file_bytes };
    let journal = replay(&*engine, Arc::clone(&files), rotation, REPLAYED_AT_ONCE * options.memtable_writes)?;
    let pieces = BlobStore::pieces(&*disk)?;
    let (state, next_instance) = {
        let view = engine.view()?;
        (load(&*view, journal.last())?, next_instance(&*view, &pieces)?)
    };
    let instances = Arc::new(InstanceAllocator::starting_at(next_instance));
    let blobs = BlobStore::open(Arc::clone(&disk), Arc::clone(&files), instances, options.low_watermark_bytes)?;
    let mut reserve = Reserve::new(options.reserve_bytes, options.low_watermark_bytes);
    reserve.take(&*disk);
    let core = Core {
        disk,
        engine,
        blobs: Arc::new(blobs),
        journal: files,
        published: Published::new(journal.last(), state),
        readers: Arc::new(Readers::default()),
        node,
        _lock: lock,
    };
    let checkpoint_every_bytes = options.checkpoint_every_bytes;
    let writing = Writing { core: Arc::new(core), journal, reserve, checkpoint_every_bytes, since_checkpoint: 0 };
    Ok(Opened { writing, pieces })
}

fn engine_exists(disk: &dyn Disk, engine: EngineKind) -> Result<bool, OpenError> {
    let name = match engine {
        EngineKind::Redb => super::engine::REDB_FILE,
        #[cfg(feature = "sled")]
        EngineKind::Sled => super::engine::SLED_DIR,
    };
    Ok(disk.list("")?.iter().any(|found| found == name))
}

fn open_engine(disk: &dyn Disk, options: &Options) -> Result<Box<dyn Engine>, OpenError> {
    let (cache, gathered) = (options.cache_bytes, options.memtable_writes);
    Ok(match options.engine {
        EngineKind::Redb => Box::new(Buffered::new(RedbEngine::open(disk, cache)?, gathered)),
        #[cfg(feature = "sled")]
        EngineKind::Sled => Box::new(Buffered::new(super::engine::SledEngine::open(disk, cache)?, gathered)),
    })
}

/// Brings the engine to the journal's end, durably. It gets `at_once` writes or more at a time.
fn replay(
    engine: &dyn Engine,
    files: Arc<JournalFiles>,
    options: JournalOptions,
    at_once: usize,
) -> Result<Journal, OpenError> {
    let from = Checkpoint::read(&*engine.view()?)?;
    let mut waiting: Vec<EngineWrite> = Vec::new();
    let mut apply = |rows: Vec<EngineWrite>| {
        waiting.extend(rows);
        if waiting.len() < at_once {
            return Ok(());
        }
        engine.apply(&std::mem::take(&mut waiting))
    };
    let journal = Journal::open(files, options, from.position, from.applied, &mut apply)?;
    engine.apply(&waiting)?;
    let reached = Checkpoint { applied: journal.last(), position: journal.position() };
    if reached != from {
        reached.write(engine)?;
    }
    Ok(journal)
}

/// Holds, cursors and paths, and how far the totals are.
fn load(view: &dyn View, newest: Seq) -> Result<State, OpenError> {
    let all = &Span::prefix(&[]);
    let mut points = Points::default();
    lists::records::<HoldRow>(view, Table::Holds, all)?.into_iter().for_each(|row| points.insert_hold(row));
    lists::records::<CursorRow>(view, Table::Cursors, all)?.into_iter().for_each(|row| points.insert_cursor(row));
    let gates = Gates::new(lists::records::<PathRow>(view, Table::Paths, all)?);
    let counting = Counting::read(view, newest)?;
    Ok(State { gates: Arc::new(gates), points: Arc::new(points), counting, catalogue: newest })
}

/// Above every id that a durable row or a piece file has carried.
fn next_instance(view: &dyn View, pieces: &[InstanceId]) -> Result<u64, OpenError> {
    let row = view.value(Table::Meta, meta_row::INSTANCES)?;
    let row = row.map(|value| parse_number(&value)).transpose()?.unwrap_or(0);
    let highest = pieces.iter().map(|instance| instance.get()).max().unwrap_or(0);
    Ok(row.max(highest + 1))
}

impl From<CorruptRecord> for OpenError {
    fn from(error: CorruptRecord) -> Self {
        OpenError::Damaged(error.to_string())
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Engine(error) => OpenError::Engine(error),
            error => OpenError::Damaged(error.to_string()),
        }
    }
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Io(error) => OpenError::Io(error),
            JournalError::Engine(EngineError(reason)) => OpenError::Engine(EngineError(reason)),
            error => OpenError::Damaged(error.to_string()),
        }
    }
}
