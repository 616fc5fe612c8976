//! What a source keeps for a peer that is away, and when that ends.

use std::time::Duration;

use tandem_storage::record::TransferPhase;

use super::world::{ALL, Dice, World, agree, converge, wait};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTES: Duration = Duration::from_secs(5 * 60);

#[test]
fn a_peer_that_is_away_too_long_loses_its_base_with_an_alarm_and_gets_a_seed() {
    let mut world = World::paired();
    world.a.protect(&ALL, "b", Duration::from_secs(1), Duration::from_secs(60));
    world.a.create_bucket("data").unwrap();
    world.a.put("data", "x", b"1").unwrap();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    let base = world.a.restore_point(&ALL).meta.guid;
    world.b.kill();

    let a = &world.a;
    let has_base = || a.snapshots(&ALL).iter().any(|row| row.meta.guid == base);
    let snapshot = |key: &str| {
        let before = a.snapshots(&ALL).last().unwrap().meta.guid;
        a.put("data", key, b"2").unwrap();
        wait("a snapshot", || (a.snapshots(&ALL).last().unwrap().meta.guid != before).then_some(()));
    };
    snapshot("one");
    a.clock.pass(6 * DAY);
    // Retention has been through: what is nobody's base is gone.
    snapshot("two");
    snapshot("three");
    wait("retention", || (a.snapshots(&ALL).len() <= 4).then_some(()));
    assert!(has_base() && a.path(&ALL).alarm.is_none());

    // The count goes on over a restart.
    world.a.stop();
    world.a.restart();
    world.a.clock.pass(2 * DAY);
    let a = &world.a;
    let alarm = wait("the alarm", || a.path(&ALL).alarm);
    assert!(alarm.contains('b'), "{alarm}");
    assert!(!a.snapshots(&ALL).iter().any(|row| row.meta.guid == base));
    assert!(a.path(&ALL).restore_point.is_none() && a.path(&ALL).writable);
    a.put("data", "four", b"4").unwrap();

    world.b.restart();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    assert_eq!(world.a.path(&ALL).alarm, None);
}

#[test]
fn a_full_disk_takes_the_base_and_a_half_staged_transfer_gives_way_to_the_seed() {
    let (mut world, link, back) = World::linked();
    world.protect(&ALL, Duration::from_secs(1));
    let mut dice = Dice(5);
    world.a.create_bucket("data").unwrap();
    world.a.put("data", "before", &dice.bytes(1000)).unwrap();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);

    back.set_open(false);
    link.die_after(1_500_000);
    world.a.put_noise("data", "long", 3_000_000, 7).unwrap();
    wait("the link's end", || (!link.is_open()).then_some(()));
    let base = world.a.restore_point(&ALL).meta.guid;
    let staged = || world.b.store().transfers().unwrap();
    let [half] = &staged()[..] else { panic!("{:?}", staged()) };
    assert!(matches!(half.phase, TransferPhase::Receiving { .. }), "{half:?}");
    let half = half.id;
    world.a.put("data", "after", b"x").unwrap();
    wait("a newer snapshot", || (world.a.snapshots(&ALL).len() > 2).then_some(()));

    world.a.stop();
    world.a.low_watermark_bytes = u64::MAX;
    world.a.restart();
    let has_base = |world: &World| world.a.snapshots(&ALL).iter().any(|row| row.meta.guid == base);
    assert!(has_base(&world), "a peer that is only just away keeps its base");
    world.a.clock.pass(MINUTES);
    wait("the alarm", || world.a.path(&ALL).alarm);
    assert!(!has_base(&world));

    world.a.stop();
    world.a.low_watermark_bytes = 1 << 20;
    world.a.restart();
    assert!(world.a.path(&ALL).alarm.is_some(), "an alarm outlives a restart");
    link.set_open(true);
    back.set_open(true);
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    assert!(!staged().iter().any(|row| row.id == half));
    assert_eq!(world.a.path(&ALL).alarm, None);
}
