//! Work behind what readers see: a complete transfer's rows into the present, or the present back to a held point. In bites, behind clients.

use tandem_storage::change::{Agreement, ApplyStaged, RewindPage};
use tandem_storage::record::Total;
use tandem_storage::types::{EpochNumber, PathGuid, Seq, TransferGuid};
use tandem_storage::{CommitError, Lane, Store};

use crate::clock::SharedClock;

/// Rows a commit.
const BITE: usize = 128;

/// Applies what is left of a complete transfer. May be cut and started again anywhere.
pub(crate) async fn apply(store: &Store, clock: &SharedClock, transfer: TransferGuid) -> Result<(), CommitError> {
    loop {
        let bite = ApplyStaged { transfer, limit: BITE };
        let left = store.commit(Lane::Background, clock.now(), bite).await?;
        if *left == 0 {
            return Ok(());
        }
    }
}

/// Sets the present of a path back to `to`. May be cut and started again anywhere. Returns whether the totals show a fault: in what the feed
/// says has changed, or in one of the two totals. Even then the present is the point, because all rows were compared.
pub(crate) async fn rewind(
    store: &Store,
    clock: &SharedClock,
    path: PathGuid,
    epoch: EpochNumber,
    to: Seq,
) -> Result<Option<Fault>, CommitError> {
    let (mut position, mut fault) = (None, None);
    loop {
        let page = RewindPage { path, epoch, to, position, limit: BITE };
        let rewound = store.commit(Lane::Background, clock.now(), page).await?.into_inner();
        match rewound.totals {
            Agreement::DifferByRows { is, was } => fault = Some(Fault::Total { is, was }),
            Agreement::DifferByFeed { is, was } => fault = Some(Fault::Feed { is, was }),
            Agreement::NotCompared | Agreement::Equal => {}
        }
        match rewound.next {
            Some(next) => position = Some(next),
            None => return Ok(fault),
        }
    }
}

/// What a rewind has found to be wrong. `is` is the total of the present, `was` that of the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The feed left changes out. The comparison of all rows has made that good.
    Feed { is: Total, was: Total },
    /// All rows are what they were, and the totals differ: one of the two is wrong.
    Total { is: Total, was: Total },
}
