//! Walks with one mistake each, in place of the shipping walk. Digests cannot see them: both nodes work the digest out from what was walked. The totals do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use tandem_storage::meta::delta::{DeltaPage, DeltaPosition};
use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::RowKey;
use tandem_storage::types::{BucketGuid, Seq};
use tandem_storage::{Lane, ReadError, Store};

use super::super::ship::{PageOf, ReadPage, stored_pages};
use super::pair::{ALL, Pair, Side, eventually};

/// Objects that are put into a bucket around a snapshot.
const PUTS: u32 = 300;

/// What a mistaken walk has come to.
#[derive(Default)]
pub struct Watch {
    mistakes: AtomicUsize,
    /// Comparisons of all rows that were begun after the mistake, and those of them during which the alarm stood on record.
    compared: AtomicUsize,
    under_alarm: AtomicUsize,
}

impl Watch {
    pub fn mistakes(&self) -> usize {
        self.mistakes.load(Ordering::SeqCst)
    }

    pub fn compared(&self) -> usize {
        self.compared.load(Ordering::SeqCst)
    }

    /// A comparison begins.
    fn compares(&self, store: &Store) {
        if self.mistakes() > 0 {
            self.compared.fetch_add(1, Ordering::SeqCst);
            let alarms = store.node_rows(b"replica-alarm/").unwrap().len();
            self.under_alarm.fetch_add(alarms, Ordering::SeqCst);
        }
    }
}

/// A walk of the feed that makes a mistake until it was compared with all rows; comparisons are made as they should be.
fn mistaken(
    mistake: impl Fn(&Store, PageOf<'_>) -> Result<(DeltaPage, usize), ReadError> + Send + Sync + 'static,
) -> (ReadPage, Arc<Watch>) {
    let watch = Arc::new(Watch::default());
    let watched = watch.clone();
    let read: ReadPage = Arc::new(move |store, page: PageOf<'_>| {
        if page.base.is_none() && page.from.is_none() {
            watched.compares(store);
        }
        if page.base.is_none() || watched.compared() > 0 {
            return right(store, page);
        }
        let (page, mistakes) = mistake(store, page)?;
        watched.mistakes.fetch_add(mistakes, Ordering::SeqCst);
        Ok(page)
    });
    (read, watch)
}

fn right(store: &Store, page: PageOf<'_>) -> Result<DeltaPage, ReadError> {
    stored_pages()(store, page)
}

/// Bends the entries of every page.
fn bent(bend: impl Fn(&mut DeltaPage) + Send + Sync + 'static) -> (ReadPage, Arc<Watch>) {
    mistaken(move |store, page| {
        let mut page = right(store, page)?;
        let before = page.entries.clone();
        bend(&mut page);
        let same = |at: usize| page.entries.get(at) == before.get(at);
        let mistakes = (0..before.len()).filter(|at| !same(*at)).count();
        Ok((page, mistakes))
    })
}

/// Where a walk of the feed goes on, as the store writes it.
#[derive(Deserialize, serde::Serialize)]
enum Place {
    Feed { bucket: BucketGuid, seq: Seq, order: u32 },
    Comparison { after: Vec<u8> },
}

impl Place {
    fn of(position: &DeltaPosition) -> Place {
        let bytes: Vec<u8> = postcard::from_bytes(&postcard::to_stdvec(position).unwrap()).unwrap();
        postcard::from_bytes(&bytes).unwrap()
    }

    fn position(&self) -> DeltaPosition {
        let bytes: Vec<u8> = postcard::to_stdvec(self).unwrap();
        postcard::from_bytes(&postcard::to_stdvec(&bytes).unwrap()).unwrap()
    }
}

/// The walk as it was when replicas lost writes: a page that ends inside the commit of the newer point takes the bucket for done.
pub fn old_walk() -> (ReadPage, Arc<Watch>) {
    mistaken(|store, page| {
        let to = page.to;
        // Short pages, so that one ends there for certain.
        let mut page = right(store, PageOf { limit: 4, ..page })?;
        let next = page.next.as_ref().map(Place::of);
        if let Some(Place::Feed { bucket, seq, .. }) = next
            && seq == to
        {
            let done = Place::Feed { bucket, seq: Seq::new(u64::MAX), order: u32::MAX };
            page.next = Some(done.position());
            return Ok((page, 1));
        }
        Ok((page, 0))
    })
}

/// Objects that are put as fast as can be while a snapshot is taken, so that its commit holds rows of theirs.
pub async fn put_around_a_snapshot(side: &Side, bucket: &str, keys: std::ops::Range<u32>) {
    let put = |key: u32| side.put_change(bucket, &format!("k{key:05}"), format!("v{key}").as_bytes());
    let puts: Vec<_> = keys.map(put).collect();
    let (store, now) = (side.store().clone(), side.clock.now());
    let feeding = tokio::task::spawn_blocking(move || {
        let pending: Vec<_> = puts.into_iter().map(|put| store.commit(Lane::Client, now, put)).collect();
        pending.into_iter().for_each(|put| drop(put.wait().unwrap()));
    });
    side.control().replicate_now(&ALL).await.unwrap();
    feeding.await.unwrap();
}

async fn filled(read: ReadPage) -> Pair {
    let pair = Pair::start(read).await;
    for bucket in ["one", "two"] {
        pair.a.create_bucket(bucket).await;
        for key in 0..8 {
            pair.a.put(bucket, &format!("old{key}"), b"before").await;
        }
    }
    pair.protect().await;
    pair.converges().await;
    pair
}

/// Writes of every kind, until the walk has made its mistake. The account sees it, everything is compared under an alarm, and the replica is mended, unasked. It
/// never shows a restore point that is not what the source had.
async fn is_caught_and_mended(name: &str, (read, watch): (ReadPage, Arc<Watch>)) {
    let pair = filled(read).await;
    let mut round = 0;
    while watch.mistakes() == 0 {
        for bucket in ["one", "two"] {
            pair.a.put(bucket, "old0", format!("round {round}").as_bytes()).await;
            pair.a.put(bucket, "old2", b"for a moment").await;
            pair.a.put(bucket, &format!("gone{round}"), b"until the next round").await;
            if round > 0 {
                pair.a.delete(bucket, &format!("gone{}", round - 1)).await;
            }
            put_around_a_snapshot(&pair.a, bucket, round * PUTS..(round + 1) * PUTS).await;
        }
        let newest = pair.a.snapshots().pop().unwrap().meta.guid;
        let shipped = eventually(|| pair.a.has_shipped(newest) || watch.mistakes() > 0);
        assert!(shipped.await, "{name}: {:#?}", pair.a.path());
        round += 1;
        assert!(round < 20, "{name}: the walk does not make its mistake");
    }
    assert!(eventually(|| watch.compared() > 0).await, "{name}: nothing is compared: {:#?}", pair.a.path());
    pair.converges().await;
    // Each comparison is made under an alarm. On a busy machine the evidence may come twice.
    assert_eq!(watch.compared(), watch.under_alarm.load(Ordering::SeqCst), "{name}");
    let taken = pair.a.snapshots();
    for shown in pair.b.snapshots() {
        let told = taken.iter().find(|row| row.meta.guid == shown.meta.guid).expect("kept");
        assert_eq!((shown.total, shown.proved), (told.total, true), "{name}: {}", shown.meta.name);
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_walk_put_back_is_caught_by_the_account_and_the_replica_is_mended() {
    is_caught_and_mended("the old walk", old_walk()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_page_is_caught_and_mended() {
    let pages = AtomicUsize::new(0);
    let mutant = mistaken(move |store, page| {
        let mut page = right(store, PageOf { limit: 16, ..page })?;
        let skipped = pages.fetch_add(1, Ordering::SeqCst) % 3 == 1 && !page.entries.is_empty();
        if skipped {
            page.entries.clear();
        }
        Ok((page, usize::from(skipped)))
    });
    is_caught_and_mended("a skipped page", mutant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_bucket_is_caught_and_mended() {
    let mutant = bent(|page| {
        let first = page.entries.iter().find_map(|entry| entry.key.bucket());
        page.entries.retain(|entry| entry.key.bucket() != first);
    });
    is_caught_and_mended("a skipped bucket", mutant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_value_shipped_for_a_new_one_is_caught_and_mended() {
    let mutant = bent(|page| {
        for entry in page.entries.iter_mut().filter(|entry| matches!(entry.key, RowKey::Object(..))) {
            if entry.old.is_some() && entry.new.is_some() {
                entry.new.clone_from(&entry.old);
            }
        }
    });
    is_caught_and_mended("an old value", mutant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_left_out_is_caught_and_mended() {
    let mutant = bent(|page| page.entries.retain(|entry| entry.new.is_some()));
    is_caught_and_mended("a deletion", mutant).await;
}

/// Guards the tests above: the digest that both nodes work out from a mistaken walk is the same, so it is not what catches it.
#[tokio::test(flavor = "multi_thread")]
async fn the_digests_of_a_mistaken_walk_agree_on_both_sides() {
    let pair = filled(stored_pages()).await;
    let base = pair.a.snapshots().pop().unwrap();
    pair.a.put("one", "old0", b"another").await;
    pair.a.delete("one", "old1").await;
    let to = pair.a.store().newest();
    let all = right(pair.a.store(), PageOf { scope: &ALL, base: Some(base.seq), to, from: None, limit: 100 }).unwrap();
    let walked: Vec<_> = all.entries.iter().filter(|entry| entry.new.is_some()).collect();
    assert!(walked.len() < all.entries.len(), "the deletion is left out");
    // What the source declares, and what the destination makes of the rows that came.
    let (mut declared, mut made) =
        (LtHash::of(base.digest.as_ref().unwrap()), LtHash::of(base.digest.as_ref().unwrap()));
    let shown = pair.b.snapshots().pop().unwrap();
    for entry in walked {
        let (key, new) = (entry.key.encode(), entry.new.as_ref().unwrap());
        if let Some(old) = &entry.old {
            declared.remove(&key, old);
        }
        declared.add(&key, new);
        let old =
            right(pair.b.store(), PageOf { scope: &ALL, base: None, to: shown.seq, from: None, limit: 1000 }).unwrap();
        if let Some(old) = old.entries.into_iter().find(|row| row.key == entry.key) {
            made.remove(&key, &old.new.unwrap());
        }
        made.add(&key, new);
    }
    assert!(declared.digest() == made.digest());
    pair.stop().await;
}
