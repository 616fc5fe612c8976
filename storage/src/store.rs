//! The store as other crates see it: a face over the rooms that do the work.

mod steps;
mod terms;

use std::sync::Arc;

pub use self::steps::EngineSteps;
pub use self::terms::{
    BucketView, Change, Collected, CommitError, Counted, EngineKind, Lane, OpenError, Options, Pending, ReadError,
    ReadPoint, Space, Unchanged, Visit,
};
use crate::blob::{BlobError, BlobStore, BodyWriter, StagedBody, decode_recipe};
use crate::change::count::ForgetTotals;
use crate::check;
use crate::disk::Disk;
use crate::gc::Collector;
use crate::meta::committer::{Committer, Hands};
use crate::meta::core::Core;
use crate::meta::count;
use crate::meta::delta::{DeltaPage, DeltaPosition, Walk};
use crate::meta::digest::LtHash;
use crate::meta::engine::Table;
use crate::meta::layout::Span;
use crate::meta::lists;
use crate::meta::open::{self, Opened};
pub use crate::meta::published::Catalogue;
pub use crate::meta::reader::Reader;
use crate::meta::scope::bucket_named;
pub use crate::meta::totals::Sums;
use crate::meta::totals::add_up;
use crate::record::{
    BlobKind, CursorRow, Digest, HoldRow, InstanceId, PathRow, RecipeChild, Scope, SnapshotRow, Total, TransferRow,
};
use crate::scrub;
use crate::types::{
    Body, BucketGuid, BucketName, ContentHash, NodeGuid, PathGuid, Seq, SnapshotGuid, Timestamp, TransferGuid,
};

/// The store of one node. Cloning shares it. Dropping the last clone stops the committer after what it has accepted; the
/// directory is free once the last body reader has gone too.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// The committer goes first: it uses the core.
struct Inner {
    committer: Committer,
    collector: Collector,
    core: Arc<Core>,
}

impl Store {
    /// Opens, or makes, the store in `disk`, replays the journal, and starts the committer's thread and the engine's.
    ///
    /// # Errors
    /// [`OpenError`]: another process has the directory, another build or engine made it, or it is damaged.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Store, OpenError> {
        Store::open_with(disk, &options, Hands::Thread)
    }

    /// The same without a thread for the engine: whoever has the steps does its work, and so owns the order of syncs. For tests.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in_steps(disk: Arc<dyn Disk>, options: Options) -> Result<(Store, EngineSteps), OpenError> {
        let store = Store::open_with(disk, &options, Hands::Callers)?;
        let steps = EngineSteps::of(Arc::clone(store.inner.committer.handover()));
        Ok((store, steps))
    }

    fn open_with(disk: Arc<dyn Disk>, options: &Options, hands: Hands) -> Result<Store, OpenError> {
        let Opened { writing, pieces } = open::open(disk, options, hands)?;
        let core = Arc::clone(&writing.core);
        let committer = Committer::start(writing)?;
        Ok(Store { inner: Arc::new(Inner { committer, collector: Collector::new(pieces), core }) })
    }

    pub fn node(&self) -> NodeGuid {
        self.core().node
    }

    /// The newest committed Seq.
    pub fn newest(&self) -> Seq {
        self.core().published.newest()
    }

    /// Hands a change to the committer. `now` becomes Last-Modified and the like.
    pub fn commit<C: Change>(&self, lane: Lane, now: Timestamp, change: C) -> Pending<C::Output> {
        self.inner.committer.commit(lane, now, change)
    }

    /// Begins a reading operation: registers, then opens a consistent view.
    ///
    /// # Errors
    /// [`ReadError::Engine`].
    pub fn read(&self) -> Result<Reader<'_>, ReadError> {
        Reader::open(self.core())
    }

    /// Whether a reader that began now would see the buckets, settings and paths that `catalogue` is of. Costs no view.
    pub fn has(&self, catalogue: &Catalogue) -> bool {
        catalogue.is_of(&self.core().published.state())
    }

    pub fn body_writer(&self) -> BodyWriter {
        self.core().blobs.writer()
    }

    /// A recipe over stored roots, in order (`Body` and content bytes of each part).
    ///
    /// # Errors
    /// None today; reading the roots could fail.
    pub fn assemble(&self, parts: &[(Body, u64)]) -> Result<StagedBody, BlobError> {
        Ok(BlobStore::assemble(parts))
    }

    /// Stored content for use as a part of other content: by reference, or, where it was made of content that was made of content many times over, by
    /// recipes made anew over the same pieces, so that none becomes deeper each time. None: it lies in so many small pieces that its bytes are
    /// better stored anew. Reads some recipes; blocks the thread.
    ///
    /// # Errors
    /// `Missing` when it is not live any more; `Damaged`; `Corrupt`; `Io`.
    pub fn reuse(&self, body: Body, size: u64) -> Result<Option<StagedBody>, BlobError> {
        let core = self.core();
        let _registration = core.register();
        core.blobs.reuse(body, size, &**core)
    }

    /// Takes one whole blob as received from a peer and verifies its hash; a recipe must decode.
    ///
    /// # Errors
    /// `Damaged` when the bytes are not those of `hash`; `NoSpace`; `Io`.
    pub fn receive_blob(&self, hash: ContentHash, kind: BlobKind, bytes: &[u8]) -> Result<StagedBody, BlobError> {
        self.core().blobs.receive(hash, kind, bytes)
    }

    /// A whole blob's stored bytes, verified by CRC32C. At most a piece long.
    ///
    /// # Errors
    /// `Missing` when no such blob is live; `Damaged`; `Io`.
    pub fn blob(&self, hash: ContentHash) -> Result<bytes::Bytes, BlobError> {
        let core = self.core();
        let _registration = core.register();
        core.blobs.read(hash, &**core)
    }

    /// Bytes of a blob, verified: from `offset` on, which must be a multiple of [`BLOCK_BYTES`](crate::blob::BLOCK_BYTES), `most` of them (such a
    /// multiple too) or what there is.
    ///
    /// # Errors
    /// As [`blob`](Self::blob).
    pub fn blob_part(&self, hash: ContentHash, offset: u64, most: usize) -> Result<bytes::Bytes, BlobError> {
        let core = self.core();
        let _registration = core.register();
        core.blobs.part(hash, &**core, offset, most)
    }

    /// What a recipe lists.
    ///
    /// # Errors
    /// As [`blob`](Self::blob); `Corrupt` when it is no recipe.
    pub fn recipe(&self, hash: ContentHash) -> Result<Vec<RecipeChild>, BlobError> {
        Ok(decode_recipe(&self.blob(hash)?)?)
    }

    /// Paths as committed; cheap, from memory.
    pub fn paths(&self) -> Arc<Vec<PathRow>> {
        Arc::clone(self.core().published.state().gates.paths())
    }

    pub fn path(&self, guid: PathGuid) -> Option<PathRow> {
        self.core().published.state().gates.path(guid).cloned()
    }

    /// Snapshots of a path, oldest first.
    ///
    /// # Errors
    /// [`ReadError::Engine`], [`ReadError::Corrupt`].
    pub fn snapshots(&self, path: PathGuid) -> Result<Vec<SnapshotRow>, ReadError> {
        lists::records(&*self.core().view()?.0, Table::Snapshots, &Span::prefix(path.as_bytes()))
    }

    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub fn snapshot(&self, guid: SnapshotGuid) -> Result<Option<SnapshotRow>, ReadError> {
        let (view, state) = self.core().view()?;
        lists::snapshot(&*view, &state, guid)
    }

    /// # Errors
    /// None today: they are in memory.
    pub fn holds(&self) -> Result<Vec<HoldRow>, ReadError> {
        Ok(self.core().published.state().points.holds().copied().collect())
    }

    /// # Errors
    /// None today: they are in memory.
    pub fn cursors(&self) -> Result<Vec<CursorRow>, ReadError> {
        Ok(self.core().published.state().points.cursors().copied().collect())
    }

    /// # Errors
    /// As [`snapshots`](Self::snapshots).
    pub fn transfers(&self) -> Result<Vec<TransferRow>, ReadError> {
        lists::records(&*self.core().view()?.0, Table::Transfers, &Span::prefix(&[]))
    }

    /// # Errors
    /// [`ReadError::Engine`].
    pub fn node_row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.core().view()?.0.value(Table::Node, key)?)
    }

    /// Node rows whose key begins with `prefix`, in key order.
    ///
    /// # Errors
    /// [`ReadError::Engine`].
    pub fn node_rows(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ReadError> {
        lists::entries(&*self.core().view()?.0, Table::Node, &Span::prefix(prefix))
    }

    /// What differs in `scope` between two readable points (`base` none: everything at `to`), a page at a time. A page may have no
    /// entries and yet not be the last.
    ///
    /// # Errors
    /// `NotHeld` when a point is not readable, or when the feed above `base` went while it was being walked: hold both points, and
    /// the feed by a cursor.
    pub fn delta(
        &self,
        scope: &Scope,
        base: Option<Seq>,
        to: Seq,
        from: Option<DeltaPosition>,
        limit: usize,
    ) -> Result<DeltaPage, ReadError> {
        self.core().delta_page(&Walk { scope, base, to }, from.as_ref(), limit)
    }

    /// Whether `scope` is at the newest point what it was at `base`, where its total was `total` (none: not known). After so many pages without a
    /// difference (a page may have none and not be the last: a scope of many buckets has several of these) it may as well differ.
    ///
    /// # Errors
    /// `NotHeld` when `base` is not readable.
    pub fn unchanged_since(
        &self,
        scope: &Scope,
        base: Seq,
        total: Option<Total>,
        pages: usize,
    ) -> Result<Unchanged, ReadError> {
        self.core().unchanged_since(scope, base, total, pages)
    }

    /// The total of a scope at a readable point, as the committer kept it: at the newest point, and where a path's snapshot carries it. None: not
    /// known; count it.
    ///
    /// # Errors
    /// `NotHeld` when the point is not readable.
    pub fn total_at(&self, scope: &Scope, at: Seq) -> Result<Option<Total>, ReadError> {
        self.core().total_at(scope, at)
    }

    /// Whether the totals of this node are known. They are not until all rows of a directory of before there were totals are counted once.
    pub fn totals_whole(&self) -> bool {
        self.counted() == Counted::Whole
    }

    /// How far that count is.
    pub fn counted(&self) -> Counted {
        self.core().published.state().counting.told()
    }

    /// Takes the count a bounded step further, if it is not whole. Blocks the thread for a commit. May be cut and gone on with anywhere.
    ///
    /// # Errors
    /// [`CommitError::Stopped`]; `Refused(Damaged)` when stored data does not decode.
    pub fn count_step(&self, now: Timestamp) -> Result<Counted, CommitError> {
        count::step(self.core(), &self.inner.committer, now)
    }

    /// Forgets the totals, so that all rows are counted again: the way out when they are found to be wrong. Blocks the thread for a commit.
    ///
    /// # Errors
    /// [`CommitError::Stopped`].
    pub fn count_again(&self, now: Timestamp) -> Result<(), CommitError> {
        let _ = self.commit(Lane::Background, now, ForgetTotals).wait()?;
        Ok(())
    }

    /// The same by comparing everything. O(stored). The fallback, and the oracle of tests.
    ///
    /// # Errors
    /// `NotHeld` when a point is not readable; `Corrupt` for a position of another walk.
    pub fn full_comparison(
        &self,
        scope: &Scope,
        base: Option<Seq>,
        to: Seq,
        from: Option<DeltaPosition>,
        limit: usize,
    ) -> Result<DeltaPage, ReadError> {
        self.core().comparison_page(&Walk { scope, base, to }, from.as_ref(), limit)
    }

    /// The digest of a scope at a readable point, recounted from all rows.
    ///
    /// # Errors
    /// `NotHeld` when the point is not readable: hold it, for a recount is longer than one view.
    pub fn digest(&self, scope: &Scope, at: Seq) -> Result<Digest, ReadError> {
        self.core().digest(scope, at)
    }

    /// Adds the rows behind `after` that a scope has at a readable point to a digest being worked out, a bounded page of them. Where to go on; none:
    /// all are counted.
    ///
    /// # Errors
    /// As [`digest`](Self::digest).
    pub fn digest_page(
        &self,
        scope: &Scope,
        at: Seq,
        after: Option<Vec<u8>>,
        hash: &mut LtHash,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        self.core().count_page(scope, at, after, hash)
    }

    /// The same for a total, which costs a tenth.
    ///
    /// # Errors
    /// As [`digest`](Self::digest).
    pub fn count_total_page(
        &self,
        scope: &Scope,
        at: Seq,
        after: Option<Vec<u8>>,
        total: &mut Total,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        self.core().count_page(scope, at, after, total)
    }

    /// The same for both at once.
    ///
    /// # Errors
    /// As [`digest`](Self::digest).
    pub fn count_page(
        &self,
        scope: &Scope,
        at: Seq,
        after: Option<Vec<u8>>,
        count: &mut (LtHash, Total),
    ) -> Result<Option<Vec<u8>>, ReadError> {
        self.core().count_page(scope, at, after, count)
    }

    /// Adds the rows behind `after` that a bucket has at a readable point to a total, a bounded page of them. Where to go on; absent: all are
    /// counted.
    ///
    /// # Errors
    /// As [`digest`](Self::digest).
    pub fn count_bucket_page(
        &self,
        bucket: BucketGuid,
        at: Seq,
        after: Option<Vec<u8>>,
        total: &mut Total,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        self.core().count_bucket_page(bucket, at, after, total)
    }

    /// The kept totals, added up in one view. Absent while they are not whole.
    ///
    /// # Errors
    /// [`ReadError::Engine`], [`ReadError::Corrupt`].
    pub fn totals_add_up(&self) -> Result<Option<Sums>, ReadError> {
        let (view, state) = self.core().view()?;
        state.counting.is_whole().then(|| add_up(&*view)).transpose()
    }

    /// The digest that `scope` will have when the transfer's staged rows are applied over its base, whose digest is `base` at point
    /// `base_at` (none: empty).
    ///
    /// # Errors
    /// `NotHeld` when the base is not readable; `Corrupt` when there is no such transfer.
    pub fn staged_digest(&self, transfer: TransferGuid, base: Option<(&Digest, Seq)>) -> Result<Digest, ReadError> {
        self.core().staged_digest(transfer, base)
    }

    /// The total that `scope` will have when the transfer's staged rows are applied over its base, whose total is `base` at point `base_at` (none: empty).
    ///
    /// # Errors
    /// As [`staged_digest`](Self::staged_digest).
    pub fn staged_total(&self, transfer: TransferGuid, base: Option<(Total, Seq)>) -> Result<Total, ReadError> {
        self.core().staged_total(transfer, base)
    }

    /// Whether two of a transfer's `rows` staged rows bear one key, which no source sends.
    ///
    /// # Errors
    /// [`ReadError::Engine`], [`ReadError::Corrupt`].
    pub fn staged_repeats(&self, transfer: TransferGuid, rows: u64) -> Result<bool, ReadError> {
        self.core().staged_repeats(transfer, rows)
    }

    /// True if a scope has no bucket at all at the newest Seq.
    ///
    /// # Errors
    /// [`ReadError::Engine`], [`ReadError::Corrupt`].
    pub fn scope_is_empty(&self, scope: &Scope) -> Result<bool, ReadError> {
        lists::scope_is_empty(&*self.core().view()?.0, scope)
    }

    /// One bounded step of garbage collection: snapshots that are due, dropped transfers, history, feed, dead blobs, condemned instances, journal
    /// files. Blocks the thread for some commits.
    ///
    /// # Errors
    /// [`CommitError::Stopped`]; `Refused(Damaged)` when stored data does not decode.
    pub fn collect(&self, now: Timestamp) -> Result<Collected, CommitError> {
        self.inner.collector.step(self.core(), &self.inner.committer, now)
    }

    /// Blocks the thread until the engine is durable and journal files that nobody needs are gone.
    ///
    /// # Errors
    /// [`CommitError::Stopped`].
    pub fn checkpoint(&self) -> Result<(), CommitError> {
        self.inner.committer.checkpoint()
    }

    /// Free space as last asked for; a file system that does not answer counts as full.
    pub fn space(&self) -> Space {
        let space = self.core().blobs.space();
        Space { free_bytes: space.refresh().unwrap_or(0), low: space.is_low().unwrap_or(true) }
    }

    /// Verifies the store: recounts references, compares tables with each other and with the files there are, and, by `depth`, hashes
    /// every blob. O(stored); reads only. `state` says what else goes on, and so what counts as left over.
    ///
    /// # Errors
    /// [`ReadError::Engine`]. Damage is no error but a finding.
    pub fn check(
        &self,
        state: check::State,
        depth: check::Depth,
        progress: &mut dyn FnMut(check::Progress),
    ) -> Result<check::CheckReport, ReadError> {
        let core = self.core();
        let _registration = core.register();
        let (view, _) = core.view()?;
        let (blobs, journal) = (&*core.blobs, &*core.journal);
        check::run(check::Subject { view: &*view, live: &**core, blobs, journal, state }, depth, progress)
    }

    /// Verifies the blobs behind `after`, in the order of their names, until `bytes` are read or a bounded number of them is: each is read from the medium, its
    /// CRC32C and its BLAKE3 verified. Reads only.
    ///
    /// # Errors
    /// [`ReadError`] when the engine, or the process's limits, forbid reading. Damage is no error: it is in the page.
    pub fn scrub(&self, after: Option<ContentHash>, bytes: u64) -> Result<scrub::Page, ReadError> {
        scrub::page(self.core(), after, bytes)
    }

    /// Goes on with a search for what refers to blobs, a bounded page of rows; `found` is told of each (blob, referent). False: the search is over.
    ///
    /// # Errors
    /// [`ReadError::Engine`].
    pub fn trace(
        &self,
        search: &mut scrub::Search,
        found: &mut dyn FnMut(ContentHash, scrub::Referent),
    ) -> Result<bool, ReadError> {
        search.trace(self.core(), found)
    }

    /// The same, telling rows rather than names.
    ///
    /// # Errors
    /// [`ReadError::Engine`], [`ReadError::Corrupt`].
    pub fn sight(
        &self,
        search: &mut scrub::Search,
        found: &mut dyn FnMut(ContentHash, scrub::Sighting),
    ) -> Result<bool, ReadError> {
        search.sight(self.core(), found)
    }

    /// The way from what a row names down to a blob that was searched for; none if there is none short enough, or none any more.
    ///
    /// # Errors
    /// [`ReadError::Engine`].
    pub fn way(
        &self,
        search: &scrub::Search,
        root: ContentHash,
        blob: ContentHash,
    ) -> Result<Option<Vec<ContentHash>>, ReadError> {
        scrub::way(self.core(), search, root, blob)
    }

    /// Whether `scope` has, at a held point, a row that leads to a blob as the reference says.
    ///
    /// # Errors
    /// `NotHeld`; [`ReadError::Blob`] when a recipe on the way cannot be read.
    pub fn leads(&self, scope: &Scope, at: Seq, reference: &scrub::Reference) -> Result<bool, ReadError> {
        scrub::leads(self.core(), scope, at, reference)
    }

    /// The bucket that a name points to at a held point.
    ///
    /// # Errors
    /// `NotHeld`; [`ReadError::Engine`], [`ReadError::Corrupt`].
    pub fn bucket_at(&self, name: &BucketName, at: Seq) -> Result<Option<BucketGuid>, ReadError> {
        let (view, state) = self.core().view()?;
        match state.points.is_held(at) {
            true => bucket_named(&*view, name, at),
            false => Err(ReadError::NotHeld(at)),
        }
    }

    /// Verifies one blob as [`scrub`](Self::scrub) does.
    ///
    /// # Errors
    /// As [`scrub`](Self::scrub), and [`ReadError::Corrupt`] when the blob's row does not decode.
    pub fn verify(&self, hash: ContentHash) -> Result<scrub::Verified, ReadError> {
        scrub::verify(self.core(), hash)
    }

    /// Blobs whose instance was found to be damaged, by a read, the scrub or a check; some thousands at most. A hint: verify them.
    pub fn distrusted(&self) -> Vec<ContentHash> {
        self.core().blobs.distrust().all()
    }

    /// Says that a blob's instance is damaged, as a read that meets the damage does: the next upload of the same bytes takes its place. Forgotten by a restart.
    pub fn distrust(&self, hash: ContentHash) {
        self.core().blobs.distrust().add(hash);
    }

    /// Which instance of a blob is live; none: nothing refers to the blob any more.
    ///
    /// # Errors
    /// [`ReadError::Blob`].
    pub fn instance(&self, hash: ContentHash) -> Result<Option<InstanceId>, ReadError> {
        Ok(self.core().blob_row(&hash)?.map(|row| row.instance))
    }

    /// What kind of blob is live under a name, and how long it is.
    ///
    /// # Errors
    /// [`ReadError::Blob`].
    pub fn stored(&self, hash: ContentHash) -> Result<Option<(BlobKind, u64)>, ReadError> {
        Ok(self.core().blob_row(&hash)?.map(|row| (row.kind, row.len)))
    }

    /// Waits for what was accepted, and checkpoints. Later changes are `Stopped`; the directory is free once the last clone has gone.
    ///
    /// # Errors
    /// [`CommitError::Stopped`] when a write had failed.
    pub fn close(&self) -> Result<(), CommitError> {
        self.inner.committer.close()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }
}
