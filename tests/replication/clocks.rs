//! Wall clocks that step: they order nothing, and what they are told for is told as doubtful where it is.

use std::time::Duration;

use tandem::replication::control::FailoverMode;
use tandem::replication::report::{Role, State};

use super::node::Node;
use super::world::{ALL, World, agree, converge, wait, wait_role};

const DAY: i64 = 24 * 60 * 60;

/// Snapshot times of a node's path, oldest first.
fn times(node: &Node) -> Vec<i64> {
    node.snapshots(&ALL).iter().map(|row| row.meta.created.as_micros()).collect()
}

fn ascend(node: &Node) {
    let times = times(node);
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{}: {times:?}", node.name);
}

/// Follows, and is told so truthfully.
fn follows(source: &Node, destination: &Node) {
    converge(source, destination, &ALL);
    agree(source, destination, &ALL);
    for node in [source, destination] {
        wait("a lag that is proven and small", || {
            let report = node.path(&ALL);
            (report.lag_proven && report.rpo_lag_seconds? < 60.0).then_some(())
        });
        ascend(node);
    }
}

#[test]
fn wall_clocks_that_step_either_way_hold_up_nothing_and_set_no_snapshot_back() {
    let world = World::protected();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("data").unwrap();
    for (n, step) in [0, -DAY, 2 * DAY, -3 * DAY].into_iter().enumerate() {
        a.clock.step(step);
        a.put("data", &format!("a{n}"), b"x").unwrap();
        follows(a, b);
    }
    // The other one is an hour behind even that, and takes over, and gives back.
    b.clock.step(-3 * DAY - 3600);
    for (n, (from, to)) in [(a, b), (b, a), (a, b)].into_iter().enumerate() {
        to.ask(to.control().failover(&ALL, FailoverMode::Graceful)).unwrap();
        wait_role(to, &ALL, Role::Source, State::Active);
        to.put("data", &format!("later{n}"), b"y").unwrap();
        follows(to, from);
    }
    assert!(a.path(&ALL).diverged.is_empty() && b.path(&ALL).diverged.is_empty());
}

#[test]
fn a_seed_over_what_is_shown_is_taken_although_the_clock_stepped_back() {
    let mut world = World::protected();
    world.a.create_bucket("data").unwrap();
    follows(&world.a, &world.b);
    world.b.kill();
    world.a.clock.step(-DAY);
    let before = times(&world.a).len();
    world.a.put("data", "k", b"x").unwrap();
    wait("a snapshot", || (times(&world.a).len() > before).then_some(()));
    // The base goes while the peer is away.
    world.a.stop();
    world.a.low_watermark_bytes = u64::MAX;
    world.a.restart();
    world.a.clock.pass(Duration::from_secs(61));
    wait("the alarm", || world.a.path(&ALL).alarm);
    world.a.stop();
    world.a.low_watermark_bytes = 1 << 20;
    world.a.restart();
    world.b.restart();
    follows(&world.a, &world.b);
}
