use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use super::JournalError;
use super::frame::FoundBody;
use super::scan::{Ended, Scan};
use crate::disk::{Disk, DiskFile};

pub const DIR: &str = "journal";
/// Handles kept open for reads.
const OPEN_FILES_MAX: usize = 256;

/// The journal's files as readers and the collector see them. Shared; thread-safe.
pub(crate) struct JournalFiles {
    disk: Arc<dyn Disk>,
    open: RwLock<HashMap<u64, Arc<dyn DiskFile>>>,
}

pub fn path_of(file: u64) -> String {
    format!("{DIR}/{file:016x}.jnl")
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jnl")?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

impl JournalFiles {
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        JournalFiles { disk, open: RwLock::default() }
    }

    /// Numbers of the files there are, oldest first.
    pub fn list(&self) -> io::Result<Vec<u64>> {
        let mut numbers: Vec<u64> = self.disk.list(DIR)?.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// An open handle, which outlives the file's name. `NotFound` when the file has been removed since a row was read that names it: the
    /// body has moved, look it up again.
    pub fn handle(&self, file: u64) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(handle) = self.open.read().unwrap_or_else(PoisonError::into_inner).get(&file) {
            return Ok(handle.clone());
        }
        let handle = self.disk.open(&path_of(file))?;
        self.keep(file, handle.clone());
        Ok(handle)
    }

    pub(super) fn keep(&self, file: u64, handle: Arc<dyn DiskFile>) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_FILES_MAX {
            open.clear();
        }
        open.insert(file, handle);
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Visits every body of a file, frame by frame, for compaction and checks. A frame that the writer has not finished ends the walk.
    pub fn bodies(&self, file: u64, visit: &mut dyn FnMut(FoundBody)) -> Result<(), JournalError> {
        let mut scan = Scan::new(self.handle(file)?, file, 0)?;
        while let Some(frame) = scan.next()? {
            let inside = "a frame contradicts itself";
            let found = frame.bodies().ok_or(JournalError::Damaged { file, offset: 0, reason: inside })?;
            found.into_iter().for_each(&mut *visit);
        }
        match scan.ended() {
            Ended::Whole | Ended::Torn => Ok(()),
            Ended::Damaged => Err(JournalError::Damaged {
                file,
                offset: scan.offset(),
                reason: "a good frame stands behind a bad one",
            }),
        }
    }

    /// Bytes in a file; for reports.
    pub fn len(&self, file: u64) -> io::Result<u64> {
        self.handle(file)?.len()
    }

    /// Removes a file that is wholly below the checkpoint and holds no live body. Not synced: a file that comes back after
    /// a crash has no live body still, and is found and removed again.
    pub fn remove(&self, file: u64) -> io::Result<()> {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&file);
        match self.disk.unlink(&path_of(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
