//! Snapshots by the schedule, and their end.

use std::time::Duration;

use tandem_storage::ReadError;
use tandem_storage::record::{CreatorKind, SnapshotRow};
use tandem_storage::types::{Seq, SnapshotGuid};

use super::super::report::rfc3339;
use super::super::schedule::{self, Due};
use super::actor::{Actor, StepError};
use crate::role::machine::{Event, Life, Refused};

/// Snapshots that one commit drops.
const DROPPED: usize = 32;
/// A peer that was not heard for so long is away.
const AWAY: Duration = Duration::from_secs(60);

impl Actor {
    pub(super) async fn snapshot_now(&mut self) -> Result<bool, StepError> {
        if !self.state.writable() {
            return Err(Refused::NotSource.into());
        }
        if self.changed().await? { self.take_snapshot().await } else { Ok(false) }
    }

    pub(super) async fn schedule(&mut self) -> Result<(), StepError> {
        if !matches!(self.state.detail.life, Life::Source(_)) || !self.state.writable() {
            return Ok(());
        }
        let (now, policy) = (self.hub.clock.now(), self.state.detail.policy);
        if let Due::NotBefore(_) = schedule::due(&policy, self.served, now, true, 0) {
            return Ok(());
        }
        let before = self.hub.clock.monotonic();
        let changed = self.changed().await?;
        match schedule::due(&policy, self.served, now, changed, self.backlog()) {
            Due::Take => {
                self.take_snapshot().await?;
                self.served = Some(now);
            }
            Due::Unchanged => {
                if let Some(newest) = self.newest_of_line().map(|row| row.meta.guid) {
                    self.handle.marks().unchanged(newest, before);
                }
                self.served = Some(now);
            }
            Due::Backlog => self.served = Some(now),
            Due::NotBefore(_) => {}
        }
        Ok(())
    }

    async fn take_snapshot(&mut self) -> Result<bool, StepError> {
        let (now, keep) = (self.hub.clock.now(), self.state.detail.policy.keep_local);
        let name = format!("tandem-{}", rfc3339(now));
        let expires = Some(schedule::expiry(now, keep));
        self.step(Event::Snapshot { name: &name, by: CreatorKind::Policy, expires, locked: false }).await
    }

    /// Whether the present differs from the newest snapshot of this side's line.
    async fn changed(&mut self) -> Result<bool, StepError> {
        match self.newest_of_line().map(|row| (row.meta.guid, row.seq)) {
            None => Ok(true),
            Some((guid, seq)) => self.differs(guid, seq).await,
        }
    }

    /// Whether the present may differ from a snapshot. The answer "no" is kept for as long as nothing at all is committed.
    pub(super) async fn differs(&mut self, guid: SnapshotGuid, seq: Seq) -> Result<bool, StepError> {
        let newest = self.hub.store.newest();
        if self.clean == Some((guid, newest)) {
            return Ok(false);
        }
        let scope = self.state.scope.clone();
        let page = self.read(move |store| {
            match store.delta(&scope, Some(seq), newest, None, 1) {
                // The newest point moved on meanwhile: somebody writes, though perhaps elsewhere.
                Err(ReadError::NotHeld(_)) => Ok(None),
                other => other.map(Some),
            }
        });
        let clean = page.await?.is_some_and(|page| page.entries.is_empty() && page.next.is_none());
        if clean {
            self.clean = Some((guid, newest));
        }
        Ok(!clean)
    }

    /// The newest snapshot of the line that this side writes on with: of its own epoch, or the one that this began from.
    pub(super) fn newest_of_line(&self) -> Option<&SnapshotRow> {
        let epoch = self.state.epoch;
        let own = self.rows.iter().find(|row| row.meta.epoch == epoch.number);
        own.or_else(|| self.rows.iter().find(|row| Some(row.meta.guid) == epoch.fork))
    }

    fn backlog(&self) -> usize {
        let Life::Source(source) = &self.state.detail.life else { return 0 };
        self.metas.iter().position(|meta| Some(meta.guid) == source.acked).unwrap_or(0)
    }

    /// Drops snapshots that have had their time.
    pub(super) async fn retain(&mut self) -> Result<(), StepError> {
        let policy = self.state.detail.policy;
        let keep = if self.state.is_destination() { policy.keep_remote } else { policy.keep_local };
        let protected = self.state.protected();
        let mut expired = schedule::expired(&self.rows, keep, &protected, self.hub.clock.now());
        if expired.is_empty() {
            return Ok(());
        }
        expired.truncate(DROPPED);
        self.drop_snapshots(expired).await
    }

    /// A peer that is away keeps history alive here. When the disk runs low that ends, with an alarm: the peer will need a seed.
    pub(super) async fn relieve(&mut self) -> Result<(), StepError> {
        let Life::Source(source) = &self.state.detail.life else { return Ok(()) };
        let away = self.hub.silence(self.handle.peer) > AWAY;
        let newest = self.metas.first().map(|meta| meta.guid);
        let Some(acked) = source.acked.filter(|acked| Some(*acked) != newest) else { return Ok(()) };
        if !away || !self.state.writable() || !self.hub.store.space().low {
            return Ok(());
        }
        tracing::error!(
            path = %self.state.scope,
            "the disk is nearly full and the peer is away: its base is dropped, and it will be sent everything again"
        );
        self.step(Event::DropForSpace(acked)).await.map(|_| ())
    }
}
