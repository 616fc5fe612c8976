//! Piece files: data, then a footer with a CRC32C for each block.

use std::io;
use std::sync::Arc;

use super::{BLOCK_BYTES, PIECE_BYTES};
use crate::checksum::{Crc32c, block_crc};
use crate::disk::{Disk, DiskFile};
use crate::record::InstanceId;
use crate::types::ContentHash;

const DIR: &str = "pieces";
const MAGIC: u32 = u32::from_le_bytes(*b"TPF1");
/// instance, data length, BLAKE3, magic, CRC32C of the footer.
const TRAILER_BYTES: usize = 8 + 8 + 32 + 4 + 4;

pub fn dir_of(instance: InstanceId) -> String {
    format!("{DIR}/{:02x}", instance.get() as u8)
}

pub fn path_of(instance: InstanceId) -> String {
    format!("{DIR}/{:02x}/{:016x}", instance.get() as u8, instance.get())
}

/// Makes the 256 directories unless they are there, durably: also those that a process made which died before its sync.
pub fn make_dirs(disk: &dyn Disk) -> io::Result<()> {
    if disk.list(DIR)?.len() < 256 {
        for low in 0..=u8::MAX {
            disk.create_dir_all(&format!("{DIR}/{low:02x}"))?;
        }
    }
    disk.sync_dir(DIR)?;
    disk.sync_dir("")
}

/// Visits the instance of every piece file.
pub fn each(disk: &dyn Disk, visit: &mut dyn FnMut(InstanceId) -> io::Result<()>) -> io::Result<()> {
    for low in 0..=u8::MAX {
        for name in disk.list(&format!("{DIR}/{low:02x}"))? {
            if let Ok(id) = u64::from_str_radix(&name, 16)
                && name.len() == 16
                && id as u8 == low
            {
                visit(InstanceId::new(id))?;
            }
        }
    }
    Ok(())
}

/// Builds a footer while the data goes by.
pub struct FooterBuilder {
    instance: InstanceId,
    len: u64,
    hasher: blake3::Hasher,
    /// Of the block under way.
    block: Option<Crc32c>,
    bytes: Vec<u8>,
}

impl FooterBuilder {
    pub fn new(instance: InstanceId) -> Self {
        FooterBuilder { instance, len: 0, hasher: blake3::Hasher::new(), block: None, bytes: Vec::new() }
    }

    /// Takes data in order, in parts of any length.
    pub fn update(&mut self, mut data: &[u8]) {
        self.hasher.update(data);
        while !data.is_empty() {
            let left = BLOCK_BYTES - (self.len % BLOCK_BYTES as u64) as usize;
            let (part, rest) = data.split_at(data.len().min(left));
            let crc = self.block.get_or_insert_with(|| Crc32c::at(self.instance.get(), self.len));
            crc.update(part);
            self.len += part.len() as u64;
            if part.len() == left {
                self.end_block();
            }
            data = rest;
        }
    }

    fn end_block(&mut self) {
        if let Some(crc) = self.block.take() {
            self.bytes.extend_from_slice(&crc.finish().to_le_bytes());
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn finish(mut self) -> (ContentHash, Vec<u8>) {
        self.end_block();
        let hash = ContentHash::from_bytes(*self.hasher.finalize().as_bytes());
        self.bytes.extend_from_slice(&self.instance.get().to_le_bytes());
        self.bytes.extend_from_slice(&self.len.to_le_bytes());
        self.bytes.extend_from_slice(hash.as_bytes());
        self.bytes.extend_from_slice(&MAGIC.to_le_bytes());
        let crc = whole_crc(&self.bytes);
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        (hash, self.bytes)
    }
}

fn whole_crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc32c::new();
    crc.update(bytes);
    crc.finish()
}

/// An open piece file whose footer was right.
pub struct PieceFile {
    handle: Arc<dyn DiskFile>,
    instance: InstanceId,
    footer: Vec<u8>,
}

impl PieceFile {
    /// Opens an instance of `len` data bytes. None when the footer does not verify or is another blob's.
    pub fn open(disk: &dyn Disk, instance: InstanceId, hash: &ContentHash, len: u64) -> io::Result<Option<Self>> {
        let handle = disk.open(&path_of(instance))?;
        let Some(footer) = load_footer(&*handle, instance, len)? else { return Ok(None) };
        let named = footer_hash(&footer) == Some(*hash);
        Ok(named.then_some(PieceFile { handle, instance, footer }))
    }

    pub fn handle(&self) -> &dyn DiskFile {
        &*self.handle
    }

    /// The next reads, also of the footer by the next opening, come from the medium.
    pub fn forget(&self) {
        self.handle.forget(0, (PIECE_BYTES + footer_length(PIECE_BYTES as u64)) as u64);
    }

    /// True if `data`, read from `offset` (a block's begin) on and ending at a block's end or the data's, is what was written there.
    pub fn verify(&self, offset: u64, data: &[u8]) -> bool {
        let first = offset / BLOCK_BYTES as u64;
        data.chunks(BLOCK_BYTES).zip(first..).all(|(block, index)| {
            self.stored_crc(index) == Some(block_crc(self.instance, index * BLOCK_BYTES as u64, block))
        })
    }

    fn stored_crc(&self, block: u64) -> Option<u32> {
        let at = usize::try_from(block).ok()? * 4;
        Some(u32::from_le_bytes(self.footer.get(at..at + 4)?.try_into().ok()?))
    }
}

fn footer_length(len: u64) -> usize {
    // Bounded by the caller: at most a piece.
    len.div_ceil(BLOCK_BYTES as u64) as usize * 4 + TRAILER_BYTES
}

fn load_footer(handle: &dyn DiskFile, instance: InstanceId, len: u64) -> io::Result<Option<Vec<u8>>> {
    if len > PIECE_BYTES as u64 {
        return Ok(None);
    }
    let mut footer = vec![0; footer_length(len)];
    if handle.read_at(&mut footer, len)? < footer.len() {
        return Ok(None);
    }
    let (covered, stored) = footer.split_at(footer.len() - 4);
    let trailer = &covered[covered.len() - (TRAILER_BYTES - 4)..];
    let right = stored == whole_crc(covered).to_le_bytes()
        && trailer[..8] == instance.get().to_le_bytes()
        && trailer[8..16] == len.to_le_bytes()
        && trailer[48..52] == MAGIC.to_le_bytes();
    Ok(right.then_some(footer))
}

fn footer_hash(footer: &[u8]) -> Option<ContentHash> {
    let trailer = footer.get(footer.len().checked_sub(TRAILER_BYTES)?..)?;
    Some(ContentHash::from_bytes(*trailer.get(16..)?.first_chunk()?))
}
