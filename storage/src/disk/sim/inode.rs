use std::io;

use super::crash::Chance;
use super::state::failed_sync;

pub const SECTOR: usize = 512;

/// A file's bytes: as they are read now, as they are durable, and how the one becomes the other.
#[derive(Clone, Debug, Default, Hash)]
pub struct Inode {
    data: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
    reserved: u64,
}

/// Something that happened to a file since its last sync.
#[derive(Clone, Debug, Hash)]
struct Pending {
    /// When, on the disk's own count.
    tick: u64,
    what: What,
}

#[derive(Clone, Debug, Hash)]
enum What {
    /// Whole sectors (the last may end with the file), as they were in the cache after the write.
    Sectors {
        offset: usize,
        image: Vec<u8>,
        /// It made the file longer. What lies inside a length that was set before does not.
        extends: bool,
    },
    Length(usize),
}

impl Inode {
    pub fn len(&self) -> u64 {
        self.data.len() as u64
    }

    /// Bytes that this file takes from the disk.
    pub fn allocated(&self) -> u64 {
        self.len().max(self.reserved)
    }

    pub fn reserve(&mut self, len: u64) {
        self.reserved = self.reserved.max(len);
    }

    pub fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let from = self.data.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let read = buffer.len().min(self.data.len() - from);
        buffer[..read].copy_from_slice(&self.data[from..from + read]);
        read
    }

    pub fn write(&mut self, tick: u64, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        let extends = self.data.len() < end;
        if extends {
            self.data.resize(end, 0);
        }
        self.data[offset..end].copy_from_slice(bytes);
        let first = offset - offset % SECTOR;
        let last = end.next_multiple_of(SECTOR).min(self.data.len());
        let image = self.data[first..last].to_vec();
        self.pending.push(Pending { tick, what: What::Sectors { offset: first, image, extends } });
    }

    pub fn set_len(&mut self, tick: u64, len: usize) {
        self.data.resize(len, 0);
        self.reserved = self.reserved.min(len as u64);
        self.pending.push(Pending { tick, what: What::Length(len) });
    }

    /// Makes what is pending durable; or, failing, forgets that it ever was pending, as a kernel's cache does.
    pub fn sync(&mut self, fails: bool) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        if fails {
            return Err(failed_sync());
        }
        for Pending { what, .. } in pending {
            match what {
                What::Length(len) => self.durable.resize(len, 0),
                What::Sectors { offset, image, .. } => place(&mut self.durable, offset, &image),
            }
        }
        Ok(())
    }

    pub fn flip(&mut self, offset: u64, bit: u8) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        for bytes in [&mut self.data, &mut self.durable] {
            let byte = bytes.get_mut(at).ok_or(io::ErrorKind::UnexpectedEof)?;
            *byte ^= 1 << bit;
        }
        Ok(())
    }

    pub fn ticks(&self) -> impl Iterator<Item = u64> {
        self.pending.iter().map(|pending| pending.tick)
    }

    /// The file after a crash that kept what `chance` says.
    pub fn after(&self, chance: &mut Chance) -> Inode {
        let mut bytes = self.durable.clone();
        for Pending { tick, what } in &self.pending {
            match what {
                What::Length(len) if chance.keeps(*tick) => bytes.resize(*len, 0),
                What::Length(_) => {}
                What::Sectors { offset, image, extends } => {
                    let sectors = image.len().div_ceil(SECTOR);
                    for (index, sector) in image.chunks(SECTOR).enumerate() {
                        let at = offset + index * SECTOR;
                        if !extends && at >= bytes.len() {
                            // Its length was lost, and so is what lies behind the end.
                            break;
                        }
                        if chance.keeps_sector(*tick, index, sectors) {
                            place(&mut bytes, at, sector);
                        } else if at >= self.durable.len() && chance.leaves_garbage(*tick) {
                            place(&mut bytes, at, &vec![0xa5; sector.len()]);
                        }
                    }
                }
            }
        }
        if !self.pending.is_empty() {
            match chance.length() {
                Length::Kept => {}
                Length::Written => bytes.resize(self.data.len().max(bytes.len()), 0),
                // Data that lies behind a length that was not kept is not there.
                Length::Synced => bytes.truncate(bytes.len().min(self.durable.len())),
            }
        }
        Inode { data: bytes.clone(), durable: bytes, pending: Vec::new(), reserved: 0 }
    }
}

/// Which length a file with pending writes has after a crash.
pub enum Length {
    Kept,
    Written,
    Synced,
}

fn place(bytes: &mut Vec<u8>, offset: usize, image: &[u8]) {
    let end = offset + image.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(image);
}
