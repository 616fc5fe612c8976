//! The only room that knows the key-value engine: tables, committer, reads, snapshots, holds, delta, rewind.

pub(crate) mod at;
pub(crate) mod committer;
pub(crate) mod core;
pub(crate) mod count;
pub mod delta;
pub mod digest;
pub mod engine;
mod format;
pub(crate) mod gates;
pub(crate) mod layout;
pub(crate) mod lists;
pub(crate) mod open;
pub(crate) mod points;
pub(crate) mod published;
pub(crate) mod reader;
pub(crate) mod readers;
pub(crate) mod recount;
mod reserve;
pub(crate) mod scope;
pub(crate) mod staged;
mod states;
pub(crate) mod totals;
pub(crate) mod tx;

pub(crate) use tx::Before;
pub use tx::Tx;
