use tandem_storage::record::Scope;
use tandem_storage::types::Seq;

use crate::bed::{Bed, Cost, measure, objects};

const CHANGES: u64 = 100;
const ROUNDS: u64 = 50;

/// The delta of 100 changes over a small store and over a large one: the same cost.
pub fn run() {
    let (small, large) = (objects() / 100, objects());
    let (few, many) = (walks(small.max(CHANGES * 2)), walks(large));
    let (few, many) = (few.cpu_us_each(ROUNDS), many.cpu_us_each(ROUNDS));
    println!(
        "delta of {CHANGES} changes: {few:.0} us CPU at {small} objects, {many:.0} us at {large}, {:.2} x",
        many / few
    );
}

fn walks(objects: u64) -> Cost {
    let bed = Bed::new();
    bed.protect();
    bed.fill(0, objects, 100);
    let base = bed.snapshot(1);
    for change in 0..CHANGES / 2 {
        bed.fill(change * 31 % objects, 1, 200);
        bed.delete((change * 37 + 11) % objects);
    }
    let to = bed.snapshot(2);
    bed.store.checkpoint().expect("a checkpoint");
    measure(|| {
        for _ in 0..ROUNDS {
            assert!(walk(&bed, base, to) > 0);
        }
    })
}

fn walk(bed: &Bed, base: Seq, to: Seq) -> usize {
    let (mut position, mut found) = (None, 0);
    loop {
        let page = bed.store.delta(&Scope::Endpoint, Some(base), to, position, 1000).expect("a page");
        found += page.entries.len();
        match page.next {
            Some(next) => position = Some(next),
            None => return found,
        }
    }
}
