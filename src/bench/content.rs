//! Bodies that no server can compress or share: random blocks, each stamped.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// splitmix64: fast, and good enough for content.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    fn bytes(&mut self, length: usize) -> Bytes {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes.into()
    }
}

const STAMP: usize = 32;
const BLOCK: usize = 256 * 1024;

/// Makes bodies of one size, each different from all others, mostly without copying.
#[derive(Clone)]
pub struct Content {
    block: Bytes,
    size: u64,
    random: Random,
}

impl Content {
    pub fn new(size: u64, mut random: Random) -> Self {
        let length = usize::try_from(size).unwrap_or(BLOCK).min(BLOCK);
        Content { block: random.bytes(length), size, random }
    }

    pub fn next(&mut self) -> Filled {
        Filled { block: self.block.clone(), stamp: self.random.bytes(STAMP), left: self.size, stamped: false }
    }
}

/// One body: stamp, block, stamp, block, ... up to its size.
#[derive(Clone)]
pub struct Filled {
    block: Bytes,
    stamp: Bytes,
    left: u64,
    stamped: bool,
}

impl Filled {
    pub fn empty() -> Self {
        Filled { block: Bytes::new(), stamp: Bytes::new(), left: 0, stamped: false }
    }

    pub fn size(&self) -> u64 {
        self.left
    }
}

impl Iterator for Filled {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        let source =
            if self.stamped { &self.block[..self.block.len().saturating_sub(STAMP).max(1)] } else { &self.stamp };
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(source.len());
        let piece = match self.stamped {
            true => self.block.slice(..take),
            false => self.stamp.slice(..take),
        };
        self.stamped = !self.stamped;
        self.left -= take as u64;
        Some(piece)
    }
}

impl Body for Filled {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_size_and_differ() {
        for size in [0, 1, 31, 32, 33, 4096, 600_000] {
            let mut content = Content::new(size, Random::new(7));
            let whole = |body: Filled| body.flatten().collect::<Vec<u8>>();
            let (one, two) = (whole(content.next()), whole(content.next()));
            assert_eq!((one.len() as u64, two.len() as u64), (size, size));
            assert!(size < 8 || one != two);
        }
    }
}
