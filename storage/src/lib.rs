//! Tandem's store: bytes, versions, snapshots, deltas. `FORMAT.md` binds it.
//!
//! *Architecture invariant:* this crate knows no HTTP, no S3 XML, no peers, and has no clock and no randomness of its own.

pub mod blob;
pub mod change;
pub mod check;
mod checksum;
pub mod disk;
#[cfg(test)]
mod fixture;
mod gc;
mod journal;
pub mod list;
pub mod meta;
pub mod record;
pub mod scrub;
mod store;
mod sync;
#[cfg(all(test, feature = "shuttle"))]
mod threads;
pub mod types;

pub use store::{
    BucketView, Catalogue, Change, Collected, CommitError, Counted, EngineKind, EngineSteps, Lane, OpenError, Options,
    Pending, ReadError, ReadPoint, Reader, Space, Store, Sums, Unchanged, Visit,
};
