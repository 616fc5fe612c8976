//! Long objects, and objects made of others.

use std::time::Duration;

use super::world::{ALL, Dice, World, agree, converge, number};

const MB: u64 = 1_000_000;

#[test]
fn recipes_of_recipes_travel_and_what_the_peer_has_does_not() {
    let (world, link, _back) = World::linked();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("data").unwrap();
    // Two pieces each, so a recipe each.
    a.put_noise("data", "one", 9 * MB, 1).unwrap();
    a.put_noise("data", "two", 10 * MB, 2).unwrap();
    a.put("data", "small", b"a piece of its own").unwrap();
    a.put_assembled("data", "level2", &["one", "small", "two"]).unwrap();
    a.put_assembled("data", "level3", &["level2", "one", "level2"]).unwrap();
    // Nothing but level 3 names what is below it.
    for key in ["one", "two", "level2"] {
        a.delete("data", key).unwrap();
    }
    world.protect(&ALL, Duration::from_secs(1));
    converge(a, b, &ALL);
    agree(a, b, &ALL);
    assert!(link.carried() >= 19 * MB);

    let before = link.carried();
    a.put_assembled("data", "level4", &["level3", "small", "level3"]).unwrap();
    a.put_noise("data", "new", 2 * MB, 3).unwrap();
    a.put_assembled("data", "mixed", &["new", "level3"]).unwrap();
    converge(a, b, &ALL);
    agree(a, b, &ALL);
    let carried = link.carried() - before;
    assert!(carried < 3 * MB, "{carried} bytes for 2 MB that are new");
}

/// S3's way to append: an upload whose part 1 is a copy of the object, and part 2 the tail. Each time the object gets a level.
#[test]
fn an_object_that_grows_by_copies_of_itself_arrives_each_time() {
    let world = World::protected();
    let (a, b) = (&world.a, &world.b);
    a.create_bucket("data").unwrap();
    a.put_noise("data", "log", 9 * MB, 1).unwrap();
    for append in 0..7 {
        a.put("data", "tail", format!("line {append}").as_bytes()).unwrap();
        a.put_assembled("data", "log", &["log", "tail"]).unwrap();
        converge(a, b, &ALL);
        assert_eq!(a.contents(), b.contents());
    }
    agree(a, b, &ALL);
}

/// A campaign makes it some hundred megabytes: `TANDEM_LARGE_MB`.
#[test]
fn a_long_object_arrives_whole_through_a_link_that_is_cut_again_and_again() {
    let (world, link, _back) = World::linked();
    world.protect(&ALL, Duration::from_secs(1));
    let (a, b) = (&world.a, &world.b);
    let len = number("TANDEM_LARGE_MB", 40) * MB;
    let mut dice = Dice(number("TANDEM_LARGE_SEED", 0));
    a.create_bucket("data").unwrap();
    converge(a, b, &ALL);
    link.cut_after(dice.below(len / 2));
    a.put_noise("data", "long", len, dice.below(u64::MAX)).unwrap();
    let wanted = a.contents();
    let (mut cuts, mut shown) = (0, b.contents());
    let start = super::world::instant();
    while shown != wanted {
        assert!(start.elapsed() < Duration::from_secs(60 + len / MB), "{:#?}", a.path(&ALL));
        if link.cuts() > cuts {
            cuts = link.cuts();
            link.cut_after(dice.below(len));
        }
        super::world::pause(Duration::from_millis(50));
        shown = b.contents();
    }
    agree(a, b, &ALL);
    assert!(link.cuts() > 0);
}
