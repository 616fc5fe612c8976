//! What one node can do, as a pure function of the node: so it is worked out once for each (node, event).

use tandem_storage::record::{CreatorKind, TransferPhase};
use tandem_storage::types::{SnapshotGuid, TransferGuid};

use super::super::{
    Cause, Command, DestinationPhase, Event, Facts, FailoverMode, Life, PathState, Refused, SourcePhase, Step, Taking,
    consider,
};
use super::node::{Message, Node, Violation, digest, guid};
use crate::replication::plan::{View, plan};

/// The transition function under test: the real one, or a broken one.
pub type Rules = fn(&PathState, &Facts<'_>, Event<'_>) -> Result<Step, Refused>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    Failover,
    StandAlone,
    Force,
    Abort,
}

/// What happens to a node. Messages are named by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    Order(Order),
    Reattach(Option<u16>),
    Hear(u16),
    Plan(u16),
    Receive {
        data: u16,
        whole: bool,
    },
    Write(u8),
    Snapshot,
    ApplyPart,
    Apply,
    /// All rows are applied, and the store finds that they are not what the source declared.
    Refuse,
    Undo,
    RewindPart,
    Rewind,
    Tick,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub node: Node,
    /// The fresh snapshot guid was used.
    pub drew: bool,
    /// The causes of the role changes made.
    pub cause: Option<Cause>,
    /// An operator forced, or stood alone.
    pub forced: bool,
}

/// None: nothing happens. `number` names the fresh snapshot, if one is taken.
pub fn turn(
    rules: Rules,
    node: &Node,
    deed: Deed,
    message: Option<&Message>,
    number: u8,
) -> Result<Option<Outcome>, Violation> {
    let view = match message {
        Some(Message::View(view)) => Some(view),
        _ => None,
    };
    match (deed, message) {
        (Deed::Order(order), _) => by_rules(rules, node, Event::Command(&command(order)), number, is_forced(order)),
        (Deed::Reattach(_), _) => {
            let command = Command::Reattach { peer: view.cloned().map(Box::new) };
            by_rules(rules, node, Event::Command(&command), number, false)
        }
        (Deed::Hear(_), Some(Message::View(view))) => by_rules(rules, node, Event::Heard(view), number, false),
        (Deed::Plan(_), Some(Message::View(view))) => {
            let flight = node.with(number, |facts| {
                let planned =
                    plan(&View { mine: &node.state, snapshots: facts.snapshots, theirs: view, given_up: None });
                // The id follows from the target, so that ids do not tell states apart.
                let id = |to: SnapshotGuid| TransferGuid::from_bytes(*to.as_bytes());
                planned
                    .flight(node.state.epoch.number, TransferGuid::from_bytes([0; 16]))
                    .map(|flight| super::super::InFlight { transfer: id(flight.to), ..flight })
            });
            flight.map_or(Ok(None), |flight| by_rules(rules, node, Event::Ship(flight), number, false))
        }
        (Deed::Receive { whole, .. }, Some(Message::Data(offer, parcel))) => {
            let mut next = node.clone();
            match node.with(number, |facts| consider(&node.state, facts, offer)) {
                Ok(Taking::Begin { .. } | Taking::Resume { .. }) => next.begin(offer, *parcel, whole),
                _ => return Ok(None),
            }
            Ok(Some(plain(next)))
        }
        (Deed::Snapshot, _) if node.state.writable() => {
            let event = Event::Snapshot { name: "", by: CreatorKind::Policy, expires: None, locked: false };
            by_rules(rules, node, event, number, false)
        }
        (Deed::Tick, _) => by_rules(rules, node, Event::Tick, number, false),
        (Deed::Write(bit), _) if node.state.writable() => {
            let present = node.present | bit;
            Ok(Some(plain(Node { present, dirty: true, ..node.clone() })))
        }
        (deed, _) => background(rules, node, deed, number),
    }
}

fn command(order: Order) -> Command {
    match order {
        Order::Failover => Command::Failover(FailoverMode::Graceful),
        Order::StandAlone => Command::Failover(FailoverMode::StandAlone),
        Order::Force => Command::Failover(FailoverMode::Force),
        Order::Abort => Command::Abort,
    }
}

fn is_forced(order: Order) -> bool {
    matches!(order, Order::Force | Order::StandAlone)
}

fn plain(node: Node) -> Outcome {
    Outcome { node, drew: false, cause: None, forced: false }
}

/// The driver's work at a destination.
fn background(rules: Rules, node: &Node, deed: Deed, number: u8) -> Result<Option<Outcome>, Violation> {
    let rewinding = match node.state.life() {
        Life::Destination(destination) => match destination.phase {
            DestinationPhase::Rewinding { to, .. } => Some(to),
            _ => None,
        },
        _ => None,
    };
    let phase = node.transfer.as_ref().map(|(row, _)| &row.phase);
    let complete = matches!(phase, Some(TransferPhase::Complete { .. } | TransferPhase::Applying { .. }));
    let undoing = matches!(phase, Some(TransferPhase::Undoing { .. }));
    let mut next = node.clone();
    match deed {
        Deed::ApplyPart if complete && rewinding.is_none() && !node.mixed => {
            next.apply_part();
            Ok(Some(plain(next)))
        }
        Deed::Apply if complete && rewinding.is_none() => {
            let Some((transfer, declared)) = next.apply_rest() else { return Ok(None) };
            if next.present != declared {
                return Err("a restore point is not what the source said it is".into());
            }
            by_rules(rules, &next, Event::Applied { transfer, digest: &digest() }, number, false)
        }
        Deed::Refuse if complete && rewinding.is_none() => {
            let Some(transfer) = next.apply_part() else { return Ok(None) };
            by_rules(rules, &next, Event::TotalDiffers { transfer }, number, false)
        }
        Deed::Undo if undoing => {
            let Some((row, _)) = &node.transfer else { return Ok(None) };
            (next.present, next.mixed, next.dirty) = (node.shown(), false, true);
            by_rules(rules, &next, Event::Undone { transfer: row.id }, number, false)
        }
        Deed::RewindPart if rewinding.is_some() && !node.mixed => {
            next.mixed = true;
            Ok(Some(plain(next)))
        }
        Deed::Rewind => {
            let Some(content) = rewinding.and_then(|to| node.content(to)) else { return Ok(None) };
            (next.present, next.mixed, next.dirty) = (content, false, true);
            by_rules(rules, &next, Event::Rewound { entries: 0 }, number, false)
        }
        _ => Ok(None),
    }
}

fn by_rules(
    rules: Rules,
    node: &Node,
    event: Event<'_>,
    number: u8,
    forced: bool,
) -> Result<Option<Outcome>, Violation> {
    let Ok(step) = node.with(number, |facts| rules(&node.state, facts, event)) else { return Ok(None) };
    if step.persist.is_empty() {
        return Ok(None);
    }
    let mut next = node.commit(&step)?;
    keeps_its_word(node, &next)?;
    let drew = next.content(guid(number)).is_some() && node.content(guid(number)).is_none();
    next.expire();
    let cause = next.state.detail.changes.last().map(|change| change.cause);
    let cause = cause.filter(|_| next.state.detail.changes != node.state.detail.changes);
    next.state.detail.changes.clear();
    Ok(Some(Outcome { node: next, drew, cause, forced }))
}

/// What must hold of any two successive states of one node.
fn keeps_its_word(before: &Node, after: &Node) -> Result<(), Violation> {
    let (old, new) = (before.state.epoch, after.state.epoch);
    if !before.state.writable() && after.state.writable() && new.number <= old.number {
        return Err("a gate opens without a new epoch".into());
    }
    if let (Life::Destination(old_life), Life::Destination(new_life)) = (before.state.life(), after.state.life())
        && old == new
        && new_life.visible < old_life.visible
    {
        return Err("a destination goes back within an epoch".into());
    }
    if let Life::Source(source) = before.state.life()
        && matches!(source.phase, SourcePhase::HandingOver(_))
        && after.present != before.present
    {
        return Err("a closed present changes".into());
    }
    Ok(())
}
