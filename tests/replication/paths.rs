//! Several paths between the same two nodes.

use std::time::Duration;

use tandem::replication::control::FailoverMode;
use tandem::replication::report::{Role, State};
use tandem_storage::record::Scope;

use super::client::bucket;
use super::world::{World, agree, converge, wait_role};

#[test]
fn paths_of_one_pair_of_nodes_go_both_ways_and_each_its_own() {
    let mut world = World::paired();
    let scope = |name: &str| Scope::Bucket(bucket(name));
    let (x, y, z) = (scope("xxx"), scope("yyy"), scope("zzz"));
    let (second, keep) = (Duration::from_secs(1), Duration::from_secs(600));
    for name in ["xxx", "yyy", "free"] {
        world.a.create_bucket(name).unwrap();
    }
    world.b.create_bucket("zzz").unwrap();
    world.a.protect(&x, "b", second, keep);
    world.b.protect(&z, "a", second, keep);
    world.a.protect(&y, "b", second, keep);
    for n in 0..40 {
        world.a.put("xxx", &format!("k{n}"), b"x").unwrap();
        world.b.put("zzz", &format!("k{n}"), b"z").unwrap();
        world.a.put("yyy", &format!("k{n}"), b"y").unwrap();
        world.a.put("free", &format!("k{n}"), b"-").unwrap();
    }
    let (a, b) = (&world.a, &world.b);
    for (path, from, to) in [(&x, a, b), (&y, a, b), (&z, b, a)] {
        converge(from, to, path);
        agree(from, to, path);
    }
    assert!(a.put("zzz", "k", b"1").is_err() && b.put("xxx", "k", b"1").is_err() && b.put("yyy", "k", b"1").is_err());
    assert!(!b.contents().keys().any(|(name, _)| name == "free"));

    // One changes its direction; the others do not notice.
    b.ask(b.control().failover(&x, FailoverMode::Graceful)).unwrap();
    wait_role(b, &x, Role::Source, State::Active);
    wait_role(a, &x, Role::Destination, State::Active);
    b.put("xxx", "by-b", b"1").unwrap();
    a.put("yyy", "by-a", b"1").unwrap();
    b.put("zzz", "by-b", b"1").unwrap();
    for (path, from, to) in [(&x, b, a), (&y, a, b), (&z, b, a)] {
        converge(from, to, path);
    }
    assert_eq!((a.path(&x).epoch, a.path(&y).epoch, a.path(&z).epoch), (2, 1, 1));

    world.b.kill();
    world.a.put("yyy", "alone", b"1").unwrap();
    world.b.restart();
    world.b.put("xxx", "again", b"1").unwrap();
    world.b.delete("zzz", "k0").unwrap();
    let (a, b) = (&world.a, &world.b);
    for (path, from, to) in [(&x, b, a), (&y, a, b), (&z, b, a)] {
        converge(from, to, path);
        agree(from, to, path);
    }
}
