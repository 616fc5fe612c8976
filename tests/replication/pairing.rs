use tandem::replication::control::ControlError;
use tandem::replication::report::LinkState;

use super::node::Node;
use super::world::{ALL, World, converge, pause, wait};

fn peers(node: &Node) -> Vec<(String, LinkState)> {
    node.control().report().peers.into_iter().map(|peer| (peer.name, peer.state)).collect()
}

fn connected(node: &Node, name: &str) -> Option<()> {
    (peers(node) == [(name.to_owned(), LinkState::Connected)]).then_some(())
}

#[test]
fn a_token_pairs_two_nodes_and_both_remember() {
    let mut world = World::paired();
    wait("a hello from a", || connected(&world.a, "b"));
    wait("a hello from b", || connected(&world.b, "a"));
    world.a.stop();
    world.b.kill();
    world.a.restart();
    world.b.restart();
    wait("a hello from a", || connected(&world.a, "b"));
    wait("a hello from b", || connected(&world.b, "a"));
    world.a.ask(world.a.control().remove_peer("b")).unwrap();
    assert!(peers(&world.a).is_empty());
    wait("b is refused", || (peers(&world.b)[0].1 != LinkState::Connected).then_some(()));
}

#[test]
fn a_token_serves_one_node_and_a_wrong_one_serves_none() {
    let world = World::paired();
    let third = Node::new(world.dir.path(), "c").start();
    let token = world.a.ask(world.a.control().pairing_token()).unwrap();
    let again = |node: &Node, token: &str| node.ask(node.control().pair(token, "other"));
    assert!(matches!(again(&third, "tandem1.x"), Err(ControlError::Refused(_))));
    assert!(matches!(again(&world.a, &token), Err(ControlError::Refused(_))));
    // The same node may come back: its first answer may have been lost.
    world.b.ask(world.b.control().pair(&token, "a")).unwrap();
    world.b.ask(world.b.control().pair(&token, "a")).unwrap();
    assert!(matches!(again(&third, &token), Err(ControlError::Refused(_))));
    assert!(peers(&third).is_empty());
}

#[test]
fn a_secret_in_both_configurations_pairs_without_an_operator() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "correct horse battery staple";
    let a = Node::new(dir.path(), "a").with_secret(secret, None).start();
    let b = Node::new(dir.path(), "b").with_secret(secret, Some(a.address().to_string())).start();
    wait("a hello from a", || connected(&a, "b"));
    wait("a hello from b", || connected(&b, "a"));
    let wrong = Node::new(dir.path(), "c").with_secret("incorrect horse battery", Some(a.address().to_string()));
    let wrong = wrong.start();
    pause(std::time::Duration::from_millis(500));
    assert!(peers(&wrong).is_empty());
    assert_eq!(peers(&a).len(), 1);
}

#[test]
fn a_node_that_moved_tells_its_peer_where_it_is() {
    let mut world = World::protected();
    world.a.create_bucket("data").unwrap();
    converge(&world.a, &world.b, &ALL);
    let before = world.b.address();
    world.b.stop();
    world.b.moves();
    world.b.restart();
    assert_ne!(world.b.address(), before);
    world.a.put("data", "k", b"1").unwrap();
    converge(&world.a, &world.b, &ALL);
    wait("a hello from a", || connected(&world.a, "b"));
    // It is remembered, and b is still the one that was paired.
    world.a.stop();
    world.a.moves();
    world.a.restart();
    world.a.put("data", "l", b"2").unwrap();
    converge(&world.a, &world.b, &ALL);
    wait("a hello from b", || connected(&world.b, "a"));
    assert_eq!(world.a.control().report().peers[0].address, world.b.address().to_string());
}
