use tandem_storage::types::EpochNumber;

use super::*;

fn flight(transfer: u8, to: u8) -> InFlight {
    InFlight {
        transfer: TransferGuid::from_bytes([transfer; 16]),
        epoch: EpochNumber::new(1),
        base: Some(SnapshotGuid::from_bytes([0; 16])),
        to: snapshot(to),
    }
}

fn snapshot(number: u8) -> SnapshotGuid {
    SnapshotGuid::from_bytes([number; 16])
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const FRESH: TransferGuid = TransferGuid::from_bytes([0xf0; 16]);

/// A comparison that is under way, of transfer 2 to snapshot 2.
fn comparing() -> Retry {
    let mut retry = Retry::trusting();
    retry.failed(&flight(1, 1), Why::Differs, seconds(10));
    retry.begins(&flight(2, 2));
    retry
}

#[test]
fn a_delta_is_resumed_under_its_name_after_a_link_was_cut() {
    let mut retry = Retry::trusting();
    retry.begins(&flight(1, 1));
    retry.failed(&flight(1, 1), Why::Other, seconds(1));
    assert!(!retry.compares_everything() && !retry.waits(seconds(1)));
    assert_eq!(retry.name(flight(1, 1), FRESH), flight(1, 1));
    assert_eq!(retry.given_up(), None);
}

#[test]
fn after_a_difference_everything_is_compared_at_once_and_under_a_new_name() {
    let mut retry = Retry::trusting();
    retry.failed(&flight(1, 1), Why::Differs, seconds(10));
    assert!(retry.compares_everything() && retry.wants_comparison(seconds(10)) && !retry.waits(seconds(10)));
    assert_eq!(retry.name(flight(1, 1), FRESH).transfer, FRESH);
}

#[test]
fn a_comparison_resumes_itself_and_nothing_that_was_begun_before() {
    let mut retry = comparing();
    retry.failed(&flight(2, 2), Why::Interrupted, seconds(11));
    retry.failed(&flight(2, 2), Why::Other, seconds(12));
    assert!(retry.compares_everything() && !retry.wants_comparison(seconds(12)));
    assert_eq!(retry.name(flight(2, 2), FRESH), flight(2, 2));
    assert_eq!(retry.name(flight(1, 1), FRESH).transfer, FRESH);
}

#[test]
fn trust_returns_only_when_the_target_of_a_comparison_is_proved() {
    let mut retry = comparing();
    assert!(!retry.proved(snapshot(1)), "another snapshot");
    retry.landed(&flight(2, 2));
    assert!(retry.compares_everything(), "landed is not proved");
    assert!(!retry.proved(snapshot(1)));
    assert!(retry.proved(snapshot(2)));
    assert_eq!(retry.trust, Trust::Trusted);
    assert!(!retry.proved(snapshot(2)), "said again it answers nothing");
}

#[test]
fn a_comparison_whose_landing_was_only_told_by_the_peer_counts() {
    let mut retry = comparing();
    retry.failed(&flight(2, 2), Why::Other, seconds(11));
    assert!(retry.proved(snapshot(2)));
    assert!(!retry.compares_everything());
}

#[test]
fn a_delta_that_lands_under_suspicion_does_not_bring_trust_back() {
    let mut retry = Retry::trusting();
    retry.begins(&flight(1, 1));
    retry.suspect(seconds(1));
    retry.landed(&flight(1, 1));
    assert!(!retry.proved(snapshot(1)));
    assert!(retry.wants_comparison(seconds(1)));
}

#[test]
fn a_comparison_that_landed_unproved_is_made_again_under_a_new_name() {
    let mut retry = comparing();
    retry.landed(&flight(2, 2));
    assert_eq!(retry.name(flight(2, 3), FRESH).transfer, FRESH);
    retry.begins(&flight(3, 3));
    retry.landed(&flight(3, 3));
    assert!(!retry.proved(snapshot(2)));
    assert!(retry.proved(snapshot(3)));
}

#[test]
fn outside_evidence_starts_one_comparison_and_does_not_disturb_one_that_runs() {
    let mut retry = comparing();
    let before = retry.clone();
    retry.suspect(seconds(11));
    assert_eq!(retry, before);
    retry.landed(&flight(2, 2));
    retry.suspect(seconds(12));
    assert!(!retry.proved(snapshot(2)), "the evidence came after the comparison");
    assert!(retry.waits(seconds(12)) && retry.wants_comparison(seconds(42)));
}

#[test]
fn a_peer_that_is_not_content_is_compared_again_and_an_old_word_of_it_is_not_heard() {
    let mut retry = Retry::trusting();
    assert!(retry.accused(snapshot(0), seconds(1)));
    assert!(!retry.accused(snapshot(0), seconds(2)), "it is known");
    retry.begins(&flight(1, 1));
    assert!(!retry.accused(snapshot(0), seconds(3)), "the answer is on its way");
    retry.landed(&flight(1, 1));
    assert!(!retry.accused(snapshot(0), seconds(4)), "said before the landing");
    assert!(retry.accused(snapshot(1), seconds(5)));
    assert!(retry.waits(seconds(5)) && retry.wants_comparison(seconds(35)));
}

#[test]
fn comparisons_wait_longer_each_time_until_an_hour_was_calm() {
    let mut retry = Retry::trusting();
    let mut now = seconds(0);
    for pause in [0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        retry.failed(&flight(1, 1), Why::Differs, now);
        assert!(pause == 0 || retry.waits(now + seconds(pause - 1)), "{pause}");
        assert!(!retry.waits(now + seconds(pause)), "{pause}");
        now += seconds(pause.min(3599));
    }
    now += seconds(3600);
    retry.failed(&flight(1, 1), Why::Differs, now);
    assert!(!retry.waits(now));
}

#[test]
fn an_operator_ends_the_pause_before_a_comparison() {
    let mut retry = Retry::trusting();
    retry.failed(&flight(1, 1), Why::Differs, seconds(1));
    retry.failed(&flight(2, 2), Why::Differs, seconds(2));
    assert!(retry.waits(seconds(3)));
    retry.asked_for_newer();
    assert!(!retry.waits(seconds(3)) && retry.compares_everything());
}

#[test]
fn only_what_is_held_up_is_given_up_by_an_operator() {
    let mut retry = Retry::trusting();
    retry.asked_for_newer();
    assert_eq!(retry.given_up(), None);
    for why in [Why::Damaged, Why::NoRoom] {
        let mut retry = Retry::trusting();
        retry.failed(&flight(1, 1), why, seconds(0));
        assert_eq!(retry.given_up(), None, "{why:?}");
        retry.asked_for_newer();
        assert_eq!(retry.given_up(), Some(snapshot(1)), "{why:?}");
        retry.landed(&flight(2, 2));
        assert_eq!(retry.given_up(), None, "{why:?}");
    }
    let mut retry = Retry::trusting();
    retry.failed(&flight(1, 1), Why::Damaged, seconds(0));
    retry.failed(&flight(1, 1), Why::Other, seconds(1));
    retry.asked_for_newer();
    assert_eq!(retry.given_up(), None, "the last failure was another one");
}

#[test]
fn a_delta_without_room_is_given_up_after_half_a_minute_and_the_next_after_twice_as_long() {
    let mut retry = Retry::trusting();
    let mut from = 0;
    for (to, patience) in [(1, 30), (2, 60), (3, 120)] {
        retry.failed(&flight(to, to), Why::NoRoom, seconds(from));
        retry.failed(&flight(to, to), Why::NoRoom, seconds(from + patience - 1));
        assert_ne!(retry.given_up(), Some(snapshot(to)));
        retry.failed(&flight(to, to), Why::NoRoom, seconds(from + patience));
        assert_eq!(retry.given_up(), Some(snapshot(to)));
        from += patience;
    }
    retry.landed(&flight(4, 4));
    retry.failed(&flight(5, 5), Why::NoRoom, seconds(from));
    retry.failed(&flight(5, 5), Why::NoRoom, seconds(from + 30));
    assert_eq!(retry.given_up(), Some(snapshot(5)), "what landed restores the patience");
}

#[test]
fn a_seed_without_room_is_given_up_by_an_operator_only() {
    let seed = InFlight { base: None, ..flight(1, 1) };
    let mut retry = Retry::trusting();
    retry.failed(&seed, Why::NoRoom, seconds(0));
    retry.failed(&seed, Why::NoRoom, seconds(100_000));
    assert_eq!(retry.given_up(), None);
    retry.asked_for_newer();
    assert_eq!(retry.given_up(), Some(snapshot(1)));
}
