//! The scrub: everything stored is read again, round after round, at a limited rate: each blob's CRC32C and BLAKE3, then each path's digest and total,
//! then the totals that are kept of all buckets. Its place and its findings are durable.

mod audit;
mod recount;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tandem_storage::change::{NodeWrite, WriteNodeRows};
use tandem_storage::record::Record;
use tandem_storage::scrub::{Damaged, Page, Referent, Search};
use tandem_storage::types::ContentHash;
use tandem_storage::{Lane, ReadError, Store};

use self::audit::{Audit, Audited};
use self::recount::{Counted, Recount};
pub use self::state::{Finding, Place, ScrubState, Subject};
use super::{Next, WorkError, Worker, blocking};
use crate::clock::SharedClock;
use crate::telemetry::Metrics;

const KEY: &[u8] = b"scrub";
/// The place is written down so often at most: what a restart verifies again.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// A node that has just started has other things to do first.
const START_PAUSE: Duration = Duration::from_secs(30);
/// So often it is looked whether a round is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// So often it is looked whether findings still stand: what is damaged may be put again, or be fetched from a peer.
const STAND_EVERY: Duration = Duration::from_secs(5);
/// What finding and opening a blob counts as, in bytes.
const BLOB_COST: u64 = 16 * 1024;
/// What a page of rows counts as.
const ROWS_COST: u64 = 1024 * 1024;
/// Referents of one finding that are kept and logged.
const REFERENTS_MAX: usize = 16;

/// How fast, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubTerms {
    /// Not zero.
    pub bytes_a_second: u64,
    /// From the end of a round to the beginning of the next.
    pub every: Duration,
}

impl ScrubTerms {
    /// What one step reads, or a little more: about an eighth of a second's worth.
    fn page_bytes(&self) -> u64 {
        (self.bytes_a_second / 8).clamp(64 * 1024, 8 * 1024 * 1024)
    }

    /// How long `bytes` may take.
    fn time_for(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_a_second.max(1) as f64)
    }
}

/// The scrub's state as others see it. None: it does not run.
#[derive(Clone, Default)]
pub struct ScrubTable(Arc<Mutex<Option<ScrubState>>>);

impl ScrubTable {
    pub fn state(&self) -> Option<ScrubState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, state: &ScrubState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.clone());
    }
}

/// Told of each restore point whose stored digest or total is not that of its rows: who replicates it compares everything.
pub type Suspected = Arc<dyn Fn(&Finding) + Send + Sync>;

pub struct Scrubber {
    store: Store,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    table: ScrubTable,
    terms: ScrubTerms,
    suspected: Suspected,
    /// None until it is read, and after a failed step: that begins again at the place that was kept.
    state: Option<ScrubState>,
    /// Damage that is being given names, before the round goes on.
    naming: Option<Naming>,
    recount: Option<Recount>,
    audit: Option<Audit>,
    /// When the state was last written down.
    saved: Duration,
    /// When it was last looked whether findings stand.
    looked: Duration,
}

/// A page's damage on its way to findings.
struct Naming {
    search: Search,
    damaged: Vec<Damaged>,
    found: BTreeMap<ContentHash, (Vec<Referent>, u64)>,
    reached: Option<ContentHash>,
}

impl Naming {
    fn new(page: Page) -> Self {
        let search = Search::new(page.damaged.iter().map(|damaged| damaged.hash));
        Naming { search, damaged: page.damaged, found: BTreeMap::new(), reached: page.reached }
    }

    /// False: all that refers to the damage is found.
    fn step(&mut self, store: &Store) -> Result<bool, ReadError> {
        let found = &mut self.found;
        store.trace(&mut self.search, &mut |hash, referent| {
            let (first, further) = found.entry(hash).or_default();
            match first.len() < REFERENTS_MAX {
                true => first.push(referent),
                false => *further += 1,
            }
        })
    }
}

impl Worker for Scrubber {
    fn name(&self) -> &'static str {
        "scrub"
    }

    async fn step(&mut self) -> Result<Next, WorkError> {
        let Some(mut state) = self.state.take() else {
            let state = self.load().await?;
            self.show(&state);
            (self.state, self.naming, self.recount, self.audit) = (Some(state), None, None, None);
            return Ok(Next::After(self.terms.every.min(START_PAUSE)));
        };
        let began = self.clock.monotonic();
        let fewer = self.look(&mut state).await?;
        let (done, keep) = match (self.naming.take(), state.place) {
            (Some(naming), _) => self.name_damage(&mut state, naming).await,
            (None, Place::Resting) => self.rest(&mut state).await,
            (None, Place::Blobs(after)) => self.verify(&mut state, after).await,
            (None, Place::Digests) => self.count(&mut state).await,
            (None, Place::Totals) => self.audit(&mut state).await,
        }?;
        self.show(&state);
        let late = self.clock.monotonic().saturating_sub(self.saved) >= SAVE_EVERY;
        if fewer || keep == Keep::Now || (keep == Keep::Later && late && self.naming.is_none()) {
            self.save(&state).await?;
        }
        self.state = Some(state);
        let spent = self.clock.monotonic().saturating_sub(began);
        let pause = match done {
            Done::Bytes(bytes) => self.terms.time_for(bytes).saturating_sub(spent),
            Done::Waiting(pause) => pause,
        };
        Ok(if pause.is_zero() { Next::Now } else { Next::After(pause) })
    }
}

/// What a step did, for its pace.
enum Done {
    Bytes(u64),
    Waiting(Duration),
}

/// When the state is to be written down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Nothing has changed that a restart must know.
    No,
    Later,
    Now,
}

type Step = Result<(Done, Keep), WorkError>;

impl Scrubber {
    pub fn new(
        store: Store,
        clock: SharedClock,
        metrics: Arc<Metrics>,
        table: ScrubTable,
        terms: ScrubTerms,
        suspected: Suspected,
    ) -> Self {
        let (state, naming, recount, audit) = (None, None, None, None);
        let (saved, looked) = (clock.monotonic(), Duration::ZERO);
        Scrubber { store, clock, metrics, table, terms, suspected, state, naming, recount, audit, saved, looked }
    }

    /// A row that does not decode is another build's: the round begins again. A point that an audit held before a restart goes.
    async fn load(&self) -> Result<ScrubState, WorkError> {
        let (store, now) = (self.store.clone(), self.clock.now());
        blocking(move || audit::release(&store, now)).await?;
        let row = self.store.node_row(KEY)?;
        let state = row.and_then(|row| ScrubState::decode(&row).ok()).unwrap_or_default();
        for finding in &state.findings {
            if let Subject::Blob { hash, .. } = &finding.subject {
                self.store.distrust(*hash);
            }
        }
        Ok(state)
    }

    async fn save(&mut self, state: &ScrubState) -> Result<(), WorkError> {
        let write = NodeWrite { key: KEY.to_vec(), value: Some(state.encode()), expected: None };
        let _ = self.store.commit(Lane::Background, self.clock.now(), WriteNodeRows(vec![write])).await?;
        self.saved = self.clock.monotonic();
        Ok(())
    }

    fn show(&self, state: &ScrubState) {
        let blobs = state.findings.iter().filter(|finding| matches!(finding.subject, Subject::Blob { .. })).count();
        let digests = state.findings.iter().filter(|finding| matches!(finding.subject, Subject::Digest { .. })).count();
        let totals = state.findings.len() - blobs - digests;
        self.metrics.scrub_findings(blobs as u64 + state.unlisted, digests as u64, totals as u64);
        self.table.show(state);
    }

    /// Lets go of findings that are about nothing any more, also while a round is under way; whether there were some.
    async fn look(&mut self, state: &mut ScrubState) -> Result<bool, WorkError> {
        let now = self.clock.monotonic();
        if state.findings.is_empty() || now.saturating_sub(self.looked) < STAND_EVERY {
            return Ok(false);
        }
        self.looked = now;
        let (store, findings) = (self.store.clone(), std::mem::take(&mut state.findings));
        let known = findings.len();
        state.findings = blocking(move || standing(&store, findings)).await?;
        Ok(state.findings.len() < known)
    }

    /// Begins a round when it is due. The first one comes an interval after the store was first seen: what has just been written has not decayed.
    async fn rest(&self, state: &mut ScrubState) -> Step {
        if state.since.is_none() {
            state.since = Some(self.clock.now());
            return Ok((Done::Bytes(0), Keep::Now));
        }
        let due = state.due_in(self.clock.now(), self.terms.every).unwrap_or_default();
        if due.is_zero() {
            state.begin(self.clock.now());
            return Ok((Done::Bytes(0), Keep::No));
        }
        let look = if state.findings.is_empty() { LOOK_EVERY } else { STAND_EVERY };
        Ok((Done::Waiting(due.min(look)), Keep::No))
    }

    async fn verify(&mut self, state: &mut ScrubState, after: Option<ContentHash>) -> Step {
        let (store, bytes) = (self.store.clone(), self.terms.page_bytes());
        let page = blocking(move || store.scrub(after, bytes)).await?;
        self.metrics.scrubbed(&page);
        state.blobs += page.blobs;
        state.bytes += page.bytes;
        let cost = page.bytes + page.blobs * BLOB_COST;
        match page.damaged.is_empty() {
            true => state.reach(page.reached),
            false => self.naming = Some(Naming::new(page)),
        }
        Ok((Done::Bytes(cost), Keep::Later))
    }

    async fn name_damage(&mut self, state: &mut ScrubState, mut naming: Naming) -> Step {
        let store = self.store.clone();
        let (naming, more) = blocking(move || naming.step(&store).map(|more| (naming, more))).await?;
        if more {
            self.naming = Some(naming);
            return Ok((Done::Bytes(ROWS_COST), Keep::No));
        }
        let Naming { damaged, mut found, reached, .. } = naming;
        for Damaged { hash, instance, place, reason } in damaged {
            let (referents, further) = found.remove(&hash).unwrap_or_default();
            let subject = Subject::Blob { hash, instance, place };
            let (round, at) = (state.round, self.clock.now());
            let finding = Finding { round, at, subject, reason, referents, further };
            log(&finding);
            state.found(finding);
        }
        state.reach(reached);
        Ok((Done::Bytes(ROWS_COST), Keep::Now))
    }

    async fn count(&mut self, state: &mut ScrubState) -> Step {
        let store = self.store.clone();
        let mut recount = self.recount.take().unwrap_or_else(|| Recount::new(&store));
        let (recount, counted) = blocking(move || recount.step(&store).map(|counted| (recount, counted))).await?;
        self.recount = Some(recount);
        let keep = match counted {
            Counted::Page | Counted::Passed => Keep::No,
            Counted::Right => {
                state.digests += 1;
                self.metrics.scrub_counted();
                Keep::No
            }
            Counted::Wrong(wrong) => {
                state.digests += 1;
                self.metrics.scrub_counted();
                for (subject, reason) in wrong {
                    let finding = self.found(state, subject, reason);
                    (self.suspected)(&finding);
                }
                Keep::Now
            }
            Counted::Over => {
                self.recount = None;
                state.place = Place::Totals;
                Keep::Now
            }
        };
        Ok((Done::Bytes(ROWS_COST), keep))
    }

    /// The totals that are kept. If one is wrong, all rows are counted again.
    async fn audit(&mut self, state: &mut ScrubState) -> Step {
        let (store, now) = (self.store.clone(), self.clock.now());
        let mut audit = self.audit.take().unwrap_or_default();
        let (audit, audited) = blocking(move || audit.step(&store, now).map(|audited| (audit, audited))).await?;
        self.audit = Some(audit);
        let keep = match audited {
            Audited::Page => Keep::No,
            Audited::Wrong { whose, reason } => {
                self.found(state, Subject::Kept { whose }, reason);
                let store = self.store.clone();
                blocking(move || store.count_again(now)).await?;
                Keep::Now
            }
            Audited::Over => {
                self.audit = None;
                state.end(now);
                self.metrics.scrub_round();
                let (round, blobs, bytes, digests) = (state.round, state.blobs, state.bytes, state.digests);
                tracing::info!(round, blobs, bytes, digests, findings = state.findings.len(), "scrub: a round is over");
                Keep::Now
            }
        };
        Ok((Done::Bytes(ROWS_COST), keep))
    }

    fn found(&self, state: &mut ScrubState, subject: Subject, reason: String) -> Finding {
        let (round, at) = (state.round, self.clock.now());
        let finding = Finding { round, at, subject, reason, referents: Vec::new(), further: 0 };
        log(&finding);
        state.found(finding.clone());
        finding
    }
}

/// Findings whose subject is still what it was when they were made.
fn standing(store: &Store, findings: Vec<Finding>) -> Result<Vec<Finding>, ReadError> {
    let mut standing = Vec::with_capacity(findings.len());
    for finding in findings {
        let stands = match &finding.subject {
            Subject::Blob { instance: None, .. } => true,
            Subject::Blob { hash, instance, .. } => store.instance(*hash)? == *instance,
            Subject::Digest { snapshot, .. } | Subject::Total { snapshot, .. } => store.snapshot(*snapshot)?.is_some(),
            // Until a later round has counted it again.
            Subject::Kept { .. } => true,
        };
        if stands {
            standing.push(finding);
        }
    }
    Ok(standing)
}

/// One line a referent: each names something that cannot be read.
fn log(finding: &Finding) {
    let reason = &finding.reason;
    match &finding.subject {
        Subject::Digest { path, snapshot, name } => {
            tracing::error!(path, %snapshot, name, reason, "scrub: the stored digest of a restore point is wrong");
        }
        Subject::Total { path, snapshot, name } => {
            tracing::error!(path, %snapshot, name, reason, "scrub: the stored total of a restore point is wrong");
        }
        Subject::Kept { whose } => tracing::error!(whose, reason, "scrub: a kept total is wrong"),
        Subject::Blob { hash, place, .. } => {
            for referent in &finding.referents {
                tracing::error!(%hash, place, reason, %referent, "scrub: stored bytes are damaged");
            }
            if finding.referents.is_empty() || finding.further > 0 {
                let further = finding.further;
                tracing::error!(%hash, place, reason, further, "scrub: stored bytes are damaged");
            }
        }
    }
}
