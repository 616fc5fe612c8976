//! What callers give to the store and get back, apart from rows.

use crate::blob::BlobError;
use crate::change::{Durable, Refusal};
use crate::meta::engine::EngineError;
use crate::record::{BucketRow, CorruptRecord, Total};
use crate::types::{NodeGuid, PathGuid, Seq};

/// Which engine keeps the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineKind {
    #[default]
    Redb,
    #[cfg(feature = "sled")]
    Sled,
}

#[derive(Clone, Debug)]
pub struct Options {
    pub engine: EngineKind,
    /// Used only when the directory is new.
    pub node: NodeGuid,
    /// New bodies are refused below this many free bytes.
    pub low_watermark_bytes: u64,
    /// Preallocated, for deletes and role changes on a full disk.
    pub reserve_bytes: u64,
    /// A checkpoint is made when this much journal has been written since the last.
    pub checkpoint_every_bytes: u64,
    /// Engine cache.
    pub cache_bytes: usize,
    /// Writes of rows that are gathered in memory before the engine gets them, all at once.
    pub memtable_writes: usize,
    /// A journal file of this length takes no more frames; its space is taken in advance.
    pub journal_file_bytes: u64,
}

impl Options {
    /// What a server gathers: handing so many on is a bite of a millisecond or two, and spreads the engine's cost over some 170 small PUTs.
    pub const MEMTABLE_WRITES: usize = 1024;
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process has this data directory; stop it first")]
    Locked,
    #[error("the data directory has format {found}, newer than this build's {known}; use a newer build")]
    NewerFormat { found: u32, known: u32 },
    #[error("the data directory was made with the {0} engine; start with that engine")]
    OtherEngine(String),
    #[error("damaged: {0}; run `tandem check` on the directory")]
    Damaged(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A write or sync failed before. Nothing is taken until the process starts again.
    #[error("the store has stopped after a failed write: {0}")]
    Stopped(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Corrupt(#[from] CorruptRecord),
    #[error("the point {0} is not readable any more")]
    NotHeld(Seq),
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Who waits for a commit: background work stands behind clients, in bites of at most 2 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Client,
    Background,
}

/// A change, as the committer carries it out.
pub trait Change: Send + 'static {
    type Output: Send + 'static;
    #[doc(hidden)]
    fn carry_out(self, tx: &mut crate::meta::Tx<'_>) -> Result<Self::Output, Refusal>;
}

/// A change on its way to stable storage. Awaiting it, or [`wait`](Pending::wait)ing, gives the ack or the refusal.
pub struct Pending<T>(pub(crate) tokio::sync::oneshot::Receiver<Result<Durable<T>, CommitError>>);

impl<T> Pending<T> {
    /// Blocks the thread. Not for async code.
    pub fn wait(self) -> Result<Durable<T>, CommitError> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(CommitError::Stopped("the store is closed".into())))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<Durable<T>, CommitError>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or_else(|_| Err(CommitError::Stopped("the store is closed".into()))))
    }
}

/// What a step of collection did. `more` asks for another step soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub history_rows: u64,
    pub feed_rows: u64,
    pub blobs: u64,
    pub bytes: u64,
    pub more: bool,
}

/// How far the count of totals is that a directory of before there were totals needs once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    NotBegun,
    Running {
        /// Rows counted so far.
        rows: u64,
    },
    /// Every total is known.
    Whole,
}

/// What a scope is, compared with a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unchanged {
    /// It is the same at this point, the newest.
    Since(Seq),
    /// It differs, or may.
    Differs,
    /// The walk found no difference, and yet the totals differ: a fault, to be reported. The scope is to be taken for changed.
    Missed { was: Total, is: Total },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    /// New bodies are refused.
    pub low: bool,
}

/// The point a bucket is read at: the present, or what a destination shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadPoint {
    Present,
    At(Seq),
}

/// A bucket as a reader sees it. Everything read through it is read at its point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketView {
    pub row: BucketRow,
    pub point: ReadPoint,
    /// The protected path that covers it.
    pub path: Option<PathGuid>,
}

/// What a scan does after a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    Next,
    Stop,
    /// Go on at the first key that is at or after these bytes.
    Seek(Vec<u8>),
}
