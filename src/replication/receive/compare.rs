//! Whether what has arrived makes what the source declared: by digest, and by total.

use tandem_storage::Lane;
use tandem_storage::change::{PathOp, UpdatePaths};
use tandem_storage::record::{Digest, SnapshotRow, Total, TransferRow};
use tandem_storage::types::SnapshotGuid;

use super::super::alarm::{Difference, Point};
use super::super::message::{Attempt, Failure};
use super::super::totals::count_total;
use super::{Receiver, refused};

impl Receiver {
    /// What differs, if something does. A digest of what is shown that turns out to be wrong is put right, with an alarm, and compared
    /// again.
    pub(super) async fn compare(
        &self,
        attempt: Attempt,
        transfer: &TransferRow,
        digest: &Digest,
        total: Option<Total>,
    ) -> Result<Result<(), Difference>, Failure> {
        let base = transfer.base;
        if self.arrived_digest(attempt, base).await? != *digest {
            let corrected = self.correct(attempt, base).await?;
            if !corrected || self.arrived_digest(attempt, base).await? != *digest {
                return Ok(Err(Difference::ArrivedDigest));
            }
        }
        let Some(declared) = total else { return Ok(Ok(())) };
        let Some(made) = self.arrived_total(attempt, base).await? else { return Ok(Ok(())) };
        match made == declared {
            true => Ok(Ok(())),
            false => Ok(Err(Difference::ArrivedTotal { made, declared })),
        }
    }

    /// Counts the digest of what is shown again. Returns whether the stored one was wrong, and is put right.
    async fn correct(&self, attempt: Attempt, base: Option<SnapshotGuid>) -> Result<bool, Failure> {
        let shown = self.visible(attempt).await?.filter(|row| Some(row.meta.guid) == base);
        let Some(SnapshotRow { meta, seq, digest: Some(stored), .. }) = shown else { return Ok(false) };
        let scope = self.store.path(attempt.path).ok_or(Failure::NoPath)?.scope;
        let digest = self.blocking(move |store| store.digest(&scope, seq)).await?;
        if digest == stored {
            return Ok(false);
        }
        self.alarms.raise(attempt.path, Point::of(&meta), Difference::StoredDigest).await;
        let op = UpdatePaths(vec![PathOp::SetDigest { snapshot: meta.guid, digest, replace: true }]);
        let _ = self.store.commit(Lane::Background, self.clock.now(), op).await.map_err(refused)?;
        Ok(true)
    }

    /// The digest of what is shown with the staged rows. A seed stands for itself; a delta builds on what is shown.
    async fn arrived_digest(&self, attempt: Attempt, base: Option<SnapshotGuid>) -> Result<Digest, Failure> {
        let shown = self.base(attempt, base).await?;
        let scope = self.store.path(attempt.path).ok_or(Failure::NoPath)?.scope;
        self.blocking(move |store| {
            let Some(shown) = shown else { return store.staged_digest(attempt.transfer, None) };
            let digest = match shown.digest {
                Some(digest) => digest,
                None => store.digest(&scope, shown.seq)?,
            };
            store.staged_digest(attempt.transfer, Some((&digest, shown.seq)))
        })
        .await
    }

    /// The total of what is shown, by this node's own committer, with the staged rows. Absent while this node counts its rows for the first
    /// time: then nothing can be compared, and the restore point lands unproved.
    async fn arrived_total(&self, attempt: Attempt, base: Option<SnapshotGuid>) -> Result<Option<Total>, Failure> {
        let shown = match self.base(attempt, base).await? {
            None => None,
            Some(row) => match self.total_of(attempt, &row).await? {
                Some(total) => Some((total, row.seq)),
                None => return Ok(None),
            },
        };
        Ok(Some(self.blocking(move |store| store.staged_total(attempt.transfer, shown)).await?))
    }

    /// A restore point from before totals were kept is counted, and its total kept.
    async fn total_of(&self, attempt: Attempt, row: &SnapshotRow) -> Result<Option<Total>, Failure> {
        if row.total.is_some() || !self.store.totals_whole() {
            return Ok(row.total);
        }
        let (scope, at) = (self.store.path(attempt.path).ok_or(Failure::NoPath)?.scope, row.seq);
        let total = self.blocking(move |store| count_total(store, &scope, at)).await?;
        let op = UpdatePaths(vec![PathOp::SetTotal { snapshot: row.meta.guid, total, proved: false }]);
        let _ = self.store.commit(Lane::Background, self.clock.now(), op).await.map_err(refused)?;
        Ok(Some(total))
    }

    /// What a delta builds on: it must be what is shown.
    async fn base(&self, attempt: Attempt, base: Option<SnapshotGuid>) -> Result<Option<SnapshotRow>, Failure> {
        let Some(base) = base else { return Ok(None) };
        let shown = self.visible(attempt).await?.filter(|row| row.meta.guid == base);
        Ok(Some(shown.ok_or(Failure::NotCurrent)?))
    }
}
