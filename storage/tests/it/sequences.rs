//! Random sequences of operations: whatever happens, the store is what the model is, and what nothing can reach is gone at the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tandem_storage::EngineKind;
use tandem_storage::check::State;
use tandem_storage::disk::SimDisk;

use crate::content::Sizes;
use crate::totals;
use crate::world::{Stopped, World, options};

/// A number from the environment, so that CI and campaigns run the same code.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

const STEPS: usize = 40;

pub fn step(world: &mut World) -> Result<(), Stopped> {
    match world.random.below(100) {
        72..=77 => world.take_snapshot(),
        78..=80 => world.drop_snapshot(),
        81..=82 => world.move_cursor(),
        83..=86 => world.open_reader(),
        87..=88 => world.checkpoint(),
        89.. => world.collect(false),
        _ => client_step(world),
    }
}

/// What clients do.
pub fn client_step(world: &mut World) -> Result<(), Stopped> {
    match world.random.below(72) {
        0..=29 => world.put(),
        30..=41 => world.delete(),
        42..=47 => world.copy(),
        48..=50 => world.create_bucket(),
        51..=52 => world.delete_bucket(),
        53..=54 => world.set_versioning(),
        55..=56 => world.set_setting(),
        57..=59 => world.set_tags(),
        60..=67 => world.put_part(),
        68..=70 => world.complete_upload(),
        _ => world.abort_upload(),
    }
}

fn any_step(world: &mut World) -> Result<(), Stopped> {
    match world.random.below(30) {
        0 => world.compare_delta(),
        1 => world.compare_digests(),
        2 => {
            world.log.push("reopen".into());
            world.reopen()
        }
        3 if world.random.one_in(3) => world.rewind(),
        4 => world.compare(),
        5 => world.finish_readers(),
        6 => world.collect(true),
        _ => step(world),
    }
}

fn run(world: &mut World) -> Result<(), Stopped> {
    for _ in 0..STEPS {
        any_step(world)?;
        totals::present(world.store())?;
    }
    totals::snapshots(world.store())?;
    world.compare()?;
    world.compare_delta()?;
    world.compare_crowds()?;
    world.compare_digests()?;
    world.check(State::Running)?;
    world.finish_readers()?;
    world.collect(true)?;
    world.compare()?;
    world.check(State::Collected)?;
    world.reopen()?;
    world.compare()?;
    world.remove_everything()
}

/// In memory where there is enough of it: to open a sled store costs little CPU, and on a disk much waiting.
#[cfg(feature = "sled")]
fn directory() -> tempfile::TempDir {
    use tandem_storage::disk::Disk;
    const NEEDED_BYTES: u64 = 1 << 30;
    let in_memory = tempfile::tempdir_in("/dev/shm").ok().filter(|dir| {
        let free = tandem_storage::disk::RealDisk::new(dir.path()).and_then(|disk| disk.free_bytes());
        free.is_ok_and(|bytes| bytes >= NEEDED_BYTES)
    });
    in_memory.unwrap_or_else(|| tempfile::tempdir().expect("a temporary directory"))
}

fn sequence(seed: u64, engine: EngineKind) {
    #[cfg(feature = "sled")]
    let dir;
    let disk: Arc<dyn tandem_storage::disk::Disk> = match engine {
        EngineKind::Redb => Arc::new(SimDisk::new()),
        #[cfg(feature = "sled")]
        EngineKind::Sled => {
            dir = directory();
            Arc::new(tandem_storage::disk::RealDisk::new(dir.path()).expect("a data directory"))
        }
    };
    let mut world = World::new(disk, options(engine), seed).expect("a new store opens");
    world.sizes = match seed % 16 {
        0 => Sizes::Large,
        1..=4 => Sizes::Pieces,
        _ => Sizes::Usual,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| run(&mut world)));
    if !matches!(outcome, Ok(Ok(()))) {
        let tail = world.log.len().saturating_sub(60);
        let steps = world.log[tail..].join("\n  ");
        panic!("TANDEM_MODEL_SEED={seed} ({engine:?}) failed: {outcome:?}\n  {steps}");
    }
}

/// Runs `count` seeds from `first` on, on as many threads as CI has cores.
pub fn seeds(first: u64, count: u64, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(first);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    run(seed);
                }
            });
        }
    });
}

#[test]
fn random_sequences_on_redb_match_the_model() {
    let (first, count) = (number("TANDEM_MODEL_SEED", 0), number("TANDEM_MODEL_SEQUENCES", 2000));
    seeds(first, count, |seed| sequence(seed, EngineKind::Redb));
}

#[cfg(feature = "sled")]
#[test]
fn random_sequences_on_sled_match_the_model() {
    let (first, count) = (number("TANDEM_MODEL_SEED", 0), number("TANDEM_MODEL_SEQUENCES", 2000));
    seeds(first, count, |seed| sequence(seed, EngineKind::Sled));
}
