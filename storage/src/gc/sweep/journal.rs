//! Journal files that are kept for a few live bodies: those move to the journal's end, so that the file can go.

use std::collections::BTreeSet;

use super::super::{Step, plan, unreadable};
use crate::blob::BlobError;
use crate::change::Refusal;
use crate::journal::JournalError;
use crate::meta::Tx;
use crate::meta::core::Core;
use crate::meta::engine::{Direction, EngineError, Table};
use crate::meta::layout::{SegmentCount, Span, parse_number};
use crate::record::{InstanceId, Location};
use crate::store::{Change, CommitError, ReadError};
use crate::types::ContentHash;

/// Bodies, and their bytes, that one commit moves.
const BODIES_A_BITE: usize = 64;
const BYTES_A_BITE: usize = 1024 * 1024;
/// Bodies that are remembered of a file; the rest waits for its next turn.
const BODIES_MAX: usize = 64 * 1024;

/// The file in work.
#[derive(Default)]
pub(super) struct Progress {
    file: u64,
    /// Its bodies that were live when it was looked through, and are still to be moved.
    waiting: Vec<(ContentHash, InstanceId)>,
    /// Files that a damaged body keeps.
    stuck: BTreeSet<u64>,
}

/// Moves a bite of live bodies, or looks for the next file to compact.
pub(super) fn compact(step: &mut Step<'_>, progress: &mut Progress) -> Result<(), CommitError> {
    if progress.waiting.is_empty() {
        let Some(file) = next_file(step.core, &progress.stuck).map_err(unreadable)? else { return Ok(()) };
        progress.file = file;
        progress.waiting = live_bodies(step.core, file)?;
    }
    let mut bodies = Vec::new();
    let mut bytes = 0;
    while bodies.len() < BODIES_A_BITE && bytes < BYTES_A_BITE {
        let Some((hash, instance)) = progress.waiting.pop() else { break };
        match content(step.core, hash, instance)? {
            Body::Here(content) => {
                bytes += content.len();
                bodies.push(MovedBody { hash, instance, content });
            }
            Body::Gone => {}
            Body::Damaged => drop(progress.stuck.insert(progress.file)),
        }
    }
    step.done.more |= !progress.waiting.is_empty();
    if bodies.is_empty() { Ok(()) } else { step.commit(Relocate { bodies }) }
}

/// The file that gives most back. The newest is still written.
fn next_file(core: &Core, stuck: &BTreeSet<u64>) -> Result<Option<u64>, ReadError> {
    let io = |error: std::io::Error| ReadError::Engine(EngineError(error.to_string()));
    let newest = core.journal.list().map_err(io)?.last().copied().unwrap_or(0);
    let (view, _) = core.view()?;
    let mut files = Vec::new();
    let mut rows = view.cursor(Table::Segments, Span::prefix(&[]).range(), Direction::Forward)?;
    while let Some((key, count)) = rows.next()? {
        let (file, count) = (parse_number(key)?, SegmentCount::decode(count)?);
        if file < newest && !stuck.contains(&file) {
            let bytes = core.journal.len(file).map_err(io)?;
            files.push(plan::JournalFile { file, bytes, live_bodies: count.bodies, live_bytes: count.bytes });
        }
    }
    Ok(plan::compaction(files))
}

/// Bodies of a file that rows still name there.
fn live_bodies(core: &Core, file: u64) -> Result<Vec<(ContentHash, InstanceId)>, CommitError> {
    let mut live = Vec::new();
    let mut failed = None;
    let walked = core.journal.bodies(file, &mut |found| {
        if live.len() == BODIES_MAX || failed.is_some() {
            return;
        }
        // A view for each: one for the whole file would be held too long.
        match core.blob_row(&found.hash) {
            Ok(Some(row)) if row.instance == found.instance => live.push((found.hash, found.instance)),
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
    });
    match failed {
        Some(error) => Err(unreadable(error)),
        None => walked.map(|()| live).map_err(damaged),
    }
}

fn damaged(error: JournalError) -> CommitError {
    CommitError::Refused(Refusal::Damaged(error.to_string()))
}

/// What is where a body was.
enum Body {
    Here(bytes::Bytes),
    Gone,
    /// It stays: it is for the scrub to repair.
    Damaged,
}

fn content(core: &Core, hash: ContentHash, instance: InstanceId) -> Result<Body, CommitError> {
    let row = core.blob_row(&hash).map_err(unreadable)?;
    if !row.is_some_and(|row| row.instance == instance && row.location != Location::Piece) {
        return Ok(Body::Gone);
    }
    match core.blobs.read(hash, core) {
        Ok(content) => Ok(Body::Here(content)),
        Err(BlobError::Damaged(_)) => {
            tracing::warn!(%hash, "a damaged body stays where it is");
            Ok(Body::Damaged)
        }
        Err(error) => Err(unreadable(error)),
    }
}

struct MovedBody {
    hash: ContentHash,
    instance: InstanceId,
    content: bytes::Bytes,
}

/// Gives live bodies a new instance, in this commit's frame.
struct Relocate {
    bodies: Vec<MovedBody>,
}

impl Change for Relocate {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        for MovedBody { hash, instance, content } in self.bodies {
            tx.relocate(hash, instance, content)?;
        }
        Ok(())
    }
}
