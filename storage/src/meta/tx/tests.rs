//! Counts, history and names, as later changes of a batch see them and as its end leaves them.

use std::ops::ControlFlow;

use super::Tx;
use crate::change::Refusal;
use crate::check::State;
use crate::fixture::{Fixture, SetRows, bucket, guid, name, object, object_key, sized_object};
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::{Span, bucket_prefix};
use crate::record::{BlobRow, Record, RowKey, tag};
use crate::store::Change;
use crate::types::{Body, ContentHash, Seq};

/// A change made of a function.
struct Do<F>(F);

impl<T: Send + 'static, F> Change for Do<F>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, Refusal> + Send + 'static,
{
    type Output = T;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<T, Refusal> {
        (self.0)(tx)
    }
}

fn blob(fixture: &Fixture, hash: ContentHash) -> BlobRow {
    let (_, row) = fixture.table(Table::Blobs).into_iter().find(|(key, _)| key == hash.as_bytes()).unwrap();
    BlobRow::decode(&row).unwrap()
}

fn stored(fixture: &Fixture) -> (ContentHash, Body) {
    fixture.set(vec![bucket(1, "one")]);
    fixture.put(1, "k", b"content");
    let hash = ContentHash::of(b"content");
    (hash, Body::Blob(hash))
}

#[test]
fn a_blob_is_counted_once_for_each_row_and_dies_with_the_last() {
    let fixture = Fixture::new();
    let (hash, body) = stored(&fixture);
    fixture.set(vec![object(1, "copy", body)]);
    assert_eq!((blob(&fixture, hash).references, blob(&fixture, hash).died), (2, Seq::ZERO));
    fixture.set(vec![(object_key(1, "k"), None)]);
    let died = fixture.set(vec![(object_key(1, "copy"), None)]);
    assert_eq!((blob(&fixture, hash).references, blob(&fixture, hash).died), (0, died));
    assert_eq!(fixture.count(Table::Dead), 1);
    let revived = fixture.set(vec![object(1, "again", body)]);
    assert_eq!(fixture.count(Table::Dead), 0, "no stale row stays to be believed later");
    let died = fixture.set(vec![(object_key(1, "again"), None)]);
    assert!(died > revived && blob(&fixture, hash).died == died);
    fixture.check(State::Idle);
}

#[test]
fn what_dies_in_a_batch_is_not_collected_in_it_and_may_live_again() {
    let fixture = Fixture::new();
    let (hash, body) = stored(&fixture);
    fixture.commit(Do(move |tx: &mut Tx<'_>| {
        tx.delete_row(&object_key(1, "k"))?;
        assert_eq!(tx.blob(hash)?.unwrap().references, 0);
        assert_eq!(tx.remove_dead_blob(hash, tx.seq())?, None);
        let (key, value) = object(1, "moved", body);
        tx.put_row(&key, value.unwrap())
    }));
    assert_eq!((blob(&fixture, hash).references, fixture.count(Table::Dead)), (1, 0));
    fixture.check(State::Idle);
}

#[test]
fn a_row_that_is_set_back_in_its_batch_did_not_change() {
    let fixture = Fixture::new();
    let (_, body) = stored(&fixture);
    let newest = fixture.store.newest();
    fixture.commit(Do(move |tx: &mut Tx<'_>| {
        let (key, value) = sized_object(1, "k", body, 7, 0);
        let value = value.unwrap();
        assert_eq!(tx.row(&key)?.as_ref(), Some(&value));
        tx.delete_row(&key)?;
        assert_eq!(tx.row(&key)?, None);
        tx.put_row(&key, value)
    }));
    assert_eq!(fixture.store.newest(), newest);
}

#[test]
fn history_is_kept_for_a_hold_inside_the_interval_and_keeps_its_blobs() {
    let fixture = Fixture::new();
    let (hash, _) = stored(&fixture);
    fixture.put(1, "k", b"other");
    assert_eq!(fixture.count(Table::History), 0);
    let held = fixture.hold(1);
    fixture.put(1, "k", b"third");
    fixture.put(1, "k", b"fourth");
    assert_eq!(fixture.count(Table::History), 1, "the value that was held, not the ones after it");
    assert_eq!(blob(&fixture, hash).references, 0);
    assert_eq!(blob(&fixture, ContentHash::of(b"other")).references, 1);
    let at = fixture.commit(Do(move |tx: &mut Tx<'_>| tx.row_at(&object_key(1, "k"), held))).1;
    assert_eq!(at, sized_object(1, "k", Body::Blob(ContentHash::of(b"other")), 5, 0).1);
    fixture.check(State::Idle);
}

#[test]
fn names_follow_their_buckets_in_any_order() {
    let fixture = Fixture::new();
    fixture.set(vec![bucket(1, "one")]);
    fixture.set(vec![bucket(2, "one"), (RowKey::Bucket(guid(1)), None)]);
    let found = |called: &str| {
        let reader = fixture.store.read().unwrap();
        reader.bucket(&name(called)).unwrap().map(|bucket| bucket.row.guid)
    };
    assert_eq!(found("one"), Some(guid(2)));
    fixture.set(vec![bucket(2, "two")]);
    assert_eq!((found("one"), found("two")), (None, Some(guid(2))));
}

#[test]
fn scans_see_the_batch_over_what_is_stored_in_both_directions() {
    let fixture = Fixture::new();
    let rows = ["b", "d", "f", "h"].map(|key| object(1, key, Body::Empty));
    fixture.set([vec![bucket(1, "one")], rows.to_vec()].concat());
    let (_, (forward, backward)) = fixture.commit(Do(|tx: &mut Tx<'_>| {
        let writes = vec![
            object(1, "a", Body::Empty),
            (object_key(1, "d"), None),
            object(1, "e", Body::Empty),
            (object_key(1, "h"), None),
            object(1, "i", Body::Empty),
        ];
        SetRows { bodies: Vec::new(), rows: writes }.carry_out(tx)?;
        let keys = |direction| {
            let mut keys = String::new();
            let span = Span::prefix(&bucket_prefix(tag::LATEST, guid(1)));
            tx.scan_rows(&span, direction, &mut |key, _| {
                keys.push(char::from(*key.last().expect("not empty")));
                ControlFlow::Continue(())
            })?;
            Ok::<_, Refusal>(keys)
        };
        Ok((keys(Direction::Forward)?, keys(Direction::Backward)?))
    }));
    assert_eq!((&forward[..], &backward[..]), ("abefi", "ifeba"));
}

#[test]
fn tables_show_the_batchs_own_rows() {
    let fixture = Fixture::new();
    let (_, seen) = fixture.commit(Do(|tx: &mut Tx<'_>| {
        tx.table_put(Table::Node, b"b".to_vec(), b"1".to_vec());
        tx.table_put(Table::Node, b"a".to_vec(), b"2".to_vec());
        tx.table_put(Table::Node, b"c".to_vec(), b"3".to_vec());
        tx.table_delete(Table::Node, b"b".to_vec());
        let mut seen = vec![];
        tx.table_scan(Table::Node, &Span::prefix(&[]), Direction::Backward, &mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })?;
        Ok(seen)
    }));
    assert_eq!(seen, [(b"c".to_vec(), b"3".to_vec()), (b"a".to_vec(), b"2".to_vec())]);
}
