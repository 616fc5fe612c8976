//! CRC32C, as journal frames, small bodies and piece blocks carry it.

use crc_fast::{CrcAlgorithm, Digest};

use crate::record::InstanceId;

/// A CRC32C (Castagnoli) in the making.
#[derive(Debug, Clone)]
pub(crate) struct Crc32c(Digest);

impl Crc32c {
    pub fn new() -> Self {
        Crc32c(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    /// Begins with the place the bytes belong to, so that intact bytes in the wrong place do not pass.
    pub fn at(place: u64, offset: u64) -> Self {
        let mut head = [0; 16];
        head[..8].copy_from_slice(&place.to_le_bytes());
        head[8..].copy_from_slice(&offset.to_le_bytes());
        let mut crc = Crc32c::new();
        crc.update(&head);
        crc
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finish(&self) -> u32 {
        u32::try_from(self.0.finalize()).expect("a CRC32C has 32 bits")
    }
}

/// The checksum of one block of an instance's data; `offset` is where the block begins in it. A small body is one block at 0.
pub(crate) fn block_crc(instance: InstanceId, offset: u64, data: &[u8]) -> u32 {
    let mut crc = Crc32c::at(instance.get(), offset);
    crc.update(data);
    crc.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_castagnoli() {
        let mut crc = Crc32c::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.finish(), 0xE306_9283);
    }

    #[test]
    fn instance_and_offset_are_part_of_it() {
        let crc = block_crc(InstanceId::new(1), 0, b"data");
        assert_ne!(crc, block_crc(InstanceId::new(2), 0, b"data"));
        assert_ne!(crc, block_crc(InstanceId::new(1), 65536, b"data"));
    }
}
