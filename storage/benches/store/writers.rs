use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::bed::{Bed, body, measure};

const PUTS: u64 = 4_000;

/// Durable puts of 4 KiB: one writer against the disk's own fdatasync, and 64 in flight against one.
pub fn run() {
    let bed = Bed::new();
    let floor = fdatasync_baseline();
    let permit = bed.permit();
    let one = measure(|| {
        for number in 0..PUTS {
            let _ = bed.put(permit, number, &body(number, 4096)).wait().expect("a put");
        }
    });
    let many = measure(|| {
        let mut window = std::collections::VecDeque::new();
        for number in PUTS..PUTS * 9 {
            window.push_back(bed.put(permit, number, &body(number, 4096)));
            if window.len() == 64 {
                let _ = window.pop_front().expect("one is there").wait().expect("a put");
            }
        }
        for put in window {
            let _ = put.wait().expect("a put");
        }
    });
    let each = one.wall.as_secs_f64() * 1e6 / PUTS as f64;
    println!(
        "put 4 KiB, 1 writer: {each:.0} us each, {:.2} x fdatasync ({floor:.0} us), {:.0} us CPU",
        each / floor,
        one.cpu_us_each(PUTS)
    );
    println!(
        "put 4 KiB, 64 in flight: {:.0}/s, {:.1} x one writer's {:.0}/s, {:.0} us CPU each",
        many.rate(PUTS * 8),
        many.rate(PUTS * 8) / one.rate(PUTS),
        one.rate(PUTS),
        many.cpu_us_each(PUTS * 8)
    );
}

/// Microseconds of one 4 KiB write and fdatasync into a preallocated file.
fn fdatasync_baseline() -> f64 {
    let file: File = tempfile::tempfile_in(".").expect("a file");
    let rounds = 1_000;
    file.write_all_at(&vec![0; 4096 * rounds], 0).and_then(|()| file.sync_all()).expect("preallocated");
    let cost = measure(|| {
        for round in 0..rounds {
            file.write_all_at(&[1; 4096], (round * 4096) as u64).and_then(|()| file.sync_data()).expect("synced");
        }
    });
    cost.wall.as_secs_f64() * 1e6 / rounds as f64
}
