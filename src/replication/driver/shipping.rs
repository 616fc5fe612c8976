//! What a Source sends next, and what became of it.

use std::time::Duration;

use tandem_storage::types::TransferGuid;

use super::super::message::Failure;
use super::super::plan::{Plan, View, needs_operator, plan};
use super::super::ship::ShipError;
use super::actor::{Actor, Job, StepError};
use crate::role::machine::{Event, InFlight, Life};

/// A delta for which the peer has had no room for so long is not insisted on.
pub(super) const NO_ROOM: Duration = Duration::from_secs(30);
const NO_ROOM_MAX: Duration = Duration::from_secs(3600);

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
        if self.job.is_some() || !matches!(self.state.detail.life, Life::Source(_)) {
            return Ok(());
        }
        let Some(theirs) = self.peer_view.clone() else { return Ok(()) };
        let metas = self.metas.clone();
        let (mine, given_up) = (&self.state, self.given_up);
        let planned = plan(&View { mine, snapshots: &metas, theirs: &theirs, given_up });
        if planned == Plan::UpToDate {
            self.last_error = None;
        }
        let fresh = TransferGuid::from_bytes(crate::clock::random_guid(&*self.hub.clock));
        if let Some(mut flight) = planned.flight(self.state.epoch.number, fresh) {
            // A transfer whose digest differed was dropped, and does not begin again under its name while its rows are swept.
            let begun = theirs.transfer.is_some_and(|transfer| transfer.id == flight.transfer);
            if self.thorough && !begun {
                flight.transfer = fresh;
            }
            self.step(Event::Ship(flight)).await?;
        }
        Ok(())
    }

    pub(super) fn shipped(&mut self, transfer: TransferGuid, outcome: Result<(), ShipError>) {
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
                self.thorough = false;
                (self.spoilt, self.given_up, self.no_room, self.last_error) = (None, None, None, None);
                self.room_patience = NO_ROOM;
            }
            Err(ShipError::Failed(Failure::DigestDiffers)) => {
                self.thorough = true;
                self.trouble(&ShipError::Failed(Failure::DigestDiffers));
            }
            Err(ShipError::Failed(Failure::NotCurrent) | ShipError::Stopped) => {}
            Err(error) => {
                let full = error.is_no_space();
                self.spoilt = (error.is_damage() || full).then_some(flight.to);
                if full {
                    self.found_no_room(&flight);
                }
                self.trouble(&error);
            }
        }
    }

    /// What was deleted here since may be all that keeps a delta from fitting, and the deletions come after it: one that has found no room for a
    /// while gives way to a newer one; after twice as long each time, for what was sent of it may have to be sent again. Not so a seed, most of which
    /// would have to be; an operator may give that up.
    fn found_no_room(&mut self, flight: &InFlight) {
        let now = self.hub.clock.monotonic();
        let since = self.no_room.filter(|(to, _)| *to == flight.to).map_or(now, |(_, since)| since);
        self.no_room = Some((flight.to, since));
        if flight.base.is_some() && now.saturating_sub(since) >= self.room_patience {
            self.given_up = Some(flight.to);
            self.room_patience = (2 * self.room_patience).min(NO_ROOM_MAX);
        }
    }
}
