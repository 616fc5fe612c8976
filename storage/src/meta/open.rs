//! Opening: the engine at its last checkpoint, the journal replayed over it, what is kept in memory loaded, orphans removed.

use std::collections::HashSet;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::committer::{Checkpoint, Writing};
use super::core::{Core, blob_row};
use super::engine::{Engine, EngineError, EngineWrite, KeyRange, RedbEngine, Table, View};
use super::format::Format;
use super::gates::Gates;
use super::layout::{Span, condemned_key, meta_row, parse_number};
use super::lists;
use super::points::Points;
use super::published::{Published, State};
use super::readers::Readers;
use super::reserve::Reserve;
use crate::blob::{BlobError, BlobStore, InstanceAllocator};
use crate::disk::Disk;
use crate::journal::{Journal, JournalError, JournalFiles, JournalOptions};
use crate::record::{BlobRow, CorruptRecord, CursorRow, HoldRow, InstanceId, Location, PathRow, Record};
use crate::store::{EngineKind, OpenError, Options, ReadError};
use crate::types::Seq;

const ALL: KeyRange<'static> = (Bound::Unbounded, Bound::Unbounded);
/// Replay applies this many writes at once.
const REPLAY_WRITES: usize = 8 * 1024;

/// Opens all but the committer's thread.
pub(crate) fn open(disk: Arc<dyn Disk>, options: &Options) -> Result<Writing, OpenError> {
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
        Some(format) => format.node,
        None => {
            Format { node: options.node, engine: options.engine }.create(&*disk)?;
            options.node
        }
    };
    let files = Arc::new(JournalFiles::new(Arc::clone(&disk)));
    let rotation = JournalOptions { rotate_bytes: options.journal_file_bytes };
    let journal = replay(&*engine, Arc::clone(&files), rotation)?;
    let (state, next_instance) = {
        let view = engine.view()?;
        (load(&*view, journal.last())?, next_instance(&*view, &*disk)?)
    };
    let instances = Arc::new(InstanceAllocator::starting_at(next_instance));
    let blobs = BlobStore::open(Arc::clone(&disk), Arc::clone(&files), instances, options.low_watermark_bytes)?;
    remove_orphans(&*engine, &blobs)?;
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
    Ok(Writing { core: Arc::new(core), journal, reserve, checkpoint_every_bytes, since_checkpoint: 0 })
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
    Ok(match options.engine {
        EngineKind::Redb => Box::new(RedbEngine::open(disk, options.cache_bytes)?),
        #[cfg(feature = "sled")]
        EngineKind::Sled => Box::new(super::engine::SledEngine::open(disk, options.cache_bytes)?),
    })
}

/// Brings the engine to the journal's end, durably.
fn replay(engine: &dyn Engine, files: Arc<JournalFiles>, options: JournalOptions) -> Result<Journal, OpenError> {
    let from = Checkpoint::read(&*engine.view()?)?;
    let mut waiting: Vec<EngineWrite> = Vec::new();
    let mut apply = |rows: Vec<EngineWrite>| {
        waiting.extend(rows);
        if waiting.len() < REPLAY_WRITES {
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

/// Holds, cursors and paths.
fn load(view: &dyn View, newest: Seq) -> Result<State, OpenError> {
    let all = &Span::prefix(&[]);
    let mut points = Points::default();
    lists::records::<HoldRow>(view, Table::Holds, all)?.into_iter().for_each(|row| points.insert_hold(row));
    lists::records::<CursorRow>(view, Table::Cursors, all)?.into_iter().for_each(|row| points.insert_cursor(row));
    let gates = Gates::new(lists::records::<PathRow>(view, Table::Paths, all)?);
    Ok(State { gates: Arc::new(gates), points: Arc::new(points), catalogue: newest })
}

/// Above every id that a durable row or a piece file has carried.
fn next_instance(view: &dyn View, disk: &dyn Disk) -> Result<u64, OpenError> {
    let row = view.value(Table::Meta, meta_row::INSTANCES)?;
    let row = row.map(|value| parse_number(&value)).transpose()?.unwrap_or(0);
    Ok(row.max(BlobStore::highest_piece(disk)? + 1))
}

/// Unlinks pieces that no blob or condemned row names: they were staged, and never committed.
fn remove_orphans(engine: &dyn Engine, blobs: &BlobStore) -> Result<(), OpenError> {
    let view = engine.view()?;
    let mut unnamed = Vec::new();
    let mut failed = None;
    blobs.each_piece(&mut |instance| {
        match is_named(&*view, blobs, instance) {
            Ok(true) => {}
            Ok(false) => unnamed.push(instance),
            Err(error) => failed = Some(error),
        }
        Ok(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if unnamed.is_empty() {
        return Ok(());
    }
    // A piece with a damaged footer may belong to a row all the same: the rows themselves decide.
    let live = live_pieces(&*view)?;
    for instance in unnamed.into_iter().filter(|instance| !live.contains(instance)) {
        tracing::info!(instance = instance.get(), "removing a piece that was never committed");
        blobs.unlink(instance)?;
    }
    Ok(())
}

fn is_named(view: &dyn View, blobs: &BlobStore, instance: InstanceId) -> Result<bool, OpenError> {
    if view.value(Table::Condemned, &condemned_key(instance))?.is_some() {
        return Ok(true);
    }
    let Ok(Some((hash, _))) = blobs.identify(instance) else { return Ok(false) };
    let row = blob_row(view, &hash).map_err(|error| OpenError::Damaged(error.to_string()))?;
    Ok(row.is_some_and(|row| row.instance == instance))
}

fn live_pieces(view: &dyn View) -> Result<HashSet<InstanceId>, OpenError> {
    let mut live = HashSet::new();
    let mut bad = None;
    view.scan(Table::Blobs, ALL, &mut |_, value| {
        match BlobRow::decode(value) {
            Ok(row) if row.location == Location::Piece => drop(live.insert(row.instance)),
            Ok(_) => {}
            Err(error) => bad = Some(error),
        }
        if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    bad.map_or(Ok(live), |error| Err(error.into()))
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

impl From<BlobError> for OpenError {
    fn from(error: BlobError) -> Self {
        OpenError::Damaged(error.to_string())
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
