//! sled 0.34: one tree for all tables. It opens its own files, so it needs a directory of the host.
//!
//! It has no views. A page lock stands in: views share it, a batch takes it alone, so that a page sees whole batches only.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::keys::{NoEntries, prefixed, prefixed_range};
use super::{Cursor, Direction, Engine, EngineError, EngineWrite, Entry, KeyRange, Table, View};
use crate::disk::{Disk, DiskFile};

pub(crate) const DIR: &str = "meta.sled";

pub(crate) struct SledEngine {
    db: sled::Db,
    pages: PageLock,
    /// sled's log, for the sync that its own flush leaves out.
    log: std::sync::Arc<dyn DiskFile>,
}

impl SledEngine {
    pub fn open(disk: &dyn Disk, cache_bytes: usize) -> Result<Self, EngineError> {
        let host = disk.host_path().ok_or_else(|| EngineError("sled needs a directory of the host".into()))?;
        // By us, so that it is for its owner alone whatever the umask is.
        disk.create_dir_all(DIR).map_err(|error| EngineError(error.to_string()))?;
        let config = sled::Config::new()
            .path(host.join(DIR))
            .cache_capacity(u64::try_from(cache_bytes).unwrap_or(u64::MAX))
            .flush_every_ms(None);
        let db = open_when_let_go(&config)?;
        db.flush().map_err(failed)?;
        let log = disk.open(&format!("{DIR}/db")).map_err(|error: io::Error| EngineError(error.to_string()))?;
        let engine = SledEngine { db, pages: PageLock::default(), log };
        engine.sync(disk)?;
        Ok(engine)
    }

    /// The entries of its files too, once.
    fn sync(&self, disk: &dyn Disk) -> Result<(), EngineError> {
        self.checkpoint()?;
        disk.sync_dir(DIR).and_then(|()| disk.sync_dir("")).map_err(|error| EngineError(error.to_string()))
    }
}

impl Engine for SledEngine {
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        Ok(Box::new(SledView { tree: &self.db, _page: self.pages.share() }))
    }

    fn nested_view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        Ok(Box::new(SledView { tree: &self.db, _page: self.pages.share_nested() }))
    }

    fn apply(&self, writes: &[EngineWrite]) -> Result<(), EngineError> {
        let mut batch = sled::Batch::default();
        let mut key = Vec::with_capacity(128);
        for write in writes {
            prefixed(&mut key, write.table, &write.key);
            match &write.value {
                Some(value) => batch.insert(&key[..], &value[..]),
                None => batch.remove(&key[..]),
            }
        }
        let _alone = self.pages.take();
        self.db.apply_batch(batch).map_err(failed)
    }

    /// `flush` asks the kernel for `sync_file_range`, which promises nothing: the sync after it does.
    fn checkpoint(&self) -> Result<(), EngineError> {
        self.db.flush().map_err(failed)?;
        self.log.sync_data().map_err(|error| EngineError(error.to_string()))
    }
}

/// sled's lock on its files outlives a dropped `Db` until its background writes are done, so an opening soon after a close
/// in the same process can find it held. The store's own lock has already shut out every other process, so the holder can
/// only be such a remainder: wait for it, at most five seconds.
fn open_when_let_go(config: &sled::Config) -> Result<sled::Db, EngineError> {
    const PAUSE: Duration = Duration::from_millis(5);
    const ATTEMPTS: u32 = 1000;
    for _ in 1..ATTEMPTS {
        match config.open() {
            Err(sled::Error::Io(error)) if error.kind() == io::ErrorKind::Other => std::thread::park_timeout(PAUSE),
            opened => return opened.map_err(failed),
        }
    }
    config.open().map_err(failed)
}

struct SledView<'engine> {
    tree: &'engine sled::Tree,
    _page: Shared<'engine>,
}

impl View for SledView<'_> {
    fn get(&self, table: Table, key: &[u8], with: &mut dyn FnMut(Option<&[u8]>)) -> Result<(), EngineError> {
        let mut full = Vec::with_capacity(key.len() + 1);
        prefixed(&mut full, table, key);
        let found = self.tree.get(&full).map_err(failed)?;
        with(found.as_deref());
        Ok(())
    }

    fn cursor(
        &self,
        table: Table,
        range: KeyRange<'_>,
        direction: Direction,
    ) -> Result<Box<dyn Cursor + '_>, EngineError> {
        let Some(bounds) = prefixed_range(table, range) else { return Ok(Box::new(NoEntries)) };
        Ok(Box::new(SledCursor { range: self.tree.range(bounds), direction, entry: None }))
    }
}

struct SledCursor {
    range: sled::Iter,
    direction: Direction,
    entry: Option<(sled::IVec, sled::IVec)>,
}

impl Cursor for SledCursor {
    fn next(&mut self) -> Result<Option<Entry<'_>>, EngineError> {
        let next = match self.direction {
            Direction::Forward => self.range.next(),
            Direction::Backward => self.range.next_back(),
        };
        self.entry = next.transpose().map_err(failed)?;
        Ok(self.entry.as_ref().map(|(key, value)| (&key[1..], &value[..])))
    }
}

/// Many views or one batch. A batch that waits goes before views that come after it, but not before a view nested in one
/// that is open: that would wait for itself.
#[derive(Default)]
struct PageLock {
    state: Mutex<Pages>,
    changed: Condvar,
}

#[derive(Default)]
struct Pages {
    views: usize,
    waiting: usize,
    applying: bool,
}

impl PageLock {
    fn share(&self) -> Shared<'_> {
        self.share_while(|pages| pages.applying || pages.waiting > 0)
    }

    fn share_nested(&self) -> Shared<'_> {
        self.share_while(|pages| pages.applying)
    }

    fn share_while(&self, wait: impl Fn(&Pages) -> bool) -> Shared<'_> {
        let mut pages =
            self.changed.wait_while(self.lock(), |pages| wait(pages)).unwrap_or_else(PoisonError::into_inner);
        pages.views += 1;
        Shared { lock: self }
    }

    fn take(&self) -> Alone<'_> {
        let mut pages = self.lock();
        pages.waiting += 1;
        let busy = |pages: &mut Pages| pages.applying || pages.views > 0;
        let mut pages = self.changed.wait_while(pages, busy).unwrap_or_else(PoisonError::into_inner);
        pages.waiting -= 1;
        pages.applying = true;
        Alone { lock: self }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Shared<'engine> {
    lock: &'engine PageLock,
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        self.lock.lock().views -= 1;
        self.lock.changed.notify_all();
    }
}

struct Alone<'engine> {
    lock: &'engine PageLock,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.lock.lock().applying = false;
        self.lock.changed.notify_all();
    }
}

fn failed(error: sled::Error) -> EngineError {
    EngineError(error.to_string())
}
