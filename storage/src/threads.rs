//! The store with its real threads (committer, engine, readers, snapshots), in orders that a scheduler chooses: `cargo xtask campaign threads`.
//!
//! Every commit raises one number: in one row always, and in one of two others by turns. Whoever looks must find these three in step, no less than what was
//! acknowledged before, and at a held point the same forever. The power may go at any moment: what was acknowledged is there afterwards.
//!
//! Careless readers are the controls: each leaves one look out, and must be caught.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::rand::Rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

use crate::change::{At, PathOp, Refusal, UpdatePaths};
use crate::disk::{Crash, SimDisk};
use crate::fixture::{bucket, guid, hold_id, object_key};
use crate::meta::Tx;
use crate::meta::at;
use crate::meta::core::Core;
use crate::meta::engine::{EngineError, View};
use crate::meta::published::State;
use crate::record::{HoldReason, ObjectRow, ObjectState, Record, RowKey};
use crate::store::{Change, EngineKind, Lane, Options, Store};
use crate::types::{HoldId, NodeGuid, Seq, Timestamp, Version};

/// How a reader opens its view and the state that belongs to it.
type Open = for<'core> fn(&'core Core) -> Result<(Box<dyn View + 'core>, Arc<State>), EngineError>;

const NOW: Timestamp = Timestamp::from_secs(1);
const WRITERS: u8 = 2;
const COMMITS: u8 = 8;
const LOOKS: usize = 6;

fn options() -> Options {
    Options {
        engine: EngineKind::Redb,
        node: NodeGuid::from_bytes([7; 16]),
        low_watermark_bytes: 0,
        reserve_bytes: 0,
        // Both come several times in a run.
        checkpoint_every_bytes: 900,
        memtable_writes: 12,
        cache_bytes: 1 << 20,
        journal_file_bytes: 1500,
    }
}

/// Written by every commit; and by those that raise the number to an even one, and to an odd one.
const EVERY: &str = "every";
const TURNS: [&str; 2] = ["even", "odd"];

fn setting() -> RowKey {
    RowKey::Setting(guid(1), "setting".into())
}

/// An object's row without bytes, which tells a number by its time.
fn row(number: u64) -> Vec<u8> {
    let modified = Timestamp::from_micros(i64::try_from(number).expect("a small number"));
    ObjectRow { version: Version::Null { stamp: 0 }, modified, state: ObjectState::DeleteMarker }.encode()
}

fn number(value: Option<Vec<u8>>) -> u64 {
    let row = value.map(|value| ObjectRow::decode(&value).expect("a row"));
    row.map_or(0, |row| row.modified.as_micros().unsigned_abs())
}

/// The number, once its three rows are in step.
fn in_step(read: impl Fn(&RowKey) -> Option<Vec<u8>>) -> u64 {
    let of = |name| number(read(&object_key(1, name)));
    let (every, turns) = (of(EVERY), TURNS.map(of));
    let expected = match every {
        0 => [0, 0],
        odd if odd % 2 == 1 => [odd - 1, odd],
        even => [even, even - 1],
    };
    assert_eq!(turns, expected, "a batch is torn at {every}");
    every
}

/// Raises the number; gives it.
struct Raise {
    /// Holds the point, too.
    hold: Option<HoldId>,
    /// Changes a setting, too: then the published state changes.
    sets: bool,
}

impl Change for Raise {
    type Output = u64;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<u64, Refusal> {
        if let Some(id) = self.hold {
            UpdatePaths(vec![PathOp::Hold { id, at: At::ThisCommit, reason: HoldReason::Transfer }]).carry_out(tx)?;
        }
        let raised = number(tx.row(&object_key(1, EVERY))?) + 1;
        tx.put_row(&object_key(1, EVERY), row(raised))?;
        tx.put_row(&object_key(1, TURNS[usize::from(raised % 2 == 1)]), row(raised))?;
        if self.sets {
            tx.put_row(&setting(), raised.to_be_bytes().to_vec())?;
        }
        Ok(raised)
    }
}

struct MakeBucket;

impl Change for MakeBucket {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        match bucket(1, "one") {
            (key, Some(value)) => tx.put_row(&key, value),
            (key, None) => tx.delete_row(&key),
        }
    }
}

fn commit<C: Change>(store: &Store, change: C) -> C::Output {
    shuttle::future::block_on(store.commit(Lane::Client, NOW, change)).expect("nothing fails").into_inner()
}

/// What all threads of a run share; the scheduler need not know of it.
#[derive(Default)]
struct Known {
    /// The highest number that was acknowledged.
    acknowledged: AtomicU64,
    /// The number at each held point that somebody has looked at.
    points: std::sync::Mutex<BTreeMap<Seq, u64>>,
}

/// Looks at everything in one view. What it finds of the present. The store was opened at some Seq: its state counts as changed then.
fn look(core: &Core, known: &Known, (open, opened): (Open, Seq), at_least: u64) -> u64 {
    let acknowledged = known.acknowledged.load(Ordering::SeqCst).max(at_least);
    let (view, state) = open(core).expect("it opens");
    let current = |key: &RowKey| at::current(&*view, &key.encode()).expect("it reads");
    let present = in_step(|key| current(key).map(|(_, value)| value));
    assert!(present >= acknowledged, "{present} is shown, {acknowledged} was acknowledged or seen before");
    let set = current(&setting()).map(|(from, _)| from);
    let of_set = |set: Seq| state.catalogue == set.max(opened);
    assert!(set.is_none_or(of_set), "{:?} is not of {set:?}", state.catalogue);
    for hold in state.points.holds() {
        let held = in_step(|key| at::value_at(&*view, &key.encode(), hold.seq).expect("it reads"));
        let first = *known.points.lock().expect("no panic").entry(hold.seq).or_insert(held);
        assert_eq!(held, first, "the point {} has changed", hold.seq);
    }
    present
}

/// One order of threads.
fn run(open: Open) {
    let disk = SimDisk::new();
    let store = Store::open(Arc::new(disk.clone()), options()).expect("it opens");
    let known = Arc::new(Known::default());
    commit(&store, MakeBucket);
    let mut threads = Vec::new();
    for writer in 0..WRITERS {
        let (store, known) = (store.clone(), Arc::clone(&known));
        threads.push(shuttle::thread::spawn(move || {
            for n in 0..COMMITS {
                let hold = (n % 4 == 0).then(|| hold_id(1 + writer * COMMITS + n));
                let raised = commit(&store, Raise { hold, sets: n == 2 });
                known.acknowledged.fetch_max(raised, Ordering::SeqCst);
            }
        }));
    }
    let reader = (store.clone(), Arc::clone(&known));
    threads.push(shuttle::thread::spawn(move || {
        let (store, known) = reader;
        (0..LOOKS).fold(0, |seen, _| look(store.core(), &known, (open, Seq::ZERO), seen));
    }));
    let checkpointer = store.clone();
    threads.push(shuttle::thread::spawn(move || checkpointer.checkpoint().expect("it is made")));
    let (left, told) = (disk.clone(), Arc::clone(&known));
    let power = shuttle::thread::spawn(move || {
        (0..shuttle::rand::thread_rng().gen_range(0..60)).for_each(|_| shuttle::thread::yield_now());
        (told.acknowledged.load(Ordering::SeqCst), left.crash(Crash::LoseAll))
    });
    threads.into_iter().for_each(|thread| thread.join().expect("it ends well"));
    let (acknowledged, lost) = power.join().expect("it ends well");
    look(store.core(), &known, (open, Seq::ZERO), u64::from(WRITERS * COMMITS));
    store.close().expect("it closes");
    drop(store);
    for (disk, at_least) in [(lost, acknowledged), (disk.crash(Crash::LoseAll), u64::from(WRITERS * COMMITS))] {
        let store = Store::open(Arc::new(disk), options()).expect("it opens again");
        look(store.core(), &Known::default(), (Core::view, store.newest()), at_least);
    }
}

/// How many of a schedule's steps take the turn from the thread that has it, where threads have priorities.
const CHANGES: usize = 3;

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    config
}

/// Runs so many orders, from a seed: half of them with a random turn at each step, half with few changes of turn.
fn orders(count: usize, seed: u64, open: Open) {
    Runner::new(RandomScheduler::new_from_seed(seed, count.div_ceil(2)), config()).run(move || run(open));
    Runner::new(PctScheduler::new_from_seed(seed, CHANGES, count / 2), config()).run(move || run(open));
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn in_any_order_of_threads_views_are_whole_points_stay_and_nothing_acknowledged_is_lost() {
    let (count, seed) = (from_environment("TANDEM_THREADS", 300), from_environment("TANDEM_THREADS_SEED", 0));
    let count = usize::try_from(count).expect("a number of orders");
    orders(count.div_ceil(2), seed, Core::view);
    orders(count / 2, seed, |core| core.published.consistently(|| core.engine.slow_view()));
}

/// Whether a careless reader is caught.
fn is_caught(open: Open) -> bool {
    let rounds = (0..20).map(|seed| catch_unwind(AssertUnwindSafe(|| orders(100, seed, open))));
    rounds.into_iter().any(|round| round.is_err())
}

#[test]
fn a_reader_that_takes_state_and_view_one_after_the_other_is_caught() {
    assert!(is_caught(|core| {
        let state = core.published.state();
        Ok((core.engine.view()?, state))
    }));
}

#[test]
fn a_reader_that_does_not_look_whether_its_table_was_frozen_is_caught() {
    assert!(is_caught(|core| core.published.consistently(|| core.engine.careless_view())));
}
