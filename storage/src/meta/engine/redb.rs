//! redb over our own files, so that a simulated disk can sit under it.
//!
//! All tables share one B-tree, their numbers in front of the keys: a batch touches five or more of them, and each tree of its own
//! would cost a path of pages and a root in every batch.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use redb::{
    Database, Durability, Range, ReadOnlyTable, ReadableDatabase, ReadableTableMetadata, StorageBackend,
    TableDefinition,
};

use super::keys::{prefixed, prefixed_range};
use super::{Cursor, Direction, Engine, EngineError, EngineWrite, Entry, KeyRange, Table, View};
use crate::disk::{Disk, DiskFile};

const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");
pub(crate) const FILE: &str = "meta.redb";
/// The name of a database until it is whole: a crash while it is made leaves no half of one under its own name.
const FRESH: &str = "meta.redb.new";
/// Compacted at open when the file is larger than this and mostly dead space.
const COMPACT_ABOVE_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) struct RedbEngine {
    /// The newest rows, shared by all views: to open them costs a transaction, and they change only here. Before `db`: it goes first.
    rows: ArcSwap<Rows>,
    db: Database,
}

type Rows = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl RedbEngine {
    /// Opens, or makes, the database at its last checkpoint.
    pub fn open(disk: &dyn Disk, cache_bytes: usize) -> Result<Self, EngineError> {
        let (file, fresh) = match disk.open(FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Self::create(disk).map_err(failed)?, true),
            other => (other.and_then(with_length).map_err(failed)?, false),
        };
        let backend = DiskBackend { file: Arc::clone(&file) };
        let mut db = Database::builder().set_cache_size(cache_bytes).create_with_backend(backend).map_err(failed)?;
        commit(&db, &[], Durability::Immediate)?;
        if fresh {
            disk.rename(FRESH, FILE).and_then(|()| disk.sync_dir("")).map_err(failed)?;
        }
        compact_if_sparse(&mut db, &*file)?;
        Ok(RedbEngine { rows: ArcSwap::from_pointee(newest(&db)?), db })
    }

    fn create(disk: &dyn Disk) -> io::Result<Arc<dyn DiskFile>> {
        match disk.unlink(FRESH) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => disk.create(FRESH),
        }
    }

    fn commit(&self, writes: &[EngineWrite], durability: Durability) -> Result<(), EngineError> {
        commit(&self.db, writes, durability)?;
        self.rows.store(Arc::new(newest(&self.db)?));
        Ok(())
    }
}

/// After a failed sync the file's length may be in memory only, and no later sync would write it. So it is set again, and synced
/// before anything is written: redb takes the length for one that it has set.
fn with_length(file: Arc<dyn DiskFile>) -> io::Result<Arc<dyn DiskFile>> {
    file.set_len(file.len()?)?;
    file.sync_data()?;
    Ok(file)
}

fn newest(db: &Database) -> Result<Rows, EngineError> {
    db.begin_read().map_err(failed)?.open_table(ROWS).map_err(failed)
}

fn compact_if_sparse(db: &mut Database, file: &dyn DiskFile) -> Result<(), EngineError> {
    let total = file.len().map_err(failed)?;
    if total <= COMPACT_ABOVE_BYTES {
        return Ok(());
    }
    let used = {
        let stats = newest(db)?.stats().map_err(failed)?;
        stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes()
    };
    if used < total / 4 {
        db.compact().map_err(failed)?;
    }
    Ok(())
}

fn commit(db: &Database, writes: &[EngineWrite], durability: Durability) -> Result<(), EngineError> {
    let mut transaction = db.begin_write().map_err(failed)?;
    transaction.set_durability(durability).map_err(failed)?;
    // With it a crash costs the next open nothing: the allocator's state is in the durable commit.
    transaction.set_quick_repair(matches!(durability, Durability::Immediate));
    {
        let mut rows = transaction.open_table(ROWS).map_err(failed)?;
        let mut key = Vec::with_capacity(128);
        for write in writes {
            prefixed(&mut key, write.table, &write.key);
            match &write.value {
                Some(value) => drop(rows.insert(&key[..], &value[..]).map_err(failed)?),
                None => drop(rows.remove(&key[..]).map_err(failed)?),
            }
        }
    }
    transaction.commit().map_err(failed)
}

impl Engine for RedbEngine {
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        Ok(Box::new(RedbView { rows: self.rows.load_full() }))
    }

    fn apply(&self, writes: &[EngineWrite]) -> Result<(), EngineError> {
        self.commit(writes, Durability::None)
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.commit(&[], Durability::Immediate)
    }
}

/// A read transaction; the table keeps it.
struct RedbView {
    rows: Arc<Rows>,
}

impl View for RedbView {
    fn get(&self, table: Table, key: &[u8], with: &mut dyn FnMut(Option<&[u8]>)) -> Result<(), EngineError> {
        let mut full = Vec::with_capacity(key.len() + 1);
        prefixed(&mut full, table, key);
        let found = self.rows.get(&full[..]).map_err(failed)?;
        with(found.as_ref().map(|value| value.value()));
        Ok(())
    }

    fn cursor(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
    ) -> Result<Box<dyn Cursor + '_>, EngineError> {
        let Some(bounds) = prefixed_range(table, range) else { return Ok(Box::new(super::keys::NoEntries)) };
        let bounds = (bounds.0.as_ref().map(|key| &key[..]), bounds.1.as_ref().map(|key| &key[..]));
        let range = self.rows.range::<&[u8]>(bounds).map_err(failed)?;
        Ok(Box::new(RedbCursor { range, direction, entry: None }))
    }
}

type Guard = redb::AccessGuard<'static, &'static [u8]>;

struct RedbCursor {
    range: Range<'static, &'static [u8], &'static [u8]>,
    direction: Direction,
    /// What the last `next` handed out.
    entry: Option<(Guard, Guard)>,
}

impl Cursor for RedbCursor {
    fn next(&mut self) -> Result<Option<Entry<'_>>, EngineError> {
        let next = match self.direction {
            Direction::Forward => self.range.next(),
            Direction::Backward => self.range.next_back(),
        };
        self.entry = next.transpose().map_err(failed)?;
        Ok(self.entry.as_ref().map(|(key, value)| (&key.value()[1..], value.value())))
    }
}

/// redb's storage on one of our files.
struct DiskBackend {
    file: Arc<dyn DiskFile>,
}

impl fmt::Debug for DiskBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FILE)
    }
}

impl StorageBackend for DiskBackend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.file.read_at(out, offset)? {
            read if read == out.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_at(data, offset)
    }
}

fn failed(error: impl fmt::Display) -> EngineError {
    EngineError(error.to_string())
}
