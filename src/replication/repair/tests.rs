use super::allowance::Allowance;
use super::ledger::{Due, Ledger, Obstacle};
use super::*;
use tandem_storage::types::{ContentHash, Timestamp};

const MIB: u64 = 1024 * 1024;

fn hash(number: u8) -> ContentHash {
    ContentHash::from_bytes([number; 32])
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn at(now: u64) -> Timestamp {
    Timestamp::from_secs(now as i64)
}

fn seeing(numbers: &[u8]) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.see(&numbers.iter().map(|number| hash(*number)).collect::<Vec<_>>(), at(1));
    ledger
}

/// How long it is let alone after it has failed once more.
fn pause(ledger: &mut Ledger, obstacle: &Obstacle) -> u64 {
    ledger.failed(hash(1), obstacle.clone(), secs(1000));
    (0..=600).find(|pause| !ledger.due(secs(1000 + pause), 9).is_empty()).unwrap()
}

#[test]
fn what_fails_is_tried_more_and_more_rarely_and_an_absent_peer_costs_no_patience() {
    let mut ledger = seeing(&[1]);
    assert_eq!(ledger.due(secs(0), 9), [Due { hash: hash(1), fresh: true }]);
    let (away, failed) = (Obstacle::Away("b".into()), Obstacle::NotShared);
    let pauses: Vec<u64> = (0..10).map(|_| pause(&mut ledger, &away)).collect();
    assert_eq!(pauses, [5; 10]);
    let pauses: Vec<u64> = (0..9).map(|_| pause(&mut ledger, &failed)).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    assert_eq!(pause(&mut ledger, &away), 5);
    assert_eq!(ledger.due(secs(2000), 9), [Due { hash: hash(1), fresh: false }]);
    (0..100).for_each(|_| assert!(pause(&mut ledger, &failed) == 600));
}

#[test]
fn what_is_damaged_no_more_is_forgotten_and_what_is_still_keeps_its_turn() {
    let mut ledger = seeing(&[1, 2]);
    assert!(ledger.failed(hash(1), Obstacle::NoPeer, secs(10)), "news");
    assert!(!ledger.failed(hash(1), Obstacle::NoPeer, secs(10)), "none");
    assert!(!ledger.failed(hash(9), Obstacle::NoPeer, secs(10)), "not even known");
    ledger.see(&[hash(1), hash(3)], at(2));
    assert_eq!(ledger.due(secs(10), 9), [Due { hash: hash(3), fresh: true }]);
    let report = ledger.report();
    let shown: Vec<_> = report.waiting.iter().map(|waiting| (waiting.blob.as_str(), waiting.why.as_str())).collect();
    let [(one, why), (three, _)] = shown[..] else { panic!("{report:?}") };
    assert_eq!((one, three), (hash(1).to_string().as_str(), hash(3).to_string().as_str()));
    assert!(why.contains("no protected path") && why.contains("put the same bytes again"), "{why}");
    ledger.see(&[], at(3));
    assert!(ledger.report().waiting.is_empty());
}

#[test]
fn turns_go_round_and_a_report_is_bounded() {
    let mut ledger = seeing(&(0..=u8::MAX).collect::<Vec<_>>());
    let first = ledger.due(secs(1), 64);
    first.iter().for_each(|due| assert!(ledger.failed(due.hash, Obstacle::NotShared, secs(1))));
    let second = ledger.due(secs(100), 192);
    assert!(first.len() == 64 && second.len() == 192 && first.iter().all(|due| !second.contains(due)));
    let report = ledger.report();
    assert_eq!(report.waiting.len() as u64 + report.further, 256);
    assert_eq!(report.waiting.len(), 100);
}

#[test]
fn a_recipe_that_is_repaired_gives_what_is_below_it_another_turn() {
    let mut ledger = seeing(&[1, 2, 3]);
    let failed = Obstacle::Failed { peer: "b".into(), why: "no".into() };
    ledger.failed(hash(2), Obstacle::NotShared, secs(10));
    ledger.failed(hash(3), failed, secs(10));
    ledger.repaired(hash(1), 100, "b", at(7));
    assert_eq!(ledger.due(secs(10), 9), [Due { hash: hash(2), fresh: false }]);
    ledger.repaired(hash(2), 11, "b", at(8));
    let [repaired] = &ledger.report().repaired[..] else { panic!("{ledger:?}") };
    assert_eq!((repaired.peer.as_str(), repaired.blobs, repaired.bytes), ("b", 2, 111));
    assert_eq!((repaired.last.clone(), repaired.at.as_str()), (hash(2).to_string(), "1970-01-01T00:00:08Z"));
}

#[test]
fn an_allowance_is_bounded_at_once_and_over_time() {
    let mut allowance = Allowance::full(secs(100));
    assert!(allowance.take(16 * MIB, secs(100)) && !allowance.take(1, secs(100)));
    assert!(!allowance.take(16 * MIB, Duration::from_millis(100_500)));
    assert!(allowance.take(7 * MIB, Duration::from_millis(100_500)));
    assert!(!allowance.take(17 * MIB, secs(10_000)), "no rest is long enough");
    // What was given counts, though it was not asked before.
    assert!(allowance.take(MIB, secs(10_000)));
    allowance.charge(31 * MIB);
    assert!(
        !allowance.take(1, secs(10_000)) && !allowance.take(MIB, secs(10_001)) && allowance.take(MIB, secs(10_002))
    );
    // A clock that stands, or turns back, gives nothing.
    assert!(!allowance.take(16 * MIB, secs(5)) && !allowance.take(u64::MAX, secs(20_000)));
}
