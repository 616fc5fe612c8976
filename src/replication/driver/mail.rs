use std::time::Duration;

use tandem_storage::record::Digest;
use tandem_storage::types::{EpochNumber, SnapshotGuid, TransferGuid};
use tokio::sync::oneshot;

use super::super::alarm::{Difference, Point};
use super::super::receive::Fault;
use super::super::schedule::Age;
use super::super::ship::ShipError;
use crate::role::machine::{Command, Offer, PathView, Refused, Taking};

/// What a path's task is told.
pub(crate) enum Mail {
    /// The peer's view. From an answer, `asked` is the monotonic time before the question, and `age` what it stated.
    Heard {
        view: Box<PathView>,
        asked: Option<Duration>,
        age: Option<(SnapshotGuid, Age)>,
    },
    /// The peer does not know the path.
    Unknown,
    /// An operator removed the path at the peer.
    Gone,
    Offer(Offer, oneshot::Sender<Result<Taking, Refused>>),
    Order {
        order: Order,
        /// The epoch that it was confirmed for. If absent, it holds at any epoch.
        at: Option<EpochNumber>,
        answer: oneshot::Sender<Result<(), Refused>>,
    },
    /// Something durable changed outside the task: look.
    Look,
    Shipped(TransferGuid, Result<(), ShipError>),
    Applied(TransferGuid, Result<Digest, String>),
    Undone(TransferGuid, Result<Rewound, String>),
    Rewound(Result<Rewound, String>),
    /// Evidence that something differs at this point, found outside of a shipment.
    Suspect(Point, Difference),
}

/// What a rewind came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewound {
    /// Lines in the manifest of what was set aside.
    pub entries: u64,
    pub fault: Option<Fault>,
}

/// What an operator orders.
pub(crate) enum Order {
    /// A change of the path's role, or its end.
    Role(Command),
    /// A snapshot now, whatever the schedule says.
    Snapshot,
}
