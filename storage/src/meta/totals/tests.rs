//! Which totals are kept, and which total a snapshot carries.

use super::*;
use crate::change::{AccessChange, At, PathOp, Refusal, UpdatePaths};
use crate::check::{Depth, Kind, State};
use crate::fixture::crowd::{after, before, between, written};
use crate::fixture::{
    Fixture, RowWrite, Rows, bucket, create_path, guid, hold_id, name, object_key, snapshot, snapshot_guid,
    tagged_object,
};
use crate::meta::Tx;
use crate::record::{Digest, HoldReason};
use crate::store::Change;
use crate::types::Body;

fn of(rows: &Rows) -> Total {
    let mut total = Total::default();
    rows.iter().for_each(|(key, value)| total.add_row(&key.encode(), value));
    total
}

fn of_bucket(rows: &Rows, number: u8) -> Total {
    let inside = rows.iter().filter(|(key, _)| key.bucket() == Some(guid(number)));
    of(&inside.map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn one() -> Scope {
    Scope::Bucket(name("one"))
}

fn present(fixture: &Fixture, scope: &Scope) -> Total {
    fixture.store.total_at(scope, fixture.store.newest()).expect("read").expect("known")
}

fn carried(fixture: &Fixture, id: u8) -> (Option<Total>, bool) {
    let row = fixture.store.snapshot(snapshot_guid(id)).expect("read").expect("it was taken");
    (row.total, row.proved)
}

fn take(id: u8, at: At) -> PathOp {
    PathOp::Snapshot(snapshot(1, id, at))
}

#[test]
fn totals_are_those_of_the_rows_and_a_bucket_that_is_gone_has_none() {
    let (fixture, mut rows) = (Fixture::new(), Rows::new());
    for writes in [before(), between(), after()] {
        written(&mut rows, &writes);
        fixture.set(writes);
        assert_eq!(present(&fixture, &Scope::Endpoint), of(&rows));
        for (called, number) in [("one", 1), ("three", 3), ("five", 5), ("six", 6)] {
            assert_eq!(present(&fixture, &Scope::Bucket(name(called))), of_bucket(&rows, number), "{called}");
        }
    }
    assert_eq!(present(&fixture, &Scope::Bucket(name("two"))), of_bucket(&rows, 4), "of the bucket of that name now");
    // Buckets 1, 3, 4, 5 and the node; of 2 and 6 nothing is left.
    assert_eq!(fixture.count(Table::Totals), 5);
    let everything = rows.into_keys().map(|key| (key, None)).collect();
    fixture.set(everything);
    assert_eq!(fixture.count(Table::Totals), 0);
}

#[test]
fn what_is_refused_or_set_back_is_not_counted() {
    struct Refused(Vec<RowWrite>);
    impl Change for Refused {
        type Output = ();
        fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
            for (key, value) in self.0 {
                tx.put_row(&key, value.expect("a value"))?;
            }
            Err(Refusal::Stale)
        }
    }
    let fixture = Fixture::new();
    assert_eq!(fixture.refused(Refused(vec![bucket(1, "one")])), Refusal::Stale);
    assert_eq!(fixture.store.newest(), Seq::ZERO, "nor is it said that there are totals");
    assert!(fixture.store.totals_whole());
    fixture.set(before());
    let (total, newest) = (present(&fixture, &Scope::Endpoint), fixture.store.newest());
    assert_eq!(fixture.refused(Refused(vec![tagged_object(1, "refused", Body::Empty, 0)])), Refusal::Stale);
    fixture.set(vec![tagged_object(1, "key-00", Body::Empty, 9), tagged_object(1, "key-00", Body::Empty, 0)]);
    assert_eq!((present(&fixture, &Scope::Endpoint), fixture.store.newest()), (total, newest));
}

#[test]
fn a_snapshot_carries_the_total_at_the_end_of_its_batch_wherever_in_it_it_was_taken() {
    for scope in [Scope::Endpoint, one()] {
        let (fixture, mut rows) = (Fixture::new(), Rows::new());
        fixture.paths(vec![create_path(1, scope.clone(), AccessChange::Writable)]);
        for (writes, id) in [before(), between(), after()].into_iter().zip(1..) {
            written(&mut rows, &writes);
            let seq = fixture.together(writes, vec![take(id, At::ThisCommit)]);
            let total = if scope == one() { of_bucket(&rows, 1) } else { of(&rows) };
            assert_eq!(carried(&fixture, id), (Some(total), true));
            assert_eq!(fixture.store.total_at(&scope, seq).expect("read"), Some(total));
        }
        fixture.check(State::Idle);
    }
}

#[test]
fn a_snapshot_of_a_bucket_that_goes_or_is_made_anew_in_its_batch_is_of_what_there_is_at_the_end() {
    let fixture = Fixture::new();
    fixture.paths(vec![create_path(1, one(), AccessChange::Writable)]);
    fixture.together(Vec::new(), vec![take(1, At::ThisCommit)]);
    assert_eq!(carried(&fixture, 1), (Some(Total::default()), true), "there is no such bucket");
    fixture.set(vec![bucket(1, "one"), tagged_object(1, "key", Body::Empty, 0)]);
    // Half of a crowd's rows stand behind its ops.
    let gone = vec![(object_key(1, "key"), None), (RowKey::Bucket(guid(1)), None)];
    fixture.together(gone.clone(), vec![take(2, At::ThisCommit)]);
    assert_eq!(carried(&fixture, 2), (Some(Total::default()), true));
    fixture.set(vec![bucket(1, "one"), tagged_object(1, "key", Body::Empty, 0)]);
    let anew = vec![bucket(2, "one"), tagged_object(2, "key", Body::Empty, 1)];
    fixture.together([gone, anew.clone()].concat(), vec![take(3, At::ThisCommit)]);
    let mut rows = Rows::new();
    written(&mut rows, &anew);
    assert_eq!(carried(&fixture, 3), (Some(of(&rows)), true));
    fixture.check(State::Idle);
}

#[test]
fn a_snapshot_of_an_older_point_has_that_points_total_or_none_and_never_the_presents() {
    for scope in [Scope::Endpoint, one()] {
        let fixture = Fixture::new();
        fixture.paths(vec![create_path(1, scope.clone(), AccessChange::Writable)]);
        let newest = fixture.set(before());
        let then = present(&fixture, &scope);
        // The state before the batch, though the batch changes it.
        fixture.together(between(), vec![take(1, At::Seq(newest))]);
        assert_eq!(carried(&fixture, 1), (Some(then), true));
        assert_ne!(present(&fixture, &scope), then);
        // What another snapshot there carries.
        fixture.together(after(), vec![take(2, At::Snapshot(snapshot_guid(1)))]);
        assert_eq!(carried(&fixture, 2), (Some(then), true));
        // A point that was only held.
        let held = fixture.set_and_hold(vec![tagged_object(1, "held", Body::Empty, 0)], 200);
        fixture.set(vec![tagged_object(1, "later", Body::Empty, 0)]);
        fixture.together(vec![tagged_object(1, "now", Body::Empty, 0)], vec![take(3, At::Seq(held))]);
        assert_eq!(carried(&fixture, 3), (None, false));
        assert_eq!(fixture.store.total_at(&scope, held).expect("read"), None);
        fixture.check(State::Idle);
    }
}

#[test]
fn what_a_path_only_follows_is_not_proved_by_its_own_totals() {
    let fixture = Fixture::new();
    fixture.set(before());
    let shown = fixture.paths(vec![create_path(1, Scope::Endpoint, AccessChange::ReadAt(At::ThisCommit))]);
    fixture.paths(vec![take(1, At::Seq(shown)), take(2, At::ThisCommit)]);
    let total = Some(present(&fixture, &Scope::Endpoint));
    assert_eq!((carried(&fixture, 1), carried(&fixture, 2)), ((total, false), (total, false)));
}

#[test]
fn stored_totals_and_digests_are_not_replaced_by_others_without_a_word() {
    let fixture = Fixture::new();
    fixture.paths(vec![create_path(1, Scope::Endpoint, AccessChange::Writable)]);
    let seq = fixture.together(before(), vec![take(1, At::ThisCommit)]);
    let (total, other) = (present(&fixture, &Scope::Endpoint), Total::default());
    let snapshot = snapshot_guid(1);
    let set = |total, proved| UpdatePaths(vec![PathOp::SetTotal { snapshot, total, proved }]);
    assert_eq!(fixture.refused(set(other, true)), Refusal::TotalDiffers);
    fixture.commit(set(total, false));
    assert_eq!(carried(&fixture, 1), (Some(total), false), "a proof can be taken back");
    fixture.commit(set(total, true));
    assert_eq!(carried(&fixture, 1), (Some(total), true));
    let unknown = PathOp::SetTotal { snapshot: snapshot_guid(9), total, proved: true };
    assert_eq!(fixture.refused(UpdatePaths(vec![unknown])), Refusal::Unknown);

    let right = fixture.store.digest(&Scope::Endpoint, seq).expect("counted");
    let wrong = Digest::from_bytes(vec![1; Digest::BYTES]).expect("a digest");
    let set =
        |digest: &Digest, replace| UpdatePaths(vec![PathOp::SetDigest { snapshot, digest: digest.clone(), replace }]);
    let stored = || fixture.store.snapshot(snapshot).expect("read").and_then(|row| row.digest);
    fixture.commit(set(&wrong, false));
    fixture.commit(set(&wrong, false));
    assert_eq!(fixture.refused(set(&right, false)), Refusal::DigestDiffers);
    assert_eq!(stored(), Some(wrong));
    fixture.commit(set(&right, true));
    assert_eq!(stored(), Some(right));
}

#[test]
fn the_hold_of_a_count_goes_with_the_count_and_nobody_else_makes_one() {
    let fixture = Fixture::new();
    fixture.set(before());
    let hold = PathOp::Hold { id: hold_id(3), at: At::ThisCommit, reason: HoldReason::Count };
    assert_eq!(fixture.refused(UpdatePaths(vec![hold])), Refusal::Stale);
    let now = Default::default();
    fixture.store.count_again(now).expect("forgotten");
    fixture.store.count_step(now).expect("cleared");
    fixture.store.count_step(now).expect("begun");
    assert!(matches!(fixture.store.counted(), Counted::Running { .. }));
    let release = PathOp::Release { id: count_hold() };
    assert_eq!(fixture.refused(UpdatePaths(vec![release])), Refusal::Stale);
    assert_eq!(fixture.store.count_step(now).expect("counted"), Counted::Whole);
    assert!(fixture.store.holds().expect("a list").is_empty());
    fixture.collect();
    fixture.check(State::Collected);
}

/// Writes a total as it is told.
struct Spoil(Vec<u8>, Option<Total>);

impl Change for Spoil {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        match self.1 {
            Some(total) => tx.table_put(Table::Totals, self.0, total.encode().to_vec()),
            None => tx.table_delete(Table::Totals, self.0),
        }
        Ok(())
    }
}

#[test]
fn the_verifier_finds_every_total_that_is_not_what_its_rows_come_to() {
    let found = |fixture: &Fixture| {
        let report = fixture.store.check(State::Idle, Depth::Rows, &mut |_| ()).expect("checked");
        report.findings.into_iter().map(|finding| (finding.kind, finding.subject)).collect::<Vec<_>>()
    };
    let other = of(&Rows::from([(object_key(1, "none"), Vec::new())]));
    let wrong = Some(other);
    let of_one = format!("bucket {}", guid(1));
    for (key, total, subject) in [
        (NODE.to_vec(), wrong, "the whole node".to_owned()),
        (NODE.to_vec(), None, "the whole node".to_owned()),
        (guid(1).as_bytes().to_vec(), wrong, of_one.clone()),
        (guid(1).as_bytes().to_vec(), None, of_one),
        (guid(9).as_bytes().to_vec(), wrong, format!("bucket {}", guid(9))),
        (guid(9).as_bytes().to_vec(), Some(Total::default()), format!("bucket {}", guid(9))),
    ] {
        let fixture = Fixture::new();
        fixture.set(before());
        assert_eq!(found(&fixture), []);
        fixture.commit(Spoil(key, total));
        assert_eq!(found(&fixture), [(Kind::Total, subject)]);
    }
    for scope in [Scope::Endpoint, one()] {
        let fixture = Fixture::new();
        fixture.paths(vec![create_path(1, scope, AccessChange::Writable)]);
        let held = fixture.set_and_hold(before(), 200);
        fixture.set(after());
        fixture.paths(vec![take(1, At::Seq(held))]);
        assert_eq!(found(&fixture), []);
        fixture.paths(vec![PathOp::SetTotal { snapshot: snapshot_guid(1), total: other, proved: true }]);
        assert_eq!(found(&fixture), [(Kind::Total, format!("snapshot {}", snapshot_guid(1)))]);
    }
}
