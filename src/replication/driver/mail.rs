use std::time::Duration;

use tandem_storage::record::Digest;
use tandem_storage::types::{EpochNumber, SnapshotGuid, TransferGuid};
use tokio::sync::oneshot;

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
    Rewound(Result<u64, String>),
}

/// What an operator orders.
pub(crate) enum Order {
    /// A change of the path's role, or its end.
    Role(Command),
    /// A snapshot now, whatever the schedule says.
    Snapshot,
}
