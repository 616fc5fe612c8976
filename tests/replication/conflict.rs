//! Two nodes that disagree: about what they have, and about who writes.

use std::time::Duration;

use tandem::clock::Clock;
use tandem::replication::control::FailoverMode;
use tandem::replication::report::{Role, State};
use tandem_storage::Lane;
use tandem_storage::change::{PathOp, UpdatePaths};
use tandem_storage::meta::digest::LtHash;

use super::node::Node;
use super::world::{ALL, World, agree, converge, wait, wait_role};

/// Stores a digest of the restore point that is wrong.
fn spoil(node: &Node) {
    let row = node.restore_point(&ALL);
    let mut wrong = LtHash::of(row.digest.as_ref().unwrap());
    wrong.add(node.name.as_bytes(), b"is no row");
    let op = PathOp::SetDigest { snapshot: row.meta.guid, digest: wrong.digest(), replace: true };
    let _ = node.store().commit(Lane::Client, node.clock.now(), UpdatePaths(vec![op])).wait().unwrap();
}

/// The restore point's digest is what its rows make.
fn is_true(node: &Node) -> bool {
    let row = node.restore_point(&ALL);
    row.digest == Some(node.store().digest(&ALL, row.seq).unwrap())
}

fn filled() -> World {
    let world = World::protected();
    world.a.create_bucket("data").unwrap();
    for n in 0..50 {
        world.a.put("data", &format!("k{n}"), b"v").unwrap();
    }
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    world
}

#[test]
fn a_wrong_digest_of_the_base_leads_to_a_full_comparison_and_heals() {
    let world = filled();
    let (a, b) = (&world.a, &world.b);
    spoil(a);
    a.put("data", "k1", b"another").unwrap();
    a.delete("data", "k2").unwrap();
    let differs = |error: &String| error.contains("digests differ");
    wait("the differing digests in the report", || a.path(&ALL).last_error.filter(differs));
    converge(a, b, &ALL);
    agree(a, b, &ALL);
    assert!(is_true(a) && is_true(b));
    wait("the end of the error", || a.path(&ALL).last_error.is_none().then_some(()));
    // And on: the next is a delta again.
    heals(&world);
}

/// The next write leads to equal nodes whose digests are true.
fn heals(World { a, b, .. }: &World) {
    a.put("data", "k1", b"another").unwrap();
    converge(a, b, &ALL);
    agree(a, b, &ALL);
    assert!(is_true(a) && is_true(b));
}

#[test]
fn a_wrong_digest_at_the_destination_is_counted_again() {
    let world = filled();
    spoil(&world.b);
    heals(&world);
}

#[test]
fn both_wrong_digests_at_once_heal_too() {
    let world = filled();
    spoil(&world.a);
    spoil(&world.b);
    heals(&world);
}

#[test]
fn two_writers_of_one_epoch_close_both_gates_until_an_operator_decides() {
    let (mut world, link, back) = World::linked();
    world.protect(&ALL, Duration::from_secs(1));
    world.a.create_bucket("data").unwrap();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    link.set_open(false);
    back.set_open(false);
    // Two operators who do not know of each other, in the same words.
    for node in [&world.a, &world.b] {
        for mode in [FailoverMode::StandAlone, FailoverMode::Force] {
            node.ask(node.control().failover(&ALL, mode)).unwrap();
        }
        assert_eq!(node.path(&ALL).epoch, 3);
        node.put("data", &format!("by-{}", node.name), b"x").unwrap();
    }
    link.set_open(true);
    back.set_open(true);
    for node in [&world.a, &world.b] {
        let report = wait_role(node, &ALL, Role::Source, State::Conflict);
        let evidence = report.conflict.unwrap();
        assert!(evidence.contains("the same epoch"), "{evidence}");
        for other in [&world.a, &world.b] {
            assert!(evidence.contains(&format!("epoch 3 of {}", other.store().node())), "{evidence}");
        }
        assert!(!report.writable && node.put("data", "late", b"x").is_err());
        assert!(node.ask(node.control().failover(&ALL, FailoverMode::Graceful)).is_err());
    }
    // It is durable.
    world.a.kill();
    world.a.restart();
    let (a, b) = (&world.a, &world.b);
    assert!(a.path(&ALL).conflict.is_some() && a.put("data", "late", b"x").is_err());
    // The operator's way out: the data of b shall win.
    b.ask(b.control().failover(&ALL, FailoverMode::Force)).unwrap();
    wait_role(b, &ALL, Role::Source, State::Active);
    wait_role(a, &ALL, Role::Destination, State::Active);
    converge(b, a, &ALL);
    agree(b, a, &ALL);
    assert!(a.contents().contains_key(&("data".into(), "by-b".into())));
    let diverged = &a.path(&ALL).diverged;
    assert_eq!((diverged.len(), diverged[0].epoch), (1, 3));
    let lines = a.ask(a.control().diverged(&ALL, 3)).unwrap();
    assert_eq!(lines.iter().map(|line| line.key.as_deref()).collect::<Vec<_>>(), [Some("by-a")]);
    assert!(a.path(&ALL).conflict.is_none());
}

#[test]
fn a_source_that_was_set_back_to_a_backup_overwrites_nothing() {
    let mut world = filled();
    let backup = world.dir.path().join("backup");
    world.a.stop();
    world.a.copy_dir(&backup, false);
    world.a.restart();
    world.a.put("data", "since", b"1").unwrap();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    world.a.stop();
    world.a.copy_dir(&backup, true);
    world.a.restart();
    let (a, b) = (&world.a, &world.b);
    let evidence = wait_role(a, &ALL, Role::Source, State::Conflict).conflict.unwrap();
    assert!(evidence.contains("this side lacks"), "{evidence}");
    wait("b to tell of it", || b.path(&ALL).last_error.filter(|error| error.contains("a is in conflict")));
    assert!(a.put("data", "late", b"x").is_err());
    assert!(b.contents().contains_key(&("data".into(), "since".into())));
    // What b has is newer: it writes on, and a follows.
    b.ask(b.control().failover(&ALL, FailoverMode::Force)).unwrap();
    wait_role(a, &ALL, Role::Destination, State::Active);
    b.put("data", "on", b"2").unwrap();
    converge(b, a, &ALL);
    agree(b, a, &ALL);
    assert!(a.contents().contains_key(&("data".into(), "since".into())));
}

#[test]
fn a_destination_whose_source_lost_everything_says_so() {
    let mut world = filled();
    let row = world.a.store().paths()[0].clone();
    let remove = UpdatePaths(vec![PathOp::Remove { guid: row.guid, revision: row.revision }]);
    let _ = world.a.store().commit(Lane::Client, world.a.clock.now(), remove).wait().unwrap();
    world.a.kill();
    world.a.restart();
    let b = &world.b;
    wait("the reason", || b.path(&ALL).last_error.filter(|error| error.contains("does not know this path")));
    b.ask(b.control().failover(&ALL, FailoverMode::Force)).unwrap();
    b.put("data", "on", b"1").unwrap();
}
