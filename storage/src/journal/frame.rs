//! The frame's bytes, exactly as FORMAT.md has them.

use super::{FrameBody, JournalPosition};
use crate::checksum::Crc32c;
use crate::meta::engine::{EngineWrite, Table};
use crate::record::InstanceId;
use crate::types::{ContentHash, Seq, Timestamp};

pub const MAGIC: u32 = u32::from_le_bytes(*b"TJF1");
/// magic, length, crc: what the checksum does not cover.
pub const PREFIX_BYTES: usize = 12;
/// The whole head: the prefix, Seq, time, how many rows, how many bodies.
pub const HEAD_BYTES: usize = PREFIX_BYTES + 8 + TIME_BYTES + 4 + 4;
/// When the batch was committed: for whoever reads a journal, not for replay.
const TIME_BYTES: usize = 8;
/// What stands before a body's bytes.
pub const BODY_HEAD_BYTES: usize = 32 + 8 + 4;
/// No frame is longer; a length above it is damage.
pub const FRAME_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A body that was met in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundBody {
    pub hash: ContentHash,
    pub instance: InstanceId,
    /// Of its bytes, in the file.
    pub offset: u64,
    pub len: u32,
}

/// Writes a frame into `out` (cleared first), as it will stand at `at`. The CRC begins with the place, so a frame's bytes are
/// a frame nowhere else, whatever a client may store in a body.
pub fn encode(
    out: &mut Vec<u8>,
    at: JournalPosition,
    seq: Seq,
    now: Timestamp,
    bodies: &[FrameBody],
    rows: &[EngineWrite],
) {
    out.clear();
    out.resize(PREFIX_BYTES, 0);
    out.extend_from_slice(&seq.get().to_le_bytes());
    out.extend_from_slice(&now.as_micros().to_le_bytes());
    out.extend_from_slice(&count(rows.len()));
    out.extend_from_slice(&count(bodies.len()));
    for body in bodies {
        out.extend_from_slice(body.hash.as_bytes());
        out.extend_from_slice(&body.instance.get().to_le_bytes());
        out.extend_from_slice(&count(body.bytes.len()));
        out.extend_from_slice(&body.bytes);
    }
    for row in rows {
        encode_row(out, row);
    }
    let crc = crc(at, &out[PREFIX_BYTES..]);
    out[..4].copy_from_slice(&MAGIC.to_le_bytes());
    let length = count(out.len());
    out[4..8].copy_from_slice(&length);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
}

fn encode_row(out: &mut Vec<u8>, row: &EngineWrite) {
    out.push(row.table as u8);
    out.extend_from_slice(&u16::try_from(row.key.len()).expect("engine keys are shorter than 64 KiB").to_le_bytes());
    out.extend_from_slice(&row.key);
    match &row.value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            out.extend_from_slice(&count(value.len()));
            out.extend_from_slice(value);
        }
    }
}

fn count(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("a frame is shorter than 4 GiB").to_le_bytes()
}

fn crc(at: JournalPosition, covered: &[u8]) -> u32 {
    let mut crc = Crc32c::at(at.file, at.offset);
    crc.update(covered);
    crc.finish()
}

/// The length that a frame's prefix claims; none if this is no frame.
pub fn claimed_length(prefix: &[u8; PREFIX_BYTES]) -> Option<usize> {
    let mut cursor = Cursor(prefix);
    let magic = cursor.u32()?;
    let length = cursor.u32()? as usize;
    (magic == MAGIC && (HEAD_BYTES..=FRAME_BYTES_MAX).contains(&length)).then_some(length)
}

/// A frame whose checksum was right.
pub struct Frame<'a> {
    pub seq: Seq,
    rows: usize,
    bodies: usize,
    /// Where the frame stands in its file.
    offset: u64,
    whole: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks the bytes of exactly one frame that stands at `at`.
    pub fn verify(whole: &'a [u8], at: JournalPosition) -> Option<Self> {
        let (prefix, covered) = whole.split_first_chunk::<PREFIX_BYTES>()?;
        let stored = u32::from_le_bytes(prefix[8..12].try_into().ok()?);
        if claimed_length(prefix)? != whole.len() || crc(at, covered) != stored {
            return None;
        }
        Frame::parse(whole, at.offset)
    }

    /// The same of bytes that have been verified.
    pub fn parse(whole: &'a [u8], offset: u64) -> Option<Self> {
        let mut cursor = Cursor(whole.get(PREFIX_BYTES..)?);
        let seq = Seq::new(cursor.u64()?);
        cursor.take(TIME_BYTES)?;
        let rows = cursor.u32()? as usize;
        let bodies = cursor.u32()? as usize;
        Some(Frame { seq, rows, bodies, offset, whole })
    }

    /// All of it, as it stands in its file.
    pub fn bytes(&self) -> &'a [u8] {
        self.whole
    }

    /// The bodies, in order; none if the frame's inside contradicts itself.
    pub fn bodies(&self) -> Option<Vec<FoundBody>> {
        self.parse_bodies().map(|(bodies, _)| bodies)
    }

    /// The engine writes, in order; none if the frame's inside contradicts itself.
    pub fn rows(&self) -> Option<Vec<EngineWrite>> {
        let (_, mut cursor) = self.parse_bodies()?;
        let mut rows = Vec::with_capacity(self.rows.min(cursor.0.len()));
        for _ in 0..self.rows {
            rows.push(parse_row(&mut cursor)?);
        }
        cursor.0.is_empty().then_some(rows)
    }

    fn parse_bodies(&self) -> Option<(Vec<FoundBody>, Cursor<'a>)> {
        let mut cursor = Cursor(self.whole.get(HEAD_BYTES..)?);
        let mut bodies = Vec::with_capacity(self.bodies.min(cursor.0.len() / BODY_HEAD_BYTES));
        for _ in 0..self.bodies {
            let hash = ContentHash::from_bytes(*cursor.chunk()?);
            let instance = InstanceId::new(cursor.u64()?);
            let len = cursor.u32()?;
            let offset = self.offset + (self.whole.len() - cursor.0.len()) as u64;
            cursor.take(len as usize)?;
            bodies.push(FoundBody { hash, instance, offset, len });
        }
        Some((bodies, cursor))
    }
}

fn parse_row(cursor: &mut Cursor<'_>) -> Option<EngineWrite> {
    let table = Table::from_number(cursor.chunk::<1>()?[0])?;
    let key_len = u16::from_le_bytes(*cursor.chunk()?);
    let key = cursor.take(usize::from(key_len))?.to_vec();
    let value = match cursor.chunk::<1>()? {
        [0] => None,
        [1] => {
            let len = cursor.u32()? as usize;
            Some(cursor.take(len)?.to_vec())
        }
        _ => return None,
    };
    Some(EngineWrite { table, key, value })
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }
}
