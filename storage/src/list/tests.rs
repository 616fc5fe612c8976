use std::collections::BTreeSet;
use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

const KEYS: &[&str] = &["a", "b/1", "b/2", "b/c/3", "b0", "d//e", "photos/2006/x", "photos/2007/y", "z"];

/// A scan over sorted keys that obeys `Visit`, as an engine's does; counts how many rows it was shown.
fn scan<'a>(
    keys: &'a [&'a str],
    seen: &'a mut usize,
) -> impl FnOnce(&[u8], &mut dyn FnMut(&str, ()) -> Visit) -> Result<(), Infallible> + 'a {
    move |from, visit| {
        let mut from = from.to_vec();
        for key in keys {
            if key.as_bytes() < from.as_slice() {
                continue;
            }
            *seen += 1;
            match visit(key, ()) {
                Visit::Next => {}
                Visit::Stop => break,
                Visit::Seek(to) => from = to,
            }
        }
        Ok(())
    }
}

fn list(keys: &[&str], listing: &Listing<'_>) -> (Vec<String>, Vec<String>, Option<Start>) {
    let page = listing.page(|_, ()| true, scan(keys, &mut 0)).expect("infallible");
    (page.rows.into_iter().map(|(key, ())| key).collect(), page.common_prefixes, page.next)
}

fn listing<'a>(prefix: &'a str, delimiter: Option<&'a str>, start: Start, max_entries: usize) -> Listing<'a> {
    Listing { prefix, delimiter, start, max_entries }
}

type Vector<'a> = (&'a str, Option<&'a str>, Start, usize, &'a [&'a str], &'a [&'a str], Option<Start>);

#[test]
fn vectors_of_s3_listing_rules() {
    let key = |name: &str| Start::AfterKey(name.into());
    let group = |name: &str| Start::AfterPrefix(name.into());
    let vectors: &[Vector<'_>] = &[
        ("", None, Start::Beginning, 1000, KEYS, &[], None),
        ("", Some(""), Start::Beginning, 1000, KEYS, &[], None),
        ("", Some("/"), Start::Beginning, 1000, &["a", "b0", "z"], &["b/", "d/", "photos/"], None),
        ("b/", Some("/"), Start::Beginning, 1000, &["b/1", "b/2"], &["b/c/"], None),
        ("b", Some("/"), Start::Beginning, 1000, &["b0"], &["b/"], None),
        ("d/", Some("/"), Start::Beginning, 1000, &[], &["d//"], None),
        ("", Some("/2"), Start::Beginning, 3, &["a", "b/1"], &["b/2"], Some(group("b/2"))),
        ("nothing", Some("/"), Start::Beginning, 1000, &[], &[], None),
        ("", Some("/"), Start::Beginning, 2, &["a"], &["b/"], Some(group("b/"))),
        ("", Some("/"), group("b/"), 2, &["b0"], &["d/"], Some(group("d/"))),
        ("", Some("/"), group("d/"), 2, &["z"], &["photos/"], None),
        ("", None, key("b/2"), 2, &["b/c/3", "b0"], &[], Some(key("b0"))),
        ("", None, Start::AtKey("b/2".into()), 2, &["b/2", "b/c/3"], &[], Some(key("b/c/3"))),
        ("", Some("/"), key("photos/2006/x"), 9, &["z"], &["photos/"], None),
        ("b/", None, key("a"), 9, &["b/1", "b/2", "b/c/3"], &[], None),
        ("b/", None, key("c"), 9, &[], &[], None),
        ("", None, Start::Beginning, 0, &[], &[], None),
        ("", None, Start::Beginning, KEYS.len(), KEYS, &[], None),
    ];
    for (prefix, delimiter, start, max, rows, groups, next) in vectors {
        let asked = listing(prefix, *delimiter, start.clone(), *max);
        let (got_rows, got_groups, got_next) = list(KEYS, &asked);
        assert_eq!(
            (&got_rows[..], &got_groups[..], &got_next),
            (&owned(rows)[..], &owned(groups)[..], next),
            "{asked:?}"
        );
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_marker_under_a_common_prefix_stands_behind_it() {
    assert_eq!(Start::marker("photos/2006/x", "", Some("/")), Start::AfterPrefix("photos/".into()));
    assert_eq!(Start::marker("photos/", "", Some("/")), Start::AfterPrefix("photos/".into()));
    assert_eq!(Start::marker("photos/2006/x", "", None), Start::AfterKey("photos/2006/x".into()));
    assert_eq!(Start::marker("a", "", Some("/")), Start::AfterKey("a".into()));
    assert_eq!(Start::marker("", "", Some("/")), Start::Beginning);
}

#[test]
fn a_group_is_passed_over_without_reading_it() {
    let names: Vec<String> = (0..1000).map(|n| format!("big/{n:04}")).chain(["end".to_owned()]).collect();
    let keys: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut seen = 0;
    let asked = listing("", Some("/"), Start::Beginning, 10);
    let page = asked.page(|_, ()| true, scan(&keys, &mut seen)).expect("infallible");
    assert_eq!((page.rows.len(), page.common_prefixes.len(), seen), (1, 1, 2));
}

#[test]
fn rows_that_are_no_entries_make_no_group_and_do_not_truncate() {
    let asked = listing("", Some("/"), Start::Beginning, 1);
    let page = asked.page(|key, ()| key == "a", scan(KEYS, &mut 0)).expect("infallible");
    assert_eq!((page.rows.len(), page.common_prefixes.len(), page.is_truncated()), (1, 0, false));
}

#[test]
fn tokens_bring_back_the_place() {
    let places = [
        Start::Beginning,
        Start::AtKey("k".into()),
        Start::AfterKey("a/\u{e9}".into()),
        Start::AfterPrefix("p/".into()),
    ];
    for place in places {
        assert_eq!(Start::from_token(&place.to_token()), Some(place));
    }
    for bad in ["", "bx", "q", "\u{e9}x"] {
        assert_eq!(Start::from_token(bad), None);
    }
}

proptest! {
    /// Whatever the page size, pages by token and pages by marker give the listing that one page gives.
    #[test]
    fn pages_join_to_the_whole(
        keys in proptest::collection::btree_set("[ab/0\u{e9}]{1,5}", 0..40),
        prefix in "[ab/]{0,2}",
        delimiter in proptest::option::of("[/a]{1,2}"),
        max in 1usize..5,
        by_marker in any::<bool>(),
    ) {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let delimiter = delimiter.as_deref();
        let (rows, groups, none) = list(&keys, &listing(&prefix, delimiter, Start::Beginning, usize::MAX));
        prop_assert_eq!(none, None);
        let naive: BTreeSet<String> = keys
            .iter()
            .filter(|key| key.starts_with(&prefix))
            .filter_map(|key| common_prefix(key, &prefix, delimiter).map(str::to_owned))
            .collect();
        prop_assert_eq!(&groups, &naive.into_iter().collect::<Vec<_>>());
        let (mut got_rows, mut got_groups, mut start) = (Vec::new(), Vec::new(), Start::Beginning);
        loop {
            let (page_rows, page_groups, next) = list(&keys, &listing(&prefix, delimiter, start, max));
            got_rows.extend(page_rows);
            got_groups.extend(page_groups);
            start = match next {
                None => break,
                Some(next) if by_marker => Start::marker(next.name(), &prefix, delimiter),
                Some(next) => Start::from_token(&next.to_token()).expect("a token of ours"),
            };
        }
        prop_assert_eq!((got_rows, got_groups), (rows, groups));
    }
}
