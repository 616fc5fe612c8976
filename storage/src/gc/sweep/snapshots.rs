//! Expiry.

use super::super::{Step, plan, unreadable};
use super::BITE;
use crate::change::{PathOp, Refusal, UpdatePaths};
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::Span;
use crate::record::{Record, SnapshotRow};
use crate::store::CommitError;

/// Drops snapshots whose time has come.
pub(super) fn expire(step: &mut Step<'_>) -> Result<(), CommitError> {
    let ops = {
        let (view, state) = step.core.view().map_err(unreadable)?;
        let mut snapshots = Vec::new();
        let mut rows =
            view.cursor(Table::Snapshots, Span::prefix(&[]).range(), Direction::Forward).map_err(unreadable)?;
        while let Some((_, row)) = rows.next().map_err(unreadable)? {
            let row = SnapshotRow::decode(row).map_err(unreadable)?;
            if row.expires.is_some() {
                snapshots.push(row);
            }
        }
        let gone = plan::expired(&snapshots, &state.points, step.now).into_iter();
        gone.take(BITE).map(|(path, snapshot)| PathOp::DropSnapshot { path, snapshot }).collect::<Vec<_>>()
    };
    if ops.is_empty() {
        return Ok(());
    }
    step.done.more = true;
    match step.commit(UpdatePaths(ops)) {
        // A path went meanwhile, and its snapshots with it.
        Ok(_) | Err(CommitError::Refused(Refusal::Unknown)) => Ok(()),
        Err(error) => Err(error),
    }
}
