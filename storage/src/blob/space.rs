use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::BlobError;
use crate::disk::Disk;

/// The file system is asked again after this many bytes were admitted.
const REFRESH_BYTES: u64 = 4 * 1024 * 1024;

/// What free space is enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// New bodies, and rows.
    Both,
    /// Below the watermark: rows only.
    Rows,
    /// Below half of it: only what makes room, and changes of roles.
    Neither,
}

/// Refuses new bodies below the low watermark. Deletes, collection and role changes do not ask.
pub(crate) struct SpaceWatch {
    disk: Arc<dyn Disk>,
    low_watermark: u64,
    free: AtomicU64,
    /// Admitted since the file system was last asked.
    admitted: AtomicU64,
}

impl SpaceWatch {
    pub fn new(disk: Arc<dyn Disk>, low_watermark: u64) -> io::Result<Self> {
        let free = AtomicU64::new(disk.free_bytes()?);
        Ok(SpaceWatch { disk, low_watermark, free, admitted: AtomicU64::new(0) })
    }

    /// Lets `bytes` of a body in, or refuses. While space is low every call asks the file system, so service comes back by itself.
    pub fn admit(&self, bytes: u64) -> Result<(), BlobError> {
        let admitted = self.admitted.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let known = self.free.load(Ordering::Relaxed).saturating_sub(admitted);
        if admitted < REFRESH_BYTES && known >= self.low_watermark {
            return Ok(());
        }
        match self.refresh()? {
            free if free < self.low_watermark.saturating_add(bytes) => Err(BlobError::NoSpace),
            _ => Ok(()),
        }
    }

    /// What there is room for now.
    pub fn room(&self) -> Room {
        match self.admit(0) {
            Ok(()) => Room::Both,
            Err(BlobError::NoSpace) if self.free.load(Ordering::Relaxed) < self.low_watermark / 2 => Room::Neither,
            Err(_) => Room::Rows,
        }
    }

    /// Counts what was written besides bodies, so that rows alone are noticed too.
    pub fn wrote(&self, bytes: u64) {
        self.admitted.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Asks the file system.
    pub fn refresh(&self) -> io::Result<u64> {
        self.admitted.store(0, Ordering::Relaxed);
        let free = self.disk.free_bytes()?;
        self.free.store(free, Ordering::Relaxed);
        Ok(free)
    }

    /// Whether new bodies are refused, by what the file system says now.
    pub fn is_low(&self) -> io::Result<bool> {
        Ok(self.refresh()? < self.low_watermark)
    }
}
