//! Who imports whom.

use std::collections::{BTreeMap, BTreeSet};

use super::{EDGES, KNOTS, PURE, STORAGE_EDGES, code_only, production, production_sources, root};

/// A crate whose rooms are held: where its sources are, and which edges they may have.
struct House {
    sources: &'static str,
    edges: &'static [(&'static str, &'static [&'static str])],
    /// Modules at the root that are no rooms.
    no_rooms: &'static [&'static str],
}

const HOUSES: [House; 2] = [
    House { sources: "src", edges: EDGES, no_rooms: &["lib", "main"] },
    House { sources: "storage/src", edges: STORAGE_EDGES, no_rooms: &["lib"] },
];

/// Each edge that production code has, and the files it stands in.
type Found = BTreeMap<(String, String), BTreeSet<String>>;

impl House {
    fn is_room(&self, word: &str) -> bool {
        self.edges.iter().any(|(room, _)| *room == word)
    }

    fn room_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        let inside = name.strip_prefix(self.sources)?.strip_prefix('/')?;
        let first = inside.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first)).filter(|room| !self.no_rooms.contains(room))
    }

    fn found(&self) -> Found {
        let mut found = Found::new();
        for (name, text) in production_sources(&[self.sources]) {
            let Some(room) = self.room_of(&name) else { continue };
            let depth = name[self.sources.len()..].matches('/').count() - usize::from(name.ends_with("/mod.rs"));
            for word in imports(&code_only(production(&text)), depth) {
                if word != room && self.is_room(&word) {
                    found.entry((room.to_owned(), word)).or_default().insert(name.clone());
                }
            }
        }
        found
    }
}

/// The first words of paths from the crate's root: of `crate::a::b`, of `crate::{a, b::c}`, and of as many `super::` as
/// the module is deep.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let from_root = code.split("crate::").skip(1).flat_map(heads);
    let climbed = format!("{}super::", "super::".repeat(depth - 1));
    let above = code.split(climbed.as_str()).skip(1).filter(|rest| !rest.starts_with("super::")).flat_map(heads);
    from_root.chain(above).collect()
}

/// The words that a path goes on with: one, or those of a list in braces.
fn heads(rest: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(list) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut found, mut fresh) = (0usize, Vec::new(), true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && (c.is_alphanumeric() || c == '_') => {
                found.push(word(&list[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn imports_are_read_from_every_form_of_a_path() {
    assert_eq!(
        imports("use crate::a::b; crate::c(); use crate::{d, e::{f, g}, h as i};", 1),
        ["a", "c", "d", "e", "h"]
    );
    assert_eq!(imports("use super::a; use super::super::b; use super::super::super::c;", 2), ["b"]);
}

#[test]
fn rooms_import_only_the_rooms_they_may() {
    let mut wrong = Vec::new();
    for house in &HOUSES {
        let rooms: BTreeSet<String> = production_sources(&[house.sources])
            .iter()
            .filter_map(|(name, _)| house.room_of(name).map(str::to_owned))
            .collect();
        let unknown = rooms.iter().filter(|room| !house.is_room(room));
        wrong.extend(unknown.map(|room| format!("{}: room {room} has no line", house.sources)));
        for ((from, to), files) in house.found() {
            let allowed = house.edges.iter().any(|(room, allowed)| *room == from && allowed.contains(&to.as_str()));
            if !allowed {
                wrong.push(format!("{}: {from} -> {to} in {files:?}", house.sources));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that the design does not have:\n{}", wrong.join("\n"));
}

#[test]
fn every_edge_that_is_allowed_is_used() {
    let mut unused = Vec::new();
    for house in &HOUSES {
        let found = house.found();
        for (from, allowed) in house.edges {
            let missing = allowed.iter().filter(|to| !found.contains_key(&(from.to_string(), to.to_string())));
            unused.extend(missing.map(|to| format!("{}: {from} -> {to}", house.sources)));
        }
    }
    assert!(unused.is_empty(), "allowed and not used: take them out\n{}", unused.join("\n"));
}

#[test]
fn rooms_stand_above_what_they_import_and_knots_only_shrink() {
    let order: Vec<&str> = STORAGE_EDGES.iter().map(|(room, _)| *room).collect();
    let height = |room: &str| order.iter().position(|known| *known == room);
    let found = HOUSES[1].found();
    let mut wrong = Vec::new();
    for ((from, to), files) in &found {
        let knot = KNOTS.iter().find(|(one, other, _)| one == from && other == to);
        let goes_up = height(to) >= height(from);
        match (goes_up, knot) {
            (true, None) => wrong.push(format!("{from} -> {to} points up, in {files:?}")),
            (true, Some((_, _, most))) if files.len() > *most => {
                wrong.push(format!("{from} -> {to} stands in {} files, and in {most} at most", files.len()));
            }
            (false, Some(_)) => wrong.push(format!("{from} -> {to} is no knot any more")),
            _ => {}
        }
    }
    let gone = KNOTS.iter().filter(|(from, to, _)| !found.contains_key(&(from.to_string(), to.to_string())));
    wrong.extend(gone.map(|(from, to, _)| format!("{from} -> {to} is dissolved: take it out of KNOTS")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rooms_of_the_server_import_each_other_in_no_circle() {
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        EDGES.iter().map(|(room, to)| (*room, to.iter().copied().collect())).collect();
    while let Some(room) = left.iter().find(|(_, to)| to.is_empty()).map(|(room, _)| *room) {
        left.remove(room);
        for to in left.values_mut() {
            to.remove(room);
        }
    }
    assert!(left.is_empty(), "a circle among {:?}", left.keys());
}

#[test]
fn every_place_that_the_rules_name_exists() {
    let mut places: Vec<String> = PURE.iter().map(|place| (*place).to_owned()).collect();
    for house in &HOUSES {
        places.extend(house.edges.iter().map(|(room, _)| format!("{}/{room}", house.sources)));
    }
    let exists = |place: &String| root().join(place).exists() || root().join(format!("{place}.rs")).exists();
    places.retain(|place| !exists(place));
    assert!(places.is_empty(), "named, and not there: {places:?}");
}
