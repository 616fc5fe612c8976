//! Steps on snapshots, deltas, digests, rewinds, collection.

use std::collections::BTreeMap;
use std::rc::Rc;

use tandem_storage::change::{
    AccessChange, Agreement, At, PathOp, PutObject, Refusal, RewindPage, SnapshotSpec, UpdatePaths,
};
use tandem_storage::check::{CheckReport, Depth, State};
use tandem_storage::meta::delta::{DeltaEntry, DeltaPage, DeltaPosition};
use tandem_storage::record::{CreatorKind, ObjectRow, Record, RowKey, Scope};
use tandem_storage::types::{BucketName, Epoch, EpochNumber, HoldId, NodeGuid, PathGuid, Seq, SnapshotGuid, Timestamp};
use tandem_storage::{ReadError, Store};

use crate::model::Model;
use crate::world::{Path, Stopped, World};

impl World {
    fn update(&mut self, ops: Vec<PathOp>) -> Result<Result<Seq, Refusal>, Stopped> {
        let now = self.tick();
        Ok(self.commit(now, UpdatePaths(ops))?.map(|(seq, _)| seq))
    }

    fn path_or_make(&mut self) -> Result<Path, Stopped> {
        if let Some(path) = self.path {
            return Ok(path);
        }
        let guid = PathGuid::from_bytes(self.random.guid());
        let epoch = Epoch { number: EpochNumber::new(1), writer: NodeGuid::from_bytes([7; 16]), fork: None };
        let path = Path { guid, epoch: epoch.number };
        let create =
            PathOp::Create { guid, scope: Scope::Endpoint, access: AccessChange::Writable, epoch, detail: vec![] };
        self.log.push("make the path".into());
        self.update(vec![create])?.expect("nothing overlaps");
        self.path = Some(path);
        Ok(path)
    }

    pub fn take_snapshot(&mut self) -> Result<(), Stopped> {
        if self.random.one_in(3) { self.quiet_snapshot() } else { self.snapshot_in_a_crowd().map(drop) }
    }

    /// A snapshot in a commit of its own.
    pub fn quiet_snapshot(&mut self) -> Result<(), Stopped> {
        let (guid, spec) = self.snapshot_spec()?;
        let seq = self.update(vec![PathOp::Snapshot(spec)])?.expect("a snapshot of now can be taken");
        self.taken(guid, seq);
        Ok(())
    }

    /// A snapshot whose commit has clients' changes before it and behind it. Its point, and what is there.
    fn snapshot_in_a_crowd(&mut self) -> Result<(Seq, Rc<Model>), Stopped> {
        let (guid, spec) = self.snapshot_spec()?;
        let seq = self.in_a_crowd(UpdatePaths(vec![PathOp::Snapshot(spec)]))?;
        self.taken(guid, seq);
        Ok((seq, self.expected.model.clone()))
    }

    fn snapshot_spec(&mut self) -> Result<(SnapshotGuid, SnapshotSpec), Stopped> {
        let path = self.path_or_make()?;
        let guid = SnapshotGuid::from_bytes(self.random.guid());
        let spec = SnapshotSpec {
            path: path.guid,
            guid,
            name: format!("s{}", self.expected.snapshots.len()),
            created: Timestamp::from_micros(self.now),
            creator: CreatorKind::Policy,
            epoch: path.epoch,
            expires: None,
            locked: false,
            at: At::ThisCommit,
            digest: None,
        };
        Ok((guid, spec))
    }

    fn taken(&mut self, guid: SnapshotGuid, seq: Seq) {
        self.log.push(format!("snapshot at {seq}"));
        let model = self.expected.model.clone();
        self.expected.snapshots.insert(guid, (seq, model));
    }

    pub fn drop_snapshot(&mut self) -> Result<(), Stopped> {
        let (Some(path), Some((snapshot, seq, _))) = (self.path, self.some_snapshot()) else { return Ok(()) };
        self.log.push(format!("drop snapshot at {seq}"));
        self.update(vec![PathOp::DropSnapshot { path: path.guid, snapshot }])?.expect("the path is there");
        self.expected.snapshots.remove(&snapshot);
        Ok(())
    }

    /// Sets a cursor behind a snapshot, or drops it: the feed is there for some deltas, and not for others.
    pub fn move_cursor(&mut self) -> Result<(), Stopped> {
        let point = self.some_snapshot();
        let op = match (self.cursor, point) {
            (Some(id), _) if self.random.one_in(3) => {
                self.cursor = None;
                PathOp::DropCursor { id }
            }
            (cursor, Some((_, seq, _))) => {
                let id = cursor.unwrap_or(HoldId::from_bytes([3; 16]));
                self.log.push(format!("cursor behind {seq}"));
                // Back below the floor it may be refused.
                if self.update(vec![PathOp::Cursor { id, after: At::Seq(seq) }])?.is_ok() {
                    self.cursor = Some(id);
                }
                return Ok(());
            }
            (None, None) => {
                let id = HoldId::from_bytes([3; 16]);
                self.cursor = Some(id);
                PathOp::Cursor { id, after: At::ThisCommit }
            }
            (Some(_), None) => return Ok(()),
        };
        self.log.push(format!("{op:?}"));
        self.update(vec![op])?.expect("it can be set or dropped");
        Ok(())
    }

    fn some_scope(&mut self) -> Scope {
        if self.random.one_in(2) { Scope::Endpoint } else { Scope::Bucket(self.some_name()) }
    }

    /// The delta between two snapshots, in pages of some length.
    pub fn compare_delta(&mut self) -> Result<(), Stopped> {
        let (Some(one), Some(two)) = (self.some_snapshot(), self.some_snapshot()) else { return Ok(()) };
        let (base, to) = if one.1 <= two.1 { (one, two) } else { (two, one) };
        let base = (!self.random.one_in(5)).then_some(base);
        let (scope, limit) = (self.some_scope(), 1 + self.random.below(6));
        self.compare_points(base.map(|(_, seq, model)| (seq, model)), (to.1, to.2), &scope, limit)
    }

    /// The feed is on, and between two points in commits full of changes some more happens: each delta, in pages of every length.
    pub fn compare_crowds(&mut self) -> Result<(), Stopped> {
        self.path_or_make()?;
        let cursor = HoldId::from_bytes([3; 16]);
        self.update(vec![PathOp::Cursor { id: cursor, after: At::ThisCommit }])?.expect("it can be set");
        self.cursor = Some(cursor);
        let base = self.snapshot_in_a_crowd()?;
        for _ in 0..4 {
            crate::sequences::client_step(self)?;
        }
        let to = self.snapshot_in_a_crowd()?;
        for scope in std::iter::once(Scope::Endpoint).chain([self.some_name(), self.some_name()].map(Scope::Bucket)) {
            for limit in 1..=9 {
                self.compare_points(Some(base.clone()), to.clone(), &scope, limit)?;
            }
        }
        Ok(())
    }

    /// By the feed, by comparison, and by the model.
    fn compare_points(
        &mut self,
        base: Option<(Seq, Rc<Model>)>,
        to: (Seq, Rc<Model>),
        scope: &Scope,
        limit: usize,
    ) -> Result<(), Stopped> {
        let from = base.as_ref().map(|(seq, _)| *seq);
        self.log.push(format!("delta {from:?}..{} {scope} by {limit}", to.0));
        let store = self.store();
        let fast = walk(|position| store.delta(scope, from, to.0, position, limit))?;
        let full = walk(|position| store.full_comparison(scope, from, to.0, position, limit))?;
        assert_eq!(fast, full, "the delta is not the comparison");
        let covers = |name: &BucketName| scope.covers(name);
        let old = base.map(|(_, model)| model.rows(covers)).unwrap_or_default();
        let new = to.1.rows(covers);
        let mut differ: Vec<&RowKey> =
            old.keys().chain(new.keys()).filter(|key| old.get(key) != new.get(key)).collect();
        differ.sort();
        differ.dedup();
        let found: Vec<&RowKey> = full.keys().collect();
        assert_eq!(found, differ, "the delta is not the model's");
        for (key, entry) in &full {
            assert_eq!((entry.old.is_some(), entry.new.is_some()), (old.contains_key(key), new.contains_key(key)));
            if let (RowKey::Object(..), Some(value)) = (key, &entry.new) {
                ObjectRow::decode(value).expect("a delta carries rows");
            }
        }
        Ok(())
    }

    /// Equal states have equal digests, and others have not.
    pub fn compare_digests(&mut self) -> Result<(), Stopped> {
        let (Some(one), Some(two)) = (self.some_snapshot(), self.some_snapshot()) else { return Ok(()) };
        let scope = self.some_scope();
        let covers = |name: &BucketName| scope.covers(name);
        let (a, b) = (self.store().digest(&scope, one.1)?, self.store().digest(&scope, two.1)?);
        self.log.push(format!("digests at {} and {} of {scope}", one.1, two.1));
        assert_eq!(a == b, one.2.rows(covers) == two.2.rows(covers), "digests of {} and {} in {scope}", one.1, two.1);
        Ok(())
    }

    /// Puts the present back to a snapshot, behind a closed gate.
    pub fn rewind(&mut self) -> Result<(), Stopped> {
        let (Some(path), Some((snapshot, to, model))) = (self.path, self.some_snapshot()) else { return Ok(()) };
        self.log.push(format!("rewind to {to}"));
        let revision = |store: &Store| store.path(path.guid).expect("the path is there").revision;
        let change = |world: &mut Self, access| {
            let revision = revision(world.store());
            let op = PathOp::Change { guid: path.guid, revision, access: Some(access), epoch: None, detail: None };
            world.update(vec![op])
        };
        change(self, AccessChange::ReadAt(At::Snapshot(snapshot)))?.expect("a snapshot can be shown");
        self.refused_behind_the_gate()?;
        let mut position = None;
        let limit = 1 + self.random.below(20);
        loop {
            let now = self.tick();
            let page = RewindPage { path: path.guid, epoch: path.epoch, to, position, limit };
            let (_, page) = self.commit(now, page)?.expect("a rewind behind the gate goes");
            let ended = if page.next.is_some() { Agreement::NotCompared } else { Agreement::Equal };
            assert_eq!(page.totals, ended, "the walk of the rewind and the total of the point do not agree");
            match page.next {
                None => break,
                next => position = next,
            }
            if self.random.one_in(4) {
                self.reopen()?;
            }
        }
        self.expected.model = model;
        change(self, AccessChange::Writable)?.expect("the gate can be opened");
        let digest = self.store().digest(&Scope::Endpoint, self.store().newest())?;
        assert_eq!(digest, self.store().digest(&Scope::Endpoint, to)?, "the rewound state is another");
        Ok(())
    }

    fn refused_behind_the_gate(&mut self) -> Result<(), Stopped> {
        let Some((bucket, _)) = self.some_bucket() else { return Ok(()) };
        let (key, now) = (self.some_key(), self.tick());
        let change = PutObject {
            permit: self.permit(),
            bucket,
            key,
            precondition: Default::default(),
            body: tandem_storage::blob::StagedBody::empty(),
            object: crate::objects::plain_object(),
            random: 1,
        };
        let refusal = self.commit(now, change)?.err();
        assert!(matches!(refusal, Some(Refusal::Fenced | Refusal::NoSuchBucket)), "{refusal:?}");
        Ok(())
    }

    /// One step of collection, or all there is.
    pub fn collect(&mut self, all: bool) -> Result<(), Stopped> {
        self.log.push(format!("collect, all: {all}"));
        for _ in 0..10_000 {
            let now = self.tick();
            let collected = self.store().collect(now).map_err(|error| Stopped(error.to_string()))?;
            if !(all && collected.more) {
                return Ok(());
            }
        }
        panic!("collection never ends");
    }

    pub fn checkpoint(&mut self) -> Result<(), Stopped> {
        self.log.push("checkpoint".into());
        self.store().checkpoint().map_err(|error| Stopped(error.to_string()))
    }

    /// Opens a body, to be read later.
    pub fn open_reader(&mut self) -> Result<(), Stopped> {
        if self.open.len() > 4 {
            return self.finish_readers();
        }
        let Some((body, content)) = self.some_object()? else { return Ok(()) };
        self.log.push(format!("open {body:?}"));
        let reader = {
            let reader = self.store().read()?;
            reader.open_body(&body, 0..content.size).map_err(crate::world::stopped)?
        };
        self.open.push((reader, content));
        Ok(())
    }

    /// The verifier must find nothing.
    pub fn check(&self, state: State) -> Result<CheckReport, Stopped> {
        let report = self.store().check(state, Depth::Bytes, &mut |_| {})?;
        assert!(report.is_clean(), "{:#?}", report.findings);
        Ok(report)
    }

    /// Removes everything, collects, and expects nothing to be left.
    pub fn remove_everything(&mut self) -> Result<(), Stopped> {
        self.finish_readers()?;
        self.log.push("remove everything".into());
        if let Some(path) = self.path.take() {
            let revision = self.store().path(path.guid).expect("the path is there").revision;
            let mut ops = vec![PathOp::Remove { guid: path.guid, revision }];
            ops.extend(self.cursor.take().map(|id| PathOp::DropCursor { id }));
            self.update(ops)?.expect("a path can be removed");
            self.expected.snapshots.clear();
        } else if let Some(id) = self.cursor.take() {
            self.update(vec![PathOp::DropCursor { id }])?.expect("a cursor can be dropped");
        }
        self.empty_buckets()?;
        self.compare()?;
        self.collect(true)?;
        self.checkpoint()?;
        self.collect(true)?;
        let report = self.check(State::Collected)?;
        assert_eq!((report.rows, report.blobs, report.piece_files), (0, 0, 0), "something is left");
        Ok(())
    }
}

fn walk(
    mut page: impl FnMut(Option<DeltaPosition>) -> Result<DeltaPage, ReadError>,
) -> Result<BTreeMap<RowKey, DeltaEntry>, Stopped> {
    let mut entries = BTreeMap::new();
    let mut position = None;
    loop {
        let found = page(position)?;
        for entry in found.entries {
            let key = entry.key.clone();
            assert!(entries.insert(key.clone(), entry).is_none(), "{key:?} is there twice");
        }
        match found.next {
            None => return Ok(entries),
            next => position = next,
        }
    }
}
