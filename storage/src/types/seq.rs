use serde::{Deserialize, Serialize};

/// A node's commit number. One committed batch has one `Seq`; it only grows and orders everything on its node.
/// Numbers of two nodes are never compared: a point that both know is named by a snapshot GUID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seq(u64);

impl Seq {
    /// The state before the first commit: every row is absent at it.
    pub const ZERO: Seq = Seq(0);

    pub const fn new(number: u64) -> Self {
        Seq(number)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }

    /// Big-endian, so that byte order is number order in the engine's tables.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Seq(u64::from_be_bytes(bytes))
    }
}

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
