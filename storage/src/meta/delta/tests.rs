mod crowd;

use std::collections::BTreeMap;

use super::*;
use crate::change::{At, PathOp};
use crate::fixture::crowd::written;
use crate::fixture::{
    Dice, Fixture, RowWrite, Rows, bucket, bucket_with, guid, hold_id, name, object_key, tagged_object,
};
use crate::record::{HoldReason, Total, Versioning};
use crate::types::Body;

/// A store, what its rows are, and what they were at each held point.
struct History {
    fixture: Fixture,
    rows: Rows,
    names: BTreeMap<&'static str, u8>,
    buckets_made: u8,
    points: BTreeMap<u8, (Seq, Rows, BTreeMap<&'static str, u8>)>,
    holds_made: u8,
}

impl History {
    fn new() -> Self {
        History {
            fixture: Fixture::new(),
            rows: Rows::new(),
            names: BTreeMap::new(),
            buckets_made: 0,
            points: BTreeMap::new(),
            holds_made: 0,
        }
    }

    fn step(&mut self, dice: &mut Dice) {
        let writes = self.writes(dice);
        self.fixture.set(writes);
    }

    /// Some change, as the model has it already.
    fn writes(&mut self, dice: &mut Dice) -> Vec<RowWrite> {
        let writes = self.some_change(dice);
        written(&mut self.rows, &writes);
        writes
    }

    fn some_change(&mut self, dice: &mut Dice) -> Vec<RowWrite> {
        let called = ["one", "two", "three"][dice.below(3) as usize];
        let bucket_number = self.names.get(called).copied();
        match (bucket_number, dice.below(12)) {
            (None, _) => {
                self.buckets_made += 1;
                self.names.insert(called, self.buckets_made);
                vec![bucket(self.buckets_made, called)]
            }
            (Some(number), 0) => {
                let gone = self.rows.keys().filter(|key| key.bucket() == Some(guid(number)));
                self.names.remove(called);
                gone.map(|key| (key.clone(), None)).collect()
            }
            (Some(number), 1) => vec![bucket_with(number, called, Versioning::Enabled)],
            (Some(number), 2) => vec![(RowKey::Setting(guid(number), "policy".into()), Some(vec![1]))],
            (Some(number), roll) => {
                let writes = 1 + dice.below(3);
                let writes = (0..writes).map(|_| {
                    let key = format!("key-{}", dice.below(4));
                    match roll {
                        3..=5 => (object_key(number, &key), None),
                        _ => tagged_object(number, &key, Body::Empty, dice.below(3) as u8),
                    }
                });
                let writes: BTreeMap<_, _> = writes.collect();
                writes.into_iter().collect()
            }
        }
    }

    /// Holds the point of a commit that is full of changes.
    fn hold(&mut self, dice: &mut Dice) {
        self.holds_made += 1;
        let writes = (0..4 + dice.below(8)).flat_map(|_| self.writes(dice)).collect();
        let seq = self.fixture.set_and_hold(writes, self.holds_made);
        self.points.insert(self.holds_made, (seq, self.rows.clone(), self.names.clone()));
    }

    fn release(&mut self, dice: &mut Dice) {
        let ids: Vec<u8> = self.points.keys().copied().collect();
        if let Some(id) = ids.get(dice.below(ids.len().max(1) as u64) as usize) {
            self.points.remove(id);
            self.fixture.paths(vec![PathOp::Release { id: hold_id(*id) }]);
        }
    }

    /// Turns the feed on, or moves a cursor to the oldest held point.
    fn cursor(&mut self) {
        if let Some((seq, ..)) = self.points.values().next() {
            let after = At::Seq(*seq);
            self.fixture.paths(vec![PathOp::Cursor { id: hold_id(200), after }]);
        }
    }

    /// Totals, whoever made the rows: of the present, by the model.
    fn check_totals(&self) {
        let newest = self.fixture.store.newest();
        let total = |rows: Rows| {
            let mut total = Total::default();
            rows.iter().for_each(|(key, value)| total.add_row(&key.encode(), value));
            total
        };
        let all = self.fixture.store.total_at(&Scope::Endpoint, newest).expect("a total");
        assert_eq!(all, Some(total(self.rows.clone())));
        for called in ["one", "two", "three"] {
            let kept = self.fixture.store.total_at(&Scope::Bucket(name(called)), newest).expect("a total");
            let bucket = self.names.get(called);
            assert_eq!(kept, Some(total(within(&self.rows, bucket, false))), "{called}");
        }
    }

    /// Every pair of held points, by feed and by comparison, is the model's difference.
    fn check(&self, dice: &mut Dice) {
        let scopes = ["one", "two", "three"].map(|called| (Scope::Bucket(name(called)), Some(called)));
        let scopes: Vec<_> = scopes.into_iter().chain([(Scope::Endpoint, None)]).collect();
        let points: Vec<_> = self.points.values().collect();
        for (at, (to, rows_to, names_to)) in points.iter().enumerate() {
            let none = (Seq::ZERO, Rows::new(), BTreeMap::new());
            for (base, rows_base, names_base) in points[..at].iter().copied().chain([&none]) {
                for (scope, called) in &scopes {
                    let limit = 1 + dice.below(5) as usize;
                    let base = (*base > Seq::ZERO).then_some(*base);
                    let expected = difference(
                        &within(rows_base, called.and_then(|called| names_base.get(called)), called.is_none()),
                        &within(rows_to, called.and_then(|called| names_to.get(called)), called.is_none()),
                    );
                    let walked = sorted(self.fixture.delta(scope, base, *to, limit));
                    assert_eq!(walked, expected, "delta of {scope} from {base:?} to {to}");
                    let compared = self.fixture.comparison(scope, base, *to, limit);
                    assert_eq!(compared, expected, "comparison of {scope} from {base:?} to {to}");
                }
            }
        }
    }
}

fn within(rows: &Rows, bucket: Option<&u8>, all: bool) -> Rows {
    let inside = |key: &RowKey| all || bucket.is_some_and(|bucket| key.bucket() == Some(guid(*bucket)));
    rows.iter().filter(|(key, _)| inside(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn difference(old: &Rows, new: &Rows) -> Vec<DeltaEntry> {
    let keys = old.keys().chain(new.keys());
    let entries =
        keys.map(|key| DeltaEntry { key: key.clone(), old: old.get(key).cloned(), new: new.get(key).cloned() });
    let mut entries = sorted(entries.filter(|entry| entry.old != entry.new).collect());
    entries.dedup();
    entries
}

fn sorted(mut entries: Vec<DeltaEntry>) -> Vec<DeltaEntry> {
    entries.sort_by_key(|entry| entry.key.encode());
    entries
}

#[test]
fn the_feed_and_the_comparison_say_what_a_model_says() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mut history = History::new();
        for _ in 0..60 {
            match dice.below(12) {
                0..=1 => history.hold(&mut dice),
                2 => history.release(&mut dice),
                3 => history.cursor(),
                4 => history.fixture.collect(),
                _ => history.step(&mut dice),
            }
            history.check_totals();
        }
        history.hold(&mut dice);
        history.check(&mut dice);
        history.fixture.collect();
        history.check(&mut dice);
    }
}

#[test]
fn the_feed_is_walked_where_it_reaches_and_buckets_come_first() {
    let fixture = Fixture::new();
    fixture.paths(vec![
        PathOp::Hold { id: hold_id(1), at: At::ThisCommit, reason: HoldReason::Transfer },
        PathOp::Cursor { id: hold_id(1), after: At::ThisCommit },
    ]);
    let base = fixture.store.newest();
    fixture.set(vec![bucket(1, "one")]);
    fixture.set(vec![tagged_object(1, "key", Body::Empty, 1)]);
    fixture.set(vec![bucket_with(1, "one", Versioning::Enabled)]);
    let to = fixture.hold(2);
    let first = fixture.store.delta(&Scope::Endpoint, Some(base), to, None, 1).expect("a page");
    let place = Place::decode(first.next.as_ref().expect("more")).expect("a place");
    assert!(matches!(place, Place::Feed { .. }), "{place:?}");
    let entries = fixture.delta(&Scope::Endpoint, Some(base), to, 1);
    let keys: Vec<_> = entries.into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [RowKey::Bucket(guid(1)), object_key(1, "key")]);
}

#[test]
fn a_walk_whose_feed_went_is_refused_and_never_short() {
    let fixture = Fixture::new();
    fixture.paths(vec![
        PathOp::Hold { id: hold_id(1), at: At::ThisCommit, reason: HoldReason::Transfer },
        PathOp::Cursor { id: hold_id(1), after: At::ThisCommit },
    ]);
    let base = fixture.store.newest();
    fixture.set(vec![bucket(1, "one")]);
    fixture.set(vec![tagged_object(1, "key", Body::Empty, 1)]);
    let to = fixture.hold(2);
    let first = fixture.store.delta(&Scope::Endpoint, Some(base), to, None, 1).expect("a page");
    fixture.paths(vec![PathOp::Cursor { id: hold_id(1), after: At::Seq(to) }]);
    fixture.collect();
    assert_eq!(fixture.count(Table::Changes), 0);
    let next = fixture.store.delta(&Scope::Endpoint, Some(base), to, first.next, 1);
    assert!(matches!(next, Err(ReadError::NotHeld(_))), "{next:?}");
    assert_eq!(fixture.delta(&Scope::Endpoint, Some(base), to, 1).len(), 2);
}

#[test]
fn a_point_that_nobody_holds_is_not_read() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    let newest = fixture.store.newest();
    assert_eq!(fixture.delta(&Scope::Endpoint, None, newest, 9).len(), 1);
    fixture.set(vec![bucket(2, "two")]);
    let past = fixture.store.delta(&Scope::Endpoint, None, newest, None, 9);
    assert!(matches!(past, Err(ReadError::NotHeld(seq)) if seq == newest), "{past:?}");
}
