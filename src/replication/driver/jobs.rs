//! Long work, beside the path's task: it can be ended at any moment, and begins again from what is durable.

use std::sync::Arc;

use tandem_storage::record::{Access, Digest, Scope};
use tandem_storage::types::{EpochNumber, PathGuid, Seq, SnapshotGuid, TransferGuid};
use tandem_storage::{ReadError, Store};

use super::super::manifest::Aside;
use super::super::message::Attempt;
use super::super::receive;
use super::super::ship::{Shipment, Shipper, tied};
use super::actor::{Actor, Job};
use super::hub::Hub;
use super::mail::{Mail, Rewound};
use crate::role::machine::InFlight;

impl Actor {
    pub(super) fn start_shipping(&mut self, flight: InFlight) {
        if matches!(&self.job, Some(Job::Shipping(running, _)) if *running == flight) {
            return;
        }
        self.job = None;
        let Some(peer) = self.hub.peers.by_node(self.handle.peer) else {
            return self.trouble(&"the peer was removed: pair with it again");
        };
        let shown = self.peer_view.as_ref().and_then(|view| view.visible());
        // A seed brings everything anyway.
        let over = shown.filter(|_| self.retry.compares_everything() && flight.base.is_some());
        let shipment = Shipment { flight, scope: self.state.scope.clone(), over };
        let attempt = Attempt { path: self.state.guid, epoch: self.state.epoch, transfer: flight.transfer };
        self.retry.begins(&flight);
        self.handle.progress.reset();
        let shipper = Arc::new(Shipper {
            store: self.hub.store.clone(),
            clock: self.hub.clock.clone(),
            me: self.hub.me,
            peer,
            alarms: self.hub.alarms.clone(),
            read: self.hub.read.clone(),
            attempt,
            progress: self.handle.progress.clone(),
        });
        let mail = self.handle.mail.clone();
        let task = tied(async move {
            let outcome = shipper.ship(shipment).await;
            let _ = mail.send(Mail::Shipped(flight.transfer, outcome)).await;
        });
        self.job = Some(Job::Shipping(flight, task));
    }

    pub(super) fn start_finishing(&mut self, transfer: TransferGuid) {
        if matches!(&self.job, Some(Job::Finishing(running, _)) if *running == transfer) {
            return;
        }
        let declared = self.transfer.as_ref().filter(|row| row.id == transfer).and_then(|row| row.digest.clone());
        let (hub, mail) = (self.hub.clone(), self.handle.mail.clone());
        let task = tied(async move {
            let outcome = finish(&hub, transfer, declared).await;
            let _ = mail.send(Mail::Applied(transfer, outcome)).await;
        });
        self.job = Some(Job::Finishing(transfer, task));
    }

    /// Takes a transfer out of the present: what is shown becomes the present again.
    pub(super) fn start_undoing(&mut self, transfer: TransferGuid) {
        if matches!(&self.job, Some(Job::Undoing(running, _)) if *running == transfer) {
            return;
        }
        let row = self.hub.store.path(self.state.guid);
        let Some(Access::ReadAt(shown)) = row.map(|row| row.access) else {
            return self.trouble(&"nothing is shown that the present could go back to");
        };
        let (scope, aside) = (self.state.scope.clone(), None);
        let rewind = Rewind { path: self.state.guid, scope, epoch: self.state.epoch.number, to: shown, aside };
        let (hub, mail) = (self.hub.clone(), self.handle.mail.clone());
        let task = tied(async move {
            let outcome = rewind.run(&hub).await;
            let _ = mail.send(Mail::Undone(transfer, outcome)).await;
        });
        self.job = Some(Job::Undoing(transfer, task));
    }

    pub(super) fn start_rewinding(&mut self, to: SnapshotGuid) {
        if matches!(&self.job, Some(Job::Rewinding(running, _)) if *running == to) {
            return;
        }
        let diverged = self.state.detail.diverged.iter().rev().find(|diverged| diverged.base == to);
        let seq = |guid: SnapshotGuid| self.rows.iter().find(|row| row.meta.guid == guid).map(|row| row.seq);
        let Some(base) = seq(to) else { return self.trouble(&"the snapshot to go back to is gone") };
        let rewind = Rewind {
            path: self.state.guid,
            scope: self.state.scope.clone(),
            epoch: self.state.epoch.number,
            to: base,
            aside: diverged.and_then(|diverged| seq(diverged.snapshot)),
        };
        let (hub, mail) = (self.hub.clone(), self.handle.mail.clone());
        let task = tied(async move {
            let outcome = rewind.run(&hub).await;
            let _ = mail.send(Mail::Rewound(outcome)).await;
        });
        self.job = Some(Job::Rewinding(to, task));
    }
}

async fn finish(hub: &Hub, transfer: TransferGuid, declared: Option<Digest>) -> Result<Digest, String> {
    let digest = declared.ok_or("a complete transfer without a digest")?;
    receive::apply(&hub.store, &hub.clock, transfer).await.map_err(|error| error.to_string())?;
    Ok(digest)
}

struct Rewind {
    path: PathGuid,
    scope: Scope,
    epoch: EpochNumber,
    to: Seq,
    /// What was set aside, whose manifest is counted.
    aside: Option<Seq>,
}

impl Rewind {
    async fn run(self, hub: &Hub) -> Result<Rewound, String> {
        let Rewind { path, scope, epoch, to, aside } = self;
        let store = hub.store.clone();
        let counting = tokio::task::spawn_blocking(move || count(&store, &scope, to, aside));
        let entries = counting.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let rewound = receive::rewind(&hub.store, &hub.clock, path, epoch, to).await;
        Ok(Rewound { entries, fault: rewound.map_err(|error| error.to_string())? })
    }
}

fn count(store: &Store, scope: &Scope, base: Seq, aside: Option<Seq>) -> Result<u64, ReadError> {
    let Some(to) = aside else { return Ok(0) };
    let mut entries = 0;
    Aside { scope: scope.clone(), base, to }.lines(store, |lines| {
        entries += lines.len() as u64;
        true
    })?;
    Ok(entries)
}
