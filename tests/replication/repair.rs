//! Bytes that decay on one node are fetched back from the other, whichever is source.

use std::path::Path;
use std::time::Duration;

use tandem::replication::report::RepairReport;
use tandem_storage::record::Scope;
use tandem_storage::types::ContentHash;

use super::client::bucket;
use super::node::Node;
use super::world::{ALL, Dice, World, agree, converge, wait};

const PIECE: usize = 8 << 20;

/// Every file below a directory.
#[allow(clippy::disallowed_methods)]
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Flips a bit of these bytes, wherever the node has them: at the beginning of a piece, or anywhere in what its journal has been written to.
#[allow(clippy::disallowed_methods)]
fn spoil(node: &Node, bytes: &[u8]) {
    let mut spoilt = 0;
    for file in ["journal", "pieces"].iter().flat_map(|kind| files(&node.data_dir().join(kind))) {
        // What the collector has just removed is nothing to spoil.
        let Ok(content) = std::fs::read(&file) else { continue };
        let is_piece = file.parent().is_some_and(|dir| !dir.ends_with("journal"));
        let written = content.chunks(1 << 20).take_while(|chunk| chunk.iter().any(|byte| *byte != 0));
        let end = if is_piece { 1 } else { written.map(<[u8]>::len).sum() };
        for at in (0..end).filter(|at| content[*at..].starts_with(bytes)) {
            let (file, middle) = (std::fs::OpenOptions::new().write(true).open(&file).unwrap(), at + bytes.len() / 2);
            std::os::unix::fs::FileExt::write_all_at(&file, &[content[middle] ^ 4], middle as u64).unwrap();
            spoilt += 1;
        }
    }
    assert!(spoilt > 0, "{} does not have it", node.name);
}

/// How many blobs the scrub finds damaged. It looks at the medium, so a repair is seen too.
fn damaged(node: &Node) -> usize {
    let (mut found, mut after) = (0, None);
    loop {
        let page = node.store().scrub(after, 64 << 20).unwrap();
        found += page.damaged.len();
        after = page.reached;
        if after.is_none() {
            return found;
        }
    }
}

fn repair(node: &Node) -> RepairReport {
    node.control().report().repair
}

/// Waits until nothing is damaged; from whom how many blobs were had.
fn repaired(node: &Node) -> Vec<(String, u64)> {
    let sound = || node.store().distrusted().is_empty() && repair(node).waiting.is_empty();
    wait("the repair", || sound().then_some(()));
    assert_eq!(damaged(node), 0);
    repair(node).repaired.into_iter().map(|repaired| (repaired.peer, repaired.blobs)).collect()
}

/// A small body, one in a piece, one of a recipe over two pieces; what each is stored as.
fn fill(node: &Node) -> Vec<Vec<u8>> {
    let mut dice = Dice(11);
    node.create_bucket("data").unwrap();
    let (small, large, pieces) = (dice.bytes(1000), dice.bytes(150_000), dice.bytes(PIECE + 300_000));
    for (key, content) in [("small", &small), ("large", &large), ("pieces", &pieces)] {
        node.put("data", key, content).unwrap();
    }
    let (recipe, _) = node.body_of("data", "pieces");
    let recipe = node.store().blob(recipe.root().unwrap()).unwrap().to_vec();
    vec![small, large, pieces[..PIECE].to_vec(), pieces[PIECE..].to_vec(), recipe]
}

#[test]
fn what_decays_on_either_side_is_fetched_back_from_the_other() {
    let world = World::protected();
    let blobs = fill(&world.a);
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    let whole = world.a.contents();
    for (node, peer) in [(&world.b, "a"), (&world.a, "b")] {
        blobs.iter().for_each(|blob| spoil(node, blob));
        // Of the pieces the recipe cannot be read either: they are found once it is there again.
        assert_eq!(damaged(node), blobs.len());
        assert_eq!(repaired(node), [(peer.to_owned(), blobs.len() as u64)]);
        assert_eq!(node.contents(), whole);
    }
    // A read tells as well, and nobody waits for a round of the scrub.
    spoil(&world.b, &blobs[1]);
    assert!(world.b.store().blob(ContentHash::of(&blobs[1])).is_err());
    assert_eq!(repaired(&world.b), [("a".to_owned(), blobs.len() as u64 + 1)]);
    world.a.put("data", "after", b"and it goes on").unwrap();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
}

#[test]
fn a_part_and_what_only_snapshots_have_are_fetched_back_too() {
    let world = World::protected();
    let mut dice = Dice(5);
    let (part, past) = (dice.bytes(200_000), dice.bytes(100_000));
    world.a.create_bucket("data").unwrap();
    world.a.upload_part("data", "big", &part).unwrap();
    world.a.put("data", "past", &past).unwrap();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    world.a.delete("data", "past").unwrap();
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    for (node, peer) in [(&world.a, "b"), (&world.b, "a")] {
        spoil(node, &part);
        spoil(node, &past);
        assert_eq!(damaged(node), 2);
        assert_eq!(repaired(node), [(peer.to_owned(), 2)]);
    }
}

#[test]
fn a_restart_and_an_absent_peer_only_cost_time_and_are_told() {
    let mut world = World::protected();
    let blobs = fill(&world.a);
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    world.a.stop();
    spoil(&world.b, &blobs[1]);
    assert_eq!(damaged(&world.b), 1);
    let told = |node: &Node, what: &str| repair(node).waiting.iter().any(|waiting| waiting.why.contains(what));
    wait("the absence", || told(&world.b, "a cannot be reached").then_some(()));
    world.b.kill();
    world.b.restart();
    assert_eq!(damaged(&world.b), 1);
    world.a.restart();
    assert_eq!(repaired(&world.b), [("a".to_owned(), 1)]);
    // Killed at any moment of the repair, the node has the one or the other.
    for time in [0, 300, 600, 900, 1200] {
        spoil(&world.b, &blobs[2]);
        assert_eq!(damaged(&world.b), 1);
        super::world::pause(Duration::from_millis(time));
        world.b.kill();
        world.b.restart();
        assert!(damaged(&world.b) <= 1);
        repaired(&world.b);
    }
    assert_eq!(world.b.contents(), world.a.contents());
}

#[test]
fn what_neither_side_has_is_told_until_it_is_put_again() {
    let world = World::protected();
    let blobs = fill(&world.a);
    converge(&world.a, &world.b, &ALL);
    agree(&world.a, &world.b, &ALL);
    for node in [&world.a, &world.b] {
        spoil(node, &blobs[1]);
    }
    assert_eq!((damaged(&world.a), damaged(&world.b)), (1, 1));
    for node in [&world.a, &world.b] {
        let told = || repair(node).waiting.iter().any(|waiting| waiting.why.contains("cannot read these bytes either"));
        wait("the answer", || told().then_some(()));
        assert!(node.store().blob(ContentHash::of(&blobs[1])).is_err(), "and it is not given out");
    }
    world.a.put("data", "again", &blobs[1]).unwrap();
    assert_eq!(repaired(&world.a), []);
    repaired(&world.b);
    converge(&world.a, &world.b, &ALL);
}

#[test]
fn nothing_is_asked_for_that_no_path_covers() {
    let world = World::paired();
    let blobs = fill(&world.a);
    let own = Dice(3).bytes(100_000);
    for node in [&world.a, &world.b] {
        node.create_bucket("own").unwrap();
        node.put("own", "key", &own).unwrap();
    }
    spoil(&world.a, &own);
    assert_eq!(damaged(&world.a), 1);
    let why = |what: &str| repair(&world.a).waiting.iter().any(|waiting| waiting.why.contains(what));
    wait("that there is no peer", || why("no protected path").then_some(()));
    let path = Scope::Bucket(bucket("data"));
    world.protect(&path, Duration::from_secs(1));
    agree(&world.a, &world.b, &path);
    wait("that b has it in no path", || why("nothing that a peer has too refers to it").then_some(()));
    spoil(&world.a, &blobs[0]);
    assert_eq!(damaged(&world.a), 2);
    wait("the repair", || (repair(&world.a).repaired.len() == 1).then_some(()));
    assert_eq!(damaged(&world.a), 1, "what no path covers");
}
