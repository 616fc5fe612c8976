use serde::{Deserialize, Serialize};
use tandem_storage::change::PathOp;
use tandem_storage::record::{CreatorKind, Digest, SnapshotMeta};
use tandem_storage::types::{Epoch, EpochNumber, PathGuid, SnapshotGuid, Timestamp, TransferGuid};

use super::state::{InFlight, PathState, Policy, RoleChange};
use super::view::PathView;

/// How an operator lets the roles change. The same value travels from the command line to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverMode {
    /// On a Source: hand over. On a Destination: become Source when the source has handed over. Nothing is lost.
    Graceful,
    /// Both sides writable, each for itself.
    StandAlone,
    /// On a Destination or Standalone: become Source without asking. On a Source that hands over, or in Conflict: write again.
    Force,
}

impl FailoverMode {
    /// As the API and the command line spell it.
    pub fn name(self) -> &'static str {
        match self {
            FailoverMode::Graceful => "graceful",
            FailoverMode::StandAlone => "stand-alone",
            FailoverMode::Force => "force",
        }
    }
}

/// What an operator asks, on either node.
#[derive(Clone, Debug)]
pub enum Command {
    Failover(FailoverMode),
    /// Calls a handover off.
    Abort,
    /// Ends Standalone (or Conflict): under the peer if that is Source of a newer epoch, else as Source with the peer as destination.
    Reattach {
        /// What the peer said just now; absent if it does not answer.
        peer: Option<Box<PathView>>,
    },
    SetPolicy(Policy),
    /// Drops the writes that a rejoin set aside. `locked`: some of them are under a retention or legal hold.
    DiscardDiverged {
        epoch: EpochNumber,
        locked: bool,
    },
    Remove,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    Command(&'a Command),
    /// The peer said this.
    Heard(&'a PathView),
    /// A snapshot is due, or asked for. Its guid is [`Fresh::snapshot`](super::Fresh). On a Destination only a user's, of what is shown.
    Snapshot {
        name: &'a str,
        by: CreatorKind,
        expires: Option<Timestamp>,
        locked: bool,
    },
    /// Source: the plan says so; `Action::Ship` follows once its holds are durable.
    Ship(InFlight),
    /// Source: the retention cap is reached, and this snapshot goes although the peer may need it.
    DropForSpace(SnapshotGuid),
    /// Destination: all rows of the complete transfer are in the present; its declared and checked digest.
    Applied {
        transfer: TransferGuid,
        digest: &'a Digest,
    },
    /// Destination: all rows of the complete transfer are in the present, and the store refuses to show it: its total is not the one
    /// that the source declared.
    TotalDiffers {
        transfer: TransferGuid,
    },
    /// Destination: the transfer that did not become what the source declared is out of the present again.
    Undone {
        transfer: TransferGuid,
    },
    /// Destination: the present is the point that the rewind went to. `entries` lines are in the manifest of what was set aside.
    Rewound {
        entries: u64,
    },
    /// Look whether something is due.
    Tick,
}

/// What to do when the step is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tell the peer the new view.
    Announce,
    /// Source: (go on to) ship this.
    Ship(InFlight),
    /// End the session with the peer: what it ships or takes is of no use any more.
    StopTransfer,
    /// Destination: apply the complete transfer's rows to the present, then send `Applied`.
    FinishTransfer(TransferGuid),
    /// Destination: set the present back to what is shown, then send `Undone`.
    UndoTransfer(TransferGuid),
    /// Destination: set the present back to this snapshot, which is held and shown already, then send `Rewound`.
    Rewind { to: SnapshotGuid },
    /// Log it, count it, show it.
    Audit(RoleChange),
}

/// A transition: persist first, then act.
#[derive(Clone, Debug)]
#[must_use]
pub struct Step {
    /// The state once `persist` is durable.
    pub state: PathState,
    /// One commit, all or none (`UpdatePaths`). Empty: nothing changes.
    pub persist: Vec<PathOp>,
    pub then: Vec<Action>,
    /// The path is gone once `persist` is durable.
    pub removed: bool,
}

/// What a source says before the first byte of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub transfer: TransferGuid,
    pub path: PathGuid,
    pub epoch: Epoch,
    pub base: Option<SnapshotGuid>,
    pub to: SnapshotMeta,
    /// Everything that the destination shows is compared, whatever it builds on.
    pub compares_all: bool,
}

/// How a destination takes an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taking {
    /// From the first row. `drop` is an older transfer that gives way.
    Begin { drop: Option<TransferGuid> },
    /// `rows` rows are here.
    Resume { rows: u64 },
    /// All of it is here, and lands by itself.
    Complete,
    /// The snapshot is what is shown.
    Landed,
}

/// Why a command, an offer or a completion is not taken; each message says what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refused {
    #[error("there is no restore point yet: wait for the first sync, or fail over on the other node")]
    NoRestorePoint,
    #[error("this node is the Source of the path already")]
    AlreadySource,
    #[error("the path stands alone: reattach it first, or force it")]
    StandsAlone,
    #[error(
        "the path is in conflict: {0}. Force or reattach it on the node whose data shall win, or let it stand alone"
    )]
    InConflict(String),
    #[error("an aborted failover has not reached the peer yet: try again when it is connected, or force")]
    AbortPending,
    #[error("no failover is in progress")]
    NothingToAbort,
    #[error("the path is neither alone nor in conflict: there is nothing to reattach")]
    NotAlone,
    #[error("the peer does not answer: reattach when it does, or force the path on the node that shall be Source")]
    PeerSilent,
    #[error(
        "no snapshot is on both sides: remove the path on one node, move its buckets out of the way, and create it again"
    )]
    NoCommonSnapshot,
    #[error("{0}: try again when it is done")]
    Busy(String),
    #[error("this node is not the Source of the path")]
    NotSource,
    #[error("this node is not the Destination of the path")]
    NotDestination,
    #[error("another epoch")]
    WrongEpoch,
    #[error("the base is not what the destination shows")]
    WrongBase,
    #[error("no such snapshot, transfer or diverged epoch")]
    Unknown,
    #[error("the diverged writes are locked: they stay until the last retention or legal hold ends")]
    Locked,
    #[error("an interval is at least one second")]
    BadPolicy,
    #[error("a snapshot whose name or epoch cannot be")]
    BadSnapshot,
    #[error("the path is at epoch {0} by now, and another one was confirmed: look at it again")]
    NotConfirmed(EpochNumber),
}
