//! Every transition, as tables: a row for each state, a column for each event.

mod commands;
mod durable;
mod hearing;
mod landing;

use tandem_storage::change::{AccessChange, At, PathOp};
use tandem_storage::record::{CreatorKind, Scope, SnapshotMeta, TransferPhase, TransferRow};
use tandem_storage::types::{Epoch, EpochNumber, NodeGuid, PathGuid, SnapshotGuid, Timestamp, TransferGuid};

use super::*;

const ME: NodeGuid = NodeGuid::from_bytes([0xa; 16]);
const PEER: NodeGuid = NodeGuid::from_bytes([0xb; 16]);
const PATH: PathGuid = PathGuid::from_bytes([1; 16]);
const HANDOVER: HandoverId = HandoverId::from_bytes([7; 16]);
const FRESH: u8 = 0xf0;

fn snapshot(number: u8) -> SnapshotGuid {
    SnapshotGuid::from_bytes([number; 16])
}

fn meta(number: u8) -> SnapshotMeta {
    let created = Timestamp::from_secs(i64::from(number));
    let (name, creator, epoch) = (format!("s{number}"), CreatorKind::Policy, EpochNumber::new(2));
    SnapshotMeta { guid: snapshot(number), name, created, creator, epoch }
}

fn metas(newest_first: &[u8]) -> Vec<SnapshotMeta> {
    newest_first.iter().map(|number| meta(*number)).collect()
}

fn epoch(number: u64, writer: NodeGuid) -> Epoch {
    Epoch { number: EpochNumber::new(number), writer, fork: None }
}

fn policy() -> Policy {
    let every = std::time::Duration::from_secs(2);
    Policy { every, start_at: None, keep_local: every * 10, keep_remote: every * 20 }
}

fn path(life: Life) -> PathState {
    let writer = if matches!(life, Life::Destination(_)) { PEER } else { ME };
    let peer = Peer { guid: PEER, name: "peer".to_owned() };
    let detail = Detail { peer, policy: policy(), life, diverged: Vec::new(), changes: Vec::new() };
    PathState { me: ME, guid: PATH, scope: Scope::Endpoint, epoch: epoch(2, writer), revision: 5, detail }
}

fn source(phase: SourcePhase) -> Source {
    let acked = (phase != SourcePhase::Initializing).then(|| snapshot(1));
    Source { phase, acked, in_flight: None, asked: Vec::new(), released: Vec::new(), supersedes: None }
}

fn destination(phase: DestinationPhase, handover: Option<Decision>) -> Destination {
    let visible = (phase != DestinationPhase::Initializing).then(|| snapshot(2));
    Destination { phase, visible, previous: None, handover }
}

fn evidence(disagreement: Disagreement) -> Box<Evidence> {
    let (mine, theirs, at) = (epoch(2, ME), epoch(4, PEER), Timestamp::default());
    Box::new(Evidence { disagreement, mine, theirs, my_newest: None, their_newest: None, at })
}

fn handing_over(abort: bool) -> SourcePhase {
    SourcePhase::HandingOver(HandOver { id: HANDOVER, last: snapshot(2), abort })
}

/// A state by the name that the tables use.
fn named(name: &str) -> PathState {
    let rewinding = |takeover| DestinationPhase::Rewinding { to: snapshot(2), takeover };
    let following = |last| Some(Decision::Following { id: HANDOVER, last: snapshot(last) });
    let asks = Some(Decision::Requested(HANDOVER));
    let active = DestinationPhase::Active;
    let lost = evidence(Disagreement::NoCommonSnapshot);
    path(match name {
        "S:init" => Life::Source(source(SourcePhase::Initializing)),
        "S:active" => Life::Source(source(SourcePhase::Active)),
        "S:handing" => Life::Source(source(handing_over(false))),
        "S:aborting" => Life::Source(source(handing_over(true))),
        "S:conflict" => Life::Source(source(SourcePhase::Conflict(evidence(Disagreement::OwnEpochForgotten)))),
        "D:init" => Life::Destination(destination(DestinationPhase::Initializing, None)),
        "D:active" => Life::Destination(destination(active, None)),
        "D:asks" => Life::Destination(destination(active, asks)),
        "D:follows" => Life::Destination(destination(active, following(3))),
        "D:void" => Life::Destination(destination(active, Some(Decision::Void(HANDOVER)))),
        "D:rewinds" => Life::Destination(destination(rewinding(None), None)),
        "D:rewinds+" => Life::Destination(destination(rewinding(Some(Takeover::Force)), None)),
        "D:promotes" => Life::Destination(destination(DestinationPhase::Promoting(Takeover::Force), None)),
        "D:conflict" => Life::Destination(destination(DestinationPhase::Conflict(lost), None)),
        "alone" => Life::Standalone(Standalone {
            by: Decider::Operator,
            acked: Some(snapshot(1)),
            in_flight: None,
            asked: Vec::new(),
        }),
        other => panic!("no state {other}"),
    })
}

/// The name of a state, as the tables use it.
fn name(life: &Life) -> &'static str {
    match life {
        Life::Standalone(_) => "alone",
        Life::Source(source) => match source.phase {
            SourcePhase::Initializing => "S:init",
            SourcePhase::Active => "S:active",
            SourcePhase::HandingOver(handover) if handover.abort => "S:aborting",
            SourcePhase::HandingOver(_) => "S:handing",
            SourcePhase::Conflict(_) => "S:conflict",
        },
        Life::Destination(destination) => match (&destination.phase, destination.handover) {
            (DestinationPhase::Initializing, _) => "D:init",
            (DestinationPhase::Rewinding { takeover: Some(_), .. }, _) => "D:rewinds+",
            (DestinationPhase::Rewinding { .. }, _) => "D:rewinds",
            (DestinationPhase::Promoting(_), _) => "D:promotes",
            (DestinationPhase::Conflict(_), _) => "D:conflict",
            (DestinationPhase::Active, None) => "D:active",
            (DestinationPhase::Active, Some(Decision::Requested(_))) => "D:asks",
            (DestinationPhase::Active, Some(Decision::Following { .. })) => "D:follows",
            (DestinationPhase::Active, Some(Decision::Void(_))) => "D:void",
        },
    }
}

/// What the store of a table's node holds: snapshots 2 and 1, and writes since.
struct Here {
    snapshots: Vec<SnapshotMeta>,
    transfer: Option<TransferRow>,
    dirty: bool,
}

impl Here {
    fn usual() -> Self {
        Here { snapshots: metas(&[2, 1]), transfer: None, dirty: true }
    }

    fn with_transfer(phase: TransferPhase) -> Self {
        let (id, base) = (TransferGuid::from_bytes([9; 16]), Some(snapshot(2)));
        let row =
            TransferRow { id, path: PATH, epoch: epoch(2, PEER), base, to: meta(3), phase, digest: None, total: None };
        Here { transfer: Some(row), ..Here::usual() }
    }

    fn step(&self, state: &PathState, event: Event<'_>) -> Result<Step, Refused> {
        let fresh = Fresh { snapshot: snapshot(FRESH), handover: HANDOVER };
        let (snapshots, transfer) = (&self.snapshots, self.transfer.as_ref());
        let facts = Facts {
            now: Timestamp::from_secs(100),
            snapshots,
            dirty: self.dirty,
            transfer,
            account: Account::Proved,
            fresh,
        };
        step(state, &facts, event)
    }
}

/// A transition in a word: `!Why` refused, `-` nothing to persist, `=` persisted without a change of state or epoch, else the new
/// state, and `@` its epoch where that is new.
fn outcome(before: &PathState, result: &Result<Step, Refused>) -> String {
    let step = match result {
        Err(why) => {
            let why = format!("{why:?}");
            return format!("!{}", why.split('(').next().unwrap_or(&why));
        }
        Ok(step) => step,
    };
    if step.removed {
        return "removed".to_owned();
    }
    if step.persist.is_empty() {
        return "-".to_owned();
    }
    let named = name(step.state.life());
    if step.state.epoch != before.epoch {
        return format!("{named}@{}", step.state.epoch.number);
    }
    if named == name(before.life()) { "=".to_owned() } else { named.to_owned() }
}

/// Checks a table: the first line names the events, the first column the states.
fn check(table: &str, mut made: impl FnMut(&PathState, &str) -> Result<Step, Refused>) {
    let mut lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
    let events: Vec<&str> = lines.next().expect("a head").split_whitespace().skip(1).collect();
    let mut wrong = String::new();
    for line in lines {
        let (state, expected) = line.split_once(' ').expect("a state and outcomes");
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(expected.len(), events.len(), "a cell for each event in the row of {state}");
        for (event, expected) in events.iter().zip(expected) {
            let before = named(state);
            let found = outcome(&before, &made(&before, event));
            if found != expected {
                wrong += &format!("{state} x {event}: {found}, not {expected}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// What the peer says, by the name that the tables use: its epoch is the number at the end.
fn said(state: &PathState, what: &str) -> PathView {
    let (life, number) = what.split_at(what.len() - 1);
    let number: u64 = number.parse().expect("an epoch at the end");
    let shows = |visible: u8| Destination {
        visible: (visible != 0).then(|| snapshot(visible)),
        ..destination(DestinationPhase::Active, None)
    };
    let decides = |decision| Destination { handover: Some(decision), ..shows(1) };
    let (life, writer, snapshots): (Life, NodeGuid, &[u8]) = match life {
        "S" => (Life::Source(source(SourcePhase::Active)), PEER, &[3, 2, 1]),
        "S-old" => (Life::Source(source(SourcePhase::Active)), PEER, &[3, 1]),
        "S-strange" => (Life::Source(source(SourcePhase::Active)), PEER, &[9, 8]),
        "S-hands" => (Life::Source(source(handing_over(false))), PEER, &[2, 1]),
        "S-aborts" => (Life::Source(source(handing_over(true))), PEER, &[2, 1]),
        "S-conflict" => (named("S:conflict").detail.life, PEER, &[3, 2, 1]),
        "S-supersedes" => {
            let supersedes = Some(state.epoch);
            (Life::Source(Source { supersedes, ..source(SourcePhase::Active) }), PEER, &[3, 2, 1])
        }
        "A" => (named("alone").detail.life, PEER, &[3, 2, 1]),
        "D" => (Life::Destination(shows(1)), ME, &[1]),
        "D-new" => (Life::Destination(shows(2)), ME, &[2, 1]),
        "D-more" => (Life::Destination(shows(5)), ME, &[5, 1]),
        "D-empty" => (Life::Destination(shows(0)), ME, &[]),
        "D-asks" => (Life::Destination(decides(Decision::Requested(HANDOVER))), ME, &[1]),
        "D-void" => (Life::Destination(decides(Decision::Void(HANDOVER))), ME, &[1]),
        other => panic!("nobody says {other}"),
    };
    PathView {
        path: PATH,
        scope: Scope::Endpoint,
        speaker: PEER,
        epoch: epoch(number, writer),
        revision: 1,
        life,
        policy: policy(),
        snapshots: metas(snapshots),
        transfer: None,
        account: Account::Proved,
    }
}
