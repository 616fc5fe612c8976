use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

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
    Checkpoint,
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
        1 => Just(Step::Checkpoint),
    ]
}

fn engine(writes_max: usize) -> Buffered<RedbEngine> {
    Buffered::new(RedbEngine::open(&SimDisk::new(), 1 << 20).unwrap(), writes_max)
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
    fn every_view_sees_the_batches_before_it_whether_they_were_handed_on_or_not(
        writes_max in 0usize..24,
        steps in vec(step(), 1..40),
        last in vec(asked(), 1..4),
    ) {
        let engine = engine(writes_max);
        let mut model = Model::new();
        let mut kept = Vec::new();
        for step in steps {
            match step {
                Step::Apply(writes) => {
                    engine.apply(&writes).unwrap();
                    engine.settle().unwrap();
                    for EngineWrite { table, key, value } in writes {
                        match value {
                            Some(value) => drop(model.insert((table.number(), key), value)),
                            None => drop(model.remove(&(table.number(), key))),
                        }
                    }
                }
                Step::Keep => kept.push((engine.view().unwrap(), model.clone())),
                Step::Look(asked) => look(&*engine.view().unwrap(), &model, &asked),
                Step::Checkpoint => engine.checkpoint().unwrap(),
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
fn views_opened_while_batches_are_applied_see_whole_batches_and_never_go_back() {
    const BATCHES: u32 = 4000;
    let engine = Arc::new(engine(23));
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
    for batch in 1..=BATCHES {
        let row =
            |table, key: &[u8]| EngineWrite { table, key: key.to_vec(), value: Some(batch.to_be_bytes().to_vec()) };
        let gone = EngineWrite { table: Table::Staged, key: vec![((batch + 9) % 10) as u8], value: None };
        let mut writes =
            vec![row(Table::Current, b"k"), row(Table::Meta, b"k"), gone, row(Table::Staged, &[(batch % 10) as u8])];
        if batch % 50 == 0 {
            // Too much for the table.
            writes.extend((0..30).map(|key| row(Table::Claims, &[key])));
        }
        engine.apply(&writes).unwrap();
        engine.settle().unwrap();
        if batch % 300 == 0 {
            engine.checkpoint().unwrap();
        }
    }
    over.store(true, Ordering::Relaxed);
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
    front: OnceLock<Weak<Buffered<Disturbed>>>,
    /// Applied, and handed on, before the next view is there.
    meanwhile: Mutex<Option<Vec<EngineWrite>>>,
    fails: AtomicBool,
}

impl Engine for Disturbed {
    fn view(&self) -> Result<Box<dyn View + '_>, EngineError> {
        let writes = self.meanwhile.lock().unwrap().take();
        if let (Some(writes), Some(front)) = (writes, self.front.get().and_then(Weak::upgrade)) {
            front.apply(&writes)?;
            front.settle()?;
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

fn disturbed(writes_max: usize) -> Arc<Buffered<Disturbed>> {
    let sound = RedbEngine::open(&SimDisk::new(), 1 << 20).unwrap();
    let (front, meanwhile, fails) = (OnceLock::new(), Mutex::new(None), AtomicBool::new(false));
    let front = Arc::new(Buffered::new(Disturbed { sound, front, meanwhile, fails }, writes_max));
    front.engine.front.set(Arc::downgrade(&front)).unwrap();
    front
}

fn put(key: &[u8], value: u8) -> EngineWrite {
    EngineWrite { table: Table::Current, key: key.to_vec(), value: Some(vec![value]) }
}

fn both(view: &dyn View) -> [Option<Vec<u8>>; 2] {
    [b"k", b"l"].map(|key| view.value(Table::Current, key).unwrap())
}

#[test]
fn a_view_that_is_opened_while_the_table_is_handed_on_is_opened_anew() {
    let engine = disturbed(3);
    engine.apply(&[put(b"k", 1)]).unwrap();
    // Of these the table that the view began with hides one, and not the other.
    *engine.engine.meanwhile.lock().unwrap() = Some(vec![put(b"k", 2), put(b"l", 2)]);
    assert_eq!(both(&*engine.view().unwrap()), [Some(vec![2]), Some(vec![2])]);
    assert!(engine.engine.meanwhile.lock().unwrap().is_none());
}

#[test]
fn an_engine_that_fails_to_take_the_table_leaves_every_view_whole() {
    let engine = disturbed(2);
    engine.apply(&[put(b"k", 1)]).unwrap();
    let before = engine.view().unwrap();
    engine.apply(&[put(b"l", 2)]).unwrap();
    engine.engine.fails.store(true, Ordering::Relaxed);
    assert!(engine.settle().is_err());
    assert_eq!(both(&*before), [Some(vec![1]), None]);
    assert_eq!(both(&*engine.view().unwrap()), [Some(vec![1]), Some(vec![2])]);
    assert!(engine.apply(&[put(b"k", 3), put(b"l", 3)]).is_err());
    assert_eq!(both(&*engine.view().unwrap()), [Some(vec![1]), Some(vec![2])]);
}
