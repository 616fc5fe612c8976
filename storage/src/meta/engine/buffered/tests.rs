use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::disk::SimDisk;
use crate::meta::engine::RedbEngine;

type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// A range: whether each end is there, and is in it.
#[derive(Clone, Debug)]
struct Asked {
    table: Table,
    from: Bound<Vec<u8>>,
    until: Bound<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<EngineWrite>),
    /// A view to look at again after everything else.
    Keep,
    Look(Asked),
    Freeze,
    HandOn,
    Durable,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop::sample::select(vec![0u8, b'a', 255]), 0..4)
}

fn table() -> impl Strategy<Value = Table> {
    prop::sample::select(vec![Table::Current, Table::History, Table::Meta])
}

fn write() -> impl Strategy<Value = EngineWrite> {
    (table(), key(), prop::option::weighted(0.6, vec(any::<u8>(), 0..3))).prop_map(|(table, key, value)| EngineWrite {
        table,
        key,
        value,
    })
}

fn end() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

fn asked() -> impl Strategy<Value = Asked> {
    (table(), end(), end()).prop_map(|(table, from, until)| Asked { table, from, until })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => vec(write(), 1..9).prop_map(Step::Apply),
        1 => Just(Step::Keep),
        4 => asked().prop_map(Step::Look),
        2 => Just(Step::Freeze),
        2 => Just(Step::HandOn),
        1 => Just(Step::Durable),
    ]
}

fn engine() -> Buffered {
    Buffered::new(Box::new(RedbEngine::open(&SimDisk::new(), 1 << 20).unwrap()))
}

fn look(view: &dyn View, model: &Model, Asked { table, from, until }: &Asked) {
    let range = (from.as_ref().map(|key| &key[..]), until.as_ref().map(|key| &key[..]));
    let inside = |key: &[u8]| {
        let after = match range.0 {
            Bound::Unbounded => true,
            Bound::Included(from) => key >= from,
            Bound::Excluded(from) => key > from,
        };
        after
            && match range.1 {
                Bound::Unbounded => true,
                Bound::Included(until) => key <= until,
                Bound::Excluded(until) => key < until,
            }
    };
    let rows = model.iter().filter(|((number, key), _)| *number == table.number() && inside(key));
    let mut expected: Vec<_> = rows.map(|((_, key), value)| (key.clone(), value.clone())).collect();
    for direction in [Direction::Forward, Direction::Backward] {
        let mut cursor = view.cursor(*table, range, direction).unwrap();
        let mut found = Vec::new();
        while let Some((key, value)) = cursor.next().unwrap() {
            found.push((key.to_vec(), value.to_vec()));
        }
        assert!(cursor.next().unwrap().is_none(), "a walk that is over stays over");
        assert_eq!(found, expected, "{direction:?}");
        expected.reverse();
    }
    for key in [from, until].into_iter().filter_map(|end| match end {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }) {
        assert_eq!(view.value(*table, key).unwrap().as_ref(), model.get(&(table.number(), key.clone())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_view_sees_the_batches_before_it_wherever_they_are(
        steps in vec(step(), 1..40),
        last in vec(asked(), 1..4),
    ) {
        let engine = engine();
        let mut model = Model::new();
        let mut kept = Vec::new();
        for step in steps {
            match step {
                Step::Apply(writes) => {
                    engine.gather(&writes);
                    for EngineWrite { table, key, value } in writes {
                        match value {
                            Some(value) => drop(model.insert((table.number(), key), value)),
                            None => drop(model.remove(&(table.number(), key))),
                        }
                    }
                }
                Step::Keep => kept.push((engine.view().unwrap(), model.clone())),
                Step::Look(asked) => look(&*engine.view().unwrap(), &model, &asked),
                Step::Freeze => {
                    engine.hand_on().unwrap();
                    engine.freeze();
                }
                Step::HandOn => engine.hand_on().unwrap(),
                Step::Durable => engine.make_durable(&[]).unwrap(),
            }
        }
        for (view, model) in &kept {
            last.iter().for_each(|asked| look(&**view, model, asked));
        }
    }
}

/// Every batch writes its number to one key of two tables, and to one key out of ten in a third, where the key of the number before
/// goes.
#[test]
fn views_opened_while_batches_are_gathered_and_handed_on_see_whole_batches_and_never_go_back() {
    const BATCHES: u32 = 4000;
    let engine = Arc::new(engine());
    let over = Arc::new(AtomicBool::new(false));
    let readers = [(); 2].map(|()| {
        let (engine, over) = (Arc::clone(&engine), Arc::clone(&over));
        std::thread::spawn(move || {
            let mut seen = 0;
            while !over.load(Ordering::Relaxed) {
                seen = whole(&*engine.view().unwrap(), seen);
            }
            whole(&*engine.view().unwrap(), seen)
        })
    });
    let (given, done) = (Arc::clone(&engine), Arc::clone(&over));
    let giver = std::thread::spawn(move || {
        for round in 0u32.. {
            given.freeze();
            given.hand_on().unwrap();
            if round % 20 == 0 {
                given.make_durable(&[]).unwrap();
            }
            if done.load(Ordering::Relaxed) {
                return;
            }
        }
    });
    for batch in 1..=BATCHES {
        let row =
            |table, key: &[u8]| EngineWrite { table, key: key.to_vec(), value: Some(batch.to_be_bytes().to_vec()) };
        let gone = EngineWrite { table: Table::Staged, key: vec![((batch + 9) % 10) as u8], value: None };
        engine.gather(&[
            row(Table::Current, b"k"),
            row(Table::Meta, b"k"),
            gone,
            row(Table::Staged, &[(batch % 10) as u8]),
        ]);
    }
    over.store(true, Ordering::Relaxed);
    giver.join().unwrap();
    for reader in readers {
        assert_eq!(reader.join().unwrap(), BATCHES);
    }
}

/// The number of the batch that the view ends with, which all of its rows tell.
fn whole(view: &dyn View, at_least: u32) -> u32 {
    let number = |value: Option<Vec<u8>>| value.map_or(0, |value| u32::from_be_bytes(value.try_into().unwrap()));
    let one = number(view.value(Table::Current, b"k").unwrap());
    assert!(one >= at_least, "a later view sees no less: {one}, {at_least}");
    assert_eq!(number(view.value(Table::Meta, b"k").unwrap()), one);
    let all = (Bound::Unbounded, Bound::Unbounded);
    let mut rows = view.cursor(Table::Staged, all, Direction::Forward).unwrap();
    if one > 0 {
        let (key, value) = rows.next().unwrap().map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap();
        assert_eq!((key, number(Some(value))), (vec![(one % 10) as u8], one));
    }
    assert!(rows.next().unwrap().is_none());
    one
}

/// An engine to which something happens while a view of it is opened, or whose next apply fails.
struct Disturbed {
    sound: RedbEngine,
    /// What stands in front of it.
    front: OnceLock<Weak<Buffered>>,
    /// Done before the next view is there.
    meanwhile: Mutex<Option<fn(&Buffered)>>,
    views: AtomicU64,
    fails: AtomicBool,
}

impl Engine for Arc<Disturbed> {
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        self.views.fetch_add(1, Ordering::Relaxed);
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let (Some(meanwhile), Some(front)) = (meanwhile, self.front.get().and_then(Weak::upgrade)) {
            meanwhile(&front);
        }
        self.sound.view()
    }

    fn apply(&self, writes: &[EngineWrite]) -> Result<(), EngineError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(EngineError("simulated: no room".into()));
        }
        self.sound.apply(writes)
    }

    fn checkpoint(&self) -> Result<(), EngineError> {
        self.sound.checkpoint()
    }
}

fn disturbed() -> (Arc<Buffered>, Arc<Disturbed>) {
    let engine = Arc::new(Disturbed {
        sound: RedbEngine::open(&SimDisk::new(), 1 << 20).unwrap(),
        front: OnceLock::new(),
        meanwhile: Mutex::new(None),
        views: AtomicU64::new(0),
        fails: AtomicBool::new(false),
    });
    let front = Arc::new(Buffered::new(Box::new(Arc::clone(&engine))));
    engine.front.set(Arc::downgrade(&front)).unwrap();
    (front, engine)
}

fn put(key: &[u8], value: u8) -> EngineWrite {
    EngineWrite { table: Table::Current, key: key.to_vec(), value: Some(vec![value]) }
}

fn both(view: &dyn View) -> [Option<Vec<u8>>; 2] {
    [b"k", b"l"].map(|key| view.value(Table::Current, key).unwrap())
}

/// What a view shows whose opening this disturbs, over a table with one row; and how often the engine was asked for a view.
fn opened_while(before: fn(&Buffered), meanwhile: fn(&Buffered)) -> ([Option<Vec<u8>>; 2], u64) {
    let (front, engine) = disturbed();
    front.gather(&[put(b"k", 1)]);
    before(&front);
    *engine.meanwhile.lock().unwrap() = Some(meanwhile);
    let shown = both(&*front.view().unwrap());
    assert!(engine.meanwhile.lock().unwrap().is_none());
    (shown, engine.views.load(Ordering::Relaxed))
}

#[test]
fn a_view_that_is_opened_while_its_table_is_frozen_and_handed_on_is_opened_anew() {
    // Of the two rows the table that the view began with hides one, and not the other.
    let meanwhile = |front: &Buffered| {
        front.gather(&[put(b"k", 2), put(b"l", 2)]);
        front.freeze();
        front.hand_on().unwrap();
    };
    assert_eq!(opened_while(|_| (), meanwhile), ([Some(vec![2]), Some(vec![2])], 2));
}

#[test]
fn a_view_that_is_opened_while_the_frozen_table_is_handed_on_is_as_good_as_one_before() {
    assert_eq!(opened_while(Buffered::freeze, |front| front.hand_on().unwrap()), ([Some(vec![1]), None], 1));
}

#[test]
fn a_batch_that_is_gathered_while_a_view_is_opened_is_not_in_it() {
    assert_eq!(opened_while(|_| (), |front| front.gather(&[put(b"l", 2)])), ([Some(vec![1]), None], 1));
}

#[test]
fn an_engine_that_fails_to_take_the_table_leaves_every_view_whole() {
    let (front, engine) = disturbed();
    front.gather(&[put(b"k", 1)]);
    let before = front.view().unwrap();
    front.gather(&[put(b"l", 2)]);
    front.freeze();
    engine.fails.store(true, Ordering::Relaxed);
    assert!(front.hand_on().is_err());
    assert_eq!(both(&*before), [Some(vec![1]), None]);
    assert_eq!(both(&*front.view().unwrap()), [Some(vec![1]), Some(vec![2])]);
    front.gather(&[put(b"k", 3)]);
    assert!(front.hand_on().is_err());
    assert_eq!(both(&*front.view().unwrap()), [Some(vec![3]), Some(vec![2])]);
}
