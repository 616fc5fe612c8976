//! Whether what is shown is what the source has: what this side can say of it, what the peer says, and what follows when it is not so.

use std::time::Duration;

use tandem_storage::CommitError;
use tandem_storage::change::Refusal;
use tandem_storage::record::{Digest, SnapshotRow};
use tandem_storage::types::{SnapshotGuid, TransferGuid};

use super::super::alarm::{Difference, Point};
use super::super::receive::Fault;
use super::actor::{Actor, StepError};
use super::mail::Rewound;
use crate::role::machine::{Account, Event, Life, PathView};

/// A snapshot for a proof alone is taken so often at most.
const PROOF_EVERY: Duration = Duration::from_secs(60);

impl Actor {
    /// What this side can say of what it shows.
    pub(super) fn account(&self) -> Account {
        if self.hub.alarms.of(self.state.guid).is_some() && !self.is_answered() {
            return Account::Alarm;
        }
        match self.shown().is_some_and(|row| row.proved) {
            true => Account::Proved,
            false if !self.hub.store.totals_whole() => Account::Counting,
            false => Account::Unproved,
        }
    }

    /// Whether what is shown answers the open alarm: everything was compared for it, and it is proved. The alarm ends a moment after it is shown.
    fn is_answered(&self) -> bool {
        let Some((alarm, to)) = &self.answers else { return false };
        let shown = self.shown().is_some_and(|row| row.proved && row.meta.guid == *to);
        shown && self.hub.alarms.of(self.state.guid).as_ref() == Some(alarm)
    }

    /// Whether the newest restore point that the destination is known to have is proved, as far as this side knows.
    pub(super) fn proved(&self) -> bool {
        match &self.state.detail.life {
            Life::Source(source) => source.acked.is_some() && source.acked == self.proved_there,
            Life::Destination(_) => self.account() == Account::Proved,
            Life::Standalone(_) => false,
        }
    }

    /// The restore point that a destination shows; on another side the newest one of its line.
    fn shown(&self) -> Option<&SnapshotRow> {
        match &self.state.detail.life {
            Life::Destination(destination) => self.row(destination.visible?),
            Life::Source(_) | Life::Standalone(_) => self.newest_of_line(),
        }
    }

    fn row(&self, guid: SnapshotGuid) -> Option<&SnapshotRow> {
        self.rows.iter().find(|row| row.meta.guid == guid)
    }

    /// What the peer, asked at this monotonic time, says of what it shows. An answer that comes late says nothing any more.
    pub(super) async fn hear_account(&mut self, view: &PathView, asked: Duration) {
        let Life::Source(_) = &self.state.detail.life else { return };
        let Some(shown) = view.visible().filter(|_| view.epoch == self.state.epoch) else { return };
        if asked < self.account_asked {
            return;
        }
        self.account_asked = asked;
        match view.account {
            Account::Proved => {
                self.proved_there = Some(shown);
                if self.retry.proved(shown) {
                    self.end_alarm().await;
                }
            }
            Account::Alarm => {
                if self.retry.accused(shown, self.hub.clock.monotonic()) {
                    self.raise(shown, Difference::Peer).await;
                }
            }
            Account::Counting | Account::Unproved => {
                self.proved_there = self.proved_there.filter(|proved| *proved != shown);
            }
        }
    }

    /// An alarm that stands and that nothing answers yet: from before a restart, from the other role, or just raised by a shipment.
    pub(super) fn look_for_an_alarm(&mut self) {
        match &self.state.detail.life {
            Life::Source(_) if self.retry.compares_everything() => {}
            Life::Source(_) if self.hub.alarms.of(self.state.guid).is_some() => {
                self.retry.suspect(self.hub.clock.monotonic());
            }
            Life::Source(_) => {}
            Life::Destination(_) | Life::Standalone(_) => self.retry.forget(),
        }
    }

    /// Evidence from outside of a shipment.
    pub(super) async fn suspect(&mut self, point: Point, difference: Difference) {
        self.hub.alarms.raise(self.state.guid, point, difference).await;
        self.retry.suspect(self.hub.clock.monotonic());
    }

    pub(super) async fn raise(&self, at: SnapshotGuid, difference: Difference) {
        let known = self.metas.iter().find(|meta| meta.guid == at);
        let point = known.map_or_else(|| Point { guid: at, name: "unknown here".to_owned() }, Point::of);
        self.hub.alarms.raise(self.state.guid, point, difference).await;
    }

    /// Everything was compared, and what is shown is proved.
    async fn end_alarm(&self) {
        if self.hub.alarms.of(self.state.guid).is_none() {
            return;
        }
        match self.hub.alarms.end(self.state.guid).await {
            Ok(()) => tracing::warn!(
                path = %self.state.scope,
                "everything was compared, and the newest restore point is proved: the alarm is over"
            ),
            Err(error) => tracing::error!(path = %self.state.scope, %error, "the end of an alarm is not on record"),
        }
    }

    /// Whether a snapshot is to be taken now, whatever the schedule says. A comparison is not kept waiting by a long interval; nor is a proof, but
    /// it is asked for once in a while only, because the peer may go on saying that it has none.
    pub(super) fn proof_is_due(&mut self) -> bool {
        let (now, every) = (self.hub.clock.monotonic(), PROOF_EVERY.min(self.state.detail.policy.every));
        let due = self.proof_asked.is_none_or(|asked| now.saturating_sub(asked) >= every) && self.wants_proof();
        if due {
            self.proof_asked = Some(now);
        }
        due
    }

    /// Whether a snapshot is needed although nothing has changed: for a restore point that is proved, or for a comparison.
    pub(super) fn wants_proof(&self) -> bool {
        let Life::Source(source) = &self.state.detail.life else { return false };
        let Some(newest) = self.newest_of_line().filter(|_| self.hub.store.totals_whole()) else { return false };
        let shows = |view: &&PathView| view.visible() == Some(newest.meta.guid) && view.account == Account::Unproved;
        let sent = source.acked == Some(newest.meta.guid);
        !newest.proved
            || self.peer_view.as_ref().filter(shows).is_some()
            || sent && self.retry.wants_comparison(self.hub.clock.monotonic())
    }

    /// Shows a transfer that is applied. If the store finds that it is not what the source declared, it is taken back.
    pub(super) async fn flip(&mut self, transfer: TransferGuid, digest: &Digest) -> Result<(), StepError> {
        let to = self.transfer.as_ref().filter(|row| row.id == transfer).map(|row| Point::of(&row.to));
        // Only a transfer for which the source compared everything answers an alarm, and only one that stands already.
        let alarm = self.hub.alarms.of(self.state.guid).filter(|_| self.compared == Some(transfer));
        self.answers = alarm.zip(to.as_ref().map(|to| to.guid));
        match self.finished(Event::Applied { transfer, digest }).await {
            Err(StepError::Commit(CommitError::Refused(Refusal::TotalDiffers))) => {
                if let Some(point) = to {
                    self.hub.alarms.raise(self.state.guid, point, Difference::Applied).await;
                }
                self.finished(Event::TotalDiffers { transfer }).await
            }
            Ok(()) => {
                if self.is_answered() {
                    self.end_alarm().await;
                }
                Ok(())
            }
            other => other,
        }
    }

    /// A rewind that did not end with the total of its point has compared all rows, so the present is the point. What is wrong is what the feed
    /// left out, or a stored total; the totals of this node are then counted again.
    async fn note_rewind(&self, rewound: Rewound) {
        let (Some(fault), Some(shown)) = (rewound.fault, self.shown()) else { return };
        let (difference, recount) = match fault {
            Fault::Feed { is, was } => (Difference::Rewound { is, was }, false),
            Fault::Total { is, was } => (Difference::StoredTotal { stored: is, counted: was }, true),
        };
        self.hub.alarms.raise(self.state.guid, Point::of(&shown.meta), difference).await;
        if recount {
            self.count_again().await;
        }
    }

    /// The totals of this node are wrong: all its rows are counted again, while it serves.
    pub(super) async fn count_again(&self) {
        let (store, now) = (self.hub.store.clone(), self.hub.clock.now());
        let begun = tokio::task::spawn_blocking(move || store.count_again(now)).await;
        if !matches!(begun, Ok(Ok(()))) {
            tracing::error!(path = %self.state.scope, ?begun, "the totals of this node could not be counted again");
        }
    }

    /// What did not arrive whole is out of the present again.
    pub(super) async fn undone(&mut self, transfer: TransferGuid, rewound: Rewound) -> Result<(), StepError> {
        self.note_rewind(rewound).await;
        self.finished(Event::Undone { transfer }).await
    }

    pub(super) async fn rewound(&mut self, rewound: Rewound) -> Result<(), StepError> {
        self.note_rewind(rewound).await;
        self.finished(Event::Rewound { entries: rewound.entries }).await
    }
}
