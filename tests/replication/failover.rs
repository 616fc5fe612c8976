use tandem::replication::control::{ControlError, FailoverMode};
use tandem::replication::report::{PathReport, Role, State};

use super::world::{ALL, World, agree, converge, wait, wait_role};

fn filled() -> World {
    let world = World::protected();
    world.a.create_bucket("data").unwrap();
    for n in 0..20 {
        world.a.put("data", &format!("k{n}"), format!("v{n}").as_bytes()).unwrap();
    }
    converge(&world.a, &world.b, &ALL);
    world
}

#[test]
fn a_graceful_failover_loses_nothing_and_comes_back() {
    let world = filled();
    let (a, b) = (&world.a, &world.b);
    agree(a, b, &ALL);
    a.put("data", "last", b"moment").unwrap();
    let before = b.path(&ALL);
    b.ask(b.control().confirmed_at(&before).failover(&ALL, FailoverMode::Graceful)).unwrap();
    let report = wait_role(b, &ALL, Role::Source, State::Active);
    assert_eq!(report.epoch, 2);
    wait_role(a, &ALL, Role::Destination, State::Active);
    assert!(b.contents().contains_key(&("data".into(), "last".into())));
    assert!(a.put("data", "late", b"x").is_err());
    b.put("data", "from-b", b"1").unwrap();
    converge(b, a, &ALL);
    assert!(a.path(&ALL).diverged.is_empty());

    // The order that made b the source, come again, gives nothing back.
    let again = b.ask(b.control().confirmed_at(&before).failover(&ALL, FailoverMode::Graceful));
    assert!(matches!(again, Err(ControlError::Conflict(_))), "{again:?}");
    // Nor does one that was confirmed for another path of that name.
    let another = PathReport { guid: "0".repeat(32), ..b.path(&ALL) };
    let another = b.ask(b.control().confirmed_path(&another).failover(&ALL, FailoverMode::Graceful));
    assert!(matches!(another, Err(ControlError::Conflict(_))), "{another:?}");

    // Back, asked on the source this time.
    b.ask(b.control().failover(&ALL, FailoverMode::Graceful)).unwrap();
    wait_role(a, &ALL, Role::Source, State::Active);
    wait_role(b, &ALL, Role::Destination, State::Active);
    a.put("data", "from-a", b"2").unwrap();
    converge(a, b, &ALL);
    assert_eq!(agree(a, b, &ALL).epoch, 3);
}

#[test]
fn a_forced_failover_keeps_the_lost_writes_by_name_and_the_old_source_follows() {
    let mut world = filled();
    agree(&world.a, &world.b, &ALL);
    world.a.kill();
    let b = &world.b;
    b.ask(b.control().failover(&ALL, FailoverMode::Force)).unwrap();
    wait("b to be writable", || b.path(&ALL).writable.then_some(()));
    b.put("data", "k1", b"by b").unwrap();
    b.put("data", "only-b", b"x").unwrap();
    // Node a comes back alone and takes writes until it hears.
    world.b.kill();
    world.a.restart();
    world.a.put("data", "only-a", b"unshipped").unwrap();
    world.a.put("data", "k2", b"unshipped too").unwrap();
    world.a.delete("data", "k3").unwrap();
    world.b.restart();
    wait_role(&world.a, &ALL, Role::Destination, State::Active);
    converge(&world.b, &world.a, &ALL);
    let report = agree(&world.b, &world.a, &ALL);
    assert_eq!(report.diverged.len(), 1, "{report:#?}");
    assert_eq!((report.diverged[0].epoch, report.diverged[0].entries), (1, 3));
    let lines = world.a.ask(world.a.control().diverged(&ALL, 1)).unwrap();
    let mut told: Vec<_> = lines.iter().map(|line| (line.key.clone().unwrap(), line.change.as_str())).collect();
    told.sort();
    let expected = [("k2", "put"), ("k3", "delete"), ("only-a", "put")];
    assert_eq!(told, expected.map(|(key, change)| (key.to_owned(), change)));
    world.a.ask(world.a.control().discard_diverged(&ALL, 1)).unwrap();
    assert!(world.a.path(&ALL).diverged.is_empty());
    assert!(world.a.ask(world.a.control().diverged(&ALL, 1)).is_err());
}

#[test]
fn two_nodes_stand_alone_and_are_reattached_under_the_one_that_is_asked() {
    let world = filled();
    let (a, b) = (&world.a, &world.b);
    agree(a, b, &ALL);
    a.ask(a.control().failover(&ALL, FailoverMode::StandAlone)).unwrap();
    wait_role(a, &ALL, Role::Standalone, State::Active);
    wait_role(b, &ALL, Role::Standalone, State::Active);
    a.put("data", "on-a", b"1").unwrap();
    b.put("data", "on-b", b"2").unwrap();
    a.ask(a.control().reattach(&ALL)).unwrap();
    wait_role(a, &ALL, Role::Source, State::Active);
    wait_role(b, &ALL, Role::Destination, State::Active);
    converge(a, b, &ALL);
    assert!(a.contents().contains_key(&("data".into(), "on-a".into())));
    let report = agree(a, b, &ALL);
    assert_eq!(report.diverged.len(), 1, "{report:#?}");
    let lines = b.ask(b.control().diverged(&ALL, report.diverged[0].epoch)).unwrap();
    assert_eq!(lines.iter().map(|line| line.key.as_deref()).collect::<Vec<_>>(), [Some("on-b")]);
}

#[test]
fn a_source_whose_peer_stands_alone_says_that_an_operator_must_decide() {
    let world = filled();
    let (a, b) = (&world.a, &world.b);
    agree(a, b, &ALL);
    a.ask(a.control().failover(&ALL, FailoverMode::StandAlone)).unwrap();
    wait_role(b, &ALL, Role::Standalone, State::Active);
    b.ask(b.control().failover(&ALL, FailoverMode::Force)).unwrap();
    wait("the reason", || b.path(&ALL).last_error.filter(|error| error.contains("a stands alone")));
    assert_eq!((b.path(&ALL).role, b.path(&ALL).state), (Role::Source, State::Suspended));
    a.ask(a.control().reattach(&ALL)).unwrap();
    wait_role(a, &ALL, Role::Destination, State::Active);
    wait_role(b, &ALL, Role::Source, State::Active);
    converge(b, a, &ALL);
}

#[test]
fn an_aborted_failover_lets_the_source_write_on() {
    let mut world = filled();
    agree(&world.a, &world.b, &ALL);
    world.b.kill();
    let a = &world.a;
    a.ask(a.control().failover(&ALL, FailoverMode::Graceful)).unwrap();
    assert!(a.put("data", "x", b"1").is_err());
    assert_eq!(a.path(&ALL).state, State::HandingOver);
    a.ask(a.control().abort_failover(&ALL)).unwrap();
    // Only the destination's durable word opens the gate again.
    assert!(a.put("data", "x", b"1").is_err());
    world.b.restart();
    wait_role(&world.a, &ALL, Role::Source, State::Active);
    world.a.put("data", "x", b"1").unwrap();
    converge(&world.a, &world.b, &ALL);
    assert_eq!(world.a.path(&ALL).epoch, 2);
}

#[test]
fn refusals_say_what_to_do_next() {
    let world = filled();
    let (a, b) = (&world.a, &world.b);
    let refused = |outcome: Result<_, ControlError>| {
        let refused: Result<tandem::replication::report::PathReport, ControlError> = outcome;
        assert!(matches!(refused, Err(ControlError::Refused(_))), "{refused:?}");
    };
    refused(a.ask(a.control().failover(&ALL, FailoverMode::Force)));
    refused(a.ask(a.control().abort_failover(&ALL)));
    refused(a.ask(a.control().reattach(&ALL)));
    refused(b.ask(b.control().replicate_now(&ALL)));
    assert!(a.ask(a.control().remove_peer("b")).is_err());
    assert!(matches!(a.ask(a.control().diverged(&ALL, 7)), Err(ControlError::NotFound(_))));
}

#[test]
fn a_bucket_made_again_is_another_bucket_across_a_failover_too() {
    let mut world = filled();
    agree(&world.a, &world.b, &ALL);
    let remake = |node: &super::node::Node, key: &str| {
        for (name, key) in node.contents().into_keys().filter(|(_, key)| !key.is_empty()) {
            node.delete(&name, &key).unwrap();
        }
        node.delete_bucket("data").unwrap();
        let guid = node.create_bucket("data").unwrap();
        node.put("data", key, b"new").unwrap();
        guid
    };
    let guid = |node: &super::node::Node| node.contents()[&("data".to_owned(), String::new())].0.clone();
    let (a, b) = (&world.a, &world.b);
    b.ask(b.control().failover(&ALL, FailoverMode::Graceful)).unwrap();
    wait_role(b, &ALL, Role::Source, State::Active);
    let made = remake(b, "by-b");
    converge(b, a, &ALL);
    assert_eq!(guid(a), made.to_string());
    agree(b, a, &ALL);
    b.ask(b.control().failover(&ALL, FailoverMode::Graceful)).unwrap();
    wait_role(a, &ALL, Role::Source, State::Active);
    wait_role(b, &ALL, Role::Destination, State::Active);
    a.put("data", "by-a", b"1").unwrap();
    converge(a, b, &ALL);
    agree(a, b, &ALL);

    // Unshipped, and lost by a forced failover: b has the bucket of before, a keeps its own as diverged and takes that back.
    world.b.kill();
    let unshipped = remake(&world.a, "unshipped");
    world.a.kill();
    world.b.restart();
    let b = &world.b;
    b.ask(b.control().failover(&ALL, FailoverMode::Force)).unwrap();
    assert_eq!(guid(b), made.to_string());
    world.a.restart();
    wait_role(&world.a, &ALL, Role::Destination, State::Active);
    converge(&world.b, &world.a, &ALL);
    let report = agree(&world.b, &world.a, &ALL);
    assert_eq!((guid(&world.a), report.diverged.len()), (made.to_string(), 1));
    let lines = world.a.ask(world.a.control().diverged(&ALL, report.diverged[0].epoch)).unwrap();
    let line = |key: Option<&str>, change: &str| {
        lines.iter().any(|line| line.key.as_deref() == key && line.change == change && line.bucket == "data")
    };
    assert!(line(Some("unshipped"), "put") && line(None, "bucket-created"), "{unshipped}: {lines:#?}");
    assert!(line(Some("by-b"), "delete") && line(None, "bucket-deleted"), "{lines:#?}");
}
