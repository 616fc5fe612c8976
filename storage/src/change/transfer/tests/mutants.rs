//! Walks that leave something out, while the digest leaves out the same: the totals, which no walk makes, tell. And the way out of it.

use super::*;
use crate::fixture::crowd::{after, before, between};
use crate::meta::Tx;
use crate::meta::delta::DeltaEntry;
use crate::meta::digest::LtHash;
use crate::record::HoldReason;
use crate::store::Unchanged;

const PAGE: usize = 8;

/// What is wrong with a walk.
#[derive(Clone, Copy, Debug)]
enum Mutant {
    /// It takes a place in the newer point's commit for the end of the bucket.
    PassesTheRest,
    SkipsAPage,
    SkipsABucket,
    ShipsAnOldValue,
    LeavesADeletionOut,
}

const MUTANTS: [Mutant; 5] = [
    Mutant::PassesTheRest,
    Mutant::SkipsAPage,
    Mutant::SkipsABucket,
    Mutant::ShipsAnOldValue,
    Mutant::LeavesADeletionOut,
];

/// What the walk finds, or would find without its fault.
fn walk(fixture: &Fixture, scope: &Scope, base: Seq, to: Seq, mutant: Option<Mutant>) -> Vec<DeltaEntry> {
    let (mut found, mut position, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = fixture.store.delta(scope, Some(base), to, position, PAGE).expect("a page");
        pages += 1;
        if !(pages == 2 && matches!(mutant, Some(Mutant::SkipsAPage))) {
            found.extend(page.entries);
        }
        position = match (page.next, mutant) {
            (None, _) => break,
            (Some(next), Some(Mutant::PassesTheRest)) => Some(next.passing_the_rest_of(to)),
            (next, _) => next,
        };
    }
    let object = |entry: &DeltaEntry| matches!(entry.key, RowKey::Object(..));
    match mutant {
        Some(Mutant::SkipsABucket) => {
            let last = found.iter().rfind(|entry| object(entry)).and_then(|entry| entry.key.bucket());
            found.retain(|entry| entry.key.bucket() != last);
        }
        Some(Mutant::ShipsAnOldValue) => {
            let overwritten = |entry: &&mut DeltaEntry| object(entry) && entry.old.is_some() && entry.new.is_some();
            let entry = found.iter_mut().find(overwritten).expect("an overwrite");
            entry.new.clone_from(&entry.old);
        }
        Some(Mutant::LeavesADeletionOut) => {
            let at = found.iter().position(|entry| object(entry) && entry.new.is_none()).expect("a deletion");
            found.remove(at);
        }
        Some(Mutant::PassesTheRest | Mutant::SkipsAPage) | None => {}
    }
    found
}

/// The digest that a source would declare: that of its base, and of what its walk has named.
fn walked_digest(base: &Digest, entries: &[DeltaEntry]) -> Digest {
    let mut hash = LtHash::of(base);
    for DeltaEntry { key, old, new } in entries {
        let key = key.encode();
        old.iter().for_each(|value| hash.remove(&key, value));
        new.iter().for_each(|value| hash.add(&key, value));
    }
    hash.digest()
}

fn walked_total(entries: &[DeltaEntry]) -> Total {
    let mut total = Total::default();
    for DeltaEntry { key, old, new } in entries {
        let key = key.encode();
        old.iter().for_each(|value| total.remove_row(&key, value));
        new.iter().for_each(|value| total.add_row(&key, value));
    }
    total
}

/// A pair that has the first state in common, and the source's second: its number, its point, and that of the first at the source.
fn pair(scope: &Scope) -> (Pair, u8, Seq, Seq) {
    let mut pair = Pair::new(scope.clone());
    let (first, base, digest) = pair.snapshot_with(before());
    let transfer = pair.stage(first, base, &digest, 9);
    pair.apply(transfer, 9);
    pair.flip(transfer, first, &digest);
    pair.source.set(between());
    let (to, seq, _) = pair.snapshot_with(after());
    (pair, to, seq, base)
}

fn total_at(fixture: &Fixture, scope: &Scope, at: Seq) -> Total {
    fixture.store.total_at(scope, at).expect("read").expect("a known total")
}

/// Stages what a walk found, and declares it whole with the digest of what was found and the source's total. Checks that the digests agree.
fn stage_walked(pair: &Pair, to: u8, entries: &[DeltaEntry], total: Total) -> TransferGuid {
    let id = TransferGuid::from_bytes([100 + to; 16]);
    let d = &pair.destination;
    d.commit(BeginTransfer(row(id, to, pair.common)));
    let rows: Vec<_> =
        entries.iter().map(|entry| StagedRow { key: entry.key.clone(), value: entry.new.clone() }).collect();
    let staged = d.commit(StageRows { transfer: id, first: 0, rows }).1;
    let shown = d.store.snapshot(snapshot_guid(pair.common.expect("a base"))).expect("read").expect("it is shown");
    let base = shown.digest.as_ref().expect("a digest");
    let digest = walked_digest(base, entries);
    assert_eq!(d.store.staged_digest(id, Some((base, shown.seq))).expect("counted"), digest, "the digests agree");
    d.commit(CompleteTransfer { transfer: id, rows: staged, digest, total: Some(total) });
    id
}

fn flip_ops(pair: &Pair, transfer: TransferGuid, to: u8) -> UpdatePaths {
    let revision = pair.destination.store.path(path_guid(1)).expect("a path").revision;
    let access = Some(AccessChange::ReadAt(At::ThisCommit));
    UpdatePaths(vec![
        PathOp::Snapshot(snapshot(1, to, At::ThisCommit)),
        PathOp::Change { guid: path_guid(1), revision, access, epoch: None, detail: None },
        PathOp::DropTransfer { id: transfer },
    ])
}

fn promote(pair: &Pair) -> UpdatePaths {
    let revision = pair.destination.store.path(path_guid(1)).expect("a path").revision;
    let access = Some(AccessChange::Writable);
    UpdatePaths(vec![PathOp::Change { guid: path_guid(1), revision, access, epoch: None, detail: None }])
}

fn phase(pair: &Pair) -> TransferPhase {
    pair.destination.store.transfers().expect("a list").remove(0).phase
}

/// Everything the source has at a point, as a seed over whatever is shown; it lands proved.
fn mend(mut pair: Pair, to: u8, seq: Seq) {
    let digest = pair.source.store.digest(&pair.scope, seq).expect("a digest");
    pair.common = None;
    let transfer = pair.stage(to, seq, &digest, 9);
    pair.apply(transfer, 9);
    pair.flip(transfer, to, &digest);
    let landed = pair.destination.store.snapshot(snapshot_guid(to)).expect("read").expect("it landed");
    assert!(landed.proved);
    assert_eq!(landed.total, Some(total_at(&pair.source, &pair.scope, seq)));
    let [here, there] = [(&pair.destination, landed.seq), (&pair.source, seq)]
        .map(|(fixture, at)| fixture.comparison(&pair.scope, None, at, 100));
    assert_eq!(here, there, "row by row");
    pair.destination.collect();
    pair.destination.check(State::Collected);
}

#[test]
fn what_a_walk_leaves_out_is_told_by_the_totals_alone_before_it_is_whole_and_before_it_is_shown() {
    for scope in [Scope::Endpoint, Scope::Bucket(name("one"))] {
        for mutant in MUTANTS {
            let (pair, to, seq, base) = pair(&scope);
            let honest = walk(&pair.source, &scope, base, seq, None);
            let entries = walk(&pair.source, &scope, base, seq, Some(mutant));
            assert_ne!(honest, entries, "{mutant:?} leaves something out");
            let kept = total_at(&pair.source, &scope, seq).minus(total_at(&pair.source, &scope, base));
            assert_eq!(walked_total(&honest), kept);
            assert_ne!(walked_total(&entries), kept, "{mutant:?} is told at the source");

            let declared = total_at(&pair.source, &scope, seq);
            let d = &pair.destination;
            let transfer = stage_walked(&pair, to, &entries, declared);
            let shown = (total_at(d, &scope, pair.visible()), pair.visible());
            let staged = d.store.staged_total(transfer, Some(shown)).expect("counted");
            assert_ne!(staged, declared, "{mutant:?} is told at the destination");

            pair.apply(transfer, 5);
            let before = d.store.path(path_guid(1));
            assert_eq!(d.refused(flip_ops(&pair, transfer, to)), Refusal::TotalDiffers, "{mutant:?} is not shown");
            assert_eq!(d.store.path(path_guid(1)), before);
            assert!(d.store.snapshot(snapshot_guid(to)).expect("read").is_none());
            undo(&pair, transfer, to);
            mend(pair, to, seq);
        }
    }
}

/// Gives a transfer up: nothing but the rewind to what is shown leads out.
fn undo(pair: &Pair, transfer: TransferGuid, to: u8) {
    let (d, visible) = (&pair.destination, pair.visible());
    let abandon = || UpdatePaths(vec![PathOp::AbandonTransfer { id: transfer }]);
    let drop = || UpdatePaths(vec![PathOp::DropTransfer { id: transfer }]);
    d.commit(abandon());
    d.commit(abandon());
    assert!(matches!(phase(pair), TransferPhase::Undoing { .. }));
    assert_eq!(d.refused(drop()), Refusal::Stale);
    assert_eq!(d.refused(promote(pair)), Refusal::Stale);
    assert_eq!(d.refused(flip_ops(pair, transfer, to)), Refusal::Stale);
    assert_eq!(d.refused(ApplyStaged { transfer, limit: 9 }), Refusal::Stale);
    assert_eq!(d.refused(ClaimBlobs { transfer, received: Vec::new(), wanted: Vec::new() }), Refusal::Stale);
    assert_eq!(d.refused(BeginTransfer(row(transfer, to, pair.common))), Refusal::Stale);
    let other = d.hold(77);
    assert_eq!(d.refused(rewind_page(other, None, 9)), Refusal::Stale, "what is shown, and nothing else");
    // Cut, and begun again.
    rewind(d, visible, 3, Some(1));
    rewind(d, visible, 3, None);
    assert!(matches!(phase(pair), TransferPhase::Undone { .. }));
    assert_eq!(d.comparison(&pair.scope, Some(visible), d.store.newest(), 100), []);
    assert_eq!(d.refused(ApplyStaged { transfer, limit: 9 }), Refusal::Stale);
    d.commit(abandon());
    d.commit(drop());
    assert!(d.store.transfers().expect("a list").is_empty());
    d.paths(vec![PathOp::Release { id: hold_id(77) }]);
}

#[test]
fn a_transfer_that_was_given_up_lets_the_path_be_promoted_once_it_is_undone() {
    for applied in [0, 7] {
        let (pair, to, seq, base) = pair(&Scope::Endpoint);
        let entries = walk(&pair.source, &pair.scope, base, seq, Some(Mutant::PassesTheRest));
        let transfer = stage_walked(&pair, to, &entries, total_at(&pair.source, &pair.scope, seq));
        if applied > 0 {
            pair.destination.commit(ApplyStaged { transfer, limit: applied });
        }
        pair.destination.paths(vec![PathOp::AbandonTransfer { id: transfer }]);
        assert_eq!(pair.destination.refused(promote(&pair)), Refusal::Stale);
        rewind(&pair.destination, pair.visible(), 4, None);
        let (d, visible) = (&pair.destination, pair.visible());
        d.commit(promote(&pair));
        assert_eq!(d.comparison(&pair.scope, Some(visible), d.store.newest(), 100), []);
        d.commit(UpdatePaths(vec![PathOp::DropTransfer { id: transfer }]));
        d.check(State::Idle);
    }
}

/// Cut after any number of its rows, a delta or a seed that is given up leaves not a row behind: neither inside the path nor of a bucket that the
/// path's name pointed to for a while.
#[test]
fn a_transfer_that_is_given_up_after_any_of_its_rows_leaves_nothing_behind() {
    let rows_of = |fixture: &Fixture| {
        let rows = fixture.table(Table::Current).into_iter().map(|(key, stored)| (key, stored[8..].to_vec()));
        (rows.collect::<Vec<_>>(), fixture.table(Table::Totals))
    };
    for (scope, seed) in [Scope::Endpoint, Scope::Bucket(name("one")), Scope::Bucket(name("two"))]
        .into_iter()
        .flat_map(|scope| [(scope.clone(), false), (scope, true)])
    {
        let (mut pair, to, seq, _) = pair(&scope);
        let digest = pair.source.store.digest(&scope, seq).expect("a digest");
        let shown = rows_of(&pair.destination);
        let common = pair.common;
        for applied in (0..).step_by(3) {
            pair.common = common.filter(|_| !seed);
            let transfer = pair.stage_as(TransferGuid::from_bytes([100 + applied as u8; 16]), to, seq, &digest, 20);
            let left = match applied {
                0 => 1,
                _ => pair.destination.commit(ApplyStaged { transfer, limit: applied }).1,
            };
            pair.destination.paths(vec![PathOp::AbandonTransfer { id: transfer }]);
            rewind(&pair.destination, pair.visible(), 1 + applied % 7, None);
            pair.destination.paths(vec![PathOp::DropTransfer { id: transfer }]);
            assert!(rows_of(&pair.destination) == shown, "{scope}, seed {seed}, {applied} rows applied");
            if left == 0 {
                break;
            }
        }
        pair.destination.check(State::Idle);
        mend(pair, to, seq);
    }
}

#[test]
fn only_a_complete_transfer_is_given_up() {
    let (pair, to, ..) = pair(&Scope::Endpoint);
    let id = TransferGuid::from_bytes([50; 16]);
    let abandon = || UpdatePaths(vec![PathOp::AbandonTransfer { id }]);
    assert_eq!(pair.destination.refused(abandon()), Refusal::Unknown);
    pair.destination.commit(BeginTransfer(row(id, to, pair.common)));
    assert_eq!(pair.destination.refused(abandon()), Refusal::Stale);
}

/// The point is the end of the batch: what comes behind the flip in its batch is in what is shown, and was not compared with anything.
#[test]
fn a_flip_with_another_change_behind_it_in_its_batch_is_not_proved() {
    for behind in [0, 1] {
        let (pair, to, seq, base) = pair(&Scope::Endpoint);
        let entries = walk(&pair.source, &pair.scope, base, seq, None);
        let declared = total_at(&pair.source, &pair.scope, seq);
        let transfer = stage_walked(&pair, to, &entries, declared);
        pair.apply(transfer, 100);
        let rows = (0..behind).map(|_| tagged_object(1, "behind", Body::Empty, 0)).collect();
        pair.destination.together(rows, flip_ops(&pair, transfer, to).0);
        let landed = pair.destination.store.snapshot(snapshot_guid(to)).expect("read").expect("it landed");
        assert_eq!((landed.proved, landed.total == Some(declared)), (behind == 0, behind == 0));
        pair.destination.check(State::Idle);
    }
}

/// Loses the newest rows of the feed.
struct LoseFeed(Vec<Vec<u8>>);

impl crate::store::Change for LoseFeed {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        self.0.into_iter().for_each(|key| tx.table_delete(Table::Changes, key));
        Ok(())
    }
}

fn lose_feed(fixture: &Fixture, rows: usize) {
    let mut keys: Vec<_> = fixture.table(Table::Changes).into_iter().map(|(key, _)| key).collect();
    // A bucket, then a Seq.
    keys.sort_by(|one, other| one[16..].cmp(&other[16..]));
    fixture.commit(LoseFeed(keys.split_off(keys.len() - rows)));
}

#[test]
fn a_rewind_that_stops_a_page_early_is_told_and_goes_on_by_comparing_everything() {
    for scope in [Scope::Endpoint, Scope::Bucket(name("one"))] {
        let (pair, to, seq, base) = pair(&scope);
        let entries = walk(&pair.source, &scope, base, seq, Some(Mutant::SkipsAPage));
        // As the source's, the destination's feed is kept.
        pair.destination.paths(vec![PathOp::Cursor { id: hold_id(254), after: At::ThisCommit }]);
        let transfer = stage_walked(&pair, to, &entries, total_at(&pair.source, &scope, seq));
        pair.apply(transfer, 100);
        let (d, visible) = (&pair.destination, pair.visible());
        d.paths(vec![PathOp::AbandonTransfer { id: transfer }]);
        lose_feed(d, 5);
        let (mut position, mut seen) = (None, Vec::new());
        loop {
            let page = d.commit(rewind_page(visible, position, 4)).1;
            seen.push(page.totals);
            position = match page.next {
                Some(next) => Some(next),
                None => break,
            };
        }
        let told = seen.iter().filter(|totals| matches!(totals, Agreement::DifferByFeed { .. })).count();
        assert_eq!((told, seen.last()), (1, Some(&Agreement::Equal)), "{seen:?}");
        assert_eq!(d.comparison(&scope, Some(visible), d.store.newest(), 100), []);
        assert!(matches!(phase(&pair), TransferPhase::Undone { .. }));
    }
}

/// The caller of a rewind that goes home a page early does not come to the end: nothing lets it forget the transfer.
#[test]
fn a_rewind_whose_last_page_is_never_asked_for_undoes_nothing() {
    let (pair, to, seq, base) = pair(&Scope::Endpoint);
    let entries = walk(&pair.source, &pair.scope, base, seq, None);
    let transfer = stage_walked(&pair, to, &entries, total_at(&pair.source, &pair.scope, seq));
    pair.apply(transfer, 100);
    let (d, visible) = (&pair.destination, pair.visible());
    d.paths(vec![PathOp::AbandonTransfer { id: transfer }]);
    let mut position = d.commit(rewind_page(visible, None, 4)).1.next;
    let mut left = 0;
    while let Some(next) = position {
        let differ = d.comparison(&pair.scope, Some(visible), d.store.newest(), 100).len();
        if differ <= 4 {
            left = differ;
            break;
        }
        position = d.commit(rewind_page(visible, Some(next), 4)).1.next;
    }
    assert!(left > 0, "a page is left");
    assert_ne!(total_at(d, &pair.scope, d.store.newest()), total_at(d, &pair.scope, visible));
    assert_eq!(d.refused(UpdatePaths(vec![PathOp::DropTransfer { id: transfer }])), Refusal::Stale);
}

/// A stored total that is wrong itself is reported, and holds nothing up: the rows were compared.
#[test]
fn a_rewind_to_a_point_whose_stored_total_is_wrong_ends_and_says_so() {
    let fixture = Fixture::new();
    fixture.paths(vec![create_path(1, Scope::Endpoint, AccessChange::Writable)]);
    let wrong = total_of_one_row();
    let to = fixture
        .together(before(), vec![PathOp::Hold { id: hold_id(9), at: At::ThisCommit, reason: HoldReason::Rewind }]);
    fixture.set(after());
    fixture.paths(vec![PathOp::Snapshot(snapshot(1, 1, At::Seq(to)))]);
    fixture.paths(vec![PathOp::SetTotal { snapshot: snapshot_guid(1), total: wrong, proved: false }]);
    let access = Some(AccessChange::ReadAt(At::Seq(to)));
    fixture.paths(vec![PathOp::Change { guid: path_guid(1), revision: 1, access, epoch: None, detail: None }]);
    let mut position = None;
    let ended = loop {
        let page = fixture.commit(rewind_page(to, position, 9)).1;
        match page.next {
            Some(next) => position = Some(next),
            None => break page.totals,
        }
    };
    assert_eq!(
        ended,
        Agreement::DifferByRows { is: total_at(&fixture, &Scope::Endpoint, fixture.store.newest()), was: wrong }
    );
    assert_eq!(fixture.comparison(&Scope::Endpoint, Some(to), fixture.store.newest(), 100), []);
}

fn total_of_one_row() -> Total {
    let mut total = Total::default();
    total.add_row(b"no such key", b"");
    total
}

#[test]
fn a_change_that_the_feed_lost_is_missed_by_the_walk_and_told_by_the_total() {
    for scope in [Scope::Endpoint, Scope::Bucket(name("one"))] {
        let (pair, _, seq, _) = pair(&scope);
        let was = total_at(&pair.source, &scope, seq);
        pair.source.set(vec![tagged_object(1, "lost", Body::Empty, 3)]);
        lose_feed(&pair.source, 1);
        let is = total_at(&pair.source, &scope, pair.source.store.newest());
        let unchanged = |total| pair.source.store.unchanged_since(&scope, seq, total, 9).expect("read");
        assert_eq!(unchanged(Some(was)), Unchanged::Missed { was, is });
        assert!(matches!(unchanged(None), Unchanged::Since(_)), "by the walk alone");
    }
}
