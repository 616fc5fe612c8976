//! Space that is kept for a full disk: given back when a frame finds no room, taken again when there is room.

use std::io;

use crate::disk::Disk;

const FILE: &str = "reserve";

pub(crate) struct Reserve {
    bytes: u64,
    /// Free bytes below which the reserve is not taken again.
    low_watermark: u64,
    held: bool,
}

impl Reserve {
    pub fn new(bytes: u64, low_watermark: u64) -> Self {
        Reserve { bytes, low_watermark, held: false }
    }

    /// Takes the reserve when it is not held and the disk has room for it and more. What cannot be taken now is tried
    /// again at the next checkpoint.
    pub fn take(&mut self, disk: &dyn Disk) {
        if self.held || self.bytes == 0 {
            return;
        }
        match self.try_take(disk) {
            Ok(held) => self.held = held,
            Err(error) => tracing::warn!(%error, "the reserve for a full disk could not be taken"),
        }
    }

    fn try_take(&self, disk: &dyn Disk) -> io::Result<bool> {
        if let Ok(file) = disk.open(FILE) {
            if file.len()? >= self.bytes {
                return Ok(true);
            }
            disk.unlink(FILE)?;
        }
        if disk.free_bytes()? < self.low_watermark.saturating_add(self.bytes) {
            return Ok(false);
        }
        let file = disk.create(FILE)?;
        file.preallocate(self.bytes)?;
        file.set_len(self.bytes)?;
        file.sync_data()?;
        disk.sync_dir("")?;
        Ok(true)
    }

    /// Gives the reserve back to the file system. False: there is nothing to give.
    pub fn give(&mut self, disk: &dyn Disk) -> bool {
        std::mem::replace(&mut self.held, false) && disk.unlink(FILE).is_ok()
    }
}
