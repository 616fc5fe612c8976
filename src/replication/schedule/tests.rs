use proptest::prelude::*;
use tandem_storage::record::SnapshotMeta;
use tandem_storage::types::{EpochNumber, PathGuid, Seq};

use super::*;

fn policy(every: u64, start_at: Option<i64>) -> Policy {
    let every = Duration::from_secs(every);
    let start_at = start_at.map(Timestamp::from_secs);
    Policy { every, start_at, keep_local: every * 4, keep_remote: every * 8 }
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn row(number: u8, created: i64, creator: CreatorKind, locked: bool, expires: Option<i64>) -> SnapshotRow {
    let (name, epoch) = (format!("s{number}"), EpochNumber::new(1));
    let meta =
        SnapshotMeta { guid: SnapshotGuid::from_bytes([number; 16]), name, created: at(created), creator, epoch };
    let (path, seq) = (PathGuid::from_bytes([1; 16]), Seq::new(u64::from(number)));
    SnapshotRow { meta, path, seq, expires: expires.map(at), locked, digest: None, total: None, proved: false }
}

#[test]
fn a_slot_is_served_once_and_the_next_comes_on_time() {
    let policy = policy(15, None);
    assert_eq!(due(&policy, None, at(100), true, 0), Due::Take);
    assert_eq!(due(&policy, Some(at(100)), at(104), true, 0), Due::NotBefore(at(105)));
    assert_eq!(due(&policy, Some(at(100)), at(105), true, 0), Due::Take);
    assert_eq!(due(&policy, Some(at(100)), at(1000), true, 0), Due::Take);
}

#[test]
fn nothing_is_taken_before_the_start_and_slots_count_from_it() {
    let policy = policy(15, Some(1007));
    assert_eq!(due(&policy, None, at(1000), true, 0), Due::NotBefore(at(1007)));
    assert_eq!(due(&policy, Some(at(1007)), at(1021), true, 0), Due::NotBefore(at(1022)));
}

#[test]
fn an_interval_without_changes_makes_no_snapshot() {
    assert_eq!(due(&policy(15, None), Some(at(0)), at(20), false, 0), Due::Unchanged);
}

#[test]
fn a_dead_peer_stops_the_schedule_before_it_fills_the_disk() {
    assert_eq!(due(&policy(1, None), Some(at(0)), at(20), true, MAX_BACKLOG), Due::Backlog);
    assert_eq!(due(&policy(1, None), Some(at(0)), at(20), true, MAX_BACKLOG - 1), Due::Take);
}

#[test]
fn a_clock_that_steps_back_costs_one_snapshot_at_most() {
    let policy = policy(15, None);
    assert_eq!(due(&policy, Some(at(5000)), at(100), true, 0), Due::Take);
    assert_eq!(due(&policy, Some(at(100)), at(101), true, 0), Due::NotBefore(at(105)));
}

#[test]
fn what_the_policy_took_expires_and_what_is_needed_stays() {
    let keep = Duration::from_secs(10);
    let (policy, user) = (CreatorKind::Policy, CreatorKind::User);
    let rows = [
        row(1, 0, policy, false, None),
        row(2, 1, policy, true, None),
        row(3, 2, policy, false, None),
        row(4, 3, user, false, None),
        row(5, 4, user, false, Some(50)),
        row(6, 95, policy, false, None),
        row(7, 5, policy, false, None),
    ];
    let needed = [SnapshotGuid::from_bytes([3; 16])];
    let gone: Vec<u8> = expired(&rows, keep, &needed, at(100)).iter().map(|guid| guid.as_bytes()[0]).collect();
    assert_eq!(gone, [1, 5]);
}

proptest! {
    #[test]
    fn the_newest_the_locked_and_the_needed_never_expire(
        rows in prop::collection::vec((0_i64..100, any::<bool>(), 0_u8..3, prop::option::of(0_i64..200)), 1..40),
        needed in prop::collection::vec(1_u8..40, 0..6),
        keep in 0_u64..100,
        now in 0_i64..300,
    ) {
        let creators = [CreatorKind::Policy, CreatorKind::System, CreatorKind::User];
        let rows: Vec<SnapshotRow> = (1_u8..)
            .zip(&rows)
            .map(|(number, (created, locked, by, expires))| row(number, *created, creators[usize::from(*by)], *locked, *expires))
            .collect();
        let needed: Vec<SnapshotGuid> = needed.iter().map(|number| SnapshotGuid::from_bytes([*number; 16])).collect();
        let keep = Duration::from_secs(keep);
        let gone = expired(&rows, keep, &needed, at(now));
        let newest = rows.last().expect("one at least").meta.guid;
        for row in &rows {
            let guid = row.meta.guid;
            let stays = row.locked || guid == newest || needed.contains(&guid);
            let aged = match row.meta.creator {
                CreatorKind::User => row.expires.is_some_and(|expires| expires <= at(now)),
                _ => expiry(row.meta.created, keep) <= at(now),
            };
            prop_assert_eq!(gone.contains(&guid), aged && !stays);
        }
        // Dropping them is the end of it: nothing more expires at the same time.
        let left: Vec<SnapshotRow> = rows.iter().filter(|row| !gone.contains(&row.meta.guid)).cloned().collect();
        prop_assert!(expired(&left, keep, &needed, at(now)).is_empty());
    }

    /// One source, one destination, messages that take their time, writes at any moment: what is told is never less than what is true.
    #[test]
    fn the_lag_that_is_told_is_never_smaller_than_the_truth(
        steps in prop::collection::vec((1_u64..5_000, 0_u8..6), 1..120),
    ) {
        let (mut now, mut marks) = (1_000_000_u64, Marks::default());
        let ms = Duration::from_millis;
        // When the state of the newest snapshot stopped being the present; and of what is shown.
        let mut newest: Option<(SnapshotGuid, Option<u64>)> = None;
        let (mut shown, mut asked, mut stated): (Option<SnapshotGuid>, Option<u64>, Option<Stated>) = (None, None, None);
        let mut left: std::collections::HashMap<SnapshotGuid, u64> = std::collections::HashMap::new();
        let mut number = 0_u64;
        for (passes, what) in steps {
            let before = now;
            now += passes;
            match what {
                // A write makes the newest snapshot old.
                0 => if let Some((guid, None)) = newest {
                    newest = Some((guid, Some(now)));
                    left.insert(guid, now);
                },
                // A snapshot: asked for at `before`, taken at `now`.
                1 => {
                    if let Some((guid, None)) = newest { left.insert(guid, now); }
                    number += 1;
                    let mut bytes = [0; 16];
                    bytes[..8].copy_from_slice(&number.to_be_bytes());
                    let guid = SnapshotGuid::from_bytes(bytes);
                    marks.taken(guid, ms(before));
                    newest = Some((guid, None));
                }
                // A slot that finds nothing changed: looked at `now`, read the clock at `before`.
                2 => if let Some((guid, None)) = newest { marks.unchanged(guid, ms(before)); },
                3 => shown = newest.map(|(guid, _)| guid).or(shown),
                4 => asked = Some(now),
                // The source answers what it knows of what is shown; the answer travels in no time, which is the worst case.
                _ => if let (Some(question), Some(guid)) = (asked.take(), shown) {
                    let age = marks.age(guid, Timestamp::default(), ms(now), Timestamp::default());
                    prop_assert!(age.proven);
                    stated = Some(Stated { age, asked: ms(question) });
                },
            }
            if let (Some(stated), Some(guid)) = (stated, shown) {
                let truth = left.get(&guid).map_or(0, |when| now - when);
                prop_assert!(stated.lag(ms(now)).age >= ms(truth), "{:?} < {truth} ms", stated.lag(ms(now)));
            }
        }
    }
}

#[test]
fn after_a_restart_the_lag_is_told_by_the_wall_clock_and_marked() {
    let marks = Marks::default();
    let age = marks.age(SnapshotGuid::from_bytes([1; 16]), at(90), Duration::from_secs(3), at(100));
    assert_eq!(age, Age { age: Duration::from_secs(10), proven: false });
    assert_eq!(by_wall_clock(at(200), at(100)).age, Duration::ZERO);
}
