mod crash;
mod hostile;
mod mutants;

use super::*;
use crate::change::{AccessChange, At, PathOp, Refusal, UpdatePaths};
use crate::check::State;
use crate::fixture::{
    Dice, Fixture, RowWrite, bucket, create_path, epoch, guid, hold_id, name, object_key, path_guid, snapshot,
    snapshot_guid, tagged_object,
};
use crate::meta::engine::Table;
use crate::meta::layout::row_blobs;
use crate::record::{BlobKind, CreatorKind, Scope, SnapshotMeta, TransferPhase};
use crate::types::{Body, Timestamp};

/// Keys of a bucket that each snapshot's commit writes.
const CROWD: u8 = 12;

/// Two nodes and one path: what a replication session does, without a wire.
struct Pair {
    source: Fixture,
    destination: Fixture,
    scope: Scope,
    /// The snapshot that both have.
    common: Option<u8>,
    made: u8,
}

impl Pair {
    fn new(scope: Scope) -> Self {
        let (source, destination) = (Fixture::new(), Fixture::new());
        source.paths(vec![create_path(1, scope.clone(), AccessChange::Writable)]);
        destination.paths(vec![create_path(1, scope.clone(), AccessChange::ReadAt(At::ThisCommit))]);
        Pair { source, destination, scope, common: None, made: 0 }
    }

    /// Takes a snapshot at the source, in a commit full of clients' rows; returns its id and digest.
    fn snapshot(&mut self) -> (u8, Seq, Digest) {
        let rows = ["one", "two"].into_iter().filter_map(|called| {
            let reader = self.source.store.read().expect("a reader");
            let bucket = reader.bucket(&name(called)).expect("read")?.row.guid.as_bytes()[0];
            let tag = self.made;
            let puts = (0..CROWD).map(move |key| tagged_object(bucket, &format!("crowd-{key}"), Body::Empty, tag));
            Some(puts.chain([(object_key(bucket, &format!("crowd-{}", tag % CROWD)), None)]))
        });
        let rows = rows.flatten().collect();
        self.snapshot_with(rows)
    }

    fn snapshot_with(&mut self, rows: Vec<RowWrite>) -> (u8, Seq, Digest) {
        self.made += 1;
        let seq = self.source.together(
            rows,
            vec![
                PathOp::Snapshot(snapshot(1, self.made, At::ThisCommit)),
                PathOp::Cursor { id: hold_id(255), after: At::ThisCommit },
            ],
        );
        let digest = self.source.store.digest(&self.scope, seq).expect("a digest");
        self.source.paths(vec![PathOp::SetDigest {
            snapshot: snapshot_guid(self.made),
            digest: digest.clone(),
            replace: false,
        }]);
        (self.made, seq, digest)
    }

    fn at(&self, fixture: &Fixture, snapshot: u8) -> Seq {
        fixture.store.snapshot(snapshot_guid(snapshot)).expect("read").expect("a snapshot").seq
    }

    /// Stages what differs since the common snapshot. Returns the transfer.
    fn stage(&self, to: u8, to_seq: Seq, digest: &Digest, page: usize) -> TransferGuid {
        self.stage_as(TransferGuid::from_bytes([to; 16]), to, to_seq, digest, page)
    }

    fn stage_as(&self, id: TransferGuid, to: u8, to_seq: Seq, digest: &Digest, page: usize) -> TransferGuid {
        let base = self.common.map(|common| (common, self.at(&self.source, common)));
        let entries = self.source.delta(&self.scope, base.map(|(_, seq)| seq), to_seq, page);
        self.destination.commit(BeginTransfer(row(id, to, self.common)));
        let rows: Vec<_> = entries.into_iter().map(|entry| StagedRow { key: entry.key, value: entry.new }).collect();
        let mut first = 0;
        for rows in rows.chunks(page) {
            self.ship_blobs(id, rows);
            let stage = || StageRows { transfer: id, first, rows: rows.to_vec() };
            let (_, staged) = self.destination.commit(stage());
            // A repeated message is harmless.
            assert_eq!(self.destination.commit(stage()).1, staged);
            first = staged;
        }
        let here = self.common.map(|common| {
            let row = self.destination.store.snapshot(snapshot_guid(common)).expect("read").expect("a snapshot");
            (row.digest.expect("a digest"), row.seq)
        });
        let base = here.as_ref().map(|(digest, seq)| (digest, *seq));
        assert_eq!(self.destination.store.staged_digest(id, base).expect("a digest"), *digest);
        let total = self.source.store.total_at(&self.scope, to_seq).expect("a total");
        assert!(total.is_some());
        let base = here.map(|(_, seq)| (self.destination.store.total_at(&self.scope, seq).unwrap().unwrap(), seq));
        assert_eq!(self.destination.store.staged_total(id, base).expect("a total"), total.unwrap());
        self.destination.commit(CompleteTransfer { transfer: id, rows: first, digest: digest.clone(), total });
        id
    }

    fn ship_blobs(&self, transfer: TransferGuid, rows: &[StagedRow]) {
        let named =
            |row: &StagedRow| row.value.as_ref().map(|value| row_blobs(&row.key.encode(), value).expect("decodes"));
        let wanted: Vec<_> = rows.iter().filter_map(named).flatten().flatten().collect();
        self.ship(transfer, wanted);
    }

    /// Children before the recipes that list them.
    fn ship(&self, transfer: TransferGuid, wanted: Vec<ContentHash>) {
        let claim = ClaimBlobs { transfer, received: Vec::new(), wanted };
        for hash in self.destination.commit(claim).1.lacking {
            let bytes = self.source.store.blob(hash).expect("bytes");
            let kind = match self.source.store.recipe(hash) {
                Ok(children) => {
                    self.ship(transfer, children.iter().map(|child| child.hash).collect());
                    BlobKind::Recipe
                }
                Err(_) => BlobKind::Data,
            };
            let received = vec![self.destination.store.receive_blob(hash, kind, &bytes).expect("received")];
            self.destination.commit(ClaimBlobs { transfer, received, wanted: Vec::new() });
        }
    }

    fn apply(&self, transfer: TransferGuid, limit: usize) {
        let visible = self.visible();
        let shown = self.destination.store.digest(&self.scope, visible).expect("a digest");
        while self.destination.commit(ApplyStaged { transfer, limit }).1 > 0 {
            assert_eq!(self.destination.store.digest(&self.scope, visible).expect("a digest"), shown);
        }
    }

    fn visible(&self) -> Seq {
        match self.destination.store.path(path_guid(1)).expect("a path").access {
            crate::record::Access::ReadAt(seq) => seq,
            other => panic!("{other:?}"),
        }
    }

    fn flip(&mut self, transfer: TransferGuid, to: u8, digest: &Digest) {
        let revision = self.destination.store.path(path_guid(1)).expect("a path").revision;
        let mut spec = snapshot(1, to, At::ThisCommit);
        spec.digest = Some(digest.clone());
        let access = Some(AccessChange::ReadAt(At::ThisCommit));
        self.destination.paths(vec![
            PathOp::Change { guid: path_guid(1), revision, access, epoch: None, detail: None },
            PathOp::Snapshot(spec),
            PathOp::DropTransfer { id: transfer },
        ]);
        self.common = Some(to);
    }

    fn cycle(&mut self, dice: &mut Dice) {
        let (to, seq, digest) = self.snapshot();
        let transfer = self.stage(to, seq, &digest, 1 + dice.below(7) as usize);
        self.apply(transfer, 1 + dice.below(5) as usize);
        self.flip(transfer, to, &digest);
        let here = self.destination.store.digest(&self.scope, self.visible()).expect("a digest");
        assert_eq!(here, digest);
        let [here, there] = [&self.destination, &self.source].map(|node| node.store.snapshot(snapshot_guid(to)));
        let (here, there) = (here.expect("read").expect("it landed"), there.expect("read").expect("it was taken"));
        assert!(here.proved && there.proved && here.total.is_some());
        assert_eq!(here.total, there.total);
    }
}

fn row(id: TransferGuid, to: u8, base: Option<u8>) -> TransferRow {
    let spec = snapshot(1, to, At::ThisCommit);
    let to = SnapshotMeta {
        guid: spec.guid,
        name: spec.name,
        created: Timestamp::default(),
        creator: CreatorKind::Policy,
        epoch: spec.epoch,
    };
    let phase = TransferPhase::Receiving { rows: 0 };
    let base = base.map(snapshot_guid);
    TransferRow { id, path: path_guid(1), epoch: epoch(), base, to, phase, digest: None, total: None }
}

/// Buckets made, deleted and made again; objects of every size put, overwritten and deleted.
fn live(fixture: &Fixture, dice: &mut Dice, buckets: &mut [Option<u8>; 2], next: &mut u8) {
    let slot = dice.below(2) as usize;
    let called = ["one", "two"][slot];
    let Some(number) = buckets[slot] else {
        *next += 1;
        buckets[slot] = Some(*next);
        fixture.set(vec![bucket(*next, called)]);
        return;
    };
    let key = format!("key-{}", dice.below(6));
    match dice.below(20) {
        0 => {
            buckets[slot] = None;
            let keys = (0..6).map(|key| (object_key(number, &format!("key-{key}")), None));
            let crowd = (0..CROWD).map(|key| (object_key(number, &format!("crowd-{key}")), None));
            fixture.set(keys.chain(crowd).chain([(RowKey::Bucket(guid(number)), None)]).collect());
        }
        1..=4 => drop(fixture.set(vec![(object_key(number, &key), None)])),
        5 => drop(fixture.put(number, &key, &vec![dice.below(3) as u8; 9 * 1024 * 1024])),
        _ => drop(fixture.put(number, &key, &[dice.below(20) as u8; 64])),
    }
}

#[test]
fn a_destination_becomes_each_of_its_sources_snapshots() {
    for (seed, scope) in [(1, Scope::Endpoint), (2, Scope::Bucket(name("one")))] {
        let mut dice = Dice(seed);
        let mut pair = Pair::new(scope);
        let (mut buckets, mut next) = ([None; 2], 0);
        for _ in 0..8 {
            for _ in 0..dice.below(15) {
                live(&pair.source, &mut dice, &mut buckets, &mut next);
            }
            pair.cycle(&mut dice);
            pair.source.collect();
            pair.destination.collect();
            pair.destination.check(State::Collected);
        }
    }
}

#[test]
fn a_seed_replaces_what_the_destination_had() {
    for scope in [Scope::Endpoint, Scope::Bucket(name("one"))] {
        let mut dice = Dice(5);
        let mut pair = Pair::new(scope);
        let (mut buckets, mut next) = ([None; 2], 0);
        for round in 0..5 {
            for _ in 0..20 {
                live(&pair.source, &mut dice, &mut buckets, &mut next);
            }
            if round == 3 {
                // Nothing is left at the source.
                let gone = pair.source.store.newest();
                let rows = pair.source.delta(&Scope::Endpoint, None, gone, 100);
                pair.source.set(rows.into_iter().map(|entry| (entry.key, None)).collect());
                buckets = [None; 2];
            }
            pair.common = None;
            pair.cycle(&mut dice);
        }
        pair.destination.collect();
        pair.destination.check(State::Collected);
    }
}

#[test]
fn a_rewind_brings_the_snapshots_digest_back() {
    for (seed, scope, feed) in [
        (1, Scope::Endpoint, true),
        (2, Scope::Endpoint, false),
        (3, Scope::Bucket(name("one")), true),
        (4, Scope::Bucket(name("one")), false),
    ] {
        let mut dice = Dice(seed);
        let fixture = Fixture::new();
        fixture.paths(vec![create_path(1, scope.clone(), AccessChange::Writable)]);
        let (mut buckets, mut next) = ([None; 2], 0);
        for _ in 0..15 {
            live(&fixture, &mut dice, &mut buckets, &mut next);
        }
        if feed {
            fixture.paths(vec![PathOp::Cursor { id: hold_id(255), after: At::ThisCommit }]);
        }
        let to = fixture.paths(vec![PathOp::Snapshot(snapshot(1, 1, At::ThisCommit))]);
        let before = fixture.store.digest(&scope, to).expect("a digest");
        for _ in 0..60 {
            live(&fixture, &mut dice, &mut buckets, &mut next);
        }
        let access = Some(AccessChange::ReadAt(At::Seq(to)));
        fixture.paths(vec![PathOp::Change { guid: path_guid(1), revision: 1, access, epoch: None, detail: None }]);
        rewind(&fixture, to, 2, Some(3));
        rewind(&fixture, to, 2, None);
        let newest = fixture.store.newest();
        assert_eq!(fixture.store.digest(&scope, newest).expect("a digest"), before);
        fixture.collect();
        fixture.check(State::Collected);
    }
}

/// Rewinds; after `stop` pages it is cut.
fn rewind(fixture: &Fixture, to: Seq, limit: usize, stop: Option<usize>) {
    let mut position = None;
    for page in 0.. {
        if stop == Some(page) {
            return;
        }
        let page = fixture.commit(rewind_page(to, position, limit)).1;
        if page.next.is_none() {
            assert_eq!(page.totals, Agreement::Equal);
            return;
        }
        position = page.next;
    }
}

fn rewind_page(to: Seq, position: Option<crate::meta::delta::DeltaPosition>, limit: usize) -> RewindPage {
    RewindPage { path: path_guid(1), epoch: epoch().number, to, position, limit }
}

#[test]
fn a_transfer_keeps_its_order() {
    let mut pair = Pair::new(Scope::Endpoint);
    pair.source.set(vec![bucket(1, "one")]);
    pair.source.put(1, "key", b"content");
    let (to, seq, digest) = pair.snapshot_with(Vec::new());
    let id = TransferGuid::from_bytes([to; 16]);
    let d = &pair.destination;
    assert_eq!(d.refused(StageRows { transfer: id, first: 0, rows: Vec::new() }), Refusal::Unknown);
    let fenced =
        TransferRow { epoch: crate::types::Epoch { number: EpochNumber::new(9), ..epoch() }, ..row(id, to, None) };
    assert_eq!(d.refused(BeginTransfer(fenced)), Refusal::Fenced);
    d.commit(BeginTransfer(row(id, to, None)));
    d.commit(BeginTransfer(row(id, to, None)));
    let other = row(TransferGuid::from_bytes([99; 16]), to, None);
    assert_eq!(d.refused(BeginTransfer(other)), Refusal::Stale);
    let entries = pair.source.delta(&pair.scope, None, seq, 9);
    let rows: Vec<_> = entries.into_iter().map(|entry| StagedRow { key: entry.key, value: entry.new }).collect();
    let stage = |first, rows: &[StagedRow]| StageRows { transfer: id, first, rows: rows.to_vec() };
    assert_eq!(d.refused(stage(1, &rows[..1])), Refusal::Stale);
    assert_eq!(d.refused(stage(0, &rows)), Refusal::BytesGone);
    let backwards: Vec<_> = rows.iter().rev().cloned().collect();
    pair.ship_blobs(id, &rows);
    assert!(matches!(d.refused(stage(0, &backwards)), Refusal::Malformed(_)));
    assert_eq!(d.commit(stage(0, &rows)).1, 2);
    let complete = |rows| CompleteTransfer { transfer: id, rows, digest: digest.clone(), total: None };
    assert_eq!(d.refused(complete(1)), Refusal::Stale);
    assert_eq!(d.refused(ApplyStaged { transfer: id, limit: 1 }), Refusal::Stale);
    d.commit(complete(2));
    d.commit(complete(2));
    let forget = || UpdatePaths(vec![PathOp::DropTransfer { id }]);
    assert_eq!(d.refused(forget()), Refusal::Stale);
    assert!(d.commit(ApplyStaged { transfer: id, limit: 1 }).1 > 0);
    let write = Some(AccessChange::Writable);
    let promote = || PathOp::Change { guid: path_guid(1), revision: 1, access: write, epoch: None, detail: None };
    let remove = PathOp::Remove { guid: path_guid(1), revision: 1 };
    let to_visible = pair.visible();
    let back = RewindPage { path: path_guid(1), epoch: epoch().number, to: to_visible, position: None, limit: 9 };
    assert_eq!(d.refused(forget()), Refusal::Stale);
    assert_eq!(d.refused(UpdatePaths(vec![promote()])), Refusal::Stale);
    assert_eq!(d.refused(UpdatePaths(vec![remove])), Refusal::Stale);
    assert_eq!(d.refused(back), Refusal::Stale);
    pair.apply(id, 1);
    assert_eq!(d.refused(forget()), Refusal::Stale);
    assert_eq!(d.refused(UpdatePaths(vec![promote()])), Refusal::Stale);
    pair.flip(id, to, &digest);
    assert!(pair.destination.store.transfers().expect("a list").is_empty());
    assert_eq!(pair.destination.refused(BeginTransfer(row(id, to, None))), Refusal::Stale);
}

#[test]
fn a_peers_rows_stay_inside_the_path_and_mean_what_they_say() {
    let destination = Fixture::new();
    let scope = Scope::Bucket(name("one"));
    destination.paths(vec![create_path(1, scope, AccessChange::ReadAt(At::ThisCommit))]);
    let id = TransferGuid::from_bytes([1; 16]);
    destination.commit(BeginTransfer(row(id, 1, Some(9))));
    let staged = |(key, value)| StagedRow { key, value };
    let stage = |rows: Vec<StagedRow>| StageRows { transfer: id, first: 0, rows };
    let object = || staged(tagged_object(1, "key", Body::Empty, 0));
    let refused = |rows| assert!(matches!(destination.refused(stage(rows)), Refusal::Malformed(_)));
    refused(vec![object()]);
    refused(vec![staged(bucket(1, "two"))]);
    refused(vec![staged((RowKey::Bucket(guid(2)), bucket(1, "one").1))]);
    refused(vec![staged(bucket(1, "one")), staged(tagged_object(2, "key", Body::Empty, 0))]);
    refused(vec![staged(bucket(1, "one")), staged((object_key(1, "key"), Some(vec![1, 2, 3])))]);
    refused(vec![staged((RowKey::BucketName(name("one")), Some(vec![1; 16])))]);
    assert_eq!(destination.commit(stage(vec![staged(bucket(1, "one")), object()])).1, 2);
    assert_eq!(destination.count(Table::Staged), 2);
}
