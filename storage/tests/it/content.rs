use std::collections::HashMap;
use std::sync::Arc;

use tandem_storage::types::ContentHash;

use crate::random::Random;

/// Bytes, as the model knows them: how to make them again, and what they hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub pieces: Vec<(u8, u32)>,
    pub size: u64,
    pub hash: ContentHash,
}

/// Which sizes are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Small ones, few of more than 64 KiB.
    Usual,
    /// Many that have a file of their own.
    Pieces,
    /// Some of several pieces.
    Large,
}

/// Makes contents and remembers them.
#[derive(Default)]
pub struct Contents {
    made: HashMap<(u8, u32), Arc<Vec<u8>>>,
}

impl Contents {
    pub fn bytes(&mut self, piece: (u8, u32)) -> Arc<Vec<u8>> {
        self.made.entry(piece).or_insert_with(|| Arc::new(make(piece))).clone()
    }

    pub fn content(&mut self, pieces: Vec<(u8, u32)>) -> Content {
        let mut hasher = blake3::Hasher::new();
        for piece in &pieces {
            hasher.update(&self.bytes(*piece));
        }
        let size = pieces.iter().map(|(_, len)| u64::from(*len)).sum();
        Content { pieces, size, hash: ContentHash::from_bytes(*hasher.finalize().as_bytes()) }
    }

    /// Mostly small, few of each size, so that contents meet again.
    pub fn random(&mut self, random: &mut Random, sizes: Sizes) -> Content {
        let seed = random.below(5) as u8;
        let len = match random.below(200) {
            0 if sizes == Sizes::Large => 8 * 1024 * 1024 + 1 + random.below(3) as u32 * 70_000,
            1 if sizes == Sizes::Large => 8 * 1024 * 1024,
            21..=80 if sizes == Sizes::Pieces => 65_537 + 1000 * random.below(3) as u32,
            0..=11 => [65_536, 65_537, 131_072, 200_000][random.below(4)],
            12..=20 => 0,
            _ => [1, 2, 17, 300, 5000][random.below(5)],
        };
        self.content(vec![(seed, len)])
    }
}

fn make((seed, len): (u8, u32)) -> Vec<u8> {
    let word = |at: u32| (at / 8).wrapping_mul(2_654_435_761).wrapping_add(u32::from(seed));
    (0..len).map(|at| word(at).to_le_bytes()[(at % 4) as usize] ^ (at >> 16) as u8).collect()
}
