//! A power cut at every sync of short workloads, with the unsynced writes lost, torn, cut at a moment, or reordered: after
//! reopening the store is what was acknowledged, or that and the one change that was on its way; and it is sound.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tandem_storage::check::{Depth, State};
use tandem_storage::disk::{Crash, SimDisk};
use tandem_storage::types::Timestamp;
use tandem_storage::{EngineKind, Store};

use crate::content::Sizes;
use crate::sequences::{number, seeds, step};
use crate::totals;
use crate::world::{Expected, Stopped, World, matches_store, options};

const STEPS: usize = 14;
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
/// Crash states that one workload gives, at the very least.
const STATES_A_WORKLOAD: u64 = 100;

/// The disk before one sync, and what it may hold.
struct Moment {
    image: SimDisk,
    before: Expected,
    after: Expected,
}

/// Runs a workload and keeps the disk as it was before each sync.
fn moments(seed: u64, log: &mut Vec<String>) -> Result<Vec<Moment>, Stopped> {
    let disk = SimDisk::new();
    disk.record_images();
    let mut world = World::new(Arc::new(disk.clone()), options(EngineKind::Redb), seed)?;
    world.sizes = if (seed / 4).is_multiple_of(2) { Sizes::Pieces } else { Sizes::Usual };
    let mut moments = Vec::new();
    let mut keep = |before: &Expected, after: &Expected| {
        let images = disk.take_images().into_iter();
        moments.extend(images.map(|image| Moment { image, before: before.clone(), after: after.clone() }));
    };
    keep(&Expected::default(), &Expected::default());
    for _ in 0..STEPS {
        let before = world.expected.clone();
        if world.random.one_in(12) {
            world.reopen()?
        } else {
            step(&mut world)?
        }
        keep(&before, &world.expected);
    }
    let last = world.expected.clone();
    world.finish_readers()?;
    world.collect(true)?;
    keep(&last, &last);
    log.append(&mut world.log);
    Ok(moments)
}

fn open(disk: &SimDisk) -> Result<Store, Stopped> {
    Store::open(Arc::new(disk.clone()), options(EngineKind::Redb)).map_err(|error| Stopped(error.to_string()))
}

fn holds(store: &Store, expected: &Expected) -> Result<(), String> {
    match matches_store(store, expected) {
        Ok(matches) => matches,
        Err(Stopped(reason)) => Err(reason),
    }
}

/// Opens the disk that a crash left, and says which of the two states it is in.
fn recovered<'a>(disk: &SimDisk, moment: &'a Moment) -> Result<&'a Expected, String> {
    let store = open(disk).map_err(|stopped| format!("it does not open: {}", stopped.0))?;
    let found = match holds(&store, &moment.after) {
        Ok(()) => &moment.after,
        Err(not_after) => {
            holds(&store, &moment.before)
                .map_err(|not_before| format!("neither after: {not_after}\nnor before: {not_before}"))?;
            &moment.before
        }
    };
    totals::present(&store).and_then(|()| totals::snapshots(&store)).map_err(|Stopped(reason)| reason)?;
    let report = store.check(State::Idle, Depth::Bytes, &mut |_| {}).map_err(|error| error.to_string())?;
    if report.is_clean() { Ok(found) } else { Err(format!("{:#?}", report.findings)) }
}

fn survives(moment: &Moment, crash: Crash) -> Result<(), String> {
    let disk = moment.image.crash(crash);
    disk.record_images();
    let found = recovered(&disk, moment)?;
    // The power goes again, while it recovers.
    let again = disk.take_images();
    if let Some(image) = again.get(again.len() / 2) {
        let same = Moment { image: disk.clone(), before: found.clone(), after: found.clone() };
        recovered(&image.crash(Crash::Subset(again.len() as u64)), &same)
            .map_err(|why| format!("the second time: {why}"))?;
    }
    let same = open(&disk).map_err(|stopped| stopped.0)?;
    holds(&same, found).map_err(|why| format!("opened again it is another: {why}"))?;
    collected(&same).and_then(|()| holds(&same, found)).map_err(|why| format!("after collection: {why}"))
}

/// Collects all that the crash has left behind: nothing is left over, and nothing is gone that is needed.
fn collected(store: &Store) -> Result<(), String> {
    while store.collect(NOW).map_err(|error| error.to_string())?.more {}
    let report = store.check(State::Collected, Depth::Bytes, &mut |_| {}).map_err(|error| error.to_string())?;
    if report.is_clean() { Ok(()) } else { Err(format!("{:#?}", report.findings)) }
}

fn modes(seed: u64, moment: u64) -> [Crash; 7] {
    let seed = seed.wrapping_mul(1_000_003).wrapping_add(moment * 8);
    [
        Crash::LoseAll,
        Crash::KeepAll,
        Crash::TornLast(seed),
        Crash::Prefix(seed + 1),
        Crash::Prefix(seed + 2),
        Crash::Subset(seed + 3),
        Crash::Subset(seed + 4),
    ]
}

fn workload(seed: u64, states: &AtomicU64) {
    let mut log = Vec::new();
    let moments = moments(seed, &mut log).expect("without faults nothing stops");
    for (moment, number) in moments.iter().zip(0..) {
        for crash in modes(seed, number) {
            let outcome = catch_unwind(AssertUnwindSafe(|| survives(moment, crash)));
            if !matches!(outcome, Ok(Ok(()))) {
                let log = log.join("\n  ");
                panic!(
                    "TANDEM_CRASH_SEED={seed}: {crash:?} at sync {number} of {}: {outcome:?}\n  {log}",
                    moments.len()
                );
            }
            states.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_crash_at_any_sync_loses_nothing_acknowledged() {
    let wanted = number("TANDEM_CRASH_STATES", 2000);
    let states = AtomicU64::new(0);
    let mut first = number("TANDEM_CRASH_SEED", 0);
    while states.load(Ordering::Relaxed) < wanted {
        let missing = wanted - states.load(Ordering::Relaxed);
        let round = missing.div_ceil(STATES_A_WORKLOAD * 4).max(1);
        seeds(first, round, |seed| workload(seed, &states));
        first += round;
    }
    println!("{} crash states", states.load(Ordering::Relaxed));
}
