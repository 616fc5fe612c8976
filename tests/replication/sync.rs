use std::time::Duration;

use tandem::replication::control::{ControlError, CreatePath};
use tandem::replication::report::{Role, State};
use tandem_storage::record::Scope;

use super::client::bucket;
use super::world::{ALL, World, agree, converge, instant, wait, wait_role};
use tandem::clock::Clock;

#[test]
fn a_seed_and_deltas_bring_objects_overwrites_and_deletes() {
    let world = World::paired();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("photos").unwrap();
    for n in 0..300 {
        a.put("photos", &format!("small/{n:04}"), format!("object {n}").as_bytes()).unwrap();
    }
    let large: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
    a.put("photos", "large", &large).unwrap();
    a.put("photos", "empty", b"").unwrap();
    world.protect(&ALL, Duration::from_secs(1));
    converge(a, b, &ALL);
    assert!(b.put("photos", "x", b"y").is_err());
    assert!(b.create_bucket("other").is_err());

    a.put("photos", "small/0000", b"another").unwrap();
    a.delete("photos", "small/0001").unwrap();
    a.delete("photos", "large").unwrap();
    a.create_bucket("second").unwrap();
    converge(a, b, &ALL);
    let report = agree(a, b, &ALL);
    assert_eq!((report.role, report.writable, report.epoch), (Role::Destination, false, 1));
    wait("a proven lag", || b.path(&ALL).lag_proven.then_some(()));
}

#[test]
fn a_bucket_made_again_is_another_bucket_at_the_destination_too() {
    let world = World::protected();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("again").unwrap();
    a.put("again", "old", b"1").unwrap();
    converge(a, b, &ALL);
    a.delete("again", "old").unwrap();
    a.delete_bucket("again").unwrap();
    a.create_bucket("again").unwrap();
    a.put("again", "new", b"2").unwrap();
    converge(a, b, &ALL);
    a.delete("again", "new").unwrap();
    a.delete_bucket("again").unwrap();
    converge(a, b, &ALL);
    assert!(b.contents().is_empty());
    agree(a, b, &ALL);
}

#[test]
fn one_bucket_is_protected_and_the_rest_is_its_nodes_own() {
    let world = World::paired();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("shared").unwrap();
    a.create_bucket("mine").unwrap();
    a.put("shared", "x", b"1").unwrap();
    a.put("mine", "y", b"2").unwrap();
    let scope = Scope::Bucket(bucket("shared"));
    world.protect(&scope, Duration::from_secs(1));
    wait("the bucket", || b.contents().contains_key(&("shared".into(), "x".into())).then_some(()));
    assert!(!b.contents().keys().any(|(bucket, _)| bucket == "mine"));
    b.create_bucket("others").unwrap();
    b.put("others", "z", b"3").unwrap();
    assert!(b.put("shared", "z", b"3").is_err());
    a.delete("shared", "x").unwrap();
    a.delete_bucket("shared").unwrap();
    wait("the bucket's end", || (!b.contents().keys().any(|(bucket, _)| bucket == "shared")).then_some(()));
    agree(a, b, &scope);
}

#[test]
fn what_is_in_the_way_is_refused_by_name() {
    let world = World::paired();
    world.b.create_bucket("in-the-way").unwrap();
    let create = |scope: Scope, peer: &str| {
        let keep = Duration::from_secs(60);
        let interval = Duration::from_secs(1);
        let path = CreatePath { scope, peer: peer.into(), interval, keep_local: keep, keep_remote: keep };
        world.a.ask(world.a.control().create_path(path))
    };
    let text = |outcome: Result<_, ControlError>| {
        outcome.map(|_: tandem::replication::report::PathReport| ()).unwrap_err().to_string()
    };
    assert!(text(create(ALL, "b")).contains("in-the-way"));
    assert!(text(create(Scope::Bucket(bucket("in-the-way")), "b")).contains("in-the-way"));
    assert!(text(create(ALL, "nobody")).contains("nobody"));
    assert!(world.a.control().report().paths.is_empty());
    create(Scope::Bucket(bucket("free")), "b").unwrap();
    assert!(text(create(ALL, "b")).contains("/free"));
    wait_role(&world.b, &Scope::Bucket(bucket("free")), Role::Destination, State::Active);
}

#[test]
fn a_removed_path_leaves_its_data_on_both_nodes() {
    let world = World::protected();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("kept").unwrap();
    a.put("kept", "x", b"1").unwrap();
    converge(a, b, &ALL);
    a.ask(a.control().remove_path(&ALL)).unwrap();
    wait("b's end of the path", || b.control().report().paths.is_empty().then_some(()));
    b.put("kept", "y", b"2").unwrap();
    a.put("kept", "z", b"3").unwrap();
    assert_eq!(b.contents().len(), 3);
}

#[test]
fn nothing_changed_makes_no_snapshot_and_yet_little_lag() {
    let world = World::protected();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("quiet").unwrap();
    converge(a, b, &ALL);
    let point = agree(a, b, &ALL).restore_point.unwrap().guid;
    let created = b.restore_point(&ALL).meta.created;
    // The restore point grows old; what is told of it does not: "unchanged as of" is younger than the point itself.
    wait("a proven lag that is less than half the restore point's age", || {
        let (report, now) = (b.path(&ALL), b.clock.now());
        let age = Duration::from_micros((now.as_micros() - created.as_micros()).max(0) as u64);
        let lag = report.rpo_lag_seconds.filter(|_| report.lag_proven)?;
        (age > Duration::from_secs(4) && lag < age.as_secs_f64() / 2.0).then_some(())
    });
    assert_eq!(a.snapshots(&ALL).last().unwrap().meta.guid.to_string(), point);
    assert_eq!(agree(a, b, &ALL).restore_point.unwrap().guid, point);
}

#[test]
fn a_path_that_is_quiet_longer_than_snapshots_are_kept_goes_on_with_a_delta() {
    let world = World::paired();
    let (a, b) = (&world.a, &world.b);
    a.protect(&ALL, "b", Duration::from_secs(1), Duration::from_secs(60));
    a.create_bucket("quiet").unwrap();
    converge(a, b, &ALL);
    agree(a, b, &ALL);
    let base = a.restore_point(&ALL).meta.guid;
    for node in [a, b] {
        node.clock.pass(Duration::from_secs(3600));
        // Retention and the collector have both been through.
        for _ in 0..3 {
            let _ = node.store().collect(node.clock.now()).unwrap();
        }
    }
    wait("a heartbeat", || a.control().report().peers[0].last_heartbeat_seconds_ago.filter(|ago| *ago < 5.0));
    assert_eq!((a.restore_point(&ALL).meta.guid, b.restore_point(&ALL).meta.guid), (base, base));
    a.put("quiet", "x", b"1").unwrap();
    converge(a, b, &ALL);
    agree(a, b, &ALL);
    wait_role(a, &ALL, Role::Source, State::Active);
    wait_role(b, &ALL, Role::Destination, State::Active);
}

#[test]
fn a_quiet_bucket_on_a_busy_node_takes_no_empty_snapshots() {
    let world = World::paired();
    let a = &world.a;
    a.create_bucket("quiet").unwrap();
    a.create_bucket("busy").unwrap();
    let scope = Scope::Bucket(bucket("quiet"));
    world.protect(&scope, Duration::from_secs(1));
    converge(a, &world.b, &scope);
    agree(a, &world.b, &scope);
    let before = a.snapshots(&scope).len();
    let end = instant() + Duration::from_secs(5);
    std::thread::scope(|threads| {
        for writer in 0..4 {
            threads.spawn(move || {
                let mut n = 0;
                while instant() < end {
                    a.put("busy", &format!("{writer}/{n}"), b"x").unwrap();
                    n += 1;
                }
            });
        }
    });
    assert_eq!(a.snapshots(&scope).len(), before);
}

#[test]
fn an_upload_in_progress_travels_with_its_parts() {
    let world = World::protected();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("data").unwrap();
    let part = vec![5; 6_000_000];
    let upload = a.upload_part("data", "big", &part).unwrap();
    wait("the upload and its part", || {
        let found = b.uploads("data");
        (found == [("big".to_owned(), upload, vec![(1, part.len() as u64)])]).then_some(())
    });
    agree(a, b, &ALL);
}

#[test]
fn the_destinations_snapshots_are_the_sources_and_end_with_their_time() {
    let world = World::paired();
    let (a, b) = (&world.a, &world.b);
    let keep = Duration::from_secs(3);
    let path = CreatePath {
        scope: ALL,
        peer: "b".into(),
        interval: Duration::from_secs(1),
        keep_local: keep,
        keep_remote: keep,
    };
    a.ask(a.control().create_path(path)).unwrap();
    a.create_bucket("data").unwrap();
    for n in 0..5 {
        a.put("data", &format!("k{n}"), b"x").unwrap();
        a.ask(a.control().replicate_now(&ALL)).unwrap();
        converge(a, b, &ALL);
    }
    agree(a, b, &ALL);
    let kept = |node: &super::node::Node| {
        let path = node.store().paths()[0].guid;
        node.store().snapshots(path).unwrap().into_iter().map(|row| row.meta.guid).collect::<Vec<_>>()
    };
    let (one, two) = (kept(a), kept(b));
    assert!(two.iter().all(|guid| one.contains(guid)), "{one:?} {two:?}");
    let start = instant();
    while kept(a).len() != 1 || kept(b).len() > 2 {
        assert!(start.elapsed() < super::world::DEADLINE, "{:#?} {:#?}", a.snapshots(&ALL), b.snapshots(&ALL));
        super::world::pause(Duration::from_millis(20));
    }
}
