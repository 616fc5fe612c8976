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
    Access, HoldReason, HoldRow, PathRow, Record, SnapshotMeta, SnapshotRow, TransferPhase, TransferRow,
};
use crate::store::Change;
use crate::types::{PathGuid, SnapshotGuid, TransferGuid};

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
                check_applied(tx, guid, access == Access::ReadAt(tx.seq()))?;
            }
            follow_access(tx, guid, Some(old.access), access);
            let (epoch, detail) = (epoch.unwrap_or(old.epoch), detail.unwrap_or(old.detail));
            tx.put_path(PathRow { guid, scope: old.scope, access, epoch, revision: revision + 1, detail });
            Ok(())
        }
        PathOp::Remove { guid, revision } => remove(tx, guid, revision),
        PathOp::Snapshot(spec) => snapshot(tx, readable, spec),
        PathOp::SetDigest { snapshot, digest } => change_snapshot(tx, snapshot, |row| row.digest = Some(digest)),
        PathOp::SetExpiry { snapshot, expires } => change_snapshot(tx, snapshot, |row| row.expires = expires),
        PathOp::DropSnapshot { path, snapshot } => drop_snapshot(tx, path, snapshot),
        PathOp::Hold { id, at, reason } => {
            let seq = readable.resolve(tx, at)?;
            if reason == HoldReason::Snapshot || is_bound(tx, id) {
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
    let follows = match tx.gates().path(spec.path).ok_or(Refusal::Unknown)?.access {
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
    let SnapshotSpec { path, guid, name, creator, epoch, expires, locked, digest, .. } = spec;
    let meta = SnapshotMeta { guid, name, created, creator, epoch };
    let row = SnapshotRow { meta, path, seq, expires, locked, digest };
    tx.table_put(Table::Snapshots, snapshot_key(path, seq, guid), row.encode());
    set_hold(tx, HoldRow { id: snapshot_hold(guid), seq, reason: HoldReason::Snapshot });
    Ok(())
}

fn change_snapshot(tx: &mut Tx<'_>, guid: SnapshotGuid, change: impl FnOnce(&mut SnapshotRow)) -> Result<(), Refusal> {
    let mut row = find_snapshot(tx, guid)?.ok_or(Refusal::Unknown)?;
    change(&mut row);
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
        TransferPhase::Receiving { .. } | TransferPhase::Complete { .. } => false,
    };
    if transfers_of(tx, path)?.iter().any(in_the_way) { Err(Refusal::Stale) } else { Ok(()) }
}

fn drop_transfer(tx: &mut Tx<'_>, id: TransferGuid) -> Result<(), Refusal> {
    let Some(row) = tx.table_record::<TransferRow>(Table::Transfers, id.as_bytes())? else { return Ok(()) };
    let flips = tx.gates().path(row.path).is_some_and(|path| path.access == Access::ReadAt(tx.seq()));
    match row.phase {
        TransferPhase::Applying { rows, applied } if applied < rows || !flips => Err(Refusal::Stale),
        TransferPhase::Complete { .. } if !flips => Err(Refusal::Stale),
        _ => {
            tx.table_delete(Table::Transfers, id.as_bytes().to_vec());
            Ok(())
        }
    }
}
