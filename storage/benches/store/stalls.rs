use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tandem_storage::record::Scope;

use crate::bed::{Bed, body};

const PER_SECOND: u64 = 2_000;
const SECONDS: u64 = 20;

/// Durable puts of 4 KiB at a steady rate, whatever the answers do: alone, and with a checkpoint, a snapshot and the walk of its delta each second.
pub fn run() {
    for busy in [false, true] {
        let mut took = puts(busy);
        took.sort_unstable();
        let of = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        println!(
            "put 4 KiB at {PER_SECOND}/s{}: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
            if busy { ", a checkpoint and a delta each second" } else { "" },
            of(0.5),
            of(0.99),
            of(0.999),
            of(1.0)
        );
    }
}

fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// From when each was due to its answer.
fn puts(busy: bool) -> Vec<Duration> {
    let bed = Bed::new();
    bed.protect();
    let (permit, store) = (bed.permit(), bed.store.clone());
    let over = AtomicBool::new(false);
    let (sent, answers) = mpsc::channel();
    std::thread::scope(|scope| {
        let checkpoints = scope.spawn(|| {
            while busy && !over.load(Ordering::Relaxed) {
                store.checkpoint().expect("a checkpoint");
                std::thread::park_timeout(Duration::from_secs(1));
            }
        });
        let took = scope.spawn(move || {
            let answered = |(due, put): (Duration, tandem_storage::Pending<_>)| {
                let _ = put.wait().expect("a put");
                now().saturating_sub(due)
            };
            answers.into_iter().map(answered).collect::<Vec<_>>()
        });
        let (start, mut snapshot) = (now(), (0, bed.snapshot(0)));
        for number in 0..PER_SECOND * SECONDS {
            let due = start + Duration::from_micros(number * 1_000_000 / PER_SECOND);
            while now() < due {
                std::thread::park_timeout(due.saturating_sub(now()));
            }
            sent.send((due, bed.put(permit, number, &body(number, 4096)))).expect("somebody waits");
            if busy && number / PER_SECOND > snapshot.0 {
                let base = snapshot.1;
                snapshot = (number / PER_SECOND, bed.snapshot(number / PER_SECOND));
                let (store, to) = (bed.store.clone(), snapshot.1);
                scope.spawn(move || walk(&store, base, to));
            }
        }
        over.store(true, Ordering::Relaxed);
        drop(sent);
        checkpoints.join().expect("it ends well");
        took.join().expect("it ends well")
    })
}

fn walk(store: &tandem_storage::Store, base: tandem_storage::types::Seq, to: tandem_storage::types::Seq) {
    let mut from = None;
    loop {
        from = store.delta(&Scope::Endpoint, Some(base), to, from, 512).expect("a page").next;
        if from.is_none() {
            return;
        }
    }
}
