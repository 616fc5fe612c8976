//! What a Source sends next, and what became of it.

use tandem_storage::types::TransferGuid;

use super::super::alarm::Difference;
use super::super::message::Failure;
use super::super::plan::{Plan, View, needs_operator, plan};
use super::super::retry::Why;
use super::super::ship::ShipError;
use super::actor::{Actor, Job, StepError};
use crate::role::machine::{Event, InFlight, Life};

impl Actor {
    /// What must be decided on the other node is shown on this one too: it is where somebody may be looking.
    pub(super) fn look_for_a_decision(&mut self) {
        let Some(theirs) = &self.peer_view else { return };
        let undecided = needs_operator(&self.state, theirs);
        if let Some(reason) = undecided.as_ref().filter(|_| self.undecided.is_none()) {
            tracing::warn!(path = %self.state.scope, reason, "replication waits for an operator");
        }
        self.undecided = undecided;
    }

    pub(super) async fn plan(&mut self) -> Result<(), StepError> {
        let waits = self.retry.waits(self.hub.clock.monotonic());
        if waits || self.job.is_some() || !matches!(self.state.detail.life, Life::Source(_)) {
            return Ok(());
        }
        let Some(theirs) = self.peer_view.clone() else { return Ok(()) };
        let metas = self.metas.clone();
        let (mine, given_up) = (&self.state, self.retry.given_up());
        let planned = plan(&View { mine, snapshots: &metas, theirs: &theirs, given_up });
        if planned == Plan::UpToDate {
            self.last_error = None;
        }
        let fresh = TransferGuid::from_bytes(crate::clock::random_guid(&*self.hub.clock));
        if let Some(flight) = planned.flight(self.state.epoch.number, fresh) {
            let flight = self.retry.name(flight, fresh);
            self.step(Event::Ship(flight)).await?;
        }
        Ok(())
    }

    pub(super) async fn shipped(&mut self, transfer: TransferGuid, outcome: Result<(), ShipError>) {
        let flight = match &self.job {
            Some(Job::Shipping(flight, _)) if flight.transfer == transfer => *flight,
            _ => return,
        };
        self.job = None;
        // What the peer shows now is for the peer to say.
        self.peer_view = None;
        self.hub.bell(self.handle.peer).notify_one();
        match outcome {
            Ok(()) => {
                self.retry.landed(&flight);
                self.last_error = None;
            }
            Err(error) => {
                let why = why(&error);
                if why == Why::Differs {
                    self.note_difference(&flight, &error).await;
                }
                self.retry.failed(&flight, why, self.hub.clock.monotonic());
                if why != Why::Interrupted {
                    self.trouble(&error);
                }
            }
        }
    }
}

impl Actor {
    /// What a shipment, or the peer that it was sent to, has found to differ.
    async fn note_difference(&self, flight: &InFlight, error: &ShipError) {
        let ShipError::Differs(found) = error else { return self.raise(flight.to, Difference::Peer).await };
        let (point, difference) = (**found).clone();
        let recount = matches!(difference, Difference::StoredTotal { .. });
        self.hub.alarms.raise(self.state.guid, point, difference).await;
        if recount {
            self.count_again().await;
        }
    }
}

/// What a shipment's error means for the next shipment.
fn why(error: &ShipError) -> Why {
    match error {
        ShipError::Failed(Failure::DigestDiffers | Failure::TotalDiffers) | ShipError::Differs(_) => Why::Differs,
        ShipError::Failed(Failure::NotCurrent) | ShipError::Stopped => Why::Interrupted,
        error if error.is_no_space() => Why::NoRoom,
        error if error.is_damage() => Why::Damaged,
        _ => Why::Other,
    }
}
