use serde::{Deserialize, Serialize};
use tandem_storage::record::SnapshotMeta;
use tandem_storage::types::{Epoch, SnapshotGuid, Timestamp};

use super::state::Facts;
use super::view::{PathView, is_sane_epoch, is_sane_snapshot};

/// What makes it impossible to say who is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disagreement {
    /// Both sides claim to write in the same epoch number.
    EqualEpochs,
    /// Both sides wrote, and no snapshot is on both.
    NoCommonSnapshot,
    /// The peer shows a snapshot of this node's own epoch that this node does not have: this node was set back.
    PeerHasSeenMore,
    /// The peer knows a later epoch of which this node was the writer: this node was set back.
    OwnEpochForgotten,
}

/// What an operator needs to see to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub disagreement: Disagreement,
    pub mine: Epoch,
    pub theirs: Epoch,
    pub my_newest: Option<SnapshotMeta>,
    pub their_newest: Option<SnapshotMeta>,
    /// When it was found.
    pub at: Timestamp,
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let newest = |meta: &Option<SnapshotMeta>| meta.as_ref().map_or("none".to_owned(), |meta| meta.name.clone());
        match self.disagreement {
            Disagreement::EqualEpochs => f.write_str("both sides claim to write in the same epoch")?,
            Disagreement::NoCommonSnapshot => f.write_str("no snapshot is on both sides")?,
            Disagreement::PeerHasSeenMore => {
                f.write_str("the peer shows a snapshot of this side that this side lacks")?
            }
            Disagreement::OwnEpochForgotten => f.write_str("the peer knows a later epoch of this side than it does")?,
        }
        write!(
            f,
            ": here epoch {} of {}, newest snapshot {}; there epoch {} of {}, newest snapshot {}",
            self.mine.number,
            self.mine.writer,
            newest(&self.my_newest),
            self.theirs.number,
            self.theirs.writer,
            newest(&self.their_newest),
        )
    }
}

impl Evidence {
    pub(super) fn is_sane(&self) -> bool {
        let known = self.my_newest.iter().chain(&self.their_newest);
        is_sane_epoch(self.mine.number) && is_sane_epoch(self.theirs.number) && known.into_iter().all(is_sane_snapshot)
    }

    pub(super) fn of(disagreement: Disagreement, mine: Epoch, facts: &Facts<'_>, view: &PathView) -> Box<Self> {
        Box::new(Evidence {
            disagreement,
            mine,
            theirs: view.epoch,
            my_newest: facts.snapshots.first().cloned(),
            their_newest: view.snapshots.first().cloned(),
            at: facts.now,
        })
    }
}

/// The newest of `mine` (newest first) that `theirs` has too. A snapshot's GUID means the same content everywhere, so gaps in
/// either list, and whatever is newer, do not matter.
pub fn newest_common(mine: &[SnapshotMeta], theirs: &[SnapshotMeta]) -> Option<SnapshotGuid> {
    mine.iter().map(|meta| meta.guid).find(|guid| has(theirs, *guid))
}

pub fn has(snapshots: &[SnapshotMeta], guid: SnapshotGuid) -> bool {
    snapshots.iter().any(|meta| meta.guid == guid)
}
