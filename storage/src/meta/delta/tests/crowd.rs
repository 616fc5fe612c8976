//! Walks whose pages end anywhere in the commit of the newer point: nothing of it may be left out.

use super::*;
use crate::change::Agreement;
use crate::change::{AccessChange, RewindPage};
use crate::fixture::crowd::{after, before, between};
use crate::fixture::{create_path, epoch, path_guid, snapshot};
use crate::record::{BucketRow, Record, Scope};
use crate::store::Unchanged;

/// A held point whose commit is full of rows, a feed above it, more changes, and another such point.
struct Crowd {
    fixture: Fixture,
    base: (Seq, Rows),
    to: (Seq, Rows),
}

/// How the walks' commits are laid out.
fn crowd() -> Crowd {
    let (fixture, mut rows) = (Fixture::new(), Rows::new());
    written(&mut rows, &before());
    fixture.paths(vec![PathOp::Cursor { id: hold_id(200), after: At::ThisCommit }]);
    let base = (fixture.set_and_hold(before(), 1), rows.clone());
    for writes in [between(), vec![tagged_object(1, "key-00", Body::Empty, 5)]] {
        written(&mut rows, &writes);
        fixture.set(writes);
    }
    written(&mut rows, &after());
    let to = fixture.set_and_hold(after(), 2);
    Crowd { fixture, base, to: (to, rows) }
}

fn scopes() -> [Scope; 6] {
    let [one, two, three, five, six] = ["one", "two", "three", "five", "six"].map(|called| Scope::Bucket(name(called)));
    [Scope::Endpoint, one, two, three, five, six]
}

/// The rows of a scope in a state.
fn of_scope(rows: &Rows, scope: &Scope) -> Rows {
    let called = |value: &Vec<u8>| BucketRow::decode(value).expect("a bucket").name;
    let bucket = rows.iter().find_map(|(key, value)| match (key, scope) {
        (RowKey::Bucket(guid), Scope::Bucket(name)) if called(value) == *name => Some(*guid.as_bytes().first()?),
        _ => None,
    });
    within(rows, bucket.as_ref(), *scope == Scope::Endpoint)
}

#[test]
fn no_page_length_leaves_out_a_row_of_the_newer_points_commit() {
    let crowd = crowd();
    for scope in scopes() {
        for base in [None, Some(&crowd.base)] {
            let old = base.map(|(_, rows)| of_scope(rows, &scope)).unwrap_or_default();
            let expected = difference(&old, &of_scope(&crowd.to.1, &scope));
            let from = base.map(|(seq, _)| *seq);
            for limit in 1..=expected.len() + 2 {
                let walked = sorted(crowd.fixture.delta(&scope, from, crowd.to.0, limit));
                assert_eq!(walked, expected, "delta of {scope} from {from:?}, pages of {limit}");
                let compared = crowd.fixture.comparison(&scope, from, crowd.to.0, limit);
                assert_eq!(compared, expected, "comparison of {scope} from {from:?}, pages of {limit}");
            }
        }
    }
}

/// A page also ends when it has looked at enough rows that do not differ.
#[test]
fn a_page_that_ends_among_rows_that_were_set_back_leaves_out_none_behind_them() {
    let fixture = Fixture::new();
    let rows = |tag| (0..700).map(move |key| tagged_object(1, &format!("key-{key:03}"), Body::Empty, tag));
    fixture.paths(vec![PathOp::Cursor { id: hold_id(200), after: At::ThisCommit }]);
    let base = fixture.set_and_hold(std::iter::once(bucket(1, "one")).chain(rows(0)).collect(), 1);
    fixture.set(rows(1).collect());
    let last = [tagged_object(1, "last-0", Body::Empty, 0), tagged_object(1, "last-1", Body::Empty, 0)];
    let to = fixture.set_and_hold(rows(0).chain(last).collect(), 2);
    for scope in [Scope::Endpoint, Scope::Bucket(name("one"))] {
        for limit in [1, 2, 3, 20] {
            let keys: Vec<_> =
                fixture.delta(&scope, Some(base), to, limit).into_iter().map(|entry| entry.key).collect();
            assert_eq!(keys, [object_key(1, "last-0"), object_key(1, "last-1")], "{scope}, pages of {limit}");
        }
    }
}

/// By the walk alone, without a total: a path that differs in the last row of the newest commit is not the same.
#[test]
fn a_change_behind_hundreds_of_rows_that_were_set_back_is_not_called_unchanged() {
    let rows = |bucket, tag| (0..300).map(move |key| tagged_object(bucket, &format!("key-{key:03}"), Body::Empty, tag));
    let all = |tag| rows(1, tag).chain(rows(2, tag)).collect::<Vec<_>>();
    let fixture = Fixture::new();
    fixture.paths(vec![PathOp::Cursor { id: hold_id(200), after: At::ThisCommit }]);
    let base = fixture.set_and_hold([vec![bucket(1, "one"), bucket(2, "two")], all(0)].concat(), 1);
    let scopes = [Scope::Endpoint, Scope::Bucket(name("one")), Scope::Bucket(name("two"))];
    let totals = scopes.clone().map(|scope| fixture.store.total_at(&scope, base).unwrap());
    fixture.set(all(1));
    let same = fixture.set(all(0));
    for (scope, total) in scopes.iter().zip(totals) {
        assert!(total.is_some() && fixture.store.total_at(scope, base).unwrap().is_none(), "a hold carries no total");
        let unchanged = |total, pages| fixture.store.unchanged_since(scope, base, total, pages).unwrap();
        assert_eq!(unchanged(total, 100), Unchanged::Since(same), "{scope}");
        assert_eq!(unchanged(total, 1), Unchanged::Differs, "too few pages to say so");
        let (was, is) = (Total::default(), total.unwrap());
        assert_eq!(unchanged(Some(was), 100), Unchanged::Missed { was, is }, "{scope}");
    }
    fixture.set(all(1));
    let last = [tagged_object(1, "last", Body::Empty, 0), tagged_object(2, "last", Body::Empty, 0)];
    fixture.set([all(0), last.to_vec()].concat());
    for scope in &scopes {
        assert_eq!(fixture.store.unchanged_since(scope, base, None, 100).unwrap(), Unchanged::Differs, "{scope}");
    }
}

/// A path with a point to rewind to, taken in the commit of `first`; what came since ends with `last`, in the commit that closes the gate.
fn to_rewind(
    scope: &Scope,
    with_snapshot: bool,
    first: Vec<RowWrite>,
    since: Vec<RowWrite>,
    last: Vec<RowWrite>,
) -> (Fixture, Seq) {
    let fixture = Fixture::new();
    fixture.paths(vec![
        create_path(1, scope.clone(), AccessChange::Writable),
        PathOp::Cursor { id: hold_id(200), after: At::ThisCommit },
    ]);
    let point = match with_snapshot {
        true => PathOp::Snapshot(snapshot(1, 1, At::ThisCommit)),
        false => PathOp::Hold { id: hold_id(1), at: At::ThisCommit, reason: HoldReason::Rewind },
    };
    let to = fixture.together(first, vec![point]);
    fixture.set(since);
    let access = Some(AccessChange::ReadAt(At::Seq(to)));
    let close = PathOp::Change { guid: path_guid(1), revision: 1, access, epoch: None, detail: None };
    fixture.together(last, vec![close]);
    (fixture, to)
}

/// Rewinds, and compares what is left by the other walk.
fn rewinds(fixture: &Fixture, scope: &Scope, to: Seq, limit: usize, ended: Agreement) {
    let mut position = None;
    loop {
        let page = RewindPage { path: path_guid(1), epoch: epoch().number, to, position, limit };
        let page = fixture.commit(page).1;
        let expected = if page.next.is_some() { Agreement::NotCompared } else { ended };
        assert_eq!(page.totals, expected, "{scope}, pages of {limit}");
        match page.next {
            Some(next) => position = Some(next),
            None => break,
        }
    }
    let left = fixture.comparison(scope, Some(to), fixture.store.newest(), 100);
    assert_eq!(left, [], "{scope}, pages of {limit}");
}

// With a snapshot the totals are compared, and would mend what the walk leaves out; with a hold nothing but the walk is there.
const KINDS: [(bool, Agreement); 2] = [(true, Agreement::Equal), (false, Agreement::NotCompared)];

#[test]
fn a_rewind_of_any_page_length_leaves_no_row_of_the_newest_commit_standing() {
    for scope in scopes().into_iter().take(3) {
        for (with_snapshot, ended) in KINDS {
            for limit in 1..=16 {
                let (fixture, to) = to_rewind(&scope, with_snapshot, before(), between(), after());
                rewinds(&fixture, &scope, to, limit, ended);
            }
        }
    }
}

/// Pages that set nothing make no commit, and so end in the newest one.
#[test]
fn a_rewind_goes_on_behind_hundreds_of_rows_that_are_as_they_were() {
    let rows = |tag| (0..300).map(move |key| tagged_object(1, &format!("key-{key:03}"), Body::Empty, tag));
    let first = || std::iter::once(bucket(1, "one")).chain(rows(0)).collect::<Vec<_>>();
    let last = || rows(0).chain([tagged_object(1, "last", Body::Empty, 0)]).collect::<Vec<_>>();
    for scope in [Scope::Endpoint, Scope::Bucket(name("one"))] {
        for (with_snapshot, ended) in KINDS {
            for limit in [1, 2, 10] {
                let (fixture, to) = to_rewind(&scope, with_snapshot, first(), rows(1).collect(), last());
                rewinds(&fixture, &scope, to, limit, ended);
            }
        }
    }
}
