//! The verifier: recounts every reference, compares tables with each other, reads every blob and hashes it. It changes nothing.

mod bytes;
mod points;
mod report;
mod rows;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use crate::blob::{BlobStore, Resolve};
use crate::journal::JournalFiles;
use crate::meta::engine::{Table, View};
use crate::record::{BlobRow, CorruptRecord, InstanceId, Location};
use crate::store::ReadError;
use crate::types::ContentHash;

pub use report::{CheckReport, Depth, Finding, Kind, Progress};

/// What is being checked.
pub(crate) struct Subject<'a> {
    /// One view for all tables.
    pub view: &'a dyn View,
    /// The rows of now: a blob may have moved since the view was opened.
    pub live: &'a dyn Resolve,
    pub blobs: &'a BlobStore,
    pub journal: &'a JournalFiles,
    pub state: State,
}

/// What else happens meanwhile: it decides what counts as left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Clients write, bodies are in flight.
    Running,
    /// Nobody writes and nobody reads.
    Idle,
    /// Idle, and collection had nothing left to do: whatever is unreachable must be gone.
    Collected,
}

/// One run.
struct Check<'a> {
    subject: Subject<'a>,
    report: CheckReport,
    progress: &'a mut dyn FnMut(Progress),
    blobs: BTreeMap<ContentHash, Counted>,
    tally: totals::Tally,
}

/// A blob, and the references to it that were met.
#[derive(Default)]
struct Counted {
    row: Option<BlobRow>,
    references: u64,
}

/// # Errors
/// Only when the engine itself cannot be read; damage is a finding.
pub(crate) fn run(
    subject: Subject<'_>,
    depth: Depth,
    progress: &mut dyn FnMut(Progress),
) -> Result<CheckReport, ReadError> {
    let (report, blobs, tally) = (CheckReport::default(), BTreeMap::new(), totals::Tally::default());
    let mut check = Check { subject, report, progress, blobs, tally };
    check.load_blobs()?;
    check.tally()?;
    check.rows()?;
    check.totals()?;
    check.claims()?;
    check.recipes();
    check.counts();
    check.points()?;
    let instances = check.instances()?;
    check.segments()?;
    check.piece_files(&instances);
    check.journal_files();
    if depth == Depth::Bytes {
        check.bytes();
    }
    Ok(check.report)
}

impl Check<'_> {
    fn found(&mut self, kind: Kind, subject: impl Into<String>, detail: impl Into<String>) {
        self.report.findings.push(Finding { kind, subject: subject.into(), detail: detail.into() });
    }

    /// Visits all entries of a table; what does not decode is a finding.
    fn each(
        &mut self,
        table: Table,
        visit: &mut dyn FnMut(&mut Self, &[u8], &[u8]) -> Result<(), CorruptRecord>,
    ) -> Result<(), ReadError> {
        let view = self.subject.view;
        let all = (Bound::Unbounded, Bound::Unbounded);
        view.scan(table, all, &mut |key, value| {
            if let Err(corrupt) = visit(self, key, value) {
                self.found(Kind::Undecodable, format!("{table:?} {}", hex(key)), corrupt.to_string());
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    /// Every instance that a row names, and in whose files it must be.
    fn instances(&mut self) -> Result<Instances, ReadError> {
        let mut instances = Instances::default();
        for (hash, counted) in &self.blobs {
            if let Some(row) = counted.row
                && instances.live.insert(row.instance, (*hash, row.location)).is_some()
            {
                let twice = format!("instance {:016x}", row.instance.get());
                let finding = Finding { kind: Kind::Instance, subject: twice, detail: "two blobs name it".into() };
                self.report.findings.push(finding);
            }
        }
        self.each(Table::Condemned, &mut |check, key, _| {
            let bytes = key.try_into().map_err(|_| crate::meta::layout::corrupt("condemned key", key))?;
            let instance = InstanceId::new(u64::from_be_bytes(bytes));
            if instances.live.contains_key(&instance) {
                check.found(
                    Kind::Instance,
                    format!("instance {:016x}", instance.get()),
                    "condemned, and a blob names it",
                );
            }
            if check.subject.state == State::Collected {
                check.found(Kind::LeftOver, format!("condemned instance {:016x}", instance.get()), "not unlinked");
            }
            instances.condemned.insert(instance);
            Ok(())
        })?;
        Ok(instances)
    }
}

/// Instances by what rows say of them.
#[derive(Default)]
struct Instances {
    live: BTreeMap<InstanceId, (ContentHash, Location)>,
    condemned: BTreeSet<InstanceId>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
