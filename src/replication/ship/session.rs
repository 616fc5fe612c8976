//! One shipment, from the offer to the landing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tandem_storage::change::{PathOp, UpdatePaths};
use tandem_storage::record::{Scope, SnapshotRow, Total};
use tandem_storage::types::{NodeGuid, SnapshotGuid};
use tandem_storage::{Lane, Store};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::alarm::{Alarms, Difference, Point};
use super::super::message::{Answer, Attempt, Envelope, Request, ShownRow};
use super::super::peers::Peer;
use super::super::totals::count_total;
use super::super::wire::CALL;
use super::blobs::blocking;
use super::walk::{Against, Page, ReadPage, Walk, Walked};
use super::{Progress, ShipError};
use crate::clock::SharedClock;
use crate::role::machine::{InFlight, Offer, Taking};

const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Pages whose blobs are under way at once. Each may hold a long blob in memory.
const WINDOW: usize = 2;
/// Between two questions whether a transfer that is whole has landed.
const LANDING_PAUSE: Duration = Duration::from_millis(100);

/// What is to be shipped, as the machine decided it.
#[derive(Clone, Debug)]
pub(crate) struct Shipment {
    pub flight: InFlight,
    pub scope: Scope,
    /// What the peer shows, when the base is in doubt: all of it is compared.
    pub over: Option<SnapshotGuid>,
}

impl Shipment {
    /// Whether the shipment rests on nothing that is known of the base: a seed, or a comparison.
    pub(crate) fn compares_all(&self) -> bool {
        self.over.is_some() || self.flight.base.is_none()
    }
}

/// The snapshots between which a shipment leads.
struct Ends {
    base: Option<SnapshotRow>,
    to: SnapshotRow,
}

/// The source's end of one transfer.
pub(crate) struct Shipper {
    pub store: Store,
    pub clock: SharedClock,
    pub me: NodeGuid,
    pub peer: Arc<Peer>,
    pub alarms: Arc<Alarms>,
    pub read: ReadPage,
    pub attempt: Attempt,
    pub progress: Arc<Progress>,
}

impl Shipper {
    /// Brings the snapshot to the peer. When this returns, the peer shows it.
    ///
    /// # Errors
    /// [`ShipError::Differs`], when what was walked is not what the totals or a stored digest say. The peer has not been told that the
    /// transfer is whole, and the transfer must not be resumed.
    pub(crate) async fn ship(self: Arc<Self>, shipment: Shipment) -> Result<(), ShipError> {
        let to = self.snapshot(shipment.flight.to).await?;
        let base = match shipment.flight.base {
            Some(base) => Some(self.snapshot(base).await?),
            None => None,
        };
        let ends = Ends { base, to };
        let offer = Offer {
            transfer: self.attempt.transfer,
            path: self.attempt.path,
            epoch: self.attempt.epoch,
            base: shipment.flight.base,
            to: ends.to.meta.clone(),
            compares_all: shipment.compares_all(),
        };
        let skip = match self.offer(&offer).await? {
            Taking::Begin { .. } => 0,
            Taking::Resume { rows } => rows,
            Taking::Complete => return self.land(&offer).await,
            Taking::Landed => return Ok(()),
        };
        let walked = self.send_rows(&shipment, &ends, skip).await?;
        let account = self.account_for(&shipment, &ends, &walked).await?;
        self.keep_digest(&shipment, &ends, &walked).await?;
        let (rows, digest) = (walked.rows, walked.digest);
        let total = match &account {
            Account::Equal(total) => Some(*total),
            Account::Unknown | Account::WrongTotal(_) => None,
        };
        loop {
            let complete = Request::Complete { attempt: self.attempt, rows, digest: digest.clone(), total };
            match self.call(complete).await? {
                Answer::Landed => break,
                Answer::Landing => tokio::time::sleep(LANDING_PAUSE).await,
                _ => return Err(ShipError::Protocol),
            }
        }
        match account {
            Account::WrongTotal(difference) => Err(ShipError::differs(&ends.to, difference)),
            Account::Equal(_) | Account::Unknown => Ok(()),
        }
    }

    /// Compares what was walked with what the committer's totals say of the two ends.
    async fn account_for(&self, shipment: &Shipment, ends: &Ends, walked: &Walked) -> Result<Account, ShipError> {
        let Some(declared) = self.total_of(shipment, &ends.to).await? else { return Ok(Account::Unknown) };
        let expected = match &ends.base {
            Some(base) if !shipment.compares_all() => {
                self.total_of(shipment, base).await?.map(|base| declared.minus(base))
            }
            _ => Some(declared),
        };
        match expected {
            None => Ok(Account::Unknown),
            Some(expected) if expected == walked.total => Ok(Account::Equal(declared)),
            Some(expected) => {
                let difference = Difference::Walked { walked: walked.total, expected };
                // A comparison walks all rows. If another count of all rows agrees with it, the stored total is what is wrong.
                if !shipment.compares_all() || self.count(shipment, &ends.to).await? != walked.total {
                    return Err(ShipError::differs(&ends.to, difference));
                }
                let (stored, counted) = (declared, walked.total);
                Ok(Account::WrongTotal(Difference::StoredTotal { stored, counted }))
            }
        }
    }

    /// The total of a snapshot. One from before totals were kept is counted, and kept. Absent while this node counts for the first time.
    async fn total_of(&self, shipment: &Shipment, row: &SnapshotRow) -> Result<Option<Total>, ShipError> {
        if row.total.is_some() || !self.store.totals_whole() {
            return Ok(row.total);
        }
        let total = self.count(shipment, row).await?;
        let op = PathOp::SetTotal { snapshot: row.meta.guid, total, proved: true };
        let _ = self.store.commit(Lane::Background, self.clock.now(), UpdatePaths(vec![op])).await?;
        Ok(Some(total))
    }

    async fn count(&self, shipment: &Shipment, row: &SnapshotRow) -> Result<Total, ShipError> {
        let (store, scope, at) = (self.store.clone(), shipment.scope.clone(), row.seq);
        blocking(move || Ok(count_total(&store, &scope, at)?)).await
    }

    /// Keeps the digest of the newer point. One that is stored already and differs is evidence of a fault: a delta stops, and a comparison,
    /// which has seen all rows, puts it right with an alarm.
    async fn keep_digest(&self, shipment: &Shipment, ends: &Ends, walked: &Walked) -> Result<(), ShipError> {
        let replace = match &ends.to.digest {
            Some(stored) if *stored == walked.digest => return Ok(()),
            Some(_) if !shipment.compares_all() => {
                return Err(ShipError::differs(&ends.to, Difference::StoredDigest));
            }
            stored => stored.is_some(),
        };
        if replace {
            let point = Point::of(&ends.to.meta);
            self.alarms.raise(self.attempt.path, point, Difference::StoredDigest).await;
        }
        let op = PathOp::SetDigest { snapshot: ends.to.meta.guid, digest: walked.digest.clone(), replace };
        let _ = self.store.commit(Lane::Background, self.clock.now(), UpdatePaths(vec![op])).await?;
        Ok(())
    }

    /// Waits for a transfer that is whole at the peer.
    async fn land(&self, offer: &Offer) -> Result<(), ShipError> {
        loop {
            match self.offer(offer).await? {
                Taking::Landed => return Ok(()),
                Taking::Complete => tokio::time::sleep(LANDING_PAUSE).await,
                Taking::Begin { .. } | Taking::Resume { .. } => return Err(ShipError::Protocol),
            }
        }
    }

    async fn offer(&self, offer: &Offer) -> Result<Taking, ShipError> {
        match self.call(Request::Offer(offer.clone())).await? {
            Answer::Taking(taking) => taking.map_err(ShipError::Refused),
            _ => Err(ShipError::Protocol),
        }
    }

    async fn send_rows(self: &Arc<Self>, shipment: &Shipment, ends: &Ends, skip: u64) -> Result<Walked, ShipError> {
        let mut _asking = None;
        let against = match (shipment.over, &ends.base) {
            (Some(over), _) => {
                let (sender, shown) = mpsc::channel(2);
                let shipper = self.clone();
                _asking = Some(tied(async move { shipper.ask_shown(over, sender).await }));
                Against::Shown(shown)
            }
            (None, Some(base)) => {
                let (store, scope, at) = (self.store.clone(), shipment.scope.clone(), base.seq);
                let digest = match base.digest.clone() {
                    Some(digest) => digest,
                    None => blocking(move || Ok(store.digest(&scope, at)?)).await?,
                };
                Against::Base { at, digest }
            }
            (None, None) => Against::Nothing,
        };
        let (pages, receiver) = mpsc::channel(2);
        let (store, read, scope) = (self.store.clone(), self.read.clone(), shipment.scope.clone());
        let walk = Walk { store, read, scope, to: ends.to.seq, against, skip, pages };
        // Ends by itself when nobody takes its pages.
        let walking = tokio::spawn(blocking(move || walk.run()));
        self.send_pages(receiver).await?;
        walking.await.unwrap_or(Err(ShipError::Stopped))
    }

    /// Blobs of a few pages travel at once; rows follow in order, each page's behind its blobs.
    async fn send_pages(self: &Arc<Self>, mut pages: mpsc::Receiver<Page>) -> Result<(), ShipError> {
        let mut under_way: VecDeque<Tied<Result<Page, ShipError>>> = VecDeque::new();
        let mut more = true;
        while more || !under_way.is_empty() {
            if more && under_way.len() < WINDOW {
                match pages.recv().await {
                    None => more = false,
                    Some(page) => {
                        let shipper = self.clone();
                        under_way.push_back(tied(async move {
                            shipper.provide(page.wanted.clone()).await?;
                            Ok(page)
                        }));
                    }
                }
                continue;
            }
            let Some(first) = under_way.pop_front() else { continue };
            let page = first.join().await??;
            let rows = page.rows.len() as u64;
            let message = Request::Rows { attempt: self.attempt, first: page.first, rows: page.rows };
            match self.call(message).await? {
                Answer::Staged(staged) if staged >= page.first + rows => self.progress.add_rows(rows),
                _ => return Err(ShipError::Protocol),
            }
        }
        Ok(())
    }

    /// Asks for what the peer shows, page by page; an empty page ends it.
    async fn ask_shown(&self, over: SnapshotGuid, pages: mpsc::Sender<Vec<ShownRow>>) -> Result<(), ShipError> {
        let mut position = None;
        loop {
            let request = Request::Shown { attempt: self.attempt, over, position: position.take() };
            let (rows, next) = match self.call(request).await? {
                Answer::Shown { rows, next } => (rows, next),
                _ => return Err(ShipError::Protocol),
            };
            if !rows.is_empty() {
                pages.send(rows).await.map_err(|_| ShipError::Stopped)?;
            }
            match next {
                Some(next) => position = Some(next),
                None => return pages.send(Vec::new()).await.map_err(|_| ShipError::Stopped),
            }
        }
    }

    pub(super) async fn call(&self, request: Request) -> Result<Answer, ShipError> {
        let envelope = Envelope { sender: self.me, request };
        match self.peer.link.call(CALL, &envelope, CALL_DEADLINE).await? {
            Answer::Failed(failure) => Err(failure.into()),
            answer => Ok(answer),
        }
    }

    async fn snapshot(&self, guid: SnapshotGuid) -> Result<SnapshotRow, ShipError> {
        let store = self.store.clone();
        let row = blocking(move || Ok(store.snapshot(guid)?)).await?;
        row.ok_or_else(|| ShipError::Gone(guid.to_string()))
    }
}

/// What the totals say of a walk.
enum Account {
    /// They agree: the total that is declared.
    Equal(Total),
    /// This node does not know them yet: it counts its rows for the first time.
    Unknown,
    /// The rows were counted twice, and agree with each other, not with the stored total. They are sent, unproved.
    WrongTotal(Difference),
}

/// A task that ends with its owner.
pub(crate) struct Tied<T>(JoinHandle<T>);

pub(crate) fn tied<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Tied<T> {
    Tied(tokio::spawn(future))
}

impl<T> Tied<T> {
    pub(crate) async fn join(mut self) -> Result<T, ShipError> {
        (&mut self.0).await.map_err(|_| ShipError::Stopped)
    }
}

impl<T> Drop for Tied<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
