use serde::{Deserialize, Serialize};

use super::{NodeGuid, SnapshotGuid};

/// The count of a protected path's writable sides so far. It only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpochNumber(u64);

impl EpochNumber {
    pub const fn new(number: u64) -> Self {
        EpochNumber(number)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn next(self) -> Self {
        EpochNumber(self.0 + 1)
    }
}

impl std::fmt::Display for EpochNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The generation of a protected path's writable side. Durable before it is used; it rides on every replication
/// message and every permit. Two epochs of equal number and different writers are a conflict, never a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epoch {
    pub number: EpochNumber,
    pub writer: NodeGuid,
    /// The snapshot this generation began from; none for a path's first.
    pub fork: Option<SnapshotGuid>,
}
