//! The only room that knows the key-value engine: tables, committer, reads, snapshots, holds, delta, rewind.

pub(crate) mod at;
pub mod delta;
pub mod digest;
pub mod engine;
pub(crate) mod gates;
pub(crate) mod layout;
pub(crate) mod points;
pub(crate) mod recount;
pub(crate) mod scope;
pub(crate) mod staged;
pub(crate) mod tx;

pub(crate) use tx::Before;
pub use tx::Tx;
