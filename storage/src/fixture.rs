//! A store on a simulated disk, and a model of its rows, for tests of whole behaviours.

pub(crate) mod crowd;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::blob::StagedBody;
use crate::change::{AccessChange, At, PathOp, Refusal, SnapshotSpec, UpdatePaths};
use crate::check::{Depth, State};
use crate::disk::SimDisk;
use crate::meta::Tx;
use crate::meta::delta::{DeltaEntry, DeltaPage, DeltaPosition};
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::Span;
use crate::record::{
    BucketRow, Content, ContentHeaders, CreatorKind, HoldReason, ObjectRow, ObjectState, Place, Record, RowKey, Scope,
    Versioning,
};
use crate::store::{Change, CommitError, EngineKind, Lane, Options, ReadError, Store};
use crate::types::{
    Body, BucketGuid, BucketName, ETag, Epoch, EpochNumber, HoldId, NodeGuid, ObjectKey, PathGuid, Seq, SnapshotGuid,
    Timestamp, Version,
};

/// Rows as a model has them.
pub(crate) type Rows = BTreeMap<RowKey, Vec<u8>>;

/// A row to be set, or to be deleted.
pub(crate) type RowWrite = (RowKey, Option<Vec<u8>>);

/// Randomness from a seed (splitmix64).
pub(crate) struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `sides - 1`.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides
    }
}

pub(crate) struct Fixture {
    pub store: Store,
    pub disk: SimDisk,
}

/// Sets rows as they are told, whatever clients may do.
pub(crate) struct SetRows {
    pub bodies: Vec<StagedBody>,
    pub rows: Vec<RowWrite>,
}

impl Change for SetRows {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        for body in self.bodies {
            tx.stage(body)?;
        }
        for (key, value) in self.rows {
            match value {
                Some(value) => tx.put_row(&key, value)?,
                None => tx.delete_row(&key)?,
            }
        }
        Ok(())
    }
}

pub(crate) fn options() -> Options {
    Options {
        engine: EngineKind::Redb,
        node: NodeGuid::from_bytes([7; 16]),
        low_watermark_bytes: 0,
        reserve_bytes: 0,
        checkpoint_every_bytes: 1 << 20,
        cache_bytes: 1 << 20,
        memtable_writes: 16,
        journal_file_bytes: 64 << 20,
    }
}

impl Fixture {
    pub fn new() -> Self {
        let disk = SimDisk::new();
        let store = Store::open(Arc::new(disk.clone()), options()).expect("a new store");
        Fixture { store, disk }
    }

    pub fn try_commit<C: Change>(&self, change: C) -> Result<(Seq, C::Output), CommitError> {
        let durable = self.store.commit(Lane::Background, Timestamp::from_secs(1), change).wait()?;
        Ok((durable.seq(), durable.into_inner()))
    }

    pub fn commit<C: Change>(&self, change: C) -> (Seq, C::Output) {
        self.try_commit(change).expect("accepted")
    }

    pub fn refused<C: Change>(&self, change: C) -> Refusal
    where
        C::Output: std::fmt::Debug,
    {
        match self.try_commit(change) {
            Err(CommitError::Refused(refusal)) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub fn set(&self, rows: Vec<RowWrite>) -> Seq {
        self.commit(SetRows { bodies: Vec::new(), rows }).0
    }

    pub fn paths(&self, ops: Vec<PathOp>) -> Seq {
        self.commit(UpdatePaths(ops)).1.seq
    }

    pub fn hold(&self, id: u8) -> Seq {
        self.paths(vec![PathOp::Hold { id: hold_id(id), at: At::ThisCommit, reason: HoldReason::Transfer }])
    }

    /// Stores `content` and an object with it.
    pub fn put(&self, bucket: u8, key: &str, content: &[u8]) -> Seq {
        self.put_all(bucket, [(key.to_owned(), content.to_vec())])
    }

    /// The same for several, in one commit.
    pub fn put_all(&self, bucket: u8, objects: impl IntoIterator<Item = (String, Vec<u8>)>) -> Seq {
        let (mut bodies, mut rows) = (Vec::new(), Vec::new());
        for (key, content) in objects {
            let mut writer = self.store.body_writer();
            writer.write(&content).expect("written");
            let body = writer.finish().expect("finished");
            rows.push(sized_object(bucket, &key, body.body(), body.size(), 0));
            bodies.push(body);
        }
        self.commit(SetRows { bodies, rows }).0
    }

    /// Collects until nothing is left to do.
    pub fn collect(&self) {
        self.collect_at(Timestamp::from_secs(1));
    }

    pub fn collect_at(&self, now: Timestamp) {
        for _ in 0..10_000 {
            if !self.store.collect(now).expect("collected").more {
                return;
            }
        }
        panic!("collection does not end");
    }

    pub fn count(&self, table: Table) -> usize {
        self.table(table).len()
    }

    pub fn table(&self, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (view, _) = self.store.core().view().expect("a view");
        let mut rows = view.cursor(table, Span::prefix(&[]).range(), Direction::Forward).expect("a cursor");
        let mut all = Vec::new();
        while let Some((key, value)) = rows.next().expect("a row") {
            all.push((key.to_vec(), value.to_vec()));
        }
        all
    }

    /// All pages of the delta, walked `limit` entries at a time.
    pub fn delta(&self, scope: &Scope, base: Option<Seq>, to: Seq, limit: usize) -> Vec<DeltaEntry> {
        walk(|from| self.store.delta(scope, base, to, from, limit))
    }

    pub fn comparison(&self, scope: &Scope, base: Option<Seq>, to: Seq, limit: usize) -> Vec<DeltaEntry> {
        walk(|from| self.store.full_comparison(scope, base, to, from, limit))
    }

    /// The verifier finds nothing.
    pub fn check(&self, state: State) {
        let report = self.store.check(state, Depth::Bytes, &mut |_| ()).expect("checked");
        assert_eq!(report.findings, [], "{state:?}");
    }

    /// Every table that a quiet store without points must have nothing in.
    pub fn check_nothing_left(&self) {
        let tables = [
            Table::History,
            Table::Ended,
            Table::Changes,
            Table::Dead,
            Table::Condemned,
            Table::Holds,
            Table::Released,
            Table::Snapshots,
            Table::Transfers,
            Table::Staged,
            Table::Claims,
        ];
        for table in tables {
            assert_eq!(self.count(table), 0, "{table:?}");
        }
    }
}

fn walk(mut page: impl FnMut(Option<DeltaPosition>) -> Result<DeltaPage, ReadError>) -> Vec<DeltaEntry> {
    let mut entries = Vec::new();
    let mut from = None;
    loop {
        let DeltaPage { entries: more, next } = page(from).expect("a page");
        entries.extend(more);
        from = Some(match next {
            Some(next) => next,
            None => return entries,
        });
    }
}

pub(crate) fn hold_id(id: u8) -> HoldId {
    HoldId::from_bytes([id; 16])
}

pub(crate) fn guid(bucket: u8) -> BucketGuid {
    BucketGuid::from_bytes([bucket; 16])
}

pub(crate) fn name(name: &str) -> BucketName {
    BucketName::new(name).expect("a bucket name")
}

pub(crate) fn bucket(number: u8, called: &str) -> RowWrite {
    bucket_with(number, called, Versioning::Unversioned)
}

pub(crate) fn bucket_with(number: u8, called: &str, versioning: Versioning) -> RowWrite {
    let row = BucketRow {
        guid: guid(number),
        name: name(called),
        created: Timestamp::default(),
        location: None,
        versioning,
        object_lock: false,
        owner: None,
        creator: None,
    };
    (RowKey::Bucket(guid(number)), Some(row.encode()))
}

pub(crate) fn object_key(bucket: u8, key: &str) -> RowKey {
    RowKey::Object(guid(bucket), ObjectKey::new(key).expect("a key"), Place::Latest)
}

pub(crate) fn object(bucket: u8, key: &str, body: Body) -> RowWrite {
    tagged_object(bucket, key, body, 0)
}

/// An object whose row differs by `tag`.
pub(crate) fn tagged_object(bucket: u8, key: &str, body: Body, tag: u8) -> RowWrite {
    sized_object(bucket, key, body, 0, tag)
}

pub(crate) fn sized_object(bucket: u8, key: &str, body: Body, size: u64, tag: u8) -> RowWrite {
    let content = Content {
        size,
        body,
        etag: ETag::Md5([tag; 16]),
        checksum: None,
        parts: None,
        headers: ContentHeaders::default(),
        metadata: Vec::new(),
        tags: Vec::new(),
        acl: None,
        lock: None,
        wrapped_key: None,
    };
    let state = ObjectState::Content(Box::new(content));
    let row = ObjectRow { version: Version::Null { stamp: 0 }, modified: Timestamp::default(), state };
    (object_key(bucket, key), Some(row.encode()))
}

pub(crate) fn path_guid(id: u8) -> PathGuid {
    PathGuid::from_bytes([id; 16])
}

pub(crate) fn snapshot_guid(id: u8) -> SnapshotGuid {
    SnapshotGuid::from_bytes([id; 16])
}

pub(crate) fn epoch() -> Epoch {
    Epoch { number: EpochNumber::new(1), writer: NodeGuid::from_bytes([7; 16]), fork: None }
}

pub(crate) fn create_path(id: u8, scope: Scope, access: AccessChange) -> PathOp {
    PathOp::Create { guid: path_guid(id), scope, access, epoch: epoch(), detail: Vec::new() }
}

pub(crate) fn snapshot(path: u8, id: u8, at: At) -> SnapshotSpec {
    SnapshotSpec {
        path: path_guid(path),
        guid: snapshot_guid(id),
        name: format!("snapshot-{id}"),
        created: Timestamp::from_secs(i64::from(id)),
        creator: CreatorKind::Policy,
        epoch: EpochNumber::new(1),
        expires: None,
        locked: false,
        at,
        digest: None,
    }
}
