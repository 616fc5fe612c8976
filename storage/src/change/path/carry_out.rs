//! Each op against the batch.

use std::ops::ControlFlow;

use super::points::{
    Readable, drop_cursor, each_snapshot, find_snapshot, follow_access, is_bound, previous_visible_hold, release_hold,
    set_cursor, set_hold, snapshot_hold, visible_hold,
};
use super::{AccessChange, At, PathOp, SnapshotSpec, UpdatePaths, UpdatedPaths};
use crate::change::Refusal;
use crate::meta::Tx;
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::{Span, snapshot_key};
use crate::record::{
    Access, HoldReason, HoldRow, PathRow, Record, SnapshotMeta, SnapshotRow, Total, TransferPhase, TransferRow,
};
use crate::store::Change;
use crate::types::{PathGuid, Seq, SnapshotGuid, TransferGuid};

impl Change for UpdatePaths {
    type Output = UpdatedPaths;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<UpdatedPaths, Refusal> {
        let readable = Readable::of(tx, &self.0);
        for op in self.0 {
            carry_out(tx, &readable, op)?;
        }
        Ok(UpdatedPaths { seq: tx.seq() })
    }
}

fn carry_out(tx: &mut Tx<'_>, readable: &Readable, op: PathOp) -> Result<(), Refusal> {
    match op {
        PathOp::Create { guid, scope, access, epoch, detail } => {
            let access = resolve(tx, readable, access)?;
            create(tx, PathRow { guid, scope, access, epoch, revision: 1, detail })
        }
        PathOp::Change { guid, revision, access, epoch, detail } => {
            let old = path_at(tx, guid, revision)?;
            let access = access.map_or(Ok(old.access), |access| resolve(tx, readable, access))?;
            if access != old.access {
                let flips = access == Access::ReadAt(tx.seq());
                check_applied(tx, guid, flips)?;
                if flips {
                    check_total(tx, &old)?;
                }
            }
            follow_access(tx, guid, Some(old.access), access);
            let (epoch, detail) = (epoch.unwrap_or(old.epoch), detail.unwrap_or(old.detail));
            tx.put_path(PathRow { guid, scope: old.scope, access, epoch, revision: revision + 1, detail });
            Ok(())
        }
        PathOp::Remove { guid, revision } => remove(tx, guid, revision),
        PathOp::Snapshot(spec) => snapshot(tx, readable, spec),
        PathOp::SetDigest { snapshot, digest, replace } => change_snapshot(tx, snapshot, |row| {
            let another = row.digest.as_ref().is_some_and(|known| *known != digest);
            if another && !replace {
                return Err(Refusal::DigestDiffers);
            }
            row.digest = Some(digest);
            Ok(())
        }),
        PathOp::SetTotal { snapshot, total, proved } => change_snapshot(tx, snapshot, |row| {
            if row.total.is_some_and(|known| known != total) {
                return Err(Refusal::TotalDiffers);
            }
            (row.total, row.proved) = (Some(total), proved);
            Ok(())
        }),
        PathOp::SetExpiry { snapshot, expires } => change_snapshot(tx, snapshot, |row| {
            row.expires = expires;
            Ok(())
        }),
        PathOp::DropSnapshot { path, snapshot } => drop_snapshot(tx, path, snapshot),
        PathOp::Hold { id, at, reason } => {
            let seq = readable.resolve(tx, at)?;
            if matches!(reason, HoldReason::Snapshot | HoldReason::Count) || is_bound(tx, id) {
                return Err(Refusal::Stale);
            }
            set_hold(tx, HoldRow { id, seq, reason });
            Ok(())
        }
        PathOp::Release { id } if is_bound(tx, id) => Err(Refusal::Stale),
        PathOp::Release { id } => {
            release_hold(tx, id);
            Ok(())
        }
        PathOp::Cursor { id, after } => {
            let after = readable.resolve(tx, after)?;
            set_cursor(tx, id, after)
        }
        PathOp::DropCursor { id } => {
            drop_cursor(tx, id);
            Ok(())
        }
        PathOp::DropTransfer { id } => drop_transfer(tx, id),
        PathOp::AbandonTransfer { id } => abandon_transfer(tx, id),
    }
}

fn resolve(tx: &Tx<'_>, readable: &Readable, access: AccessChange) -> Result<Access, Refusal> {
    Ok(match access {
        AccessChange::Writable => Access::Writable,
        AccessChange::Closed => Access::Closed,
        AccessChange::ReadAt(at) => Access::ReadAt(readable.resolve(tx, at)?),
    })
}

/// The path, if it is as the caller saw it.
fn path_at(tx: &Tx<'_>, guid: PathGuid, revision: u64) -> Result<PathRow, Refusal> {
    let path = tx.gates().path(guid).ok_or(Refusal::Unknown)?;
    (path.revision == revision).then(|| path.clone()).ok_or(Refusal::Stale)
}

fn create(tx: &mut Tx<'_>, row: PathRow) -> Result<(), Refusal> {
    let in_the_way = |path: &PathRow| path.guid == row.guid || path.scope.overlaps(&row.scope);
    if tx.gates().paths().iter().any(in_the_way) {
        return Err(Refusal::Overlaps);
    }
    follow_access(tx, row.guid, None, row.access);
    tx.put_path(row);
    Ok(())
}

fn remove(tx: &mut Tx<'_>, guid: PathGuid, revision: u64) -> Result<(), Refusal> {
    path_at(tx, guid, revision)?;
    check_applied(tx, guid, true)?;
    let mut snapshots = Vec::new();
    each_snapshot(tx, guid, &mut |row| {
        snapshots.push(row);
        true
    })?;
    for row in snapshots {
        tx.table_delete(Table::Snapshots, snapshot_key(guid, row.seq, row.meta.guid));
        release_hold(tx, snapshot_hold(row.meta.guid));
    }
    for transfer in transfers_of(tx, guid)? {
        tx.table_delete(Table::Transfers, transfer.id.as_bytes().to_vec());
    }
    tx.delete_path(guid);
    release_hold(tx, visible_hold(guid));
    release_hold(tx, previous_visible_hold(guid));
    Ok(())
}

/// The transfers of a path, whatever their phase.
pub(in crate::change) fn transfers_of(tx: &Tx<'_>, path: PathGuid) -> Result<Vec<TransferRow>, Refusal> {
    let mut rows = Vec::new();
    tx.table_scan(Table::Transfers, &Span::prefix(&[]), Direction::Forward, &mut |_, row| {
        rows.push(TransferRow::decode(row));
        ControlFlow::Continue(())
    })?;
    let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter(|row| row.path == path).collect())
}

fn snapshot(tx: &mut Tx<'_>, readable: &Readable, spec: SnapshotSpec) -> Result<(), Refusal> {
    let of = tx.gates().path(spec.path).ok_or(Refusal::Unknown)?.clone();
    let follows = match of.access {
        Access::ReadAt(_) => spec.at == At::ThisCommit,
        Access::Writable | Access::Closed => false,
    };
    let seq = readable.resolve(tx, spec.at)?;
    if tx.points().hold(snapshot_hold(spec.guid)).is_some() {
        let known = find_snapshot(tx, spec.guid)?.is_some_and(|row| row.path == spec.path && row.seq == seq);
        return known.then_some(()).ok_or(Refusal::Stale);
    }
    let mut created = spec.created;
    if !follows {
        each_snapshot(tx, spec.path, &mut |newest| {
            // Later, not only as late: who compares times must see which came after which.
            created = created.max(newest.meta.created.plus_micros(1));
            false
        })?;
    }
    let (total, proved) = total_of(tx, &of, spec.guid, seq)?;
    let SnapshotSpec { path, guid, name, creator, epoch, expires, locked, digest, .. } = spec;
    let meta = SnapshotMeta { guid, name, created, creator, epoch };
    let row = SnapshotRow { meta, path, seq, expires, locked, digest, total, proved };
    tx.table_put(Table::Snapshots, snapshot_key(path, seq, guid), row.encode());
    set_hold(tx, HoldRow { id: snapshot_hold(guid), seq, reason: HoldReason::Snapshot });
    Ok(())
}

/// The total that a snapshot is to carry, and whether it is proved by it. One of this very commit gets its total when the batch ends: until then the row has what
/// the transfer that lands declared, and is proved if the two are equal.
fn total_of(tx: &Tx<'_>, path: &PathRow, guid: SnapshotGuid, at: Seq) -> Result<(Option<Total>, bool), Refusal> {
    let written_here = !matches!(path.access, Access::ReadAt(_));
    if at == tx.seq() {
        let landing = transfers_of(tx, path.guid)?.into_iter().find(|row| row.to.guid == guid);
        let declared = landing.and_then(|row| row.total);
        return Ok((declared, written_here || declared.is_some()));
    }
    Ok(match tx.total_at(path, at)? {
        Some((total, proved)) => (Some(total), proved.unwrap_or(written_here)),
        None => (None, false),
    })
}

fn change_snapshot(
    tx: &mut Tx<'_>,
    guid: SnapshotGuid,
    change: impl FnOnce(&mut SnapshotRow) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut row = find_snapshot(tx, guid)?.ok_or(Refusal::Unknown)?;
    change(&mut row)?;
    tx.table_put(Table::Snapshots, snapshot_key(row.path, row.seq, guid), row.encode());
    Ok(())
}

fn drop_snapshot(tx: &mut Tx<'_>, path: PathGuid, guid: SnapshotGuid) -> Result<(), Refusal> {
    tx.gates().path(path).ok_or(Refusal::Unknown)?;
    if let Some(row) = find_snapshot(tx, guid)?.filter(|row| row.path == path) {
        tx.table_delete(Table::Snapshots, snapshot_key(path, row.seq, guid));
        release_hold(tx, snapshot_hold(guid));
    }
    Ok(())
}

/// What a partly applied transfer has made of the present is no snapshot: nobody may come to see it. What a wholly applied one has made of it is
/// no other snapshot than its own: nothing else may be built on it.
fn check_applied(tx: &Tx<'_>, path: PathGuid, whole_is_well: bool) -> Result<(), Refusal> {
    let in_the_way = |row: &TransferRow| match row.phase {
        TransferPhase::Applying { rows, applied } => applied < rows || !whole_is_well,
        TransferPhase::Undoing { .. } => true,
        TransferPhase::Receiving { .. } | TransferPhase::Complete { .. } | TransferPhase::Undone { .. } => false,
    };
    if transfers_of(tx, path)?.iter().any(in_the_way) { Err(Refusal::Stale) } else { Ok(()) }
}

/// What a flip shows has the total that its source declared. What cannot be compared, because one of the two is not counted yet, is shown unproved.
fn check_total(tx: &mut Tx<'_>, path: &PathRow) -> Result<(), Refusal> {
    for transfer in transfers_of(tx, path.guid)? {
        if let (TransferPhase::Applying { .. }, Some(declared)) = (&transfer.phase, transfer.total)
            && tx.total_now(&path.scope)?.is_some_and(|total| total != declared)
        {
            return Err(Refusal::TotalDiffers);
        }
    }
    Ok(())
}

fn drop_transfer(tx: &mut Tx<'_>, id: TransferGuid) -> Result<(), Refusal> {
    let Some(row) = tx.table_record::<TransferRow>(Table::Transfers, id.as_bytes())? else { return Ok(()) };
    let flips = tx.gates().path(row.path).is_some_and(|path| path.access == Access::ReadAt(tx.seq()));
    match row.phase {
        TransferPhase::Applying { rows, applied } if applied < rows || !flips => Err(Refusal::Stale),
        TransferPhase::Complete { .. } if !flips => Err(Refusal::Stale),
        TransferPhase::Undoing { .. } => Err(Refusal::Stale),
        _ => {
            tx.table_delete(Table::Transfers, id.as_bytes().to_vec());
            Ok(())
        }
    }
}

/// The way out for a transfer that is not what its source declared.
fn abandon_transfer(tx: &mut Tx<'_>, id: TransferGuid) -> Result<(), Refusal> {
    let mut row: TransferRow = tx.table_record(Table::Transfers, id.as_bytes())?.ok_or(Refusal::Unknown)?;
    row.phase = match row.phase {
        TransferPhase::Receiving { .. } => return Err(Refusal::Stale),
        TransferPhase::Complete { rows } | TransferPhase::Applying { rows, .. } => TransferPhase::Undoing { rows },
        undone @ (TransferPhase::Undoing { .. } | TransferPhase::Undone { .. }) => undone,
    };
    tx.table_put(Table::Transfers, id.as_bytes().to_vec(), row.encode());
    Ok(())
}
