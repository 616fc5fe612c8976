//! Pieces that a process wrote and never committed.
//!
//! They are looked for among the piece files that were there when the store was opened, and nowhere else: what is being written now has an id above all of theirs, and
//! a row that comes to be names a piece that was written since. So rows that name one of these can only become fewer, and what one walk over
//! all rows has not met no row names. No piece is opened.

use std::collections::HashSet;

use super::super::{Step, unreadable};
use super::blobs::unlink_one;
use super::{BITE, ROWS_A_STEP};
use crate::meta::core::Core;
use crate::meta::engine::{Direction, Table, View};
use crate::meta::layout::{Span, condemned_key};
use crate::record::{BlobRow, InstanceId, Location, Record};
use crate::store::{CommitError, ReadError};

/// A walk over the table of blobs; then the pieces that are left, bite by bite.
#[derive(Default)]
pub(super) struct Progress {
    /// Pieces that no row is known to name.
    suspects: HashSet<InstanceId>,
    /// The key of `blobs` to go on at; none: all rows have been seen.
    at: Option<Vec<u8>>,
}

impl Progress {
    pub fn new(pieces: Vec<InstanceId>) -> Self {
        Progress { suspects: pieces.into_iter().collect(), at: Some(Vec::new()) }
    }
}

/// Takes the walk a page further, or unlinks a bite of what it has left over.
pub(super) fn sweep(step: &mut Step<'_>, progress: &mut Progress) -> Result<(), CommitError> {
    if progress.suspects.is_empty() {
        // Room for as many as there were is not needed any more.
        *progress = Progress::default();
        return Ok(());
    }
    match progress.at.take() {
        Some(at) => {
            let (view, _) = step.core.view().map_err(unreadable)?;
            progress.at = clear(&*view, at, &mut progress.suspects).map_err(unreadable)?;
        }
        None => {
            let orphans = bite(step.core, &mut progress.suspects).map_err(unreadable)?;
            tracing::info!(pieces = orphans.len(), "removing pieces that were never committed");
            for instance in orphans {
                // What cannot be removed is found again by the next opening.
                let _ = unlink_one(step.core, instance);
            }
        }
    }
    step.done.more |= !progress.suspects.is_empty();
    Ok(())
}

/// Takes some of those that no row names. The condemned are left to the sweep that has condemned them.
fn bite(core: &Core, suspects: &mut HashSet<InstanceId>) -> Result<Vec<InstanceId>, ReadError> {
    let mut taken: Vec<InstanceId> = suspects.iter().copied().take(BITE).collect();
    let (view, _) = core.view()?;
    let mut failed = None;
    taken.retain(|instance| {
        suspects.remove(instance);
        let condemned = view.value(Table::Condemned, &condemned_key(*instance));
        condemned.map_err(|error| failed = Some(error)).is_ok_and(|row| row.is_none())
    });
    failed.map_or(Ok(taken), |error| Err(error.into()))
}

/// Clears the pieces that a page of rows names. Where to go on.
fn clear(view: &dyn View, at: Vec<u8>, suspects: &mut HashSet<InstanceId>) -> Result<Option<Vec<u8>>, ReadError> {
    let span = Span::tail(&[], at);
    let mut rows = view.cursor(Table::Blobs, span.range(), Direction::Forward)?;
    let mut reached = Vec::new();
    for _ in 0..ROWS_A_STEP {
        let Some((key, value)) = rows.next()? else { return Ok(None) };
        reached.clear();
        reached.extend_from_slice(key);
        match BlobRow::decode(value) {
            Ok(row) if row.location == Location::Piece => drop(suspects.remove(&row.instance)),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "pieces that were never committed stay: a row may name any of them");
                suspects.clear();
                return Ok(None);
            }
        }
    }
    reached.push(0);
    Ok(Some(reached))
}
