//! A destination whose power is cut at any sync of a transfer, its flip and the collection behind it.

use std::sync::Arc;

use super::*;
use crate::blob::BlobError;
use crate::change::{NodeWrite, WriteNodeRows};
use crate::disk::{Crash, SimDisk};
use crate::fixture::options;
use crate::record::Access;
use crate::store::{CommitError, OpenError, ReadError, Store};

/// The power went.
struct Cut;

macro_rules! cut {
    ($($error:ty),*) => { $(impl From<$error> for Cut {
        fn from(_: $error) -> Self { Cut }
    })* };
}
cut!(CommitError, ReadError, BlobError, OpenError);

/// A source with its snapshots: id, point, digest.
struct Source {
    pair: Pair,
    snapshots: Vec<(u8, Seq, Digest)>,
}

fn source() -> Source {
    let mut pair = Pair::new(Scope::Endpoint);
    let mut dice = Dice(11);
    let (mut buckets, mut next) = ([None; 2], 0);
    let mut snapshots = Vec::new();
    for _ in 0..3 {
        for _ in 0..12 {
            live(&pair.source, &mut dice, &mut buckets, &mut next);
        }
        pair.source.put_all(next, [("large".to_owned(), vec![next; 70_000])]);
        snapshots.push(pair.snapshot());
    }
    Source { pair, snapshots }
}

/// Follows the source to its newest snapshot, from wherever the destination is.
fn follow(source: &Source, here: &Fixture) -> Result<(), Cut> {
    if here.store.path(path_guid(1)).is_none() {
        here.try_commit(UpdatePaths(vec![create_path(1, Scope::Endpoint, AccessChange::ReadAt(At::ThisCommit))]))?;
    }
    let mut common: Option<(u8, Seq)> = None;
    for (to, seq, digest) in &source.snapshots {
        undo(here)?;
        if here.store.snapshot(snapshot_guid(*to))?.is_none() {
            if *to == 2 && here.store.node_row(GIVEN_UP)?.is_none() {
                let id = TransferGuid::from_bytes([102; 16]);
                receive(source, here, id, common, (*to, *seq, digest))?;
                give_up(here, id)?;
            }
            // One that is on its way still, or a new one.
            let id = here.store.transfers()?.first().map_or(TransferGuid::from_bytes([*to; 16]), |row| row.id);
            receive(source, here, id, common, (*to, *seq, digest))?;
            while here.try_commit(ApplyStaged { transfer: id, limit: 3 })?.1 > 0 {}
            flip(here, id, *to, digest)?;
        }
        common = Some((*to, *seq));
        for _ in 0..3 {
            here.store.collect(Timestamp::from_secs(1))?;
        }
    }
    while here.store.collect(Timestamp::from_secs(1))?.more {}
    Ok(())
}

/// The node row that says that the second transfer was given up once.
const GIVEN_UP: &[u8] = b"given up";

/// Applies a part of a transfer, and gives it up.
fn give_up(here: &Fixture, id: TransferGuid) -> Result<(), Cut> {
    here.try_commit(ApplyStaged { transfer: id, limit: 4 })?;
    let row = NodeWrite { key: GIVEN_UP.to_vec(), value: Some(Vec::new()), expected: None };
    here.try_commit(WriteNodeRows(vec![row]))?;
    here.try_commit(UpdatePaths(vec![PathOp::AbandonTransfer { id }]))?;
    undo(here)
}

/// Ends what was begun of undoing a transfer.
fn undo(here: &Fixture) -> Result<(), Cut> {
    let Some(transfer) = here.store.transfers()?.pop() else { return Ok(()) };
    if matches!(transfer.phase, TransferPhase::Undoing { .. }) {
        let Some(Access::ReadAt(visible)) = here.store.path(path_guid(1)).map(|path| path.access) else {
            panic!("the path changed its access");
        };
        let mut position = None;
        loop {
            let page = here.try_commit(rewind_page(visible, position, 2))?.1;
            match page.next {
                Some(next) => position = Some(next),
                None => break,
            }
            assert_eq!(page.totals, Agreement::NotCompared);
        }
    }
    let phase = here.store.transfers()?.pop().map(|row| row.phase);
    if matches!(phase, Some(TransferPhase::Undone { .. })) {
        here.try_commit(UpdatePaths(vec![PathOp::DropTransfer { id: transfer.id }]))?;
    }
    Ok(())
}

fn receive(
    source: &Source,
    here: &Fixture,
    id: TransferGuid,
    common: Option<(u8, Seq)>,
    (to, seq, digest): (u8, Seq, &Digest),
) -> Result<(), Cut> {
    here.try_commit(BeginTransfer(row(id, to, common.map(|(id, _)| id))))?;
    let known = here.store.transfers()?.into_iter().find(|row| row.id == id);
    if !matches!(known.map(|row| row.phase), Some(TransferPhase::Receiving { .. })) {
        return Ok(());
    }
    let entries = source.pair.source.delta(&source.pair.scope, common.map(|(_, seq)| seq), seq, 5);
    let rows: Vec<_> = entries.into_iter().map(|entry| StagedRow { key: entry.key, value: entry.new }).collect();
    let mut staged = 0;
    for (page, rows) in rows.chunks(5).enumerate() {
        let named =
            rows.iter().filter_map(|row| Some(row_blobs(&row.key.encode(), row.value.as_ref()?).expect("decodes")));
        ship(source, here, id, named.flatten().flatten().collect())?;
        staged = here.try_commit(StageRows { transfer: id, first: page as u64 * 5, rows: rows.to_vec() })?.1;
    }
    let base = match common {
        Some((id, _)) => here.store.snapshot(snapshot_guid(id))?,
        None => None,
    };
    let base = base.as_ref().map(|row| (row.digest.as_ref().expect("a digest"), row.seq));
    assert_eq!(here.store.staged_digest(id, base)?, *digest);
    let total = source.pair.source.store.total_at(&source.pair.scope, seq)?;
    here.try_commit(CompleteTransfer { transfer: id, rows: staged, digest: digest.clone(), total })?;
    Ok(())
}

fn ship(source: &Source, here: &Fixture, transfer: TransferGuid, wanted: Vec<ContentHash>) -> Result<(), Cut> {
    let claim = ClaimBlobs { transfer, received: Vec::new(), wanted };
    for hash in here.try_commit(claim)?.1.lacking {
        let bytes = source.pair.source.store.blob(hash).expect("bytes");
        let children = source.pair.source.store.recipe(hash).ok();
        let kind = if children.is_some() { BlobKind::Recipe } else { BlobKind::Data };
        ship(source, here, transfer, children.into_iter().flatten().map(|child| child.hash).collect())?;
        let received = vec![here.store.receive_blob(hash, kind, &bytes)?];
        here.try_commit(ClaimBlobs { transfer, received, wanted: Vec::new() })?;
    }
    Ok(())
}

fn flip(here: &Fixture, transfer: TransferGuid, to: u8, digest: &Digest) -> Result<(), Cut> {
    let revision = here.store.path(path_guid(1)).ok_or(Cut)?.revision;
    let mut spec = snapshot(1, to, At::ThisCommit);
    spec.digest = Some(digest.clone());
    let access = Some(AccessChange::ReadAt(At::ThisCommit));
    here.try_commit(UpdatePaths(vec![
        PathOp::Change { guid: path_guid(1), revision, access, epoch: None, detail: None },
        PathOp::Snapshot(spec),
        PathOp::DropTransfer { id: transfer },
    ]))?;
    Ok(())
}

fn open(disk: &SimDisk) -> Result<Fixture, Cut> {
    let store = Store::open(Arc::new(disk.clone()), options())?;
    Ok(Fixture { store, disk: disk.clone() })
}

/// What the destination shows is the empty state, or one of the snapshots.
fn check_shown(source: &Source, here: &Fixture) {
    let Some(path) = here.store.path(path_guid(1)) else { return };
    let Access::ReadAt(seq) = path.access else { panic!("{:?}", path.access) };
    let shown = here.store.digest(&Scope::Endpoint, seq).expect("a digest");
    let empty = crate::meta::digest::LtHash::empty().digest();
    assert!(shown == empty || source.snapshots.iter().any(|(.., digest)| *digest == shown));
}

#[test]
fn a_cut_anywhere_leaves_a_snapshot_shown_and_the_transfer_goes_on() {
    let source = source();
    let whole = SimDisk::new();
    let begun = open(&whole).ok().expect("a new store");
    let first = whole.syncs();
    assert!(follow(&source, &begun).is_ok());
    let last = whole.syncs();
    let mut dice = Dice(3);
    for n in (first + 1..=last).step_by(11) {
        let disk = SimDisk::new();
        let here = open(&disk).ok().expect("a new store");
        disk.freeze_at_sync(n);
        let _ = follow(&source, &here);
        drop(here);
        let seed = dice.roll();
        let crash = [Crash::LoseAll, Crash::KeepAll, Crash::TornLast(seed), Crash::Prefix(seed), Crash::Subset(seed)];
        let here = open(&disk.crash(crash[dice.below(5) as usize])).ok().expect("opens after a cut");
        here.check(State::Idle);
        check_shown(&source, &here);
        assert!(follow(&source, &here).is_ok());
        let newest = here.store.digest(&Scope::Endpoint, here.store.newest()).expect("a digest");
        assert_eq!(newest, source.snapshots[2].2);
        let landed = here.store.snapshot(snapshot_guid(3)).expect("read").expect("it landed");
        assert!(landed.proved && landed.total.is_some());
        here.check(State::Collected);
    }
}
