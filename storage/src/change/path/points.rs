//! Points, holds and cursors as ops name and move them.

use std::collections::BTreeSet;

use super::{At, PathOp};
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::{Span, meta_row, parse_number, released_key, snapshot_key};
use crate::record::{Access, CursorRow, HoldReason, HoldRow, SnapshotRow};
use crate::types::{HoldId, PathGuid, Seq, SnapshotGuid};

/// The hold on what a path in `ReadAt` shows.
pub fn visible_hold(path: PathGuid) -> HoldId {
    derived_hold(b"visible", path)
}

/// The hold on what it showed before, until the next move.
pub fn previous_visible_hold(path: PathGuid) -> HoldId {
    derived_hold(b"previous visible", path)
}

fn derived_hold(kind: &[u8], path: PathGuid) -> HoldId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(path.as_bytes()).update(kind);
    let mut id = [0; 16];
    hasher.finalize_xof().fill(&mut id);
    HoldId::from_bytes(id)
}

pub(super) fn snapshot_hold(snapshot: SnapshotGuid) -> HoldId {
    HoldId::from_bytes(*snapshot.as_bytes())
}

/// What the ops of one change may name: points readable now, and those that were when it began, so that a hold can take over
/// from another in any order.
pub(super) struct Readable {
    at_start: BTreeSet<Seq>,
}

impl Readable {
    pub fn of(tx: &Tx<'_>, ops: &[PathOp]) -> Self {
        let points = ops.iter().filter_map(named).filter_map(|at| match at {
            At::ThisCommit => None,
            At::Seq(seq) => Some(seq).filter(|seq| tx.points().is_held(*seq)),
            At::Snapshot(guid) => tx.points().hold(snapshot_hold(guid)).map(|row| row.seq),
        });
        Readable { at_start: points.collect() }
    }

    pub fn resolve(&self, tx: &Tx<'_>, at: At) -> Result<Seq, Refusal> {
        let seq = match at {
            At::ThisCommit => return Ok(tx.seq()),
            At::Seq(seq) => seq,
            At::Snapshot(guid) => tx.points().hold(snapshot_hold(guid)).ok_or(Refusal::NotHeld)?.seq,
        };
        let readable = seq == tx.newest() || tx.points().is_held(seq) || self.at_start.contains(&seq);
        readable.then_some(seq).ok_or(Refusal::NotHeld)
    }
}

fn named(op: &PathOp) -> Option<At> {
    let of_access = |access: &super::AccessChange| match access {
        super::AccessChange::ReadAt(at) => Some(*at),
        super::AccessChange::Writable | super::AccessChange::Closed => None,
    };
    match op {
        PathOp::Create { access, .. } => of_access(access),
        PathOp::Change { access, .. } => access.as_ref().and_then(of_access),
        PathOp::Snapshot(spec) => Some(spec.at),
        PathOp::Hold { at, .. } | PathOp::Cursor { after: at, .. } => Some(*at),
        _ => None,
    }
}

/// Puts a hold, wherever it was before.
pub(in crate::change) fn set_hold(tx: &mut Tx<'_>, row: HoldRow) {
    if tx.points().hold(row.id) == Some(&row) {
        return;
    }
    let before = tx.points().hold(row.id).map(|row| row.seq);
    tx.put_hold(row);
    note_released(tx, before);
}

pub(in crate::change) fn release_hold(tx: &mut Tx<'_>, id: HoldId) {
    let before = tx.delete_hold(id).map(|row| row.seq);
    note_released(tx, before);
}

/// A point that its last hold has left is for the collector to look at.
fn note_released(tx: &mut Tx<'_>, point: Option<Seq>) {
    if let Some(point) = point.filter(|point| !tx.points().is_held(*point)) {
        tx.table_put(Table::Released, released_key(tx.seq(), point), Vec::new());
    }
}

/// Whether a hold is one that goes only with what it stands for.
pub(super) fn is_bound(tx: &Tx<'_>, id: HoldId) -> bool {
    let bound = |row: &HoldRow| matches!(row.reason, HoldReason::Snapshot | HoldReason::Count);
    let bound = tx.points().hold(id).is_some_and(bound);
    let shown = |access: &Access| matches!(access, Access::ReadAt(_));
    bound || tx.gates().paths().iter().any(|path| shown(&path.access) && visible_hold(path.guid) == id)
}

/// Moves a path's visible holds along with its access.
pub(super) fn follow_access(tx: &mut Tx<'_>, path: PathGuid, before: Option<Access>, after: Access) {
    let hold = |id, seq| HoldRow { id, seq, reason: HoldReason::Visible };
    let (visible, previous) = (visible_hold(path), previous_visible_hold(path));
    let shown_before = match before {
        Some(Access::ReadAt(seq)) => Some(seq),
        _ => None,
    };
    match (shown_before, after) {
        (Some(old), Access::ReadAt(new)) if old == new => {}
        (Some(old), Access::ReadAt(new)) => {
            set_hold(tx, hold(previous, old));
            set_hold(tx, hold(visible, new));
        }
        (None, Access::ReadAt(new)) => set_hold(tx, hold(visible, new)),
        (_, Access::Writable | Access::Closed) => {
            release_hold(tx, visible);
            release_hold(tx, previous);
        }
    }
}

pub(super) fn set_cursor(tx: &mut Tx<'_>, id: HoldId, after: Seq) -> Result<(), Refusal> {
    let floor = match tx.table_get(Table::Meta, meta_row::FLOOR)? {
        Some(floor) => Seq::new(parse_number(&floor)?),
        None => {
            let floor = tx.newest();
            tx.table_put(Table::Meta, meta_row::FLOOR.to_vec(), floor.to_bytes().to_vec());
            floor
        }
    };
    tx.put_cursor(CursorRow { id, after: after.max(floor) });
    Ok(())
}

pub(super) fn drop_cursor(tx: &mut Tx<'_>, id: HoldId) {
    tx.delete_cursor(id);
    if !tx.points().feed_is_kept() {
        tx.table_delete(Table::Meta, meta_row::FLOOR.to_vec());
    }
}

/// A snapshot's row, wherever its path.
pub(super) fn find_snapshot(tx: &Tx<'_>, guid: SnapshotGuid) -> Result<Option<SnapshotRow>, Refusal> {
    let Some(point) = tx.points().hold(snapshot_hold(guid)).map(|row| row.seq) else { return Ok(None) };
    for path in tx.gates().paths().iter() {
        if let Some(row) = tx.table_record(Table::Snapshots, &snapshot_key(path.guid, point, guid))? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// All snapshots of a path, the newest point first, until `visit` says false.
pub(super) fn each_snapshot(
    tx: &Tx<'_>,
    path: PathGuid,
    visit: &mut dyn FnMut(SnapshotRow) -> bool,
) -> Result<(), Refusal> {
    use std::ops::ControlFlow::{Break, Continue};

    use crate::record::Record;
    let mut damaged = None;
    tx.table_scan(Table::Snapshots, &Span::prefix(path.as_bytes()), Direction::Backward, &mut |_, row| {
        match SnapshotRow::decode(row).map(&mut *visit) {
            Ok(true) => Continue(()),
            Ok(false) => Break(()),
            Err(error) => {
                damaged = Some(error);
                Break(())
            }
        }
    })?;
    damaged.map_or(Ok(()), |error| Err(error.into()))
}
