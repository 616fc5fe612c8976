use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;

use super::gate::Way;
use super::inode::Inode;
use super::parent;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    Dir,
    File(u64),
}

#[derive(Clone, Debug)]
pub enum NameChange {
    Put(String, Entry),
    Remove(String),
    Rename(String, String),
}

impl NameChange {
    pub fn apply(&self, names: &mut BTreeMap<String, Entry>) {
        match self {
            NameChange::Put(path, entry) => drop(names.insert(path.clone(), *entry)),
            NameChange::Remove(path) => drop(names.remove(path)),
            NameChange::Rename(from, to) => {
                if let Some(entry) = names.remove(from) {
                    names.insert(to.clone(), entry);
                }
            }
        }
    }

    fn dir(&self) -> &str {
        match self {
            NameChange::Put(path, _) | NameChange::Remove(path) | NameChange::Rename(_, path) => parent(path),
        }
    }
}

/// A change of names that its directory's sync has not made durable.
#[derive(Clone, Debug)]
pub struct EntryOp {
    pub tick: u64,
    pub change: NameChange,
}

#[derive(Clone, Debug, Default)]
pub struct State {
    /// Files by number; an unlinked one stays for those who have it open.
    pub inodes: BTreeMap<u64, Inode>,
    pub entries: BTreeMap<String, Entry>,
    pub durable: BTreeMap<String, Entry>,
    pub pending: Vec<EntryOp>,
    pub locked: BTreeSet<String>,
    pub syncs: u64,
    pub opens: u64,
    pub freeze_at: Option<u64>,
    pub frozen: bool,
    /// Counts down; the one that reaches zero fails. Zero: none will.
    pub fail_write_in: u64,
    pub fail_sync_in: u64,
    pub capacity: Option<u64>,
    /// Files that cannot be read.
    pub unreadable: BTreeSet<u64>,
    /// Where syncs of a file stand.
    pub gates: BTreeMap<u64, Arc<Way>>,
    /// Nothing can be read at once.
    pub cold: bool,
    /// The state before each sync, while they are asked for.
    pub images: Option<Vec<State>>,
    tick: u64,
}

pub fn failed_sync() -> io::Error {
    io::Error::other("simulated: the sync failed")
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "simulated: no space left")
}

impl State {
    pub fn recovered(entries: BTreeMap<String, Entry>, inodes: BTreeMap<u64, Inode>, before: &State) -> State {
        let durable = entries.clone();
        State { inodes, entries, durable, capacity: before.capacity, tick: before.tick, ..State::default() }
    }

    pub fn alive(&mut self) -> io::Result<()> {
        self.tick += 1;
        if self.frozen { Err(io::Error::other("simulated: the power is off")) } else { Ok(()) }
    }

    /// Counts a sync. True: it is to fail.
    pub fn begin_sync(&mut self) -> io::Result<bool> {
        if let Some(mut images) = self.images.take() {
            images.push(self.clone());
            self.images = Some(images);
        }
        self.syncs += 1;
        if self.freeze_at == Some(self.syncs) {
            self.frozen = true;
        }
        self.alive()?;
        Ok(counts_down(&mut self.fail_sync_in))
    }

    pub fn digest(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        for (number, inode) in &self.inodes {
            number.hash(&mut hasher);
            inode.hash(&mut hasher);
        }
        (&self.entries, &self.durable, self.pending.len()).hash(&mut hasher);
        hasher.finish()
    }

    pub fn pending_ticks(&self) -> BTreeSet<u64> {
        let names = self.pending.iter().map(|op| op.tick);
        names.chain(self.inodes.values().flat_map(Inode::ticks)).collect()
    }

    pub fn inode(&mut self, number: u64) -> &mut Inode {
        self.inodes.entry(number).or_default()
    }

    pub fn file_at(&self, path: &str) -> io::Result<u64> {
        match self.entries.get(path) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub fn inode_of(&mut self, path: &str) -> io::Result<&mut Inode> {
        let number = self.file_at(path)?;
        Ok(self.inode(number))
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.entries);
        self.pending.push(EntryOp { tick: self.tick, change });
    }

    pub fn create(&mut self, path: &str) -> io::Result<u64> {
        if self.entries.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !parent(path).is_empty() && self.entries.get(parent(path)) != Some(&Entry::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let number = self.inodes.last_key_value().map_or(1, |(last, _)| last + 1);
        self.inodes.insert(number, Inode::default());
        self.change(NameChange::Put(path.to_owned(), Entry::File(number)));
        Ok(number)
    }

    pub fn create_dir_all(&mut self, path: &str) {
        if path.is_empty() || self.entries.contains_key(path) {
            return;
        }
        self.create_dir_all(parent(path));
        self.change(NameChange::Put(path.to_owned(), Entry::Dir));
    }

    pub fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.file_at(from)?;
        self.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub fn unlink(&mut self, path: &str) -> io::Result<()> {
        self.file_at(path)?;
        self.change(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    pub fn list(&self, dir: &str) -> Vec<String> {
        // What is below a directory is together: between its name with a slash and with the character after the slash.
        let below = match dir {
            "" => self.entries.range::<str, _>(..),
            dir => self.entries.range(format!("{dir}/")..format!("{dir}0")),
        };
        let inside = below.map(|(path, _)| path).filter(|path| parent(path) == dir);
        inside.map(|path| path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name).to_owned()).collect()
    }

    pub fn sync_dir(&mut self, dir: &str, fails: bool) -> io::Result<()> {
        if !dir.is_empty() && self.entries.get(dir) != Some(&Entry::Dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (synced, rest) = std::mem::take(&mut self.pending).into_iter().partition(|op| op.change.dir() == dir);
        self.pending = rest;
        let synced: Vec<EntryOp> = synced;
        if fails {
            return Err(failed_sync());
        }
        synced.iter().for_each(|op| op.change.apply(&mut self.durable));
        Ok(())
    }

    fn used(&self) -> u64 {
        let allocated = |entry: &Entry| match entry {
            Entry::Dir => 0,
            Entry::File(inode) => self.inodes.get(inode).map_or(0, Inode::allocated),
        };
        self.entries.values().map(allocated).sum()
    }

    pub fn free_bytes(&self) -> u64 {
        self.capacity.map_or(1 << 50, |capacity| capacity.saturating_sub(self.used()))
    }

    /// Room for a file to have `len` bytes.
    fn make_room(&self, inode: u64, len: u64) -> io::Result<()> {
        let allocated = self.inodes.get(&inode).map_or(0, Inode::allocated);
        let fits = self.capacity.is_none() || len.saturating_sub(allocated) <= self.free_bytes();
        if fits { Ok(()) } else { Err(full()) }
    }

    pub fn write(&mut self, inode: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        if counts_down(&mut self.fail_write_in) {
            return Err(io::Error::other("simulated: the write failed"));
        }
        let tick = self.tick;
        if let Err(error) = self.make_room(inode, offset + bytes.len() as u64) {
            // As a kernel does: what fits is written.
            let some = usize::try_from(self.free_bytes()).unwrap_or(usize::MAX).min(bytes.len());
            if some > 0 && self.inode(inode).len() == offset {
                self.inode(inode).write(tick, &bytes[..some], to_usize(offset));
            }
            return Err(error);
        }
        self.inode(inode).write(tick, bytes, to_usize(offset));
        Ok(())
    }

    pub fn set_len(&mut self, inode: u64, len: u64) -> io::Result<()> {
        self.make_room(inode, len)?;
        let tick = self.tick;
        self.inode(inode).set_len(tick, to_usize(len));
        Ok(())
    }

    pub fn preallocate(&mut self, inode: u64, len: u64) -> io::Result<()> {
        self.make_room(inode, len)?;
        self.inode(inode).reserve(len);
        Ok(())
    }
}

fn counts_down(count: &mut u64) -> bool {
    let was = *count;
    *count = was.saturating_sub(1);
    was == 1
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("a simulated file fits the memory")
}
