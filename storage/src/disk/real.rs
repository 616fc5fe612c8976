//! The host's files: the one place of this crate that may touch them.
//!
//! *Architecture invariant:* files are for their owner alone (0600, directories 0700), whatever the umask and the
//! directory above them are; and no symbolic link below the data directory is followed.
#![allow(clippy::disallowed_methods)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, AtFlags, Dir, FallocateFlags, FlockOperation, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::{Disk, DiskFile, RelPath};

/// No machine that this runs on has smaller pages; larger ones forget less.
const PAGE_BYTES: u64 = 4096;

/// How often a path is resolved again that changed meanwhile.
const OPEN_AGAIN: u32 = 100;

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// A directory of the host's file system.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    dir: OwnedFd,
}

impl RealDisk {
    /// Makes the directory if it is not there. One that is there keeps the access it was given: what is made in it is
    /// for its owner alone all the same.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(&root)?;
        let dir = File::open(&root)?.into();
        Ok(RealDisk { root, dir })
    }

    /// Opens what is below the data directory, by no symbolic link.
    fn open_below(&self, path: RelPath<'_>, flags: OFlags) -> io::Result<File> {
        debug_assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."));
        let path = if path.is_empty() { "." } else { path };
        let (flags, mode) = (flags | OFlags::CLOEXEC, Mode::from_raw_mode(FILE_MODE));
        let create_mode = if flags.contains(OFlags::CREATE) { mode } else { Mode::empty() };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let mut again = OPEN_AGAIN;
        let opened = loop {
            match rustix::fs::openat2(&self.dir, path, flags, create_mode, resolve) {
                // Somebody renamed a directory meanwhile.
                Err(Errno::AGAIN | Errno::INTR) if again > 0 => again -= 1,
                // A kernel before 5.6, or a sandbox that does not know the call: at least the last step follows no
                // link.
                Err(Errno::NOSYS | Errno::PERM) => {
                    break rustix::fs::openat(&self.dir, path, flags | OFlags::NOFOLLOW, create_mode);
                }
                other => break other,
            }
        };
        match opened {
            Ok(opened) => Ok(File::from(opened)),
            Err(Errno::LOOP) => {
                let text = format!(
                    "{}: a symbolic link in the data directory is not followed",
                    self.root.join(path).display()
                );
                Err(io::Error::other(text))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn open_dir(&self, path: RelPath<'_>) -> io::Result<File> {
        self.open_below(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The directory of a path, and its name there.
    fn place<'a>(&self, path: RelPath<'a>) -> io::Result<(File, &'a str)> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.open_dir(above)?, name))
    }
}

/// Takes away what others may do with what an older build made, or somebody changed. A file of another owner stays as
/// it is, as does one of a file system that has no modes.
fn make_private(file: &File, wanted: u32) -> io::Result<()> {
    let mode = file.metadata()?.mode();
    if mode & 0o077 != 0 {
        let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(wanted));
    }
    Ok(())
}

impl Disk for RealDisk {
    fn open(&self, path: RelPath<'_>) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.open_below(path, OFlags::RDWR)?;
        make_private(&file, FILE_MODE)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create(&self, path: RelPath<'_>) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.open_below(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create_dir_all(&self, path: RelPath<'_>) -> io::Result<()> {
        let mut above = self.open_dir("")?;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            let below = &path[..end];
            let name = below.rsplit('/').next().unwrap_or(below);
            match rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(DIR_MODE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            above = self.open_dir(below)?;
            make_private(&above, DIR_MODE)?;
        }
        Ok(())
    }

    fn rename(&self, from: RelPath<'_>, to: RelPath<'_>) -> io::Result<()> {
        let ((from, old), (to, new)) = (self.place(from)?, self.place(to)?);
        Ok(rustix::fs::renameat(from, old, to, new)?)
    }

    fn unlink(&self, path: RelPath<'_>) -> io::Result<()> {
        let (above, name) = self.place(path)?;
        Ok(rustix::fs::unlinkat(above, name, AtFlags::empty())?)
    }

    fn list(&self, dir: RelPath<'_>) -> io::Result<Vec<String>> {
        let dir = match self.open_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in Dir::new(OwnedFd::from(dir))? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            // Names that are not UTF-8 are not ours.
            names.extend(name.to_str().filter(|name| !matches!(*name, "." | "..")).map(str::to_owned));
        }
        Ok(names)
    }

    fn sync_dir(&self, dir: RelPath<'_>) -> io::Result<()> {
        self.open_dir(dir)?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let found = rustix::fs::fstatvfs(&self.dir)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn lock(&self, path: RelPath<'_>) -> io::Result<Box<dyn Send + Sync>> {
        let file = self.open_below(path, OFlags::RDWR | OFlags::CREATE)?;
        make_private(&file, FILE_MODE)?;
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
