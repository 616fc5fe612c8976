use std::io;
use std::sync::Arc;

use super::frame::{self, Frame, HEAD_BYTES, MAGIC, PREFIX_BYTES};
use super::{JournalError, JournalPosition};
use crate::disk::DiskFile;
use crate::types::Seq;

/// How much is read at once when looking for a frame behind a bad one.
const SEARCH_BYTES: usize = 256 * 1024;

/// What stands where no further good frame does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The last frame ends with the file.
    Whole,
    /// A frame that was never acknowledged, or space without one.
    Torn,
    /// A good frame follows a bad one: synced bytes have changed.
    Damaged,
}

/// Walks the frames of one file.
pub struct Scan {
    handle: Arc<dyn DiskFile>,
    file: u64,
    len: u64,
    offset: u64,
    last: Option<Seq>,
    buffer: Vec<u8>,
    ended: Ended,
}

impl Scan {
    pub fn new(handle: Arc<dyn DiskFile>, file: u64, offset: u64) -> io::Result<Self> {
        let len = handle.len()?;
        Ok(Scan { handle, file, len, offset, last: None, buffer: Vec::new(), ended: Ended::Whole })
    }

    /// Where the next frame begins; after the end, where the good frames end.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Why the walk ended. Meaningful once [`next`](Self::next) has given none.
    pub fn ended(&self) -> Ended {
        self.ended
    }

    pub fn next(&mut self) -> Result<Option<Frame<'_>>, JournalError> {
        if self.offset == self.len {
            return Ok(None);
        }
        let length = self.load(self.offset)?;
        let verified = self.verified(self.offset).map(|frame| frame.seq);
        let (Some(length), Some(seq)) = (length, verified) else {
            self.ended = if self.good_frame_behind(length)? { Ended::Damaged } else { Ended::Torn };
            return Ok(None);
        };
        let at = self.offset;
        self.offset += length;
        self.last = Some(seq);
        Ok(Frame::parse(&self.buffer, at))
    }

    fn verified(&self, offset: u64) -> Option<Frame<'_>> {
        Frame::verify(&self.buffer, JournalPosition { file: self.file, offset })
    }

    /// Reads what claims to be a frame at `offset` into the buffer. None: no head there, or it claims more than there is.
    fn load(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let mut prefix = [0; PREFIX_BYTES];
        self.buffer.clear();
        if self.len - offset < HEAD_BYTES as u64 || self.handle.read_at(&mut prefix, offset)? < PREFIX_BYTES {
            return Ok(None);
        }
        let Some(length) = frame::claimed_length(&prefix).filter(|length| *length as u64 <= self.len - offset) else {
            return Ok(None);
        };
        self.buffer.resize(length, 0);
        let read = self.handle.read_at(&mut self.buffer, offset)?;
        Ok((read == length).then_some(length as u64))
    }

    /// Whether a good frame, newer than the bad one would have been, stands anywhere behind it. A frame's CRC is bound to its place, so a
    /// frame's bytes inside a torn body do not pass.
    fn good_frame_behind(&mut self, claimed: Option<u64>) -> Result<bool, JournalError> {
        let newer_than = self.last.map_or(Seq::ZERO, Seq::next);
        let mut at = self.offset + claimed.unwrap_or(1);
        let mut window = vec![0; SEARCH_BYTES];
        while at + (HEAD_BYTES as u64) <= self.len {
            let read = self.handle.read_at(&mut window, at)?;
            for found in magics(&window[..read]) {
                let offset = at + found as u64;
                if self.load(offset)?.is_some() && self.verified(offset).is_some_and(|frame| frame.seq > newer_than) {
                    return Ok(true);
                }
            }
            // The windows overlap, so that a magic number across an edge is met.
            at += (read.max(4) - 3) as u64;
        }
        Ok(false)
    }
}

fn magics(window: &[u8]) -> impl Iterator<Item = usize> {
    window.windows(4).enumerate().filter(|(_, bytes)| *bytes == MAGIC.to_le_bytes()).map(|(at, _)| at)
}
