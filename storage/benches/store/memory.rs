use std::sync::atomic::{AtomicU64, Ordering};

use tandem_storage::Visit;
use tandem_storage::change::VersionSelector;

use crate::bed::{Bed, key, objects};

const READERS: usize = 8;

/// Resident memory: with objects written by one thread, then listed and looked up by others.
pub fn run() {
    let objects = objects();
    let bed = Bed::new();
    bed.protect();
    bed.snapshot(1);
    println!("resident memory: {:.0} MiB with no object", resident());
    bed.fill(0, objects, 16);
    println!("resident memory: {:.0} MiB with {objects} objects put", resident());
    let (store, name, next) = (&bed.store, &bed.name, &AtomicU64::new(0));
    let each = |work: &(dyn Fn(u64) + Sync), count: u64| {
        next.store(0, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..READERS {
                scope.spawn(move || {
                    while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < count) {
                        work(number);
                    }
                });
            }
        });
    };
    let page = |number: u64| {
        let reader = store.read().expect("a reader");
        let bucket = reader.bucket(name).expect("read").expect("there");
        let mut count = 0;
        let mut visit = |_: &str, _| {
            count += 1;
            if count == 1000 { Visit::Stop } else { Visit::Next }
        };
        reader.objects(&bucket, key(number * 1000).as_str().as_bytes(), &mut visit).expect("listed");
    };
    each(&page, objects.div_ceil(1000));
    println!("resident memory: {:.0} MiB when all were listed", resident());
    let get = |number: u64| {
        let reader = store.read().expect("a reader");
        let bucket = reader.bucket(name).expect("read").expect("there");
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % objects;
        assert!(reader.object(&bucket, &key(spread), VersionSelector::Latest).expect("read").is_some());
    };
    each(&get, objects);
    println!("resident memory: {:.0} MiB when all were looked up", resident());
}

/// Of this process, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).expect("a number") / 1024.0
}
