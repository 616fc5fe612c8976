//! The destination's side of a transfer: claim, store, stage, check, and, once it is whole, apply. Everything that is answered is
//! durable, so a transfer goes on where it was whichever side was killed.

mod blobs;
mod compare;
mod finish;
mod sizes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tandem_storage::change::{ClaimBlobs, CompleteTransfer, PathOp, Refusal, StageRows, StagedRow, UpdatePaths};
use tandem_storage::meta::delta::DeltaPosition;
use tandem_storage::record::{Digest, RowKey, SnapshotRow, Total, TransferPhase, TransferRow};
use tandem_storage::types::{ContentHash, SnapshotGuid};
use tandem_storage::{CommitError, Lane, Pending, ReadError, Store};
use tokio::sync::watch;

use super::alarm::{Alarms, Difference, Point};
use super::message::{Answer, Attempt, Failure, HASHES_MAX, ROWS_MAX, ShownRow, WireRow};
use crate::clock::SharedClock;

pub(crate) use finish::{Fault, apply, rewind};
use sizes::Unsound;

/// Rows, or hashes, that one commit takes.
const BITE: usize = 128;
/// Rows of what is shown that one answer tells.
const SHOWN_ROWS: usize = 2000;
/// Checks, and verdicts not asked for again, that are remembered.
const CHECKS_MAX: usize = 64;

/// Takes what a source sends. The caller has checked that the attempt's path belongs to the sender.
#[derive(Clone)]
pub(crate) struct Receiver {
    store: Store,
    clock: SharedClock,
    alarms: Arc<Alarms>,
    /// Digests being checked: one at a time for each transfer, however often its source asks.
    checks: Arc<Mutex<HashMap<Attempt, Verdict>>>,
}

/// What a source says of a transfer that it has sent whole.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub rows: u64,
    pub digest: Digest,
    /// Absent while the source does not know it.
    pub total: Option<Total>,
}

/// What a check came to; absent while it runs.
type Verdict = watch::Receiver<Option<Result<SnapshotGuid, Failure>>>;

impl Receiver {
    pub(crate) fn new(store: Store, clock: SharedClock, alarms: Arc<Alarms>) -> Self {
        Receiver { store, clock, alarms, checks: Arc::default() }
    }

    /// Claims what is here and says what is not.
    pub(crate) async fn lacking(&self, attempt: Attempt, hashes: Vec<ContentHash>) -> Result<Answer, Failure> {
        self.receiving(attempt).await?;
        if hashes.len() > HASHES_MAX {
            return Err(self.lied(attempt, "too many hashes in a message").await);
        }
        let bites = hashes.chunks(BITE).map(|wanted| {
            let claim = ClaimBlobs { transfer: attempt.transfer, received: Vec::new(), wanted: wanted.to_vec() };
            self.store.commit(Lane::Background, self.clock.now(), claim)
        });
        let mut lacking = Vec::new();
        for claimed in bites.collect::<Vec<_>>() {
            lacking.extend(claimed.await.map_err(refused)?.into_inner().lacking);
        }
        Ok(Answer::Lacking(lacking))
    }

    pub(crate) async fn rows(&self, attempt: Attempt, first: u64, rows: Vec<WireRow>) -> Result<Answer, Failure> {
        self.receiving(attempt).await?;
        if rows.len() > ROWS_MAX || first.checked_add(ROWS_MAX as u64).is_none() {
            return Err(self.lied(attempt, "too many rows").await);
        }
        let decoded =
            rows.into_iter().map(|row| Some(StagedRow { key: RowKey::decode(&row.key).ok()?, value: row.value }));
        let Some(rows) = decoded.collect::<Option<Vec<_>>>() else {
            return Err(self.lied(attempt, "a row that does not decode").await);
        };
        let rows = self.blocking(move |store| Ok(sizes::check(store, &rows).map(|()| rows))).await?;
        let rows = match rows {
            Ok(rows) => rows,
            Err(Unsound::Lie(what)) => return Err(self.lied(attempt, what).await),
            Err(Unsound::Unread(error)) => return Err(Failure::Internal(error)),
        };
        let mut staged = first;
        let bites = self.stage(attempt, first, rows);
        for bite in bites {
            staged = match bite.await {
                Ok(staged) => staged.into_inner(),
                Err(error) => return Err(self.not_staged(attempt, error).await),
            };
        }
        Ok(Answer::Staged(staged))
    }

    /// What a commit's refusal means to the source; a transfer with a lie in it is dropped.
    async fn not_staged(&self, attempt: Attempt, error: CommitError) -> Failure {
        match error {
            CommitError::Refused(Refusal::Malformed(what)) => self.lied(attempt, what).await,
            other => refused(other),
        }
    }

    /// The peer sent what no source sends: nothing of the transfer is kept.
    async fn lied(&self, attempt: Attempt, what: &'static str) -> Failure {
        tracing::error!(path = %attempt.path, transfer = %attempt.transfer, what, "the peer sent something malformed; the transfer is dropped");
        match self.forget(attempt).await {
            Ok(()) => Failure::Refused(format!("the transfer was dropped: the other node does not take {what}")),
            Err(error) => refused(error),
        }
    }

    /// Hands rows to the committer in bites that clients do not notice; they keep their order.
    fn stage(&self, attempt: Attempt, first: u64, rows: Vec<StagedRow>) -> Vec<Pending<u64>> {
        let (mut first, mut rows) = (first, rows.into_iter());
        let mut bites = Vec::new();
        loop {
            let bite: Vec<StagedRow> = rows.by_ref().take(BITE).collect();
            if bite.is_empty() {
                return bites;
            }
            let next = first + bite.len() as u64;
            let stage = StageRows { transfer: attempt.transfer, first, rows: bite };
            bites.push(self.store.commit(Lane::Background, self.clock.now(), stage));
            first = next;
        }
    }

    /// Checks the digest and the total over what is staged, and declares the transfer whole. Its driver applies and flips.
    /// Returns the snapshot that lands, or nothing when the check takes longer than `patience`: ask again.
    pub(crate) async fn complete(
        &self,
        attempt: Attempt,
        declared: Declared,
        patience: Duration,
    ) -> Result<Option<SnapshotGuid>, Failure> {
        // Only a transfer that there is gets a task and a place among the checks. One that is being checked may have landed, and be gone, before its
        // source asks again: the verdict that was kept is the answer.
        let asked_before = self.checks().contains_key(&attempt);
        if !asked_before {
            let _ = self.transfer(attempt).await?;
        }
        let mut verdict = self.begin_check(attempt, declared);
        let told = match tokio::time::timeout(patience, verdict.wait_for(Option::is_some)).await {
            Ok(Ok(told)) => told.clone(),
            // The task ended without a verdict: the node is stopping.
            Ok(Err(_)) => Some(Err(Failure::Internal("the node is stopping".into()))),
            Err(_) => return Ok(None),
        };
        self.checks().remove(&attempt);
        told.transpose()
    }

    /// The check of this transfer that runs, or a new one.
    fn begin_check(&self, attempt: Attempt, declared: Declared) -> Verdict {
        let mut checks = self.checks();
        if let Some(running) = checks.get(&attempt) {
            return running.clone();
        }
        // Verdicts that nobody came back for.
        if checks.len() >= CHECKS_MAX {
            checks.retain(|_, verdict| verdict.borrow().is_none());
        }
        let (sender, verdict) = watch::channel(None);
        checks.insert(attempt, verdict.clone());
        let receiver = self.clone();
        tokio::spawn(async move {
            let outcome = receiver.check(attempt, declared).await;
            sender.send_replace(Some(outcome));
        });
        verdict
    }

    fn checks(&self) -> MutexGuard<'_, HashMap<Attempt, Verdict>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn check(&self, attempt: Attempt, declared: Declared) -> Result<SnapshotGuid, Failure> {
        let transfer = self.transfer(attempt).await?;
        let to = transfer.to.guid;
        let Declared { rows, digest, total } = declared;
        match transfer.phase {
            TransferPhase::Complete { .. } | TransferPhase::Applying { .. } => return Ok(to),
            // The store found it out when all was applied.
            TransferPhase::Undoing { .. } | TransferPhase::Undone { .. } => return Err(Failure::TotalDiffers),
            TransferPhase::Receiving { rows: staged } if staged == rows => {}
            TransferPhase::Receiving { .. } => {
                return Err(self.differs(&transfer, attempt, Difference::ArrivedDigest).await);
            }
        }
        let id = attempt.transfer;
        // A seed's keys ascend.
        if transfer.base.is_some() && self.blocking(move |store| store.staged_repeats(id, rows)).await? {
            return Err(self.lied(attempt, "a key twice").await);
        }
        if let Err(difference) = self.compare(attempt, &transfer, &digest, total).await? {
            return Err(self.differs(&transfer, attempt, difference).await);
        }
        let complete = CompleteTransfer { transfer: attempt.transfer, rows, digest, total };
        match self.store.commit(Lane::Background, self.clock.now(), complete).await {
            Ok(_) => Ok(to),
            Err(error) => Err(self.not_staged(attempt, error).await),
        }
    }

    /// A page of what is shown, in key order.
    pub(crate) async fn shown(
        &self,
        attempt: Attempt,
        over: SnapshotGuid,
        position: Option<Vec<u8>>,
    ) -> Result<Answer, Failure> {
        self.receiving(attempt).await?;
        let row = self.visible(attempt).await?.filter(|row| row.meta.guid == over).ok_or(Failure::NotCurrent)?;
        let scope = self.store.path(attempt.path).ok_or(Failure::NoPath)?.scope;
        let position: Option<DeltaPosition> = match position {
            Some(bytes) => Some(postcard::from_bytes(&bytes).map_err(|_| Failure::Refused("no such position".into()))?),
            None => None,
        };
        let page = self.blocking(move |store| store.delta(&scope, None, row.seq, position, SHOWN_ROWS)).await?;
        let rows = page.entries.into_iter().filter(|entry| entry.key.bucket().is_some());
        let rows = rows.filter_map(|entry| Some((entry.key.encode(), entry.new?)));
        let rows = rows.map(|(key, value)| ShownRow { key, hash: ContentHash::of(&value) }).collect();
        let next =
            page.next.map(|next| postcard::to_stdvec(&next).map_err(|error| Failure::Internal(error.to_string())));
        Ok(Answer::Shown { rows, next: next.transpose()? })
    }

    /// The snapshot that readers see: the newest restore point, by the path's visible Seq.
    async fn visible(&self, attempt: Attempt) -> Result<Option<SnapshotRow>, Failure> {
        let path = self.store.path(attempt.path).ok_or(Failure::NoPath)?;
        let tandem_storage::record::Access::ReadAt(seq) = path.access else { return Err(Failure::NotCurrent) };
        let rows = self.blocking(move |store| store.snapshots(attempt.path)).await?;
        Ok(rows.into_iter().rev().find(|row| row.seq == seq))
    }

    /// The attempt's transfer, if it is the one that this path receives in this epoch.
    async fn transfer(&self, attempt: Attempt) -> Result<TransferRow, Failure> {
        let rows = self.blocking(|store| store.transfers()).await?;
        let current =
            |row: &TransferRow| row.id == attempt.transfer && row.path == attempt.path && row.epoch == attempt.epoch;
        rows.into_iter().find(current).ok_or(Failure::NotCurrent)
    }

    async fn receiving(&self, attempt: Attempt) -> Result<(), Failure> {
        match self.transfer(attempt).await?.phase {
            TransferPhase::Receiving { .. } => Ok(()),
            _ => Err(Failure::NotCurrent),
        }
    }

    /// What arrived is not what the source declared: an alarm, and nothing of the transfer is kept.
    async fn differs(&self, transfer: &TransferRow, attempt: Attempt, difference: Difference) -> Failure {
        let failure = match difference {
            Difference::ArrivedTotal { .. } => Failure::TotalDiffers,
            _ => Failure::DigestDiffers,
        };
        self.alarms.raise(attempt.path, Point::of(&transfer.to), difference).await;
        match self.forget(attempt).await {
            Ok(()) => failure,
            Err(error) => refused(error),
        }
    }

    /// Rows and claims are swept in the background.
    async fn forget(&self, attempt: Attempt) -> Result<(), CommitError> {
        let op = UpdatePaths(vec![PathOp::DropTransfer { id: attempt.transfer }]);
        self.store.commit(Lane::Background, self.clock.now(), op).await.map(|_| ())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.store.clone();
        let joined = tokio::task::spawn_blocking(move || work(&store)).await;
        match joined {
            Ok(outcome) => outcome.map_err(|error| Failure::Internal(error.to_string())),
            Err(_) => Err(Failure::Internal("the node is stopping".into())),
        }
    }
}

/// What a refused commit means to the source.
fn refused(error: CommitError) -> Failure {
    match error {
        CommitError::Refused(Refusal::Unknown | Refusal::Fenced | Refusal::Stale) => Failure::NotCurrent,
        CommitError::Refused(Refusal::NoSpace) => Failure::NoSpace,
        other => Failure::Internal(other.to_string()),
    }
}
