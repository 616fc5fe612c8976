//! Points that are taken while several threads write at full speed, each with many writes under way: whatever the batches come to be, deltas between
//! the points leave nothing out, and the totals that the points carry are those of their rows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tandem_storage::blob::StagedBody;
use tandem_storage::change::{
    AccessChange, At, CreateBucket, DeleteObject, PathOp, Precondition, PutObject, SnapshotSpec, UpdatePaths,
    VersionSelector, WritePermit,
};
use tandem_storage::check::{Depth, State};
use tandem_storage::disk::SimDisk;
use tandem_storage::meta::delta::DeltaEntry;
use tandem_storage::record::{BucketRow, CreatorKind, RowKey, Scope, SnapshotRow, Total, Versioning};
use tandem_storage::types::{
    BucketGuid, BucketName, Epoch, EpochNumber, HoldId, NodeGuid, ObjectKey, PathGuid, Seq, SnapshotGuid, Timestamp,
};
use tandem_storage::{EngineKind, Lane, Store};

use crate::objects::plain_object;
use crate::totals::counted;
use crate::world::options;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const PATH: PathGuid = PathGuid::from_bytes([8; 16]);
const EPOCH: EpochNumber = EpochNumber::new(1);
const PERMIT: WritePermit = WritePermit::Path { path: PATH, epoch: EPOCH };
const WRITERS: u64 = 3;
const WRITES: u64 = 900;
/// Writes that a writer does not wait for.
const UNDER_WAY: usize = 24;
const POINTS: u8 = 12;

fn bucket(writer: u64) -> BucketGuid {
    BucketGuid::from_bytes([1 + (writer % 2) as u8; 16])
}

fn set_up(store: &Store) {
    let epoch = Epoch { number: EPOCH, writer: NodeGuid::from_bytes([7; 16]), fork: None };
    let (scope, access) = (Scope::Endpoint, AccessChange::Writable);
    let ops = vec![
        PathOp::Create { guid: PATH, scope, access, epoch, detail: Vec::new() },
        PathOp::Cursor { id: HoldId::from_bytes([9; 16]), after: At::ThisCommit },
    ];
    drop(store.commit(Lane::Client, NOW, UpdatePaths(ops)).wait().expect("a path"));
    for (writer, name) in [(0, "even"), (1, "odd")] {
        let row = BucketRow {
            guid: bucket(writer),
            name: BucketName::new(name).expect("a name"),
            created: NOW,
            location: None,
            versioning: if writer == 0 { Versioning::Enabled } else { Versioning::Unversioned },
            object_lock: false,
            owner: None,
            creator: None,
        };
        let create = CreateBucket { permit: PERMIT, row, settings: Vec::new() };
        drop(store.commit(Lane::Client, NOW, create).wait().expect("a bucket"));
    }
}

/// Keys that are written once, some that are overwritten again and again, and deletions.
fn write(store: &Store, writer: u64) {
    let mut puts = VecDeque::new();
    for n in 0..WRITES {
        let key = if n % 3 == 0 { format!("often-{writer}-{}", n % 7) } else { format!("once-{writer}-{n}") };
        let change = PutObject {
            permit: PERMIT,
            bucket: bucket(writer),
            key: ObjectKey::new(&key).expect("a key"),
            precondition: Precondition::None,
            body: StagedBody::empty(),
            object: plain_object(),
            random: n,
        };
        puts.push_back(store.commit(Lane::Client, NOW, change));
        if n % 10 == 9 {
            let key = ObjectKey::new(&format!("often-{writer}-{}", n % 4)).expect("a key");
            let (version, precondition) = (VersionSelector::Latest, Precondition::None);
            let change = DeleteObject { permit: PERMIT, bucket: bucket(writer), key, version, precondition, random: n };
            drop(store.commit(Lane::Client, NOW, change).wait().expect("a deletion"));
        }
        while puts.len() > UNDER_WAY {
            drop(puts.pop_front().expect("one").wait().expect("a put"));
        }
    }
    puts.into_iter().for_each(|put| drop(put.wait().expect("a put")));
}

fn snapshot(store: &Store, number: u8) {
    let spec = SnapshotSpec {
        path: PATH,
        guid: SnapshotGuid::from_bytes([number; 16]),
        name: format!("s{number}"),
        created: NOW,
        creator: CreatorKind::Policy,
        epoch: EPOCH,
        expires: None,
        locked: false,
        at: At::ThisCommit,
        digest: None,
    };
    drop(store.commit(Lane::Client, NOW, UpdatePaths(vec![PathOp::Snapshot(spec)])).wait().expect("a snapshot"));
}

fn delta(store: &Store, scope: &Scope, base: Seq, to: Seq, limit: usize) -> BTreeMap<RowKey, DeltaEntry> {
    let (mut entries, mut position) = (BTreeMap::new(), None);
    loop {
        let page = store.delta(scope, Some(base), to, position, limit).expect("a page");
        for entry in page.entries {
            let key = entry.key.clone();
            assert!(entries.insert(key, entry).is_none(), "a key twice");
        }
        match page.next {
            None => return entries,
            next => position = next,
        }
    }
}

fn compared(store: &Store, scope: &Scope, base: Seq, to: Seq) -> BTreeMap<RowKey, DeltaEntry> {
    let page = store.full_comparison(scope, Some(base), to, None, usize::MAX).expect("a page");
    let (mut entries, mut next) = (page.entries, page.next);
    while next.is_some() {
        let page = store.full_comparison(scope, Some(base), to, next, usize::MAX).expect("a page");
        entries.extend(page.entries);
        next = page.next;
    }
    entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect()
}

fn sum(entries: &BTreeMap<RowKey, DeltaEntry>) -> Total {
    let mut total = Total::default();
    for DeltaEntry { key, old, new } in entries.values() {
        let key = key.encode();
        old.iter().for_each(|value| total.remove_row(&key, value));
        new.iter().for_each(|value| total.add_row(&key, value));
    }
    total
}

#[test]
fn deltas_between_points_that_were_taken_under_full_load_leave_nothing_out() {
    let store = Store::open(Arc::new(SimDisk::new()), options(EngineKind::Redb)).expect("it opens");
    set_up(&store);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || write(store, writer))
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.checkpoint().expect("a checkpoint");
                store.collect(NOW).expect("a step");
            }
        });
        for number in 1..=POINTS {
            let before = store.newest();
            snapshot(&store, number);
            while store.newest().get() < before.get() + 20 && writers.iter().any(|writer| !writer.is_finished()) {
                std::thread::yield_now();
            }
        }
        let results: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.expect("a writer ends well"));
    });
    snapshot(&store, POINTS + 1);
    let rows: Vec<SnapshotRow> = store.snapshots(PATH).expect("a list");
    for row in &rows {
        let total = counted(&store, &Scope::Endpoint, row.seq).expect("counted");
        assert_eq!((row.total, row.proved), (Some(total), true), "at {}", row.seq);
    }
    let scopes = ["even", "odd"].map(|name| Scope::Bucket(BucketName::new(name).expect("a name")));
    for (base, to) in rows.iter().zip(&rows[1..]) {
        let whole = compared(&store, &Scope::Endpoint, base.seq, to.seq);
        let difference = to.total.expect("a total").minus(base.total.expect("a total"));
        assert_eq!(sum(&whole), difference);
        for limit in [1, 2, 3, 5, 8, 13, 64] {
            let found = delta(&store, &Scope::Endpoint, base.seq, to.seq, limit);
            assert!(found == whole, "pages of {limit} between {} and {}", base.seq, to.seq);
            for scope in &scopes {
                let found = delta(&store, scope, base.seq, to.seq, limit);
                assert!(found == compared(&store, scope, base.seq, to.seq), "{scope}, pages of {limit}");
            }
        }
    }
    let report = store.check(State::Idle, Depth::Rows, &mut |_| {}).expect("it reads");
    assert!(report.is_clean(), "{:#?}", report.findings);
}
