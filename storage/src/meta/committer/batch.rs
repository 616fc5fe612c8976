//! One batch, from what has queued to the answers.

use super::job::Job;
use super::queue::{Batch, Queue};
use super::{Fatal, Outcome, Writing};
use crate::blob::StagedPiece;
use crate::change::Refusal;
use crate::journal::JournalError;
use crate::meta::engine::{EngineWrite, Table};
use crate::meta::layout::meta_row;
use crate::meta::published::State;
use crate::meta::tx::finish::Finished;
use crate::meta::{Before, Tx};
use crate::record::tag;
use crate::store::Lane;
use crate::types::{Seq, Timestamp};

/// A batch takes no more changes when it has this many rows, or bytes of bodies.
const ROWS_MAX: usize = 16 * 1024;
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The bite of background work next to clients, in rows: about 2 ms of work.
const BITE_ROWS: usize = 256;

impl Writing {
    /// Carries a batch out and answers it.
    pub(super) fn commit(&mut self, batch: Batch, queue: &Queue) -> Result<(), Fatal> {
        if let Some(reason) = self.core.blobs.failed_sync() {
            let stopped = Outcome::Stopped(reason.to_owned());
            batch.client.into_iter().chain(batch.background).for_each(|job| job.answer(&stopped));
            return Err(Fatal(reason.to_owned()));
        }
        let mut jobs = Vec::with_capacity(batch.client.len() + batch.background.len());
        let seq = self.journal.last().next();
        let outcome = match self.carry_out(seq, batch, queue, &mut jobs) {
            Ok(finished) if finished.writes.is_empty() => Ok(Outcome::Durable(self.journal.last())),
            Ok(finished) => self.write(seq, newest_time(&jobs), finished),
            Err(refusal) => Ok(Outcome::Refused(refusal)),
        };
        match outcome {
            Ok(outcome) => {
                jobs.into_iter().for_each(|job| job.answer(&outcome));
                Ok(())
            }
            Err(Fatal(reason)) => {
                jobs.into_iter().for_each(|job| job.answer(&Outcome::Stopped(reason.clone())));
                Err(Fatal(reason))
            }
        }
    }

    /// Runs the changes over one view. Those that were run are in `jobs` afterwards, to be answered.
    fn carry_out(
        &self,
        seq: Seq,
        batch: Batch,
        queue: &Queue,
        jobs: &mut Vec<Box<dyn Job>>,
    ) -> Result<Finished, Refusal> {
        let state = self.core.published.state();
        let view = match self.core.engine.view() {
            Ok(view) => view,
            Err(error) => {
                jobs.extend(batch.client.into_iter().chain(batch.background));
                return Err(error.into());
            }
        };
        let mut tx = Tx::new(Before {
            view: &*view,
            seq,
            points: state.points.clone(),
            gates: state.gates.clone(),
            counting: state.counting.clone(),
            instances: self.core.blobs.instances(),
            room: self.core.blobs.space().room(),
            distrust: self.core.blobs.distrust(),
        });
        let bite = if batch.client.is_empty() { ROWS_MAX } else { BITE_ROWS };
        let client = run(&mut tx, batch.client, jobs, ROWS_MAX);
        queue.put_back(Lane::Client, client);
        let limit = tx.weight().0 + bite;
        let background = run(&mut tx, batch.background, jobs, limit);
        queue.put_back(Lane::Background, background);
        let places = self.journal.plan(tx.bodies().iter().map(|body| body.bytes.len()));
        tx.finish(&places)
    }

    /// The frame, the engine, the world.
    fn write(&mut self, seq: Seq, now: Timestamp, finished: Finished) -> Result<Outcome, Fatal> {
        let Finished { mut writes, bodies, pieces, points, gates, counting } = finished;
        let before = self.journal.position();
        let appended = match self.journal.append(seq, now, &bodies, &writes) {
            Err(JournalError::NoSpace) if self.reserve.give(&*self.core.disk) => {
                self.journal.append(seq, now, &bodies, &writes)
            }
            other => other,
        };
        match appended {
            Ok(()) => {}
            Err(JournalError::NoSpace) => return Ok(Outcome::Refused(Refusal::NoSpace)),
            Err(error) => {
                // The frame may be on the disk: what it names must stay.
                adopt(pieces);
                return Err(Fatal(error.to_string()));
            }
        }
        adopt(pieces);
        let after = self.journal.position();
        let written = match after.file == before.file {
            true => after.offset - before.offset,
            false => self.core.journal.len(before.file).map_or(0, |len| len.saturating_sub(before.offset)),
        };
        self.since_checkpoint += written;
        self.core.blobs.space().wrote(written);
        writes.push(applied(seq));
        let core = &self.core;
        let catalogue = match writes.iter().any(is_of_catalogue) {
            true => seq,
            false => core.published.state().catalogue,
        };
        core.published
            .publish(seq, State { gates, points, counting, catalogue }, || core.engine.apply(&writes))
            .map_err(|error| Fatal(error.to_string()))?;
        Ok(Outcome::Durable(seq))
    }
}

/// Runs jobs until the batch has `rows_max` rows or its fill of bytes, at least one of them. The rest is given back.
fn run(
    tx: &mut Tx<'_>,
    waiting: Vec<Box<dyn Job>>,
    done: &mut Vec<Box<dyn Job>>,
    rows_max: usize,
) -> std::vec::IntoIter<Box<dyn Job>> {
    let mut waiting = waiting.into_iter();
    for mut job in waiting.by_ref() {
        tx.begin(job.now());
        if !job.carry_out(tx) {
            tx.undo();
        }
        done.push(job);
        let (rows, bytes) = tx.weight();
        if rows >= rows_max || bytes >= BODY_BYTES_MAX {
            break;
        }
    }
    waiting
}

/// Whether a write changes a bucket, a name or a setting.
fn is_of_catalogue(write: &EngineWrite) -> bool {
    let first = write.key.first();
    write.table == Table::Current && first.is_some_and(|first| [tag::BUCKET, tag::NAME, tag::SETTING].contains(first))
}

fn adopt(pieces: Vec<StagedPiece>) {
    for piece in pieces {
        piece.adopt();
    }
}

fn newest_time(jobs: &[Box<dyn Job>]) -> Timestamp {
    jobs.iter().map(|job| job.now()).max().unwrap_or_default()
}

/// Says inside the engine which batch it has applied last.
pub(super) fn applied(seq: Seq) -> EngineWrite {
    EngineWrite { table: Table::Meta, key: meta_row::APPLIED.to_vec(), value: Some(seq.to_bytes().to_vec()) }
}
