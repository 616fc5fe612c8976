//! Totals that do not agree, at every place where they are compared; and what follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tandem_storage::change::{PathOp, RewindPage, UpdatePaths};
use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{Access, Total, TransferPhase};
use tandem_storage::types::Timestamp;
use tandem_storage::{Counted, Lane, Store};

use super::super::message::{Answer, Failure, Request};
use super::super::report::PathReport;
use super::super::ship::{PageOf, ReadPage, stored_pages};
use super::pair::{ALL, Pair, Side, eventually};
use super::rogue::{Rogue, failed, total_of};
use super::rows;
use super::victim::Victim;

/// Walks as they should be; counts how often one begins that compares everything.
fn counting() -> (ReadPage, Arc<AtomicUsize>) {
    let (comparisons, right) = (Arc::new(AtomicUsize::new(0)), stored_pages());
    let counted = comparisons.clone();
    let read: ReadPage = Arc::new(move |store, page: PageOf<'_>| {
        if page.base.is_none() && page.from.is_none() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        right(store, page)
    });
    (read, comparisons)
}

async fn blocking<T: Send + 'static>(store: &Store, work: impl FnOnce(&Store) -> T + Send + 'static) -> T {
    let store = store.clone();
    tokio::task::spawn_blocking(move || work(&store)).await.unwrap()
}

/// As a directory of a build that kept no totals: nothing is known until all rows are counted.
async fn uncount(side: &Side) {
    blocking(side.store(), |store| store.count_again(Timestamp::default()).unwrap()).await;
}

/// The first count, as the node's worker makes it.
async fn count(side: &Side) {
    let counted = |store: &Store| while store.count_step(Timestamp::default()).unwrap() != Counted::Whole {};
    blocking(side.store(), counted).await;
}

async fn filled(read: ReadPage) -> Pair {
    filled_every(read, Duration::from_secs(1)).await
}

async fn filled_every(read: ReadPage, interval: Duration) -> Pair {
    let pair = Pair::start(read).await;
    pair.a.create_bucket("one").await;
    for key in 0..20 {
        pair.a.put("one", &format!("k{key}"), format!("v{key}").as_bytes()).await;
    }
    pair.protect_every(interval).await;
    pair
}

fn proved(report: &PathReport) -> bool {
    report.restore_point.as_ref().is_some_and(|point| point.proved)
}

/// What the victim reports of its one path.
fn report(victim: &Victim) -> PathReport {
    victim.control.report().paths.remove(0)
}

#[tokio::test]
async fn a_declared_total_that_the_rows_do_not_make_is_refused_before_anything_is_applied() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    assert!(proved(&report(&victim)));
    // The digest is that of the rows that were sent; the total is of one row more.
    let rows = [rows::object(1, "a", b"one")];
    rogue.begin(2, Some(1)).await;
    rogue.send_blobs(2, &[b"one"]).await;
    rogue.ask(rogue.rows_request(2, 0, &rows)).await;
    let before = rogue.rows.clone();
    rogue.take(&rows);
    let mut total = total_of(&rogue.rows);
    total.add_row(b"a row", b"that was not sent");
    let Request::Complete { attempt, rows, digest, .. } = rogue.complete_request(2, 1) else { panic!() };
    let answer = rogue.ask(Request::Complete { attempt, rows, digest, total: Some(total) }).await;
    assert_eq!(failed(&answer), &Failure::TotalDiffers);
    rogue.rows = before;
    rogue.is_shown(&victim, 1);
    victim.is_clean().await;
    let told = report(&victim);
    let found = told.discrepancy.clone().unwrap();
    assert!(found.what.contains("3 rows instead of 4") && found.name == "s2", "{found:?}");
    assert!(told.alarm.unwrap().contains("the replica may differ from its source"));
    assert!(told.failover_checks.iter().any(|check| check.contains("not proved")), "{:?}", told.failover_checks);
    assert_eq!(told.last_error, None);
    victim.stop().await;
}

/// Sets the victim's present back to an older restore point, behind what it shows: a present that is not what is shown.
async fn spoil_the_present(victim: &Victim, to: u8) {
    let path = victim.store.paths()[0].clone();
    let to = victim.store.snapshot(super::rogue::snapshot(to)).unwrap().unwrap().seq;
    let mut position = None;
    loop {
        let page = RewindPage { path: path.guid, epoch: path.epoch.number, to, position, limit: 100 };
        let rewound = victim.store.commit(Lane::Background, victim.clock.now(), page).await.unwrap().into_inner();
        match rewound.next {
            Some(next) => position = Some(next),
            None => return,
        }
    }
}

/// Everything of a transfer but its end, which is asked for until the answer is not `Landing`.
async fn delivered(rogue: &mut Rogue, number: u8, base: u8, key: &str, bytes: &[u8]) -> Answer {
    let rows = [rows::object(1, key, bytes)];
    rogue.begin(number, Some(base)).await;
    rogue.send_blobs(number, &[bytes]).await;
    rogue.ask(rogue.rows_request(number, 0, &rows)).await;
    rogue.take(&rows);
    loop {
        match rogue.ask(rogue.complete_request(number, 1)).await {
            Answer::Landing => {}
            other => return other,
        }
    }
}

#[tokio::test]
async fn a_present_that_is_not_what_was_declared_is_never_shown_and_goes_back_to_what_is_shown() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::protecting(&victim).await;
    rogue.deliver(2, Some(1), vec![rows::object(1, "a", b"one")], &[b"one"]).await;
    spoil_the_present(&victim, 1).await;
    let shown = rogue.rows.clone();
    let answer = delivered(&mut rogue, 3, 2, "b", b"two").await;
    assert!(matches!(failed(&answer), Failure::TotalDiffers | Failure::NotCurrent), "{answer:?}");
    rogue.rows = shown;
    assert!(eventually(|| victim.store.transfers().unwrap().is_empty()).await, "{:?}", victim.store.transfers());
    rogue.is_shown(&victim, 2);
    victim.is_clean().await;
    let scope = &rogue.scope;
    let Access::ReadAt(at) = victim.store.paths()[0].access else { panic!() };
    assert!(victim.store.delta(scope, Some(at), victim.store.newest(), None, 10).unwrap().entries.is_empty());
    let told = report(&victim);
    assert!(told.discrepancy.as_ref().unwrap().what.contains("its rows are applied"), "{told:#?}");
    // What it builds on is whole again: the next one lands. As the source does not say that it compared everything, the alarm stands.
    rogue.deliver(4, Some(2), vec![rows::object(1, "c", b"three")], &[b"three"]).await;
    rogue.is_shown(&victim, 4);
    assert!(report(&victim).discrepancy.is_some());
    rogue.compares_all = true;
    rogue.deliver(5, Some(4), vec![rows::object(1, "d", b"four")], &[b"four"]).await;
    assert!(eventually(|| report(&victim).discrepancy.is_none()).await);
    assert!(proved(&report(&victim)));
    victim.stop().await;
}

#[tokio::test]
async fn a_first_restore_point_that_is_not_what_was_declared_leaves_nothing() {
    let victim = Victim::start().await;
    let mut rogue = Rogue::paired(&victim, 2).await;
    rogue.accept().await;
    rogue.begin(1, None).await;
    rogue.send_blobs(1, &[b"first"]).await;
    let rows = [rows::bucket(1, "path"), rows::object(1, "k", b"first")];
    rogue.ask(rogue.rows_request(1, 0, &rows)).await;
    rogue.take(&rows);
    let mut total = total_of(&rogue.rows);
    total.remove_row(b"no", b"row");
    let Request::Complete { attempt, rows, digest, .. } = rogue.complete_request(1, 2) else { panic!() };
    let answer = rogue.ask(Request::Complete { attempt, rows, digest, total: Some(total) }).await;
    assert_eq!(failed(&answer), &Failure::TotalDiffers);
    victim.is_clean().await;
    assert!(victim.store.scope_is_empty(&rogue.scope).unwrap());
    assert!(report(&victim).discrepancy.is_some());
    victim.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lacks_writes_from_before_there_were_totals_is_found_and_mended_by_one_cycle() {
    let (read, watch) = super::mutants::old_walk();
    let pair = Pair::start(read).await;
    // Both nodes are as an older build left them, and walk as it did.
    for side in [&pair.a, &pair.b] {
        uncount(side).await;
    }
    pair.a.create_bucket("one").await;
    pair.protect().await;
    let mut round = 0;
    while watch.mistakes() == 0 {
        super::mutants::put_around_a_snapshot(&pair.a, "one", round * 300..round * 300 + 300).await;
        pair.a.control().replicate_now(&ALL).await.unwrap();
        let newest = pair.a.snapshots().pop().unwrap().meta.guid;
        assert!(eventually(|| pair.a.has_shipped(newest)).await, "{:#?}", pair.a.path());
        round += 1;
        assert!(round < 20, "the walk does not make its mistake");
    }
    // The same restore point, the same digest, no alarm; and it lacks writes.
    let same = || {
        let (one, two) = (pair.a.path().restore_point.unwrap(), pair.b.path().restore_point.unwrap());
        one.guid == two.guid && one.digest == two.digest && one.digest.is_some()
    };
    assert!(eventually(same).await);
    let (wanted, lacking) = (pair.a.listing(), pair.b.listing());
    assert!(lacking.len() < wanted.len(), "nothing is lacking");
    for side in [&pair.a, &pair.b] {
        let told = side.path();
        assert!(told.discrepancy.is_none() && !proved(&told), "{told:#?}");
        assert!(told.failover_checks[0].contains("is not proved"), "{told:#?}");
    }
    assert!(!pair.a.control().report().totals.whole);
    // The upgrade: both count once. Nobody writes.
    for side in [&pair.a, &pair.b] {
        count(side).await;
    }
    pair.converges().await;
    assert_eq!(pair.a.listing(), wanted);
    assert_eq!(watch.compared(), 1);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_upgrade_a_quiet_path_is_proved_by_one_cycle_and_no_more() {
    let (read, comparisons) = counting();
    let pair = filled(read).await;
    pair.converges().await;
    for side in [&pair.a, &pair.b] {
        uncount(side).await;
    }
    // A restore point of which no totals are known.
    pair.a.put("one", "k1", b"another").await;
    let unproved = || !proved(&pair.a.path()) && !proved(&pair.b.path()) && pair.a.listing() == pair.b.listing();
    assert!(eventually(unproved).await);
    let before = comparisons.load(Ordering::SeqCst);
    for side in [&pair.b, &pair.a] {
        count(side).await;
    }
    pair.converges().await;
    assert_eq!(comparisons.load(Ordering::SeqCst), before, "nothing differs, so nothing is compared row by row");
    // Two intervals later the destination is told that nothing has changed.
    let newest = pair.a.snapshots().pop().unwrap().meta;
    let age = || Duration::from_micros((pair.a.clock.now().as_micros() - newest.created.as_micros()) as u64);
    let unchanged = || age() > Duration::from_secs(2) && pair.a.path().rpo_lag_seconds.is_some_and(|lag| lag < 1.5);
    assert!(eventually(unchanged).await, "{:#?}", pair.a.path());
    assert_eq!(pair.a.snapshots().pop().unwrap().meta, newest, "a quiet path takes no more");
    pair.stop().await;
}

/// Tells a node's replication what its scrub found of its newest snapshot.
fn suspect(side: &Side) {
    let row = side.snapshots().pop().unwrap();
    side.control().suspect("/", row.meta.guid, &row.meta.name, "stored 1, counted 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_of_the_scrub_on_either_node_leads_to_a_full_comparison_unasked() {
    let (read, comparisons) = counting();
    let pair = filled(read).await;
    pair.converges().await;
    for side in [&pair.a, &pair.b] {
        let before = comparisons.load(Ordering::SeqCst);
        suspect(side);
        // The first comparison may be over before anybody looks.
        let compared = || comparisons.load(Ordering::SeqCst) > before;
        let known = eventually(|| pair.a.path().discrepancy.is_some() || compared()).await;
        assert!(known, "{:#?}\n{:#?}", pair.a.path(), pair.b.path());
        // After the second evidence within an hour the comparison waits, unless an operator asks.
        pair.a.control().replicate_now(&ALL).await.unwrap();
        assert!(eventually(compared).await, "{:#?}", side.path());
        pair.converges().await;
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_outlives_a_restart_and_is_answered_after_it() {
    let (read, comparisons) = counting();
    let mut pair = filled(read).await;
    pair.converges().await;
    pair.b.stop().await;
    suspect(&pair.a);
    assert!(eventually(|| pair.a.path().discrepancy.is_some()).await);
    let since = pair.a.path().discrepancy.unwrap();
    pair.a.stop().await;
    pair.a.restart().await;
    assert_eq!(pair.a.path().discrepancy.as_ref(), Some(&since));
    let before = comparisons.load(Ordering::SeqCst);
    pair.b.restart().await;
    pair.converges().await;
    assert!(comparisons.load(Ordering::SeqCst) > before);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_digest_that_differs_from_the_walked_one_is_replaced_only_under_an_alarm() {
    let (read, comparisons) = counting();
    let mut pair = filled(read).await;
    pair.converges().await;
    pair.b.stop().await;
    pair.a.put("one", "k1", b"another").await;
    pair.a.control().replicate_now(&ALL).await.unwrap();
    let row = pair.a.snapshots().pop().unwrap();
    let op = PathOp::SetDigest { snapshot: row.meta.guid, digest: LtHash::empty().digest(), replace: true };
    let _ = pair.a.store().commit(Lane::Client, Timestamp::default(), UpdatePaths(vec![op])).await.unwrap();
    let before = comparisons.load(Ordering::SeqCst);
    pair.b.restart().await;
    let alarmed = || comparisons.load(Ordering::SeqCst) > before;
    assert!(eventually(alarmed).await, "{:#?}", pair.a.path());
    pair.converges().await;
    let put_right = pair.a.store().snapshot(row.meta.guid).unwrap().unwrap();
    assert_eq!(put_right.digest, Some(pair.a.store().digest(&ALL, row.seq).unwrap()));
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_total_that_two_counts_contradict_is_not_declared_and_all_rows_are_counted_again() {
    // No snapshot is taken but by the test.
    let (read, _) = counting();
    let mut pair = filled_every(read, Duration::from_secs(10 * 365 * 24 * 3600)).await;
    pair.converges().await;
    pair.b.stop().await;
    // A snapshot without a total is given a wrong one.
    uncount(&pair.a).await;
    pair.a.put("one", "k1", b"another").await;
    pair.a.control().replicate_now(&ALL).await.unwrap();
    let row = pair.a.snapshots().pop().unwrap();
    assert_eq!(row.total, None);
    let mut wrong = Total::default();
    wrong.add_row(b"no", b"row");
    let op = PathOp::SetTotal { snapshot: row.meta.guid, total: wrong, proved: true };
    let _ = pair.a.store().commit(Lane::Client, Timestamp::default(), UpdatePaths(vec![op])).await.unwrap();
    pair.a.stop().await;
    pair.a.restart().await;
    count(&pair.a).await;
    pair.b.restart().await;
    let recounts = || pair.a.store().counted() != Counted::Whole;
    assert!(eventually(recounts).await, "{:#?}", pair.a.path());
    let told = pair.a.path();
    assert!(told.discrepancy.unwrap().what.contains("stored with it is not that of its rows"));
    assert!(eventually(|| pair.b.listing() == pair.a.listing()).await, "the rows land nevertheless");
    assert!(!proved(&pair.b.path()));
    count(&pair.a).await;
    pair.a.control().replicate_now(&ALL).await.unwrap();
    pair.converges().await;
    pair.stop().await;
}

#[tokio::test]
async fn wrong_totals_as_many_as_one_likes_change_nothing_and_raise_one_alarm() {
    let victim = Victim::start().await;
    let rogue = Rogue::protecting(&victim).await;
    // As many wrong ends as one likes: each drops its transfer, and none is applied.
    for number in 10..20 {
        rogue.begin(number, Some(1)).await;
        let Request::Complete { attempt, rows, .. } = rogue.complete_request(number, 0) else { panic!() };
        let (digest, mut total) = (super::rogue::digest_of(&rogue.rows), total_of(&rogue.rows));
        total.add_row(b"no", b"row");
        let answer = rogue.ask(Request::Complete { attempt, rows, digest, total: Some(total) }).await;
        assert_eq!(failed(&answer), &Failure::TotalDiffers);
    }
    assert_eq!(report(&victim).discrepancy.unwrap().times, 10);
    assert!(victim.store.transfers().unwrap().iter().all(|row| !matches!(row.phase, TransferPhase::Complete { .. })));
    rogue.is_shown(&victim, 1);
    victim.is_clean().await;
    victim.stop().await;
}
