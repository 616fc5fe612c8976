//! The store as other crates see it.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::blob::{BlobError, BodyReader, BodyWriter, StagedBody};
use crate::change::{Durable, Refusal, VersionSelector};
use crate::disk::Disk;
use crate::meta::delta::{DeltaPage, DeltaPosition};
use crate::meta::engine::EngineError;
use crate::record::{
    BucketRow, CorruptRecord, CursorRow, Digest, HoldRow, ObjectRow, PartRow, PathRow, RecipeChild, Scope, SnapshotRow,
    TransferRow, UploadRow,
};
use crate::types::{
    Body, BucketGuid, BucketName, ContentHash, NodeGuid, ObjectKey, PathGuid, Seq, SnapshotGuid, Timestamp,
    TransferGuid, UploadId,
};

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

/// The store of one node. Cloning shares it. Dropping the last clone stops the committer after what it has accepted.
#[derive(Clone)]
pub struct Store {
    // inner: Arc<Inner>
}

#[allow(unused_variables, clippy::todo)]
impl Store {
    /// Opens, or makes, the store in `disk`, replays the journal, and starts the committer's thread.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Store, OpenError> {
        todo!()
    }

    pub fn node(&self) -> NodeGuid {
        todo!()
    }

    /// The newest committed Seq.
    pub fn newest(&self) -> Seq {
        todo!()
    }

    /// Hands a change to the committer. `now` becomes Last-Modified and the like.
    pub fn commit<C: Change>(&self, lane: Lane, now: Timestamp, change: C) -> Pending<C::Output> {
        todo!()
    }

    /// Begins a reading operation: registers, then opens a consistent view.
    pub fn read(&self) -> Result<Reader<'_>, ReadError> {
        todo!()
    }

    pub fn body_writer(&self) -> BodyWriter {
        todo!()
    }

    /// A recipe over stored roots, in order (`Body` and content bytes of each part).
    pub fn assemble(&self, parts: &[(Body, u64)]) -> Result<StagedBody, BlobError> {
        todo!()
    }

    /// Takes one whole blob as received from a peer and verifies its hash; a recipe must decode.
    pub fn receive_blob(
        &self,
        hash: ContentHash,
        kind: crate::record::BlobKind,
        bytes: &[u8],
    ) -> Result<StagedBody, BlobError> {
        todo!()
    }

    /// A whole blob's stored bytes, verified by CRC32C. At most a piece long.
    pub fn blob(&self, hash: ContentHash) -> Result<bytes::Bytes, BlobError> {
        todo!()
    }

    pub fn recipe(&self, hash: ContentHash) -> Result<Vec<RecipeChild>, BlobError> {
        todo!()
    }

    /// Paths as committed; cheap, from memory. A generation number grows with every change of any path.
    pub fn paths(&self) -> Arc<Vec<PathRow>> {
        todo!()
    }

    pub fn path(&self, guid: PathGuid) -> Option<PathRow> {
        todo!()
    }

    /// Snapshots of a path, oldest first.
    pub fn snapshots(&self, path: PathGuid) -> Result<Vec<SnapshotRow>, ReadError> {
        todo!()
    }

    pub fn snapshot(&self, guid: SnapshotGuid) -> Result<Option<SnapshotRow>, ReadError> {
        todo!()
    }

    pub fn holds(&self) -> Result<Vec<HoldRow>, ReadError> {
        todo!()
    }

    pub fn cursors(&self) -> Result<Vec<CursorRow>, ReadError> {
        todo!()
    }

    pub fn transfers(&self) -> Result<Vec<TransferRow>, ReadError> {
        todo!()
    }

    pub fn node_row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        todo!()
    }

    /// Node rows whose key begins with `prefix`, in key order.
    pub fn node_rows(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ReadError> {
        todo!()
    }

    /// What differs in `scope` between two readable points (`base` none: everything at `to`), a page at a time.
    pub fn delta(
        &self,
        scope: &Scope,
        base: Option<Seq>,
        to: Seq,
        from: Option<DeltaPosition>,
        limit: usize,
    ) -> Result<DeltaPage, ReadError> {
        todo!()
    }

    /// The same by comparing everything. O(stored). The fallback, and the oracle of tests.
    pub fn full_comparison(
        &self,
        scope: &Scope,
        base: Option<Seq>,
        to: Seq,
        from: Option<DeltaPosition>,
        limit: usize,
    ) -> Result<DeltaPage, ReadError> {
        todo!()
    }

    /// The digest of a scope at a readable point, recounted from all rows.
    pub fn digest(&self, scope: &Scope, at: Seq) -> Result<Digest, ReadError> {
        todo!()
    }

    /// The digest that `scope` will have when the transfer's staged rows are applied over its base, whose digest is `base` at point
    /// `base_at` (none: empty).
    pub fn staged_digest(&self, transfer: TransferGuid, base: Option<(&Digest, Seq)>) -> Result<Digest, ReadError> {
        todo!()
    }

    /// True if a scope has no bucket at all at the newest Seq.
    pub fn scope_is_empty(&self, scope: &Scope) -> Result<bool, ReadError> {
        todo!()
    }

    /// One bounded step of garbage collection: history, feed, dead blobs, condemned instances, journal files, abandoned transfers.
    pub fn collect(&self, now: Timestamp) -> Result<Collected, CommitError> {
        todo!()
    }

    pub fn checkpoint(&self) -> Result<(), CommitError> {
        todo!()
    }

    pub fn space(&self) -> Space {
        todo!()
    }

    /// Waits for what was accepted, checkpoints, releases the directory. Later changes are `Stopped`.
    pub fn close(&self) -> Result<(), CommitError> {
        todo!()
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

/// A reading operation: a consistent view of all tables, and the promise that the bytes it can name stay. Short: a page, a lookup.
pub struct Reader<'store> {
    _store: &'store Store,
}

#[allow(unused_variables, clippy::todo)]
impl Reader<'_> {
    /// A bucket by name, at the point its path shows.
    pub fn bucket(&self, name: &BucketName) -> Result<Option<BucketView>, ReadError> {
        todo!()
    }

    /// A bucket by name at a given readable point (a snapshot's).
    pub fn bucket_at(&self, name: &BucketName, at: Seq) -> Result<Option<BucketView>, ReadError> {
        todo!()
    }

    /// Buckets by name after `after`, each at the point its path shows.
    pub fn buckets(
        &self,
        after: Option<&str>,
        visit: &mut dyn FnMut(BucketView) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        todo!()
    }

    pub fn setting(&self, bucket: &BucketView, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        todo!()
    }

    /// A version, delete markers included.
    pub fn object(
        &self,
        bucket: &BucketView,
        key: &ObjectKey,
        version: VersionSelector,
    ) -> Result<Option<ObjectRow>, ReadError> {
        todo!()
    }

    /// Newest versions in key order from `from` on (inclusive), delete markers included.
    pub fn objects(
        &self,
        bucket: &BucketView,
        from: &[u8],
        visit: &mut dyn FnMut(&str, ObjectRow) -> Visit,
    ) -> Result<(), ReadError> {
        todo!()
    }

    /// All versions of keys from `from` on, newest first within a key; the flag says latest.
    pub fn versions(
        &self,
        bucket: &BucketView,
        from: &[u8],
        visit: &mut dyn FnMut(&str, ObjectRow, bool) -> Visit,
    ) -> Result<(), ReadError> {
        todo!()
    }

    pub fn upload(
        &self,
        bucket: &BucketView,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<UploadRow>, ReadError> {
        todo!()
    }

    /// Uploads in (key, upload id) order from `from_key` on (inclusive).
    pub fn uploads(
        &self,
        bucket: &BucketView,
        from_key: &[u8],
        visit: &mut dyn FnMut(UploadRow) -> Visit,
    ) -> Result<(), ReadError> {
        todo!()
    }

    /// Parts by number, from `after + 1` on.
    pub fn parts(
        &self,
        bucket: &BucketView,
        upload: UploadId,
        after: u16,
        visit: &mut dyn FnMut(u16, PartRow) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        todo!()
    }

    /// Opens `range` (bytes, end exclusive, inside the content) of a body that this reader has read a row of. What it returns outlives the reader and
    /// keeps the bytes.
    pub fn open_body(&self, body: &Body, range: std::ops::Range<u64>) -> Result<BodyReader, BlobError> {
        todo!()
    }

    /// Whether any bucket guid row is left; used by checks.
    pub fn bucket_by_guid(&self, guid: BucketGuid, point: ReadPoint) -> Result<Option<BucketRow>, ReadError> {
        todo!()
    }
}
