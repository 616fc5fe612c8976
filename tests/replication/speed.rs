//! The rate of a seed. Not a test of a number: `cargo xtask bench seed` runs it, on a quiet machine, in the release profile.

use std::time::Duration;

use super::world::{ALL, Dice, World, instant, number, pause};

#[test]
#[ignore = "a measurement"]
fn seed_rate_of_small_objects() {
    let (objects, size) = (number("TANDEM_SEED_OBJECTS", 100_000), number("TANDEM_SEED_BYTES", 4096));
    let world = World::paired();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("data").unwrap();
    let mut dice = Dice(1);
    let (start, mut waiting) = (instant(), std::collections::VecDeque::new());
    for n in 0..objects {
        let mut writer = a.store().body_writer();
        writer.write(&dice.bytes(size as usize)).unwrap();
        let put = a.put_body("data", &format!("{:02}/{n:08}", n % 100), writer.finish().unwrap()).unwrap();
        waiting.push_back(put);
        if waiting.len() >= 1024 {
            let _ = waiting.pop_front().unwrap().wait().unwrap();
        }
    }
    for put in waiting {
        let _ = put.wait().unwrap();
    }
    println!("put      {objects} objects of {size} bytes in {:.1} s", start.elapsed().as_secs_f64());
    let start = instant();
    world.protect(&ALL, Duration::from_secs(1));
    while b.path(&ALL).restore_point.is_none() {
        assert!(start.elapsed() < Duration::from_secs(600), "{:#?}", a.path(&ALL));
        pause(Duration::from_millis(10));
    }
    let took = start.elapsed().as_secs_f64();
    let rate = objects as f64 / took;
    println!("seeded   in {took:.2} s: {rate:.0} objects/s (target 5000)");
}
