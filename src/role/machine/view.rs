use serde::{Deserialize, Serialize};
use tandem_storage::record::{Scope, SnapshotMeta, TransferPhase, TransferRow};
use tandem_storage::types::{Epoch, EpochNumber, NodeGuid, PathGuid, SnapshotGuid, Timestamp, TransferGuid};

use super::evidence::Evidence;
use super::state::{Facts, Life, PathState, Policy};

/// What a node says of a path to its peer: only what is durable. Views may be lost, repeated, and come late; the machine draws
/// only such conclusions from a view as stay true when the speaker has moved on since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathView {
    pub path: PathGuid,
    pub scope: Scope,
    pub speaker: NodeGuid,
    pub epoch: Epoch,
    /// Grows with every change of the speaker's row: of two views of one speaker the one with the greater is newer.
    pub revision: u64,
    pub life: Life,
    pub policy: Policy,
    /// Retained snapshots, newest first. Only the oldest may be left out, and none that the state protects.
    pub snapshots: Vec<SnapshotMeta>,
    /// What is on its way in, at a destination.
    pub transfer: Option<TransferView>,
    pub account: Account,
}

/// What a node can say about the rows of a path that it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Account {
    /// The node counts its rows for the first time, so it can compare nothing yet.
    Counting,
    /// What it shows was not compared with its source's total.
    Unproved,
    /// What it shows has the total that its source declared.
    Proved,
    /// Something differed, and everything is to be compared.
    Alarm,
}

/// A half-received, or complete, transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferView {
    pub id: TransferGuid,
    pub epoch: Epoch,
    pub base: Option<SnapshotGuid>,
    pub to: SnapshotGuid,
    pub created: Timestamp,
    pub phase: TransferPhase,
}

impl From<&TransferRow> for TransferView {
    fn from(row: &TransferRow) -> Self {
        TransferView {
            id: row.id,
            epoch: row.epoch,
            base: row.base,
            to: row.to.guid,
            created: row.to.created,
            phase: row.phase.clone(),
        }
    }
}

impl PathView {
    /// At most this many snapshots besides the protected ones are told.
    pub const SNAPSHOTS: usize = 512;

    /// What `state` looks like from outside. `state` must be the committed one.
    pub fn of(state: &PathState, facts: &Facts<'_>) -> Self {
        let protected = state.protected();
        let told = |(at, meta): (usize, &SnapshotMeta)| {
            (at < Self::SNAPSHOTS || protected.contains(&meta.guid)).then(|| meta.clone())
        };
        PathView {
            path: state.guid,
            scope: state.scope.clone(),
            speaker: state.me,
            epoch: state.epoch,
            revision: state.revision,
            life: state.detail.life.clone(),
            policy: state.detail.policy,
            snapshots: facts.snapshots.iter().enumerate().filter_map(told).collect(),
            transfer: facts.transfer.map(TransferView::from),
            account: facts.account,
        }
    }

    /// Whether numbers, names and lists are such as a node says. What a peer sends is asked this before it counts: a machine that took up an epoch
    /// at the end of all numbers could open none after it.
    pub fn is_sane(&self) -> bool {
        let told = self.snapshots.len() <= 2 * Self::SNAPSHOTS && self.snapshots.iter().all(is_sane_snapshot);
        let evidence = self.life.conflict().is_none_or(Evidence::is_sane);
        is_sane_epoch(self.epoch.number) && self.policy.check().is_ok() && told && evidence
    }

    pub fn conflict(&self) -> Option<&Evidence> {
        self.life.conflict()
    }

    /// What the speaker shows its readers, if it is a destination with a restore point.
    pub fn visible(&self) -> Option<SnapshotGuid> {
        match &self.life {
            Life::Destination(destination) => destination.visible,
            _ => None,
        }
    }

    pub fn meta(&self, guid: SnapshotGuid) -> Option<&SnapshotMeta> {
        self.snapshots.iter().find(|meta| meta.guid == guid)
    }
}

/// Each epoch is an operator's doing: no path comes so far.
const EPOCH_MAX: u64 = 1 << 48;
/// Bytes of a snapshot's name.
const NAME_MAX: usize = 255;

pub(super) fn is_sane_epoch(number: EpochNumber) -> bool {
    number.get() <= EPOCH_MAX
}

/// Names are shown to operators.
pub(super) fn is_sane_snapshot(meta: &SnapshotMeta) -> bool {
    let name = &meta.name;
    is_sane_epoch(meta.epoch) && name.len() <= NAME_MAX && !name.chars().any(char::is_control)
}
