//! Snapshots taken, sent, taken in and landed; rewinds finished.

use tandem_storage::change::{AccessChange, At, PathOp, SnapshotSpec};
use tandem_storage::record::{CreatorKind, Digest, HoldReason, TransferPhase, TransferRow};
use tandem_storage::types::{SnapshotGuid, Timestamp, TransferGuid};

use super::change::{Unfinished, unfinished};
use super::draft::{Draft, Purpose};
use super::event::{Action, Offer, Refused, Step, Taking};
use super::evidence::has;
use super::state::{Destination, DestinationPhase, Facts, InFlight, Life, PathState, Source, SourcePhase};
use super::view::is_sane_snapshot;

/// What a snapshot is to be, apart from its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub name: &'a str,
    pub by: CreatorKind,
    pub expires: Option<Timestamp>,
    pub locked: bool,
}

pub(super) fn snapshot(state: &PathState, facts: &Facts<'_>, wanted: Wanted<'_>) -> Result<Step, Refused> {
    let at = match &state.detail.life {
        Life::Destination(Destination { visible, .. }) if wanted.by == CreatorKind::User => {
            At::Snapshot(visible.ok_or(Refused::NoRestorePoint)?)
        }
        _ if state.writable() => At::ThisCommit,
        _ => return Err(Refused::NotSource),
    };
    let spec = SnapshotSpec {
        path: state.guid,
        guid: facts.fresh.snapshot,
        name: wanted.name.to_owned(),
        created: facts.now,
        creator: wanted.by,
        epoch: state.epoch.number,
        expires: wanted.expires,
        locked: wanted.locked,
        at,
        digest: None,
    };
    let mut persist = vec![PathOp::Snapshot(spec)];
    if is_baseless(state, facts) {
        persist.push(PathOp::Cursor { id: Purpose::SharedFeed.id(state.guid), after: At::ThisCommit });
    }
    Ok(Step { state: state.clone(), persist, then: Vec::new(), removed: false })
}

/// Whether a Source keeps nothing that its peer may build on: what comes next is a seed, and the feed below a new snapshot serves nobody. It would
/// grow for as long as the peer stays away.
fn is_baseless(state: &PathState, facts: &Facts<'_>) -> bool {
    let Life::Source(source) = &state.detail.life else { return false };
    let fork = state.epoch.fork.filter(|fork| has(facts.snapshots, *fork));
    source.acked.or(fork).is_none() && source.in_flight.is_none() && source.asked.is_empty()
}

fn as_source(state: &PathState) -> Result<&Source, Refused> {
    match &state.detail.life {
        Life::Source(source) if !matches!(source.phase, SourcePhase::Conflict(_)) => Ok(source),
        _ => Err(Refused::NotSource),
    }
}

/// More targets than this without a word of what became of them are let go: the peer gets a seed if one lands after all.
const ASKED: usize = 8;
/// Of so many snapshots that were let go it is remembered that they were this node's.
const RELEASED: usize = 64;

fn bound(asked: &mut Vec<SnapshotGuid>, released: &mut Vec<SnapshotGuid>) {
    let surplus = asked.len().saturating_sub(ASKED);
    released.extend(asked.drain(..surplus));
    let surplus = released.len().saturating_sub(RELEASED);
    released.drain(..surplus);
}

/// The holds are durable before the first byte.
pub(super) fn ship(state: &PathState, facts: &Facts<'_>, flight: InFlight) -> Result<Step, Refused> {
    let source = as_source(state)?;
    if source.in_flight == Some(flight) {
        return Ok(Draft::nothing(state, vec![Action::Ship(flight)]));
    }
    if !flight.base.into_iter().chain([flight.to]).all(|guid| has(facts.snapshots, guid)) {
        return Err(Refused::Unknown);
    }
    if flight.epoch != state.epoch.number {
        return Err(Refused::WrongEpoch);
    }
    let mut draft = Draft::of(state, facts);
    draft.source(|source| {
        source.asked.extend(source.in_flight.replace(flight).map(|earlier| earlier.to));
        source.asked.retain(|asked| *asked != flight.to);
        source.asked.sort_unstable();
        source.asked.dedup();
        bound(&mut source.asked, &mut source.released);
    });
    draft.hold(Purpose::TransferTo, flight.to, HoldReason::Transfer);
    match flight.base {
        Some(base) => draft.hold(Purpose::TransferBase, base, HoldReason::Transfer),
        None => draft.release(&[Purpose::TransferBase]),
    };
    Ok(draft.then(Action::Ship(flight)).finish())
}

/// The retention cap: a snapshot goes although the peer may need it, and the peer gets a seed if it did.
pub(super) fn drop_for_space(state: &PathState, facts: &Facts<'_>, snapshot: SnapshotGuid) -> Result<Step, Refused> {
    let source = as_source(state)?;
    let newest = state.newest_of_line(facts.snapshots);
    if !has(facts.snapshots, snapshot) || newest == Some(snapshot) {
        return Err(Refused::Unknown);
    }
    let baseless = source.acked.is_none_or(|acked| acked == snapshot);
    let flying = source.in_flight.is_some_and(|flight| flight.base == Some(snapshot) || flight.to == snapshot);
    let mut draft = Draft::of(state, facts);
    draft.source(|source| {
        source.released.push(snapshot);
        bound(&mut source.asked, &mut source.released);
        source.acked = source.acked.filter(|acked| *acked != snapshot);
        source.asked.retain(|asked| *asked != snapshot);
        source.in_flight = source.in_flight.filter(|_| !flying);
    });
    draft.op(PathOp::DropSnapshot { path: state.guid, snapshot });
    if let (true, Some(newest)) = (baseless, newest) {
        draft.release(&[Purpose::Fork]).feed_from(At::Snapshot(newest));
    }
    if flying {
        draft.release(&[Purpose::TransferBase, Purpose::TransferTo]).then(Action::StopTransfer);
    }
    Ok(draft.finish())
}

/// Whether a destination takes what a source offers, and how.
///
/// # Errors
/// [`Refused`]: `NotDestination`, `WrongEpoch`, `WrongBase` (a delta's base must be what is shown, a seed newer), `Busy` (rewinding, promoting,
/// or another complete transfer must land first).
pub fn consider(state: &PathState, facts: &Facts<'_>, offer: &Offer) -> Result<Taking, Refused> {
    let Life::Destination(destination) = &state.detail.life else { return Err(Refused::NotDestination) };
    if offer.path != state.guid || offer.epoch != state.epoch {
        return Err(Refused::WrongEpoch);
    }
    if !is_sane_snapshot(&offer.to) {
        return Err(Refused::BadSnapshot);
    }
    match destination.phase {
        DestinationPhase::Initializing | DestinationPhase::Active => {}
        _ => return Err(Refused::Busy("the destination is rejoining, promoting, or in conflict".to_owned())),
    }
    if destination.visible == Some(offer.to.guid) {
        return Ok(Taking::Landed);
    }
    match unfinished(facts) {
        Some(Unfinished::Landing(landing)) if landing == offer.transfer => return Ok(Taking::Complete),
        Some(other) => return Err(other.busy()),
        None => {}
    }
    let shown = destination.visible.and_then(|guid| facts.snapshots.iter().find(|meta| meta.guid == guid));
    let onward = match offer.base {
        Some(base) => destination.visible == Some(base),
        // A seed over what is shown must not lead back; a late one would.
        None => shown.is_none_or(|shown| shown.created < offer.to.created),
    };
    if !onward {
        return Err(Refused::WrongBase);
    }
    match facts.transfer {
        Some(transfer) if continues(transfer, offer) => Ok(Taking::Resume { rows: received(transfer) }),
        other => Ok(Taking::Begin { drop: other.map(|transfer| transfer.id) }),
    }
}

fn continues(transfer: &TransferRow, offer: &Offer) -> bool {
    transfer.id == offer.transfer
        && transfer.epoch == offer.epoch
        && transfer.base == offer.base
        && transfer.to == offer.to
}

fn received(transfer: &TransferRow) -> u64 {
    match transfer.phase {
        TransferPhase::Receiving { rows } | TransferPhase::Complete { rows } | TransferPhase::Applying { rows, .. } => {
            rows
        }
        TransferPhase::Undoing { .. } | TransferPhase::Undone { .. } => 0,
    }
}

/// The flip: one commit makes the transfer's snapshot what readers see.
pub(super) fn applied(
    state: &PathState,
    facts: &Facts<'_>,
    transfer: TransferGuid,
    digest: &Digest,
) -> Result<Step, Refused> {
    let Life::Destination(destination) = &state.detail.life else { return Err(Refused::NotDestination) };
    if unfinished(facts) != Some(Unfinished::Landing(transfer))
        || matches!(destination.phase, DestinationPhase::Rewinding { .. })
    {
        return Err(Refused::Unknown);
    }
    let row = facts.transfer.ok_or(Refused::Unknown)?;
    let phase = match &destination.phase {
        DestinationPhase::Initializing => DestinationPhase::Active,
        other => other.clone(),
    };
    let (visible, previous) = (Some(row.to.guid), destination.visible);
    let mut draft = Draft::of(state, facts);
    draft.first(PathOp::Snapshot(SnapshotSpec {
        path: state.guid,
        guid: row.to.guid,
        name: row.to.name.clone(),
        created: row.to.created,
        creator: row.to.creator,
        epoch: row.to.epoch,
        expires: None,
        locked: false,
        at: At::ThisCommit,
        digest: Some(digest.clone()),
    }));
    draft.life(Life::Destination(Destination { phase, visible, previous, ..destination.clone() }));
    draft.access(AccessChange::ReadAt(At::ThisCommit)).feed_from(At::ThisCommit);
    Ok(draft.drop_transfer().then(Action::Announce).finish())
}

/// The store refuses the flip. Nothing more of the transfer is applied, and the present goes back to what is shown.
pub(super) fn total_differs(state: &PathState, facts: &Facts<'_>, transfer: TransferGuid) -> Result<Step, Refused> {
    if !state.is_destination() {
        return Err(Refused::NotDestination);
    }
    if unfinished(facts) != Some(Unfinished::Landing(transfer)) {
        return Err(Refused::Unknown);
    }
    let mut draft = Draft::of(state, facts);
    draft.op(PathOp::AbandonTransfer { id: transfer });
    Ok(draft.then(Action::Announce).then(Action::UndoTransfer(transfer)).finish())
}

/// The present is what is shown, and nothing of the transfer is in it. The source sends everything under another name.
pub(super) fn undone(state: &PathState, facts: &Facts<'_>, transfer: TransferGuid) -> Result<Step, Refused> {
    if !state.is_destination() {
        return Err(Refused::NotDestination);
    }
    if unfinished(facts) != Some(Unfinished::Undoing(transfer)) {
        return Err(Refused::Unknown);
    }
    Ok(Draft::of(state, facts).drop_transfer().then(Action::Announce).finish())
}

/// The present is what is shown again.
pub(super) fn rewound(state: &PathState, facts: &Facts<'_>, entries: u64) -> Result<Step, Refused> {
    let Life::Destination(destination) = &state.detail.life else { return Err(Refused::NotDestination) };
    let DestinationPhase::Rewinding { to, takeover } = destination.phase else { return Err(Refused::Unknown) };
    let mut draft = Draft::of(state, facts);
    let counted = draft.state.detail.diverged.iter_mut().rev().find(|diverged| diverged.base == to);
    if let Some(diverged) = counted {
        diverged.entries = Some(entries);
    }
    let phase = takeover.map_or(DestinationPhase::Active, DestinationPhase::Promoting);
    draft.life(Life::Destination(Destination { phase, ..destination.clone() }));
    Ok(draft.then(Action::Announce).finish())
}
