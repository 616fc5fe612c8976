//! Work behind what readers see: a complete transfer's rows into the present, or the present back to a held point. In bites, behind clients.

use tandem_storage::change::{ApplyStaged, RewindPage};
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

/// Sets the present of a path back to `to`. May be cut and started again anywhere.
pub(crate) async fn rewind(
    store: &Store,
    clock: &SharedClock,
    path: PathGuid,
    epoch: EpochNumber,
    to: Seq,
) -> Result<(), CommitError> {
    let mut position = None;
    loop {
        let page = RewindPage { path, epoch, to, position, limit: BITE };
        let rewound = store.commit(Lane::Background, clock.now(), page).await?.into_inner();
        match rewound.next {
            Some(next) => position = Some(next),
            None => return Ok(()),
        }
    }
}
