//! The file system behind a trait: real, and simulated. Nothing else in this crate may touch files.
//!
//! *Architecture invariant:* paths are relative to the data directory and made by this crate; no client's bytes ever become a path.

mod real;
mod sim;

#[cfg(test)]
mod tests;

pub use real::RealDisk;
pub use sim::{Crash, Gate, SimDisk};

use std::io;
use std::sync::Arc;

/// A path inside the data directory: `/`-separated, never absolute, never `..`.
pub type RelPath<'a> = &'a str;

/// A data directory.
pub trait Disk: Send + Sync + 'static {
    /// Opens an existing file for reading and writing.
    fn open(&self, path: RelPath<'_>) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a new file; `AlreadyExists` if there is one. Its entry is durable after [`sync_dir`](Self::sync_dir).
    fn create(&self, path: RelPath<'_>) -> io::Result<Arc<dyn DiskFile>>;
    fn create_dir_all(&self, path: RelPath<'_>) -> io::Result<()>;
    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>) -> io::Result<()>;
    fn unlink(&self, path: RelPath<'_>) -> io::Result<()>;
    /// Names in a directory, in no order; an absent directory is empty.
    fn list(&self, dir: RelPath<'_>) -> io::Result<Vec<String>>;
    fn sync_dir(&self, dir: RelPath<'_>) -> io::Result<()>;
    /// Bytes that can still be written.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Takes the exclusive lock of the directory, for as long as the value lives. `WouldBlock` if another process has it.
    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Send + Sync>>;
    /// The directory on the host, for engines that open their own files; none on a simulated disk.
    fn host_path(&self) -> Option<&std::path::Path>;
}

/// An open file. Positions are explicit, so one handle serves many threads.
pub trait DiskFile: Send + Sync {
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// The same without waiting for the medium; none: that cannot be had, or it may be the end: ask [`read_at`](Self::read_at).
    fn read_at_once(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Makes data and length durable (`fdatasync`). After an error nothing is known: never retried.
    fn sync_data(&self) -> io::Result<()>;
    /// Asks that the next read of this range comes from the medium and not from memory. A hint: what has not been written yet, or is in use, stays.
    fn forget(&self, offset: u64, len: u64);
    /// Reserves space without changing the length that is read, where the file system can.
    fn preallocate(&self, len: u64) -> io::Result<()>;
}
