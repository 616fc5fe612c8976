use serde::{Deserialize, Serialize};

use super::codec::record;
use crate::types::{BucketName, Epoch, PathGuid, Seq};

/// What a protected path covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// `/`: every bucket there is and will be.
    Endpoint,
    /// `/NAME`: the bucket of that name, whichever that is.
    Bucket(BucketName),
}

impl Scope {
    pub fn covers(&self, bucket: &BucketName) -> bool {
        match self {
            Scope::Endpoint => true,
            Scope::Bucket(name) => name == bucket,
        }
    }

    /// Paths of one node never overlap.
    pub fn overlaps(&self, other: &Scope) -> bool {
        match (self, other) {
            (Scope::Bucket(one), Scope::Bucket(two)) => one == two,
            _ => true,
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::Endpoint => f.write_str("/"),
            Scope::Bucket(name) => write!(f, "/{name}"),
        }
    }
}

/// What clients may do under a protected path. The committer holds it: a change whose permit does not fit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Reads see the present, writes are taken.
    Writable,
    /// Reads see the present, writes are refused.
    Closed,
    /// Reads see this point, writes are refused; transfers and rewinds write behind it.
    ReadAt(Seq),
}

/// A protected path on this node: what storage must enforce, and the role room's own state as bytes it does not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathRow {
    pub guid: PathGuid,
    pub scope: Scope,
    pub access: Access,
    pub epoch: Epoch,
    /// Grows by one with every change, for compare-and-set.
    pub revision: u64,
    pub detail: Vec<u8>,
}
record!(PathRow, "path", 1);
