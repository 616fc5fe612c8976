use std::time::Duration;

use super::link::CutLink;
use super::node::Node;
use super::world::{ALL, Dice, World, agree, converge, instant, number, pause, wait};

fn behind_a_link() -> (World, CutLink) {
    let dir = tempfile::tempdir().unwrap();
    let link = CutLink::new();
    let a = Node::new(dir.path(), "a").start();
    let b = Node::new(dir.path(), "b").behind(&link).start();
    link.lead_to(b.address());
    let world = World { dir, a, b }.pair();
    world.protect(&ALL, Duration::from_secs(1));
    (world, link)
}

fn scribble(node: &Node, dice: &mut Dice, times: u64) {
    for _ in 0..times {
        let key = format!("k{}", dice.below(40));
        match dice.below(10) {
            0 | 1 => node.delete("data", &key).unwrap(),
            2 => {
                let len = 100_000 + dice.below(200_000) as usize;
                let bytes = dice.bytes(len);
                node.put("data", &key, &bytes).unwrap();
            }
            _ => {
                let len = dice.below(3000) as usize;
                let bytes = dice.bytes(len);
                node.put("data", &key, &bytes).unwrap();
            }
        }
    }
}

#[test]
fn a_link_cut_at_random_bytes_ends_in_equal_digests() {
    let (world, link) = behind_a_link();
    let cuts = number("TANDEM_LINK_CUTS", 50);
    let mut dice = Dice(42 + number("TANDEM_LINK_SEED", 0));
    world.a.create_bucket("data").unwrap();
    for round in 0..cuts {
        let seen = link.cuts();
        link.cut_after(dice.below(300_000));
        scribble(&world.a, &mut dice, 10);
        world.a.put("data", "incompressible", &dice.bytes(300_000)).unwrap();
        wait("the cut", || (link.cuts() > seen).then_some(()));
        if round % 10 == 9 {
            converge(&world.a, &world.b, &ALL);
        }
    }
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    assert!(link.cuts() >= cuts);
}

#[test]
fn a_killed_source_and_a_killed_destination_resume() {
    let mut world = World::protected();
    let mut dice = Dice(7);
    world.a.create_bucket("data").unwrap();
    for round in 0..6 {
        scribble(&world.a, &mut dice, 60);
        pause(Duration::from_millis(300 + dice.below(900)));
        let victim = if round % 2 == 0 { &mut world.a } else { &mut world.b };
        victim.kill();
        victim.restart();
    }
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
}

#[test]
fn a_dead_peer_neither_blocks_nor_slows_the_source() {
    let (world, link) = behind_a_link();
    world.a.create_bucket("data").unwrap();
    converge(&world.a, &world.b, &ALL);
    link.set_open(false);
    let start = instant();
    for n in 0..100 {
        world.a.put("data", &format!("k{n}"), b"x").unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(20));
    wait("an error in the report", || world.a.control().report().peers[0].error.clone());
    link.set_open(true);
    converge(&world.a, &world.b, &ALL);
}

#[test]
fn an_ack_that_is_lost_after_the_flip_is_learnt_by_the_next_hello() {
    let (world, link, back) = World::linked();
    world.protect(&ALL, Duration::from_secs(1));
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("data").unwrap();
    converge(a, b, &ALL);
    let shown = |node: &Node| node.path(&ALL).restore_point.unwrap().guid;
    // What b says takes so long that the flip is seen here before a hears of it; b itself cannot call.
    link.set_delay(Duration::from_secs(1));
    back.set_open(false);
    let mut round = 0;
    let flipped = wait("a flip without an ack", || {
        round += 1;
        agree(a, b, &ALL);
        let before = shown(b);
        a.put("data", &round.to_string(), b"1").unwrap();
        let after = wait("the flip", || Some(shown(b)).filter(|now| *now != before));
        link.set_mute(true);
        // Too late on a machine that slept: once more.
        let lost = shown(a) == before;
        link.set_mute(lost);
        lost.then_some(after)
    });
    link.set_open(false);
    link.set_delay(Duration::ZERO);
    pause(Duration::from_millis(200));
    assert_ne!(shown(a), flipped);
    link.set_mute(false);
    link.set_open(true);
    wait("the hello that tells", || (shown(a) == flipped).then_some(()));
    assert_eq!(shown(b), flipped);
    back.set_open(true);
    a.put("data", "y", b"2").unwrap();
    converge(a, b, &ALL);
    agree(a, b, &ALL);
}

#[test]
fn a_full_destination_pauses_and_catches_up_by_itself() {
    let mut world = World::protected();
    let mut dice = Dice(11);
    world.a.create_bucket("data").unwrap();
    converge(&world.a, &world.b, &ALL);
    world.b.stop();
    world.b.low_watermark_bytes = u64::MAX;
    world.b.restart();
    let shown = world.b.contents();
    world.a.put("data", "x", &dice.bytes(200_000)).unwrap();
    wait("the pause in the report", || world.a.path(&ALL).last_error.filter(|error| error.contains("full")));
    assert_eq!(world.b.contents(), shown);
    world.a.put("data", "y", b"the source goes on").unwrap();
    world.b.stop();
    world.b.low_watermark_bytes = 1 << 20;
    world.b.restart();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
}

/// Room for deletions, and for nothing else.
fn fill(node: &mut Node) {
    let free = node.store().space().free_bytes;
    node.stop();
    node.low_watermark_bytes = free / 2 * 3;
    node.restart();
}

fn held_up_for_room(world: &World) {
    wait("the pause in the report", || world.a.path(&ALL).last_error.filter(|error| error.contains("full")));
    wait("the alarm", || world.b.path(&ALL).alarm.filter(|alarm| alarm.contains("full")));
}

#[test]
fn what_was_deleted_meanwhile_keeps_no_deletion_from_a_full_destination() {
    let mut world = World::protected();
    let mut dice = Dice(12);
    world.a.create_bucket("data").unwrap();
    world.a.put("data", "old", &dice.bytes(200_000)).unwrap();
    converge(&world.a, &world.b, &ALL);
    fill(&mut world.b);
    world.a.put("data", "x", &dice.bytes(200_000)).unwrap();
    held_up_for_room(&world);
    for key in ["old", "x"] {
        world.a.delete("data", key).unwrap();
    }
    assert!(world.b.contents().contains_key(&("data".into(), "old".into())));
    world.a.clock.pass(Duration::from_secs(31));
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
}

#[test]
fn an_operator_may_give_up_a_seed_for_which_there_is_no_room() {
    let mut world = World::paired();
    world.a.create_bucket("data").unwrap();
    world.a.put("data", "x", &Dice(13).bytes(200_000)).unwrap();
    fill(&mut world.b);
    world.protect(&ALL, Duration::from_secs(1));
    held_up_for_room(&world);
    world.a.delete("data", "x").unwrap();
    world.a.clock.pass(Duration::from_secs(31));
    held_up_for_room(&world);
    world.a.ask(world.a.control().replicate_now(&ALL)).unwrap();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
}
