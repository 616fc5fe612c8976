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
    walk: Walk,
}

/// How much of the table of blobs has been looked at. It moves on by pages that were read to their end: whatever failed in between, what is not
/// known to have been seen is not taken for seen.
#[derive(Default)]
enum Walk {
    /// The key to go on at.
    At(Vec<u8>),
    #[default]
    Over,
}

impl Progress {
    pub fn new(pieces: Vec<InstanceId>) -> Self {
        Progress { suspects: pieces.into_iter().collect(), walk: Walk::At(Vec::new()) }
    }
}

/// Takes the walk a page further, or unlinks a bite of what it has left over.
pub(super) fn sweep(step: &mut Step<'_>, progress: &mut Progress) -> Result<(), CommitError> {
    step.done.more |= go_on(step.core, progress).map_err(unreadable)?;
    Ok(())
}

/// Whether there is more to do.
pub(super) fn go_on(core: &Core, progress: &mut Progress) -> Result<bool, ReadError> {
    if progress.suspects.is_empty() {
        // Room for as many as there were is not needed any more.
        *progress = Progress::default();
        return Ok(false);
    }
    match &progress.walk {
        Walk::At(place) => {
            let (view, _) = core.view()?;
            progress.walk = clear(&*view, place.clone(), &mut progress.suspects)?;
        }
        Walk::Over => {
            let orphans = bite(core, &mut progress.suspects)?;
            tracing::info!(pieces = orphans.len(), "removing pieces that were never committed");
            for instance in orphans {
                // What cannot be removed is found again by the next opening.
                let _ = unlink_one(core, instance);
            }
        }
    }
    Ok(!progress.suspects.is_empty())
}

/// Takes some of those that no row names. The condemned are left to the sweep that has condemned them.
fn bite(core: &Core, suspects: &mut HashSet<InstanceId>) -> Result<Vec<InstanceId>, ReadError> {
    let taken: Vec<InstanceId> = suspects.iter().copied().take(BITE).collect();
    let (view, _) = core.view()?;
    let mut orphans = Vec::with_capacity(taken.len());
    for instance in &taken {
        if view.value(Table::Condemned, &condemned_key(*instance))?.is_none() {
            orphans.push(*instance);
        }
    }
    for instance in &taken {
        suspects.remove(instance);
    }
    Ok(orphans)
}

/// Clears the pieces that a page of rows names.
fn clear(view: &dyn View, at: Vec<u8>, suspects: &mut HashSet<InstanceId>) -> Result<Walk, ReadError> {
    let span = Span::tail(&[], at);
    let mut rows = view.cursor(Table::Blobs, span.range(), Direction::Forward)?;
    let mut reached = Vec::new();
    for _ in 0..ROWS_A_STEP {
        let Some((key, value)) = rows.next()? else { return Ok(Walk::Over) };
        reached.clear();
        reached.extend_from_slice(key);
        match BlobRow::decode(value) {
            Ok(row) if row.location == Location::Piece => drop(suspects.remove(&row.instance)),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "pieces that were never committed stay: a row may name any of them");
                suspects.clear();
                return Ok(Walk::Over);
            }
        }
    }
    reached.push(0);
    Ok(Walk::At(reached))
}
