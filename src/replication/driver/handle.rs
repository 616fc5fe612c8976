use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tandem_storage::record::{SnapshotMeta, TransferRow};
use tandem_storage::types::{NodeGuid, PathGuid, SnapshotGuid, Timestamp};
use tokio::sync::{mpsc, watch};

use super::super::message::Failure;
use super::super::schedule::{Age, Marks};
use super::super::ship::Progress;
use super::mail::Mail;
use crate::role::machine::{Account, Facts, Fresh, HandoverId, InFlight, Life, PathState, PathView};

/// What a path's task has committed, for others to read.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub state: PathState,
    /// Newest first.
    pub snapshots: Arc<Vec<SnapshotMeta>>,
    pub transfer: Option<TransferRow>,
    pub account: Account,
    /// Whether the newest restore point that the destination is known to have is proved.
    pub proved: bool,
    /// The age of what the destination shows, and the monotonic time at which that was its age.
    pub lag: Option<(Age, Duration)>,
    pub shipping: Option<InFlight>,
    /// What only an operator can decide.
    pub undecided: Option<String>,
    pub last_error: Option<String>,
}

impl Published {
    /// A path that nothing else is known of yet.
    pub(crate) fn new(state: PathState) -> Self {
        let (snapshots, transfer, account) = (Arc::default(), None, Account::Unproved);
        let (lag, shipping, undecided, last_error) = (None, None, None, None);
        Published { state, snapshots, transfer, account, proved: false, lag, shipping, undecided, last_error }
    }

    pub(crate) fn visible(&self) -> Option<SnapshotGuid> {
        match &self.state.detail.life {
            Life::Destination(destination) => destination.visible,
            _ => None,
        }
    }

    pub(crate) fn view(&self) -> PathView {
        let fresh = Fresh { snapshot: SnapshotGuid::from_bytes([0; 16]), handover: HandoverId::from_bytes([0; 16]) };
        let facts = Facts {
            now: Timestamp::default(),
            snapshots: &self.snapshots,
            dirty: true,
            transfer: self.transfer.as_ref(),
            account: self.account,
            fresh,
        };
        PathView::of(&self.state, &facts)
    }
}

/// A path's task, from outside.
pub(crate) struct PathHandle {
    pub guid: PathGuid,
    pub peer: NodeGuid,
    pub mail: mpsc::Sender<Mail>,
    pub published: watch::Sender<Arc<Published>>,
    pub marks: Mutex<Marks>,
    pub progress: Arc<Progress>,
    /// The last bytes or rows that came found no room here.
    pub full: AtomicBool,
}

impl PathHandle {
    pub(crate) fn read(&self) -> Arc<Published> {
        self.published.borrow().clone()
    }

    pub(crate) fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers, for the report, whether there was room for what came.
    pub(crate) fn note_room<T>(&self, taken: Result<T, Failure>) -> Result<T, Failure> {
        match &taken {
            Ok(_) => self.full.store(false, Ordering::Relaxed),
            Err(Failure::NoSpace) => self.full.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        taken
    }

    /// Dropped when the task has much to read: what peers say they say again.
    pub(crate) fn tell(&self, mail: Mail) {
        let _ = self.mail.try_send(mail);
    }

    /// Waits until `seen` holds, at most so long; whether it did.
    pub(crate) async fn wait_for(&self, deadline: Duration, seen: impl FnMut(&Arc<Published>) -> bool) -> bool {
        let mut published = self.published.subscribe();
        matches!(tokio::time::timeout(deadline, published.wait_for(seen)).await, Ok(Ok(_)))
    }
}
