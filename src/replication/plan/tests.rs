//! Two lines of snapshots, and what follows: the source's on top, the destination's below, oldest first.
//! `2a` is snapshot a of epoch 2; `*` marks what the destination shows, `>` the fork of the source's epoch.

use tandem_storage::record::{CreatorKind, Scope, SnapshotMeta};
use tandem_storage::types::{Epoch, NodeGuid, PathGuid, Timestamp};

use super::*;
use crate::role::machine::{
    Account, Disagreement, HandOver, HandoverId, Peer, Policy, Standalone, Takeover, accept, create,
};

const A: NodeGuid = NodeGuid::from_bytes([0xa; 16]);
const B: NodeGuid = NodeGuid::from_bytes([0xb; 16]);

struct Lines {
    mine: PathState,
    snapshots: Vec<SnapshotMeta>,
    theirs: PathView,
}

fn guid(letter: u8) -> SnapshotGuid {
    SnapshotGuid::from_bytes([letter; 16])
}

fn meta(word: &str) -> SnapshotMeta {
    let [epoch, letter] = word.as_bytes() else { panic!("an epoch and a letter: {word}") };
    let created = Timestamp::from_secs(i64::from(*letter));
    let (name, epoch) = (word.to_owned(), EpochNumber::new(u64::from(epoch - b'0')));
    SnapshotMeta { guid: guid(*letter), name, created, creator: CreatorKind::Policy, epoch }
}

/// A source in the epoch of its newest snapshot, and a destination that follows it.
fn lines(source: &str, destination: &str) -> Lines {
    let policy =
        Policy { every: Policy::SHORTEST, start_at: None, keep_local: Policy::SHORTEST, keep_remote: Policy::SHORTEST };
    let peer = |guid| Peer { guid, name: String::new() };
    let (path, now) = (PathGuid::from_bytes([1; 16]), Timestamp::default());
    let (mut mine, _) = create(A, path, Scope::Endpoint, peer(B), policy, now).expect("a policy");
    let parse = |line: &str| -> Vec<SnapshotMeta> {
        line.split_whitespace().rev().map(|word| meta(word.trim_matches(['*', '>']))).collect()
    };
    let (snapshots, told) = (parse(source), parse(destination));
    let marked = |line: &str, mark| {
        line.split_whitespace().find(|word| word.contains(mark)).map(|word| meta(word.trim_matches(mark)).guid)
    };
    mine.epoch.number = snapshots.iter().map(|meta| meta.epoch).max().unwrap_or(EpochNumber::new(1));
    mine.epoch.fork = marked(source, '>');
    let view = PathView {
        path,
        scope: Scope::Endpoint,
        speaker: A,
        epoch: mine.epoch,
        revision: 0,
        life: mine.life().clone(),
        policy,
        snapshots: Vec::new(),
        transfer: None,
        account: Account::Proved,
    };
    let (theirs, _) = accept(B, peer(A), &view, now).expect("a source");
    let Life::Destination(mut shows) = theirs.life().clone() else { panic!("a destination") };
    shows.visible = marked(destination, '*');
    let theirs = PathView { speaker: B, life: Life::Destination(shows), snapshots: told, ..view };
    Lines { mine, snapshots, theirs }
}

impl Lines {
    fn plan(&self) -> Plan {
        self.plan_without(None)
    }

    fn plan_without(&self, given_up: Option<u8>) -> Plan {
        let (mine, theirs) = (&self.mine, &self.theirs);
        plan(&View { mine, snapshots: &self.snapshots, theirs, given_up: given_up.map(guid) })
    }

    fn receiving(mut self, base: Option<u8>, to: u8, phase: TransferPhase) -> Self {
        let (id, epoch, created) = (TransferGuid::from_bytes([9; 16]), self.mine.epoch, Timestamp::default());
        self.theirs.transfer = Some(TransferView { id, epoch, base: base.map(guid), to: guid(to), created, phase });
        self
    }

    fn source(mut self, change: impl FnOnce(&mut Source)) -> Self {
        let Life::Source(source) = &mut self.mine.detail.life else { panic!("a source") };
        change(source);
        self
    }
}

fn delta(base: u8, to: u8) -> Plan {
    Plan::Delta { base: guid(base), to: guid(to), resume: None }
}

fn seed(to: u8, over: Option<u8>) -> Plan {
    Plan::Seed { to: guid(to), over: over.map(guid), resume: None }
}

#[test]
fn gaps_before_the_newest_common_ancestor_do_not_matter() {
    assert_eq!(lines("1c 1d 1e", "1a 1b *1c").plan(), delta(b'c', b'e'));
    assert_eq!(lines("1a 1c 1d", "1b *1c").plan(), delta(b'c', b'd'));
    assert_eq!(lines("1a 1c 1e", "1a *1c").plan(), delta(b'c', b'e'));
}

#[test]
fn the_newest_is_what_travels_and_nothing_does_when_it_is_shown() {
    assert_eq!(lines("1a 1b 1c", "1a *1b 1c").plan(), delta(b'b', b'c'));
    assert_eq!(lines("1a 1b 1c", "1b *1c").plan(), Plan::UpToDate);
    assert_eq!(lines("", "").plan(), Plan::Wait(Waiting::Snapshot));
}

#[test]
fn without_a_base_everything_travels() {
    assert_eq!(lines("1a 1b", "").plan(), seed(b'b', None));
    assert_eq!(lines("1c 1d", "1a *1b").plan(), seed(b'd', Some(b'b')));
}

#[test]
fn snapshots_of_a_line_that_was_given_up_never_travel() {
    // c and d are writes of epoch 1 that did not survive: d is newer by Seq than the fork.
    let mut forked = lines("1a >1b 1c 1d", "1a *1b");
    forked.mine.epoch.number = EpochNumber::new(2);
    forked.theirs.epoch = forked.mine.epoch;
    assert_eq!(forked.plan(), Plan::UpToDate);
    assert_eq!(lines("1a >1b 1c 1d 2e", "1a *1b").plan(), delta(b'b', b'e'));
}

#[test]
fn what_is_half_here_goes_on() {
    let half = TransferPhase::Receiving { rows: 40 };
    let resume = Some(Resume { transfer: TransferGuid::from_bytes([9; 16]), rows: 40 });
    let going = lines("1a 1b 1c", "*1a").receiving(Some(b'a'), b'b', half.clone());
    assert_eq!(going.plan(), Plan::Delta { base: guid(b'a'), to: guid(b'b'), resume });
    let flight = going.plan().flight(EpochNumber::new(1), TransferGuid::from_bytes([5; 16])).expect("a flight");
    assert_eq!(flight.transfer, TransferGuid::from_bytes([9; 16]));
    let seeding = lines("1a 1b 1c", "").receiving(None, b'b', half.clone());
    assert_eq!(seeding.plan(), Plan::Seed { to: guid(b'b'), over: None, resume });
    let gone = lines("1a 1c", "*1a").receiving(Some(b'a'), b'b', half.clone());
    assert_eq!(gone.plan(), delta(b'a', b'c'));
    let other_base = lines("1a 1b 1c", "1a *1b").receiving(Some(b'a'), b'c', half.clone());
    assert_eq!(other_base.plan(), delta(b'b', b'c'));
    let mut other_epoch = lines("1a 1b 1c", "*1a").receiving(Some(b'a'), b'b', half);
    other_epoch.theirs.transfer.as_mut().expect("half").epoch.number = EpochNumber::new(7);
    assert_eq!(other_epoch.plan(), delta(b'a', b'c'));
}

#[test]
fn what_is_all_here_lands_first() {
    for phase in [TransferPhase::Complete { rows: 4 }, TransferPhase::Applying { rows: 4, applied: 1 }] {
        let landing = lines("1a 1b 1c", "*1a").receiving(Some(b'a'), b'b', phase);
        assert_eq!(landing.plan(), Plan::Wait(Waiting::Landing(guid(b'b'))));
    }
}

#[test]
fn what_was_sent_is_sent_again_rather_than_something_newer() {
    let transfer = TransferGuid::from_bytes([4; 16]);
    let flight = |base, to| InFlight { transfer, epoch: EpochNumber::new(1), base: Some(guid(base)), to: guid(to) };
    let sent = lines("1a 1b 1c", "*1a").source(|source| source.in_flight = Some(flight(b'a', b'b')));
    let resume = Some(Resume { transfer, rows: 0 });
    assert_eq!(sent.plan(), Plan::Delta { base: guid(b'a'), to: guid(b'b'), resume });
    let landed = lines("1a 1b 1c", "1a *1b").source(|source| source.in_flight = Some(flight(b'a', b'b')));
    assert_eq!(landed.plan(), delta(b'b', b'c'));
}

#[test]
fn a_source_that_hands_over_ships_its_last_snapshot() {
    let last = HandOver { id: HandoverId::from_bytes([3; 16]), last: guid(b'b'), abort: false };
    let closing = lines("1a 1b", "*1a").source(|source| source.phase = SourcePhase::HandingOver(last));
    assert_eq!(closing.plan(), delta(b'a', b'b'));
}

#[test]
fn what_cannot_be_read_as_a_whole_gives_way_to_what_is_newer_unless_it_may_have_landed() {
    let part = TransferPhase::Receiving { rows: 7 };
    let resumed = Plan::Delta { base: guid(b'a'), to: guid(b'b'), resume: resume(7) };
    let begun = lines("1a 1b 1c", "*1a").receiving(Some(b'a'), b'b', part.clone());
    assert_eq!(begun.plan(), resumed);
    assert_eq!(begun.plan_without(Some(b'b')), delta(b'a', b'c'));
    assert_eq!(begun.plan_without(Some(b'c')), resumed);
    let newest = lines("1a 1b", "*1a").receiving(Some(b'a'), b'b', part);
    assert_eq!(newest.plan_without(Some(b'b')), resumed, "there is nothing newer");
    let landing = lines("1a 1b 1c", "*1a").receiving(Some(b'a'), b'b', TransferPhase::Complete { rows: 7 });
    assert_eq!(landing.plan_without(Some(b'b')), Plan::Wait(Waiting::Landing(guid(b'b'))));
    let (transfer, epoch) = (TransferGuid::from_bytes([9; 16]), begun.mine.epoch.number);
    let flight = InFlight { transfer, epoch, base: Some(guid(b'a')), to: guid(b'b') };
    let sent = lines("1a 1b 1c", "*1a").source(|source| source.in_flight = Some(flight));
    assert_eq!(sent.plan_without(Some(b'b')), delta(b'a', b'c'));
}

fn resume(rows: u64) -> Option<Resume> {
    Some(Resume { transfer: TransferGuid::from_bytes([9; 16]), rows })
}

#[test]
fn divergence_is_detected() {
    let mut newer = lines("1a 1b 1c", "1a 1b 2x");
    newer.theirs.life = newer.mine.life().clone();
    newer.theirs.epoch.number = EpochNumber::new(2);
    assert_eq!(newer.plan(), Plan::Rejoin { common: guid(b'b') });
    newer.theirs.snapshots = vec![meta("2x")];
    assert_eq!(newer.plan(), Plan::Wait(Waiting::NotSource));
    let evidence = Box::new(Evidence {
        disagreement: Disagreement::NoCommonSnapshot,
        mine: newer.mine.epoch,
        theirs: newer.theirs.epoch,
        my_newest: newer.snapshots.first().cloned(),
        their_newest: Some(meta("2x")),
        at: Timestamp::default(),
    });
    let disagreeing = newer.source(|source| source.phase = SourcePhase::Conflict(evidence.clone()));
    assert_eq!(disagreeing.plan(), Plan::Conflict(evidence));
}

#[test]
fn a_conflict_of_the_peer_is_told_here_until_this_side_is_newer_than_its_evidence() {
    let mut lines = lines("1a 1b", "*1a");
    assert_eq!(needs_operator(&lines.mine, &lines.theirs), None);
    let mut theirs = lines.mine.epoch;
    theirs.number = EpochNumber::new(4);
    let evidence = Evidence {
        disagreement: Disagreement::OwnEpochForgotten,
        mine: lines.mine.epoch,
        theirs,
        my_newest: None,
        their_newest: None,
        at: Timestamp::default(),
    };
    let Life::Destination(destination) = &mut lines.theirs.life else { panic!("a destination") };
    destination.phase = DestinationPhase::Conflict(Box::new(evidence));
    lines.mine.epoch.number = EpochNumber::new(4);
    assert!(needs_operator(&lines.mine, &lines.theirs).is_some_and(|reason| reason.contains("in conflict")));
    lines.mine.epoch.number = EpochNumber::new(5);
    assert_eq!(needs_operator(&lines.mine, &lines.theirs), None);
}

#[test]
fn nothing_travels_to_who_does_not_follow() {
    let mut other = lines("1a 1b", "*1a");
    other.theirs.epoch = Epoch { number: EpochNumber::new(9), ..other.theirs.epoch };
    assert_eq!(other.plan(), Plan::Wait(Waiting::Epoch));
    let (by, acked, in_flight) = (crate::role::machine::Decider::Operator, None, None);
    other.theirs.life = Life::Standalone(Standalone { by, acked, in_flight, asked: Vec::new() });
    assert_eq!(other.plan(), Plan::Wait(Waiting::StandsAlone));
    assert!(needs_operator(&other.mine, &other.theirs).is_some_and(|reason| reason.contains("reattach")));
    // A reattach here, which the peer has not heard of yet.
    let ended = other.theirs.epoch;
    let other = other.source(|source| source.supersedes = Some(ended));
    assert_eq!(needs_operator(&other.mine, &other.theirs), None);
    let mut busy = lines("1a 1b", "*1a");
    let Life::Destination(destination) = &mut busy.theirs.life else { panic!("a destination") };
    destination.phase = DestinationPhase::Promoting(Takeover::Force);
    assert_eq!(busy.plan(), Plan::Wait(Waiting::Busy));
}
