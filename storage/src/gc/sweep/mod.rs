//! The sweeps, one a kind of garbage.

mod blobs;
mod feed;
mod history;
mod journal;
mod orphans;
mod snapshots;
mod transfers;

use super::Step;
use crate::record::InstanceId;
use crate::store::CommitError;

/// Rows that one sweep removes in one commit: a bite that clients do not feel.
const BITE: usize = 256;
/// Rows that one sweep looks at in one step.
const ROWS_A_STEP: usize = 2048;

/// Where sweeps without a durable place are.
pub(super) struct Progress {
    feed: feed::Progress,
    journal: journal::Progress,
    orphans: orphans::Progress,
}

impl Progress {
    pub fn new(pieces: Vec<InstanceId>) -> Self {
        let orphans = orphans::Progress::new(pieces);
        Progress { feed: feed::Progress::default(), journal: journal::Progress::default(), orphans }
    }
}

/// What comes first makes garbage for what follows.
pub(super) fn all(step: &mut Step<'_>, progress: &mut Progress) -> Result<(), CommitError> {
    snapshots::expire(step)?;
    transfers::purge(step)?;
    history::sweep(step)?;
    feed::sweep(step, &mut progress.feed)?;
    blobs::condemn(step)?;
    blobs::unlink(step)?;
    orphans::sweep(step, &mut progress.orphans)?;
    journal::compact(step, &mut progress.journal)
}

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod tests;
