//! Failing syncs, failing writes, a full disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tandem_storage::blob::BlobError;
use tandem_storage::change::{Refusal, SetVersioning};
use tandem_storage::check::{Depth, State};
use tandem_storage::disk::{Crash, SimDisk};
use tandem_storage::record::Versioning;
use tandem_storage::types::{BucketGuid, Timestamp};
use tandem_storage::{CommitError, EngineKind, Lane, OpenError, Options, Store};

use crate::content::Sizes;
use crate::sequences::{number, seeds, step};
use crate::world::{Expected, Stopped, World, matches_store, options};

const STEPS: usize = 16;
/// Steps after a restart.
const AFTERWARDS: usize = 6;

fn sizes(seed: u64) -> Sizes {
    if (seed / 4).is_multiple_of(2) { Sizes::Pieces } else { Sizes::Usual }
}

/// What is expected after each step of a run without faults.
fn without_faults(seed: u64, options: Options) -> Vec<Expected> {
    let mut world = World::new(Arc::new(SimDisk::new()), options, seed).expect("it opens");
    world.sizes = sizes(seed);
    let mut expected = vec![world.expected.clone()];
    for _ in 0..STEPS {
        step(&mut world).expect("nothing fails");
        expected.push(world.expected.clone());
    }
    expected
}

/// Runs until a step fails. How many went well.
fn until_stopped(world: &mut World) -> Option<usize> {
    (0..STEPS).find(|_| step(world).is_err())
}

fn is_either(disk: &SimDisk, expected: &[Expected]) -> Result<(), String> {
    let store = Store::open(Arc::new(disk.clone()), options(EngineKind::Redb)).map_err(|error| error.to_string())?;
    let mut whys = Vec::new();
    for state in expected {
        match matches_store(&store, state) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) | Err(Stopped(why)) => whys.push(why),
        }
    }
    Err(whys.join("\n"))
}

fn takes_no_change(store: &Store) -> bool {
    let change = SetVersioning {
        permit: tandem_storage::change::WritePermit::Unprotected,
        bucket: BucketGuid::from_bytes([1; 16]),
        versioning: Versioning::Enabled,
    };
    let answer = store.commit(Lane::Client, Timestamp::from_secs(1), change).wait();
    matches!(answer, Err(CommitError::Stopped(_)))
}

/// One fault, then a power cut.
fn fault(seed: u64, expected: &[Expected], arm: impl Fn(&SimDisk), must_stop: bool) -> Option<()> {
    let disk = SimDisk::new();
    let mut world = World::new(Arc::new(disk.clone()), options(EngineKind::Redb), seed).expect("it opens");
    world.sizes = sizes(seed);
    arm(&disk);
    let done = until_stopped(&mut world)?;
    if must_stop {
        assert!(
            takes_no_change(world.store()),
            "seed {seed}: a store with a failed sync goes on, after {:?}",
            world.log
        );
    }
    for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Subset(seed)] {
        let found = is_either(&disk.crash(crash), &expected[done..=done + 1]);
        assert!(found.is_ok(), "seed {seed}, {crash:?}, {:?}: {found:?}", world.log);
    }
    Some(())
}

#[test]
fn a_failed_sync_stops_the_store_and_nothing_acknowledged_is_lost() {
    seeds(0, 12, |seed| {
        let expected = without_faults(seed, options(EngineKind::Redb));
        let mut n = 1;
        while fault(seed, &expected, |disk| disk.fail_sync(n), true).is_some() {
            n += 1;
        }
        assert!(n > 5, "a workload has syncs");
    });
}

/// Journal files of a few frames: their making is among the syncs that fail.
fn small_files() -> Options {
    Options { journal_file_bytes: 20_000, ..options(EngineKind::Redb) }
}

/// What is expected, and nothing that a check finds.
fn is_sound(disk: &SimDisk, expected: &[Expected]) -> Result<(), String> {
    is_either(disk, expected)?;
    let store = Store::open(Arc::new(disk.clone()), options(EngineKind::Redb)).map_err(|error| error.to_string())?;
    let report = store.check(State::Idle, Depth::Bytes, &mut |_| {}).map_err(|error| error.to_string())?;
    report.is_clean().then_some(()).ok_or_else(|| format!("{:#?}", report.findings))
}

/// A failed sync, a restart without a power cut (what the sync was for is in memory, and nothing will write it), more work, and then a power cut.
fn restarted(seed: u64, n: u64, expected: &[Expected]) -> Option<()> {
    let disk = SimDisk::new();
    let mut world = World::new(Arc::new(disk.clone()), small_files(), seed).expect("it opens");
    world.sizes = sizes(seed);
    disk.fail_sync(n);
    let done = until_stopped(&mut world)?;
    let either = [expected[done + 1].clone(), expected[done].clone()];
    let told = |world: &World| format!("seed {seed}, failed sync {n}, {:?}", world.log);
    // Another one while it opens, of the engine or of the journal; then it is opened once more.
    let again = if n % 3 == 2 { 0 } else { 1 + (n + 3 * seed) % 10 };
    if again > 0 {
        disk.fail_sync(again);
        if world.restart(&either).is_err() {
            is_sound(&disk.crash(Crash::LoseAll), &either).unwrap_or_else(|why| panic!("{}: {why}", told(&world)));
        }
    }
    disk.fail_sync(0);
    disk.record_images();
    if let Err(Stopped(why)) = world.restart(&either) {
        panic!("{}: {why}", told(&world));
    }
    for (image, at) in disk.take_images().iter().zip(0..) {
        let found = is_either(&image.crash(Crash::Subset(seed + at)), &either);
        assert!(found.is_ok(), "{}: the power goes at sync {at} of opening: {found:?}", told(&world));
    }
    for _ in 0..AFTERWARDS {
        step(&mut world).unwrap_or_else(|Stopped(why)| panic!("{}: {why}", told(&world)));
    }
    for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Subset(seed)] {
        let crashed = disk.crash(crash);
        let found = is_sound(&crashed, std::slice::from_ref(&world.expected));
        found.unwrap_or_else(|why| panic!("{}: {crash:?}: {why}", told(&world)));
    }
    Some(())
}

#[test]
fn what_is_acknowledged_after_a_failed_sync_and_a_restart_survives_a_power_cut() {
    let (first, count) = (number("TANDEM_FAULT_SEED", 200), number("TANDEM_FAULT_SEEDS", 16));
    let syncs = AtomicU64::new(0);
    seeds(first, count, |seed| {
        let expected = without_faults(seed, small_files());
        let mut n = 1;
        while restarted(seed, n, &expected).is_some() {
            n += 1;
        }
        syncs.fetch_add(n - 1, Ordering::Relaxed);
    });
    assert!(syncs.into_inner() > 5 * count, "workloads have syncs, some more than others");
}

#[test]
fn a_failed_write_is_never_acknowledged() {
    seeds(100, 8, |seed| {
        let expected = without_faults(seed, options(EngineKind::Redb));
        let mut n = 1;
        while fault(seed, &expected, |disk| disk.fail_write(n), false).is_some() {
            n += 1;
        }
        assert!(n > 5, "a workload has writes");
    });
}

fn tight(watermark: u64) -> Options {
    Options { low_watermark_bytes: watermark, ..options(EngineKind::Redb) }
}

/// Puts 200 KB objects until one is refused for want of space.
fn fill(world: &mut World) -> usize {
    for stored in 0..200 {
        let content = world.contents.content(vec![(stored as u8, 200_000 + stored as u32)]);
        let mut writer = world.store().body_writer();
        let bytes = world.contents.bytes(content.pieces[0]);
        let staged = match writer.write(&bytes).and_then(|()| writer.finish()) {
            Ok(staged) => staged,
            Err(BlobError::NoSpace) => return stored,
            Err(error) => panic!("{error}"),
        };
        match world.put_content(&format!("fill-{stored}"), staged, content) {
            Ok(()) => {}
            Err(Refusal::NoSpace) => return stored,
            Err(refusal) => panic!("{refusal}"),
        }
    }
    panic!("it never fills");
}

#[test]
fn a_full_disk_refuses_bodies_and_nothing_else_and_comes_back() {
    let disk = SimDisk::new();
    let mut world = World::new(Arc::new(disk.clone()), tight(4_000_000), 1).expect("it opens");
    world.create_bucket().expect("it goes");
    disk.set_capacity(Some(20_000_000));
    let stored = fill(&mut world);
    assert!(stored > 3, "{stored} objects fit");
    world.quiet_snapshot().expect("a snapshot needs no room for bodies");
    world.compare().expect("it reads");
    for n in 0..stored {
        world.delete_key(&format!("fill-{n}")).expect("a delete needs no room for bodies");
    }
    world.drop_snapshot().expect("it goes");
    world.checkpoint().expect("it goes");
    world.collect(true).expect("it goes");
    assert!(fill(&mut world) > 3, "space came back by itself");
    world.compare().expect("it reads");
    world.check(State::Running).expect("it reads");
}

#[test]
fn a_disk_without_any_room_still_takes_deletes() {
    let disk = SimDisk::new();
    let mut world = World::new(Arc::new(disk.clone()), tight(0), 2).expect("it opens");
    world.create_bucket().expect("it goes");
    disk.set_capacity(Some(12_000_000));
    let stored = fill(&mut world);
    for n in 0..stored {
        world.delete_key(&format!("fill-{n}")).expect("the reserve is for this");
    }
    world.collect(true).expect("it goes");
    world.compare().expect("it reads");
}

#[test]
fn a_second_opening_is_refused_while_the_first_lives() {
    let disk = Arc::new(SimDisk::new());
    let first = Store::open(disk.clone(), options(EngineKind::Redb)).expect("it opens");
    assert!(matches!(Store::open(disk.clone(), options(EngineKind::Redb)), Err(OpenError::Locked)));
    drop(first);
    assert!(Store::open(disk, options(EngineKind::Redb)).is_ok());
}
