//! The only room that knows the key-value engine: tables, committer, reads, snapshots, holds, delta, rewind.

pub mod delta;
pub mod engine;

/// The batch being committed, as one change sees it: the state before it plus what earlier changes of the batch did.
pub struct Tx<'batch> {
    _batch: std::marker::PhantomData<&'batch ()>,
}
