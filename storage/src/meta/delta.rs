//! What changed between two points of a scope: by the feed, O(changes); by full comparison when the base is below the floor (also the oracle).

use serde::{Deserialize, Serialize};

use crate::record::RowKey;

/// A place in a walk, so that it can be resumed after a restart; opaque to callers, durable between builds of one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaPosition(pub(crate) Vec<u8>);

/// One row that differs. `old` is its value at the base, `new` at the newer point; none is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaEntry {
    pub key: RowKey,
    pub old: Option<Vec<u8>>,
    pub new: Option<Vec<u8>>,
}

/// A page of a walk.
#[derive(Clone, Debug)]
pub struct DeltaPage {
    pub entries: Vec<DeltaEntry>,
    /// None: the walk is done.
    pub next: Option<DeltaPosition>,
}
