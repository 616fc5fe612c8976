use tandem_storage::Visit;
use tandem_storage::change::VersionSelector;

use crate::bed::{Bed, Cost, key, measure, objects, snapshots};

const PAGES: u64 = 200;
const GETS: u64 = 20_000;

/// LIST and GET of the present, with no snapshot kept and with many.
pub fn run() {
    let (objects, snapshots) = (objects(), snapshots());
    let bed = Bed::new();
    bed.protect();
    bed.fill(0, objects, 100);
    let (list, get) = (pages(&bed, objects), gets(&bed, objects));
    for number in 0..snapshots {
        bed.snapshot(number);
        bed.fill(number * 7 % objects, 1, 101);
    }
    let (list_kept, get_kept) = (pages(&bed, objects), gets(&bed, objects));
    report("LIST page of 1,000", list, list_kept, PAGES, snapshots);
    report("GET lookup", get, get_kept, GETS, snapshots);
}

fn report(what: &str, without: Cost, with: Cost, count: u64, snapshots: u64) {
    let (without, with) = (without.cpu_us_each(count), with.cpu_us_each(count));
    println!("{what}: {without:.1} us CPU; with {snapshots} snapshots kept {with:.1} us, {:.2} x", with / without);
}

fn pages(bed: &Bed, objects: u64) -> Cost {
    measure(|| {
        for page in 0..PAGES {
            let reader = bed.store.read().expect("a reader");
            let bucket = reader.bucket(&bed.name).expect("read").expect("there");
            let (mut count, from) = (0, key(page * 9973 % objects.saturating_sub(1000).max(1)));
            let mut visit = |_: &str, _| {
                count += 1;
                if count == 1000 { Visit::Stop } else { Visit::Next }
            };
            reader.objects(&bucket, from.as_str().as_bytes(), &mut visit).expect("listed");
        }
    })
}

fn gets(bed: &Bed, objects: u64) -> Cost {
    measure(|| {
        for number in 0..GETS {
            let reader = bed.store.read().expect("a reader");
            let bucket = reader.bucket(&bed.name).expect("read").expect("there");
            let found = reader.object(&bucket, &key(number * 7919 % objects), VersionSelector::Latest).expect("read");
            assert!(found.is_some());
        }
    })
}
