//! A disk in memory that can lose what was not synced, fail, and fill up; the same seed gives the same disk.
//!
//! Model: a write is pending, sector by sector, until its file is synced; a name is pending until its directory is synced. A crash keeps what
//! was synced and any part of what was pending. What a failed sync covered is not pending any more: it is read until the crash, as from a cache, and no later
//! sync writes it.

mod crash;
mod gate;
mod inode;
mod state;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, RelPath};
pub use crash::Crash;
pub use gate::Gate;
use gate::Way;
use state::{Entry, State};

/// A simulated disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

impl SimDisk {
    pub fn new() -> Self {
        SimDisk::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs (of files and directories) so far.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Openings of files so far.
    pub fn opens(&self) -> u64 {
        self.state().opens
    }

    /// The `n`th sync (from 1) stops the disk before it does anything: it and every operation after it fail.
    pub fn freeze_at_sync(&self, n: u64) {
        self.state().freeze_at = Some(n);
    }

    /// Stops the disk now.
    pub fn freeze(&self) {
        self.state().frozen = true;
    }

    pub fn is_frozen(&self) -> bool {
        self.state().frozen
    }

    /// The disk as a power cut leaves it: what was synced, and the part of the rest that `crash` keeps. This one is left as it is.
    pub fn crash(&self, crash: Crash) -> SimDisk {
        SimDisk { state: Arc::new(Mutex::new(crash::after(&self.state(), crash))) }
    }

    /// From now on keeps an image of the disk as it is before each sync: every sync of a run can then be crashed at.
    pub fn record_images(&self) {
        self.state().images = Some(Vec::new());
    }

    /// The images since they were last taken, oldest first. Each is for [`crash`](Self::crash)ing, not for use.
    pub fn take_images(&self) -> Vec<SimDisk> {
        let images = self.state().images.as_mut().map(std::mem::take).unwrap_or_default();
        images.into_iter().map(|state| SimDisk { state: Arc::new(Mutex::new(state)) }).collect()
    }

    /// The `n`th write from now (from 1) fails with an input/output error and writes nothing.
    pub fn fail_write(&self, n: u64) {
        self.state().fail_write_in = n;
    }

    /// The `n`th sync of a file or directory from now (from 1) fails; what it covered will never be durable, unless it is written again. Zero: none fails.
    pub fn fail_sync(&self, n: u64) {
        self.state().fail_sync_in = n;
    }

    /// From now on every sync of the file stands at the gate until it is let through: so a test orders it among others.
    pub fn gate_syncs(&self, path: RelPath<'_>) -> io::Result<Gate> {
        let mut state = self.state();
        let inode = state.file_at(path)?;
        let way = Arc::new(Way::default());
        state.gates.insert(inode, Arc::clone(&way));
        Ok(Gate::of(way))
    }

    /// From now on every read of the file fails with an input/output error, as bad sectors make it.
    pub fn spoil(&self, path: RelPath<'_>) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.file_at(path)?;
        state.unreadable.insert(inode);
        Ok(())
    }

    /// Limits the bytes that files may have; none lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Whether every read has to wait for the medium.
    pub fn set_cold(&self, cold: bool) {
        self.state().cold = cold;
    }

    /// A number for what is on the disk, durable and not: equal for equal disks.
    pub fn digest(&self) -> u64 {
        self.state().digest()
    }

    /// Paths of all files, in order.
    pub fn files(&self) -> Vec<String> {
        let state = self.state();
        let files = state.entries.iter().filter(|(_, entry)| matches!(entry, Entry::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// Flips one bit of a stored byte, as media decay does.
    pub fn flip_bit(&self, path: RelPath<'_>, offset: u64, bit: u8) -> io::Result<()> {
        self.state().inode_of(path)?.flip(offset, bit)
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

impl Disk for SimDisk {
    fn open(&self, path: RelPath<'_>) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.alive()?;
        let inode = state.file_at(path)?;
        state.opens += 1;
        Ok(Arc::new(SimFile { state: self.state.clone(), inode }))
    }

    fn create(&self, path: RelPath<'_>) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.alive()?;
        let inode = state.create(path)?;
        Ok(Arc::new(SimFile { state: self.state.clone(), inode }))
    }

    fn create_dir_all(&self, path: RelPath<'_>) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.create_dir_all(path);
        Ok(())
    }

    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.rename(from, to)
    }

    fn unlink(&self, path: RelPath<'_>) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.unlink(path)
    }

    fn list(&self, dir: RelPath<'_>) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.alive()?;
        Ok(state.list(dir))
    }

    fn sync_dir(&self, dir: RelPath<'_>) -> io::Result<()> {
        let mut state = self.state();
        let fails = state.begin_sync()?;
        state.sync_dir(dir, fails)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.alive()?;
        Ok(state.free_bytes())
    }

    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        state.alive()?;
        if !state.locked.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock { state: self.state.clone(), path: path.to_owned() }))
    }

    fn host_path(&self) -> Option<&Path> {
        None
    }
}

struct Lock {
    state: Arc<Mutex<State>>,
    path: String,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).locked.remove(&self.path);
    }
}

#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    inode: u64,
}

impl SimFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        state.alive()?;
        if state.unreadable.contains(&self.inode) {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        Ok(state.inode(self.inode).read(buffer, offset))
    }

    fn read_at_once(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.state().cold {
            return Ok(None);
        }
        self.read_at(buffer, offset).map(Some)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.write(self.inode, bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.set_len(self.inode, len)
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.state();
        state.alive()?;
        Ok(state.inode(self.inode).len())
    }

    fn sync_data(&self) -> io::Result<()> {
        let gate = self.state().gates.get(&self.inode).cloned();
        if let Some(gate) = gate {
            gate.pass();
        }
        let mut state = self.state();
        let fails = state.begin_sync()?;
        state.inode(self.inode).sync(fails)
    }

    fn forget(&self, _offset: u64, _len: u64) {}

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.alive()?;
        state.preallocate(self.inode, len)
    }
}
