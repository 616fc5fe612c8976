//! Reads at the present and at points, against a model of the rows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::change::{AccessChange, At, PathOp, VersionSelector};
use crate::fixture::{
    Dice, Fixture, RowWrite, bucket, create_path, guid, hold_id, name, object_key, path_guid, tagged_object,
};
use crate::record::Scope;
use crate::store::{BucketView, ReadError, ReadPoint, Reader, Visit};
use crate::types::{Body, ETag, ObjectKey, Seq};

/// Keys with their tags.
type Model = BTreeMap<String, u8>;

/// Keys that are hard to order: one begins another, zero bytes, high bytes.
const KEYS: [&str; 9] = ["a", "a\0", "a\0b", "a\u{1}", "ab", "b/1", "b/2", "b0", "\u{10ffff}"];

fn write(model: &mut Model, dice: &mut Dice) -> RowWrite {
    let key = KEYS[dice.below(KEYS.len() as u64) as usize];
    if dice.below(3) == 0 {
        model.remove(key);
        return (object_key(1, key), None);
    }
    let tag = dice.below(256) as u8;
    model.insert(key.to_owned(), tag);
    tagged_object(1, key, Body::Empty, tag)
}

fn tag(row: &crate::record::ObjectRow) -> u8 {
    match row.content().unwrap().etag {
        ETag::Md5(md5) => md5[0],
        ETag::Multipart { .. } => panic!("no such object was written"),
    }
}

fn listed(reader: &Reader<'_>, bucket: &BucketView, from: &str) -> Vec<(String, u8)> {
    let mut all = vec![];
    let visit = &mut |key: &str, row| {
        all.push((key.to_owned(), tag(&row)));
        Visit::Next
    };
    reader.objects(bucket, from.as_bytes(), visit).unwrap();
    all
}

fn assert_reads(reader: &Reader<'_>, bucket: &BucketView, model: &Model) {
    for key in KEYS {
        let row = reader.object(bucket, &ObjectKey::new(key).unwrap(), VersionSelector::Latest).unwrap();
        assert_eq!(row.as_ref().map(tag), model.get(key).copied(), "{key:?} at {:?}", bucket.point);
        let tail: Vec<_> = model.range(key.to_owned()..).map(|(key, tag)| (key.clone(), *tag)).collect();
        assert_eq!(listed(reader, bucket, key), tail, "from {key:?} at {:?}", bucket.point);
    }
    let mut sought = vec![];
    let visit = &mut |key: &str, _| {
        sought.push(key.to_owned());
        if key < "a\u{1}" { Visit::Seek(b"a\x01".to_vec()) } else { Visit::Seek(b"".to_vec()) }
    };
    reader.objects(bucket, b"", visit).unwrap();
    let first = model.keys().next().filter(|key| key.as_str() < "a\u{1}");
    let expected: Vec<_> = first.into_iter().chain(model.range("a\u{1}".to_owned()..).map(|(key, _)| key)).collect();
    assert_eq!(sought.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn held_points_and_the_present_read_as_the_model_says() {
    for seed in 0..20 {
        let (fixture, mut dice, mut model) = (Fixture::new(), Dice(seed), Model::new());
        fixture.set(vec![bucket(1, "one")]);
        let mut held: BTreeMap<u8, (Seq, Model)> = BTreeMap::new();
        for step in 0..60u8 {
            match dice.below(6) {
                0 => {
                    let writes = (0..10 + dice.below(4)).map(|_| write(&mut model, &mut dice)).collect();
                    held.insert(step, (fixture.set_and_hold(writes, step), model.clone()));
                }
                1 => {
                    if let Some((id, _)) = held.pop_first() {
                        fixture.paths(vec![PathOp::Release { id: hold_id(id) }]);
                    }
                }
                2 => fixture.collect(),
                _ => {
                    let writes = (0..=dice.below(3)).map(|_| write(&mut model, &mut dice)).collect();
                    fixture.set(writes);
                }
            }
        }
        let reader = fixture.store.read().unwrap();
        assert_reads(&reader, &reader.bucket(&name("one")).unwrap().unwrap(), &model);
        for (seq, model) in held.values() {
            assert_reads(&reader, &reader.bucket_at(&name("one"), *seq).unwrap().unwrap(), model);
        }
    }
}

#[test]
fn only_the_newest_and_held_points_are_readable() {
    let fixture = Fixture::new();
    let first = fixture.set(vec![bucket(1, "one")]);
    let second = fixture.set(vec![tagged_object(1, "k", Body::Empty, 1)]);
    let reader = fixture.store.read().unwrap();
    assert!(matches!(reader.bucket_at(&name("one"), first), Err(ReadError::NotHeld(at)) if at == first));
    assert!(matches!(reader.bucket_at(&name("one"), second.next()), Err(ReadError::NotHeld(_))));
    let bucket = reader.bucket_at(&name("one"), second).unwrap().unwrap();
    fixture.set(vec![tagged_object(1, "k", Body::Empty, 2)]);
    assert_eq!(listed(&reader, &bucket, ""), [("k".to_owned(), 1)]);
}

#[test]
fn a_view_stays_as_it_was_while_commits_go_on() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    fixture.put(1, "k", b"first");
    let reader = fixture.store.read().unwrap();
    let bucket = reader.bucket(&name("one")).unwrap().unwrap();
    fixture.set(vec![(object_key(1, "k"), None)]);
    fixture.collect();
    let key = ObjectKey::new("k").unwrap();
    let row = reader.object(&bucket, &key, VersionSelector::Latest).unwrap().unwrap();
    let mut body = reader.open_body(&row.content().unwrap().body, 0..5).unwrap();
    drop(reader);
    fixture.collect();
    let mut bytes = bytes::BytesMut::new();
    while body.next_chunk(&mut bytes).unwrap() {}
    assert_eq!(&bytes[..], b"first");
    drop(body);
    fixture.collect();
    assert_eq!(fixture.count(crate::meta::engine::Table::Blobs), 0);
}

fn names(reader: &Reader<'_>, after: Option<&str>) -> Vec<(String, ReadPoint)> {
    let mut all = vec![];
    let visit = &mut |bucket: BucketView| {
        all.push((bucket.row.name.to_string(), bucket.point));
        ControlFlow::Continue(())
    };
    reader.buckets(after, visit).unwrap();
    all
}

#[test]
fn each_bucket_is_listed_at_the_point_its_path_shows() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one"), bucket(2, "two"), bucket(3, "six")]);
    let show = create_path(1, Scope::Bucket(name("one")), AccessChange::ReadAt(At::ThisCommit));
    let shown = fixture.paths(vec![show]);
    // Behind the point: gone, changed, come.
    fixture.set(vec![(crate::record::RowKey::Bucket(guid(1)), None), (crate::record::RowKey::Bucket(guid(3)), None)]);
    fixture.set(vec![bucket(4, "new")]);
    let reader = fixture.store.read().unwrap();
    let present = |name: &str| (name.to_owned(), ReadPoint::Present);
    let one = ("one".to_owned(), ReadPoint::At(shown));
    assert_eq!(names(&reader, None), [present("new"), one.clone(), present("two")]);
    assert_eq!(names(&reader, Some("new")), [one, present("two")]);
    assert_eq!(names(&reader, Some("one")), [present("two")]);
    let bucket = reader.bucket(&name("one")).unwrap().unwrap();
    assert_eq!((bucket.row.guid, bucket.path), (guid(1), Some(path_guid(1))));
    assert!(reader.bucket(&name("six")).unwrap().is_none());
}

#[test]
fn an_endpoint_that_shows_a_point_shows_it_for_all_buckets() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    let shown = fixture.paths(vec![create_path(1, Scope::Endpoint, AccessChange::ReadAt(At::ThisCommit))]);
    fixture.set(vec![bucket(2, "two"), tagged_object(1, "k", Body::Empty, 1)]);
    let reader = fixture.store.read().unwrap();
    assert_eq!(names(&reader, None), [("one".to_owned(), ReadPoint::At(shown))]);
    let bucket = reader.bucket(&name("one")).unwrap().unwrap();
    assert_eq!(listed(&reader, &bucket, ""), []);
    assert!(reader.bucket(&name("two")).unwrap().is_none());
}

#[test]
fn a_catalogue_mark_holds_until_a_bucket_a_setting_or_a_path_changes() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    let mark = || fixture.store.read().unwrap().catalogue();
    let holds = |mark: &crate::Catalogue| fixture.store.read().unwrap().has(mark);
    let first = mark();
    fixture.put(1, "k", b"content");
    fixture.hold(1);
    assert!(holds(&first), "objects and holds leave buckets as they are");
    let setting = crate::record::RowKey::Setting(guid(1), "policy".into());
    fixture.set(vec![(setting, Some(b"{}".to_vec()))]);
    assert!(!holds(&first));
    let second = mark();
    fixture.set(vec![bucket(2, "two")]);
    assert!(!holds(&second));
    let third = mark();
    fixture.paths(vec![create_path(1, Scope::Bucket(name("one")), AccessChange::ReadAt(At::ThisCommit))]);
    assert!(!holds(&third));
    let reader = fixture.store.read().unwrap();
    let seen = reader.catalogue();
    fixture.set(vec![bucket(3, "six")]);
    assert!(reader.has(&seen) && !holds(&seen), "a reader's own mark stays with its view");
}
