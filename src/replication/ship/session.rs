//! One shipment, from the offer to the landing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tandem_storage::change::{PathOp, UpdatePaths};
use tandem_storage::record::{Digest, Scope, SnapshotRow};
use tandem_storage::types::{NodeGuid, SnapshotGuid};
use tandem_storage::{Lane, Store};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::message::{Answer, Attempt, Envelope, Request, ShownRow};
use super::super::peers::Peer;
use super::super::wire::CALL;
use super::blobs::blocking;
use super::walk::{Against, Page, Walk};
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
    /// What the peer shows, when the base's digest is in doubt: everything is compared.
    pub over: Option<SnapshotGuid>,
}

/// The source's end of one transfer.
pub(crate) struct Shipper {
    pub store: Store,
    pub clock: SharedClock,
    pub me: NodeGuid,
    pub peer: Arc<Peer>,
    pub attempt: Attempt,
    pub progress: Arc<Progress>,
}

impl Shipper {
    /// Brings the snapshot to the peer. When this returns, the peer shows it.
    pub(crate) async fn ship(self: Arc<Self>, shipment: Shipment) -> Result<(), ShipError> {
        let to = self.snapshot(shipment.flight.to).await?;
        let offer = Offer {
            transfer: self.attempt.transfer,
            path: self.attempt.path,
            epoch: self.attempt.epoch,
            base: shipment.flight.base,
            to: to.meta.clone(),
        };
        let skip = match self.offer(&offer).await? {
            Taking::Begin { .. } => 0,
            Taking::Resume { rows } => rows,
            Taking::Complete => return self.land(&offer).await,
            Taking::Landed => return Ok(()),
        };
        let (rows, digest) = self.send_rows(&shipment, &to, skip).await?;
        if to.digest.as_ref() != Some(&digest) {
            let op = PathOp::SetDigest { snapshot: to.meta.guid, digest: digest.clone(), replace: true };
            let _ = self.store.commit(Lane::Background, self.clock.now(), UpdatePaths(vec![op])).await?;
        }
        loop {
            let complete = Request::Complete { attempt: self.attempt, rows, digest: digest.clone() };
            match self.call(complete).await? {
                Answer::Landed => return Ok(()),
                Answer::Landing => tokio::time::sleep(LANDING_PAUSE).await,
                _ => return Err(ShipError::Protocol),
            }
        }
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

    async fn send_rows(
        self: &Arc<Self>,
        shipment: &Shipment,
        to: &SnapshotRow,
        skip: u64,
    ) -> Result<(u64, Digest), ShipError> {
        let mut _asking = None;
        let against = match (shipment.over, shipment.flight.base) {
            (Some(over), _) => {
                let (sender, shown) = mpsc::channel(2);
                let shipper = self.clone();
                _asking = Some(tied(async move { shipper.ask_shown(over, sender).await }));
                Against::Shown(shown)
            }
            (None, Some(base)) => {
                let base = self.snapshot(base).await?;
                let (store, scope, at) = (self.store.clone(), shipment.scope.clone(), base.seq);
                let digest = match base.digest {
                    Some(digest) => digest,
                    None => blocking(move || Ok(store.digest(&scope, at)?)).await?,
                };
                Against::Base { at, digest }
            }
            (None, None) => Against::Nothing,
        };
        let (pages, receiver) = mpsc::channel(2);
        let walk = Walk { store: self.store.clone(), scope: shipment.scope.clone(), to: to.seq, against, skip, pages };
        // Ends by itself when nobody takes its pages.
        let walking = tokio::spawn(blocking(move || walk.run()));
        self.send_pages(receiver).await?;
        let walked = walking.await.unwrap_or(Err(ShipError::Stopped))?;
        Ok((walked.rows, walked.digest))
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
