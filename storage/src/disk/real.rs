//! The host's files: the one place of this crate that may touch them.
#![allow(clippy::disallowed_methods)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, FlockOperation};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::{Disk, DiskFile, RelPath};

/// No machine that this runs on has smaller pages; larger ones forget less.
const PAGE_BYTES: u64 = 4096;

/// A directory of the host's file system.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// Makes the directory if it is not there.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root)?;
        Ok(RealDisk { root })
    }

    fn at(&self, path: RelPath<'_>) -> PathBuf {
        debug_assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."));
        self.root.join(path)
    }
}

impl Disk for RealDisk {
    fn open(&self, path: RelPath<'_>) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.at(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create(&self, path: RelPath<'_>) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.at(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create_dir_all(&self, path: RelPath<'_>) -> io::Result<()> {
        fs::create_dir_all(self.at(path))
    }

    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn unlink(&self, path: RelPath<'_>) -> io::Result<()> {
        fs::remove_file(self.at(path))
    }

    fn list(&self, dir: RelPath<'_>) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.at(dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        // Names that are not UTF-8 are not ours.
        entries.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose()).collect()
    }

    fn sync_dir(&self, dir: RelPath<'_>) -> io::Result<()> {
        File::open(self.at(dir))?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let found = rustix::fs::statvfs(&self.root)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.at(path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }

    fn host_path(&self) -> Option<&Path> {
        Some(&self.root)
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.0.read_at(&mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn read_at_once(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        let mut read = 0;
        while read < buffer.len() {
            let rest = &mut [IoSliceMut::new(&mut buffer[read..])];
            match preadv2(&self.0, rest, offset + read as u64, ReadWriteFlags::NOWAIT) {
                // The end; but Linux 5.9 and 5.10 say so too of what is not in memory, and only a read that waits can tell.
                Ok(0) => return Ok(None),
                Ok(bytes) => read += bytes,
                Err(Errno::INTR) => {}
                // Not in memory, or a file system that cannot say.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(read))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn forget(&self, offset: u64, len: u64) {
        // Only whole pages are forgotten: those at the edges are meant too.
        let from = offset - offset % PAGE_BYTES;
        let len = NonZeroU64::new((offset + len).next_multiple_of(PAGE_BYTES) - from);
        if let Some(len) = len {
            // A hint that is not taken costs nothing but the truth about the medium.
            let _ = rustix::fs::fadvise(&self.0, from, Some(len), Advice::DontNeed);
        }
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, FallocateFlags::KEEP_SIZE, 0, len) {
            // Not every file system can; space is then found as it is written.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            other => Ok(other?),
        }
    }
}
