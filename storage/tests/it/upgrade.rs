//! A directory of format 1 is counted once, while it serves, wherever it is killed.
//!
//! `golden/format-1.tar.gz` was made by the library as it was before there were totals (commit 85477ec), and copied while the process ran: frames
//! stand behind its last checkpoint. It has buckets `alpha` (versions, delete markers, a setting) and `beta` (bodies of all kinds, an upload of two
//! parts), 310 buckets `bucket-N`, one that is gone, a path over `alpha` with two restore points and a feed, and a path over `delta` that has a whole transfer
//! which is not applied yet.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tandem_storage::blob::StagedBody;
use tandem_storage::change::{
    AccessChange, ApplyStaged, At, DeleteBucket, DeleteObject, PathOp, Precondition, PutObject, SetBucketSetting,
    SnapshotSpec, UpdatePaths, VersionSelector, WritePermit,
};
use tandem_storage::check::{Depth, State};
use tandem_storage::disk::{Crash, Disk, RealDisk, SimDisk};
use tandem_storage::record::{Access, CreatorKind, HoldReason, Scope, SnapshotRow, Total, TransferPhase};
use tandem_storage::types::{
    BucketGuid, BucketName, EpochNumber, ObjectKey, PathGuid, Seq, SnapshotGuid, Timestamp, TransferGuid,
};
use tandem_storage::{Change, CommitError, Counted, EngineKind, Lane, OpenError, Store};

use crate::objects::plain_object;
use crate::totals::counted;
use crate::world::options;

const NOW: Timestamp = Timestamp::from_secs(1_760_000_000);
const ALPHA: PathGuid = PathGuid::from_bytes([1; 16]);
const DELTA: PathGuid = PathGuid::from_bytes([2; 16]);
/// The total of `alpha` at its first restore point.
const GOLDEN_TOTAL: &str = "22 rows with the sum 6755c634e064239d";

/// The golden directory, on a simulated disk.
fn golden() -> SimDisk {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1.tar.gz");
    let status = Command::new("tar").arg("-xzf").arg(packed).arg("-C").arg(dir.path()).status().expect("tar runs");
    assert!(status.success());
    let unpacked = RealDisk::new(dir.path().join("format-1")).expect("a data directory");
    let disk = SimDisk::new();
    copy(&unpacked, &disk, "");
    disk
}

/// What is in a directory, directories included.
fn copy(from: &RealDisk, to: &SimDisk, dir: &str) {
    for name in from.list(dir).expect("a directory") {
        let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
        if from.list(&path).is_ok() {
            to.create_dir_all(&path).expect("made");
            copy(from, to, &path);
            continue;
        }
        let file = from.open(&path).expect("a file");
        let mut bytes = vec![0; usize::try_from(file.len().expect("a length")).expect("it is short")];
        let read = file.read_at(&mut bytes, 0).expect("read");
        assert_eq!(read, bytes.len());
        let file = to.create(&path).expect("made");
        file.write_at(&bytes, 0).and_then(|()| file.sync_data()).expect("written");
    }
    to.sync_dir(dir).expect("synced");
}

fn open(disk: &SimDisk) -> Result<Store, OpenError> {
    Store::open(Arc::new(disk.clone()), options(EngineKind::Redb))
}

fn commit<C: Change>(store: &Store, change: C) -> Result<(Seq, C::Output), CommitError> {
    let durable = store.commit(Lane::Client, NOW, change).wait()?;
    Ok((durable.seq(), durable.into_inner()))
}

fn format_file(disk: &SimDisk) -> String {
    let mut bytes = [0; 200];
    let read = disk.open("FORMAT").and_then(|file| file.read_at(&mut bytes, 0)).expect("read");
    String::from_utf8(bytes[..read].to_vec()).expect("text")
}

fn guid(n: u16) -> BucketGuid {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    bytes[15] = 1;
    BucketGuid::from_bytes(bytes)
}

fn scope(name: &str) -> Scope {
    Scope::Bucket(BucketName::new(name).expect("a name"))
}

/// Every bucket's total, and the node's, is what its rows come to; the verifier, which counts in its own way, agrees.
fn totals_are_right(store: &Store) {
    let mut names = BTreeSet::from(["none-of-this-name".to_owned()]);
    let mut add = |view: tandem_storage::BucketView| {
        names.insert(view.row.name.as_str().to_owned());
        ControlFlow::Continue(())
    };
    store.read().expect("a reader").buckets(None, &mut add).expect("read");
    let scopes = names.iter().filter(|name| *name != "delta").map(|name| scope(name));
    for scope in scopes.chain([Scope::Endpoint]) {
        let rows = counted(store, &scope, store.newest()).expect("counted");
        assert_eq!(store.total_at(&scope, store.newest()).expect("read"), Some(rows), "{scope}");
    }
    is_sound(store);
}

fn is_sound(store: &Store) {
    let report = store.check(State::Idle, Depth::Bytes, &mut |_| {}).expect("it reads");
    assert!(report.is_clean(), "{:#?}", report.findings);
}

fn put(store: &Store, bucket: u16, key: &str, permit: WritePermit) -> Result<(), CommitError> {
    let change = PutObject {
        permit,
        bucket: guid(bucket),
        key: ObjectKey::new(key).expect("a key"),
        precondition: Precondition::None,
        body: StagedBody::empty(),
        object: plain_object(),
        random: 5,
    };
    commit(store, change).map(drop)
}

/// What clients do while the count runs: in buckets that it has counted, and in those that it has not.
fn client(store: &Store, turn: u16) -> Result<(), CommitError> {
    let free = WritePermit::Unprotected;
    put(store, 2, &format!("while-counting-{turn}"), free)?;
    put(store, 2, &format!("key-{turn:02}"), free)?;
    let key = ObjectKey::new(&format!("key-{:02}", turn + 10)).expect("a key");
    let (version, precondition) = (VersionSelector::Latest, Precondition::None);
    commit(store, DeleteObject { permit: free, bucket: guid(2), key, version, precondition, random: 1 })?;
    for bucket in [11 + turn, 300 + turn] {
        let name = BucketName::new(&format!("bucket-{bucket}")).expect("a name");
        match commit(store, DeleteBucket { permit: free, name, guid: guid(bucket) }) {
            Ok(_) | Err(CommitError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let (bucket, value) = (guid(200), Some(vec![turn as u8]));
    commit(store, SetBucketSetting { permit: free, bucket, name: "tagging".into(), value })?;
    put(store, 1, &format!("new-{turn}"), WritePermit::Path { path: ALPHA, epoch: EpochNumber::new(1) })
}

fn snapshot(store: &Store, path: PathGuid, number: u8) -> Result<SnapshotRow, CommitError> {
    let spec = SnapshotSpec {
        path,
        guid: SnapshotGuid::from_bytes([number; 16]),
        name: format!("s{number}"),
        created: NOW,
        creator: CreatorKind::User,
        epoch: EpochNumber::new(1),
        expires: None,
        locked: false,
        at: At::ThisCommit,
        digest: None,
    };
    let guid = spec.guid;
    commit(store, UpdatePaths(vec![PathOp::Snapshot(spec)]))?;
    Ok(store.snapshot(guid).expect("read").expect("it was taken"))
}

fn count_all(store: &Store) -> Result<(), CommitError> {
    for _ in 0..100 {
        if store.count_step(NOW)? == Counted::Whole {
            return Ok(());
        }
    }
    panic!("the count does not end");
}

#[test]
fn a_directory_of_format_1_is_counted_while_it_serves_and_is_killed_in_between() {
    let disk = golden();
    assert!(format_file(&disk).starts_with("tandem-store 1\n"));
    let store = open(&disk).expect("it opens");
    assert!(format_file(&disk).starts_with("tandem-store 2\n"), "an older build refuses it from here on");
    assert_eq!((store.totals_whole(), store.counted()), (false, Counted::NotBegun));
    let old = store.snapshots(ALPHA).expect("a list");
    assert!(old.len() == 2 && old.iter().all(|row| row.total.is_none() && !row.proved));
    assert_eq!(old[0].digest, Some(store.digest(&scope("alpha"), old[0].seq).expect("counted")));
    is_sound(&store);

    client(&store, 0).expect("it serves");
    assert_eq!(store.total_at(&Scope::Endpoint, store.newest()).expect("read"), None);
    let (mut store, mut disk, mut steps) = (store, disk, 0);
    for turn in 1.. {
        let counted = store.count_step(NOW).expect("a step");
        is_sound(&store);
        client(&store, turn).expect("it serves");
        is_sound(&store);
        if counted == Counted::Whole {
            break;
        }
        steps += 1;
        assert_eq!(store.total_at(&Scope::Endpoint, store.newest()).expect("read"), None, "not known yet");
        let taken = snapshot(&store, ALPHA, 100 + turn as u8).expect("taken");
        assert_eq!((taken.total, taken.proved), (None, false));
        // The power goes.
        let next = disk.crash(if turn % 2 == 0 { Crash::LoseAll } else { Crash::KeepAll });
        drop(store);
        disk = next;
        store = open(&disk).expect("it opens");
        assert_eq!(store.counted(), counted, "it goes on where it was");
        is_sound(&store);
    }
    assert!(steps >= 2, "the count was cut {steps} times");
    assert!(store.totals_whole());
    totals_are_right(&store);
    assert!(store.holds().expect("a list").iter().all(|hold| hold.reason != HoldReason::Count));
    let taken = snapshot(&store, ALPHA, 99).expect("taken");
    assert_eq!(taken.total, Some(counted(&store, &scope("alpha"), taken.seq).expect("counted")));
    assert!(taken.proved);
    while store.collect(NOW).expect("collected").more {}
    totals_are_right(&store);
    drop(store);
    totals_are_right(&open(&disk).expect("it opens"));
}

#[test]
fn old_restore_points_are_counted_from_their_rows_and_old_transfers_land_unproved() {
    let disk = golden();
    let store = open(&disk).expect("it opens");
    count_all(&store).expect("counted");
    let row = store.snapshots(ALPHA).expect("a list").remove(0);
    assert_eq!(store.total_at(&scope("alpha"), row.seq).expect("read"), None, "never the present's");
    let (mut total, mut after) = (Total::default(), None);
    loop {
        after = store.count_total_page(&scope("alpha"), row.seq, after, &mut total).expect("a page");
        if after.is_none() {
            break;
        }
    }
    assert_eq!(total, counted(&store, &scope("alpha"), row.seq).expect("counted"));
    // Of one build as of another: it travels, and is compared.
    assert_eq!(format!("{total}"), GOLDEN_TOTAL);
    let snapshot = row.meta.guid;
    commit(&store, UpdatePaths(vec![PathOp::SetTotal { snapshot, total, proved: true }])).expect("set");
    assert_eq!(store.total_at(&scope("alpha"), row.seq).expect("read"), Some(total));

    let transfer = store.transfers().expect("a list").remove(0);
    assert_eq!((&transfer.phase, transfer.total), (&TransferPhase::Complete { rows: 6 }, None));
    let id = TransferGuid::from_bytes([3; 16]);
    while commit(&store, ApplyStaged { transfer: id, limit: 4 }).expect("applied").1 > 0 {}
    let spec = SnapshotSpec {
        path: DELTA,
        guid: transfer.to.guid,
        name: transfer.to.name,
        created: transfer.to.created,
        creator: transfer.to.creator,
        epoch: transfer.to.epoch,
        expires: None,
        locked: false,
        at: At::ThisCommit,
        digest: transfer.digest.clone(),
    };
    let access = Some(AccessChange::ReadAt(At::ThisCommit));
    let revision = store.path(DELTA).expect("a path").revision;
    let flip = vec![
        PathOp::Snapshot(spec),
        PathOp::Change { guid: DELTA, revision, access, epoch: None, detail: None },
        PathOp::DropTransfer { id },
    ];
    let (seq, _) = commit(&store, UpdatePaths(flip)).expect("it lands");
    assert_eq!(store.path(DELTA).expect("a path").access, Access::ReadAt(seq));
    let landed = store.snapshot(transfer.to.guid).expect("read").expect("it landed");
    let rows = counted(&store, &scope("delta"), seq).expect("counted");
    assert_eq!((landed.total, landed.proved, rows.rows()), (Some(rows), false, 6));
    assert_eq!(transfer.digest, Some(store.digest(&scope("delta"), seq).expect("counted")));
    is_sound(&store);
}

/// Opens, counts and serves, until something stops it.
fn upgrade(disk: &SimDisk) -> Result<(), String> {
    let store = open(disk).map_err(|error| error.to_string())?;
    let steps = || {
        client(&store, 0)?;
        for turn in 1..20 {
            let counted = store.count_step(NOW)?;
            client(&store, turn)?;
            if turn == 2 {
                store.checkpoint()?;
            }
            if counted == Counted::Whole {
                break;
            }
        }
        store.checkpoint()
    };
    steps().map_err(|error: CommitError| error.to_string())
}

#[test]
fn a_cut_at_any_sync_of_the_upgrade_leaves_a_directory_that_is_counted_to_the_end() {
    let disk = golden();
    disk.record_images();
    upgrade(&disk).expect("nothing stops it");
    let images = disk.take_images();
    assert!(images.len() > 40, "{} syncs", images.len());
    let before = open(&golden()).expect("it opens").newest();
    let (mut format_2, mut format_1) = (0, 0);
    for (image, n) in images.iter().zip(0..).step_by(2) {
        for crash in [Crash::LoseAll, [Crash::KeepAll, Crash::Prefix(n), Crash::Subset(n)][(n / 2) as usize % 3]] {
            let disk = image.crash(crash);
            let is_old = format_file(&disk).starts_with("tandem-store 1\n");
            if crash == Crash::LoseAll {
                assert!(!(is_old && format_2 > 0), "what is of format 2 stays so");
                if is_old { format_1 += 1 } else { format_2 += 1 }
            }
            let store = open(&disk).expect("it opens");
            assert!(!is_old || store.newest() == before, "nothing was written before the format was");
            is_sound(&store);
            count_all(&store).expect("counted");
            totals_are_right(&store);
        }
    }
    assert!(format_1 > 0 && format_2 > 20);
}

#[test]
fn totals_that_are_not_believed_are_counted_again() {
    let disk = SimDisk::new();
    let store = open(&disk).expect("it opens");
    assert!(store.totals_whole(), "there is nothing to count");
    store.count_again(NOW).expect("nothing happens");
    assert!(store.totals_whole() && store.newest() == Seq::ZERO);
    drop(store);
    let disk = golden();
    let store = open(&disk).expect("it opens");
    count_all(&store).expect("counted");
    let known = store.total_at(&Scope::Endpoint, store.newest()).expect("read");
    store.count_again(NOW).expect("forgotten");
    assert_eq!(
        (store.counted(), store.total_at(&Scope::Endpoint, store.newest()).expect("read")),
        (Counted::NotBegun, None)
    );
    is_sound(&store);
    // In the midst of it again.
    for _ in 0..2 {
        store.count_step(NOW).expect("a step");
    }
    store.count_again(NOW).expect("forgotten");
    drop(store);
    let store = open(&disk).expect("it opens");
    count_all(&store).expect("counted");
    totals_are_right(&store);
    assert_eq!(store.total_at(&Scope::Endpoint, store.newest()).expect("read"), known);
}
