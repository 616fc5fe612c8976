//! How a Source goes on after a shipment has failed. Pure: times are arguments.
//!
//! *What is compared.* A delta rests on what both sides know of its base. Evidence that this knowledge is wrong ends the trust: then
//! the next shipment compares all that the peer shows with the target. Trust returns when the peer says that it shows the target
//! of a comparison, and that it is proved.
//!
//! ```text
//!                 suspect, or a shipment failed because something differs
//!     Trusted --------------------------------------------------------------> Distrusted <---+
//!        ^                                                                        |          |
//!        |                                                             begins     |          | suspect,
//!        |                                                                        v          | or it differs
//!        +--- proved: the peer shows the target, and it is proved ---------- Comparing ------+
//!        |                                                                        |          |
//!        |                                                             landed     |          |
//!        |                                                                        v          |
//!        +--- proved ------------------------------------------------------- Compared -------+
//! ```
//!
//! A transfer that was begun before a comparison is never resumed by it: the two send rows in different orders. The second comparison
//! within an hour waits 30 seconds, each further one twice as long, an hour at most.
//!
//! *Which target is given up.* A shipment is usually resumed, because what was sent of it is at the peer already. It is held up when
//! bytes of its target are damaged here, or when the peer has no room for them. An operator who asks for a newer snapshot gives the
//! held-up target up; so does a delta that has found no room for some time.
//!
//! ```text
//!     free --damaged, or no room--> held up --an operator asks, or no room for too long--> given up
//!       ^                                                                                     |
//!       +------------------------- a shipment landed -----------------------------------------+
//! ```

use std::time::Duration;

use tandem_storage::types::{SnapshotGuid, TransferGuid};

use crate::role::machine::InFlight;

/// A delta for which the peer has had no room for so long is given up. The next one is tried twice as long.
const NO_ROOM: Duration = Duration::from_secs(30);
const NO_ROOM_MAX: Duration = Duration::from_secs(3600);
/// Before the second comparison within [`CALM`].
const COMPARISON_PAUSE: Duration = Duration::from_secs(30);
const COMPARISON_PAUSE_MAX: Duration = Duration::from_secs(3600);
/// After so long without evidence of a fault the next comparison begins at once.
const CALM: Duration = Duration::from_secs(3600);

/// Why a shipment failed, as far as it matters for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A digest or a total differed, here or at the peer.
    Differs,
    /// Bytes of the target cannot be read here.
    Damaged,
    /// The peer has no room.
    NoRoom,
    /// The shipment is not current any more, or this node stops: nothing is known about the target.
    Interrupted,
    /// The link, the store, or a refusal.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Trusted,
    /// The next shipment compares everything, not before this monotonic time.
    Distrusted {
        not_before: Duration,
    },
    /// This transfer compares everything.
    Comparing {
        transfer: TransferGuid,
        to: SnapshotGuid,
    },
    /// The peer shows, or will show, the target of a comparison.
    Compared {
        to: SnapshotGuid,
    },
}

/// What the shipments so far mean for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    trust: Trust,
    /// Evidence of faults, without an hour between two: how many, and when the last was seen (monotonic).
    faults: Option<(u32, Duration)>,
    /// The target of the last shipment, if damage or lack of room held it up.
    held_up: Option<SnapshotGuid>,
    given_up: Option<SnapshotGuid>,
    /// The target for which the peer has no room, and since when (monotonic).
    no_room: Option<(SnapshotGuid, Duration)>,
    /// How long a delta is tried for which there is no room.
    patience: Duration,
}

impl Retry {
    /// Nothing is known against the peer.
    pub fn trusting() -> Self {
        Retry { trust: Trust::Trusted, faults: None, held_up: None, given_up: None, no_room: None, patience: NO_ROOM }
    }

    /// Evidence of a fault that did not come from a shipment: the scrub's, the peer's, or from before a restart. A comparison
    /// that is due or under way already answers it.
    pub fn suspect(&mut self, now: Duration) {
        if let Trust::Trusted | Trust::Compared { .. } = self.trust {
            self.distrust(now);
        }
    }

    /// The peer, which shows this snapshot, says that something differs. Returns whether that is news: nothing that is under way answers it.
    pub fn accused(&mut self, shown: SnapshotGuid, now: Duration) -> bool {
        let news = match self.trust {
            Trust::Trusted => true,
            Trust::Distrusted { .. } => false,
            // The comparison has landed, and the peer is not content with it.
            Trust::Comparing { to, .. } | Trust::Compared { to } => to == shown,
        };
        if news {
            self.distrust(now);
        }
        news
    }

    /// This side is not a Source any more.
    pub fn forget(&mut self) {
        *self = Retry::trusting();
    }

    /// A shipment begins.
    pub fn begins(&mut self, flight: &InFlight) {
        if self.trust != Trust::Trusted {
            self.trust = Trust::Comparing { transfer: flight.transfer, to: flight.to };
        }
    }

    /// A shipment has landed: the peer shows its target.
    pub fn landed(&mut self, flight: &InFlight) {
        if let Trust::Comparing { transfer, to } = self.trust
            && transfer == flight.transfer
        {
            self.trust = Trust::Compared { to };
        }
        (self.held_up, self.given_up, self.no_room) = (None, None, None);
        self.patience = NO_ROOM;
    }

    /// A shipment has failed at this monotonic time.
    pub fn failed(&mut self, flight: &InFlight, why: Why, now: Duration) {
        match why {
            Why::Interrupted => {}
            Why::Differs => self.distrust(now),
            Why::Damaged => self.held_up = Some(flight.to),
            Why::NoRoom => {
                self.held_up = Some(flight.to);
                self.found_no_room(flight, now);
            }
            Why::Other => self.held_up = None,
        }
    }

    /// The peer shows this snapshot, and it is proved there. Returns whether that answers the evidence: everything was compared.
    pub fn proved(&mut self, shown: SnapshotGuid) -> bool {
        let answered = match self.trust {
            Trust::Comparing { to, .. } | Trust::Compared { to } => to == shown,
            Trust::Trusted | Trust::Distrusted { .. } => false,
        };
        if answered {
            self.trust = Trust::Trusted;
        }
        answered
    }

    /// An operator asks for a snapshot: the target that is held up need not land first, and a comparison need not wait.
    pub fn asked_for_newer(&mut self) {
        self.given_up = self.held_up;
        if let Trust::Distrusted { not_before } = &mut self.trust {
            *not_before = Duration::ZERO;
        }
    }

    /// The snapshot that is not gone on with while there is something newer.
    pub fn given_up(&self) -> Option<SnapshotGuid> {
        self.given_up
    }

    /// Whether the next shipment compares everything that the peer shows.
    pub fn compares_everything(&self) -> bool {
        self.trust != Trust::Trusted
    }

    /// Whether a comparison is due for which there must be something to send.
    pub fn wants_comparison(&self, now: Duration) -> bool {
        match self.trust {
            Trust::Distrusted { not_before } => now >= not_before,
            Trust::Trusted | Trust::Comparing { .. } | Trust::Compared { .. } => false,
        }
    }

    /// Whether the next shipment has to wait.
    pub fn waits(&self, now: Duration) -> bool {
        matches!(self.trust, Trust::Distrusted { not_before } if now < not_before)
    }

    /// The name under which a planned flight is sent. A comparison resumes itself, and nothing else.
    pub fn name(&self, planned: InFlight, fresh: TransferGuid) -> InFlight {
        let resumes = match self.trust {
            Trust::Trusted => true,
            Trust::Comparing { transfer, .. } => transfer == planned.transfer,
            Trust::Distrusted { .. } | Trust::Compared { .. } => false,
        };
        if resumes { planned } else { InFlight { transfer: fresh, ..planned } }
    }

    fn distrust(&mut self, now: Duration) {
        let before = self.faults.filter(|(_, last)| now.saturating_sub(*last) < CALM).map_or(0, |(faults, _)| faults);
        self.faults = Some((before.saturating_add(1), now));
        let pause = match before {
            0 => Duration::ZERO,
            more => COMPARISON_PAUSE.saturating_mul(1 << (more - 1).min(16)).min(COMPARISON_PAUSE_MAX),
        };
        self.trust = Trust::Distrusted { not_before: now.saturating_add(pause) };
    }

    /// What was deleted here meanwhile may be all that keeps a delta from fitting, and deletions come in a later one. So a delta gives
    /// way to a newer one, after twice as long each time, because what was sent of it may have to be sent again. A seed does
    /// not: most of it would have to be.
    fn found_no_room(&mut self, flight: &InFlight, now: Duration) {
        let since = self.no_room.filter(|(to, _)| *to == flight.to).map_or(now, |(_, since)| since);
        self.no_room = Some((flight.to, since));
        if flight.base.is_some() && now.saturating_sub(since) >= self.patience {
            self.given_up = Some(flight.to);
            self.patience = (2 * self.patience).min(NO_ROOM_MAX);
        }
    }
}

#[cfg(test)]
mod tests;
