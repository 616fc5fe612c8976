//! Totals that the committer did not keep: those of points from before it did.

use tandem_storage::record::{Scope, Total};
use tandem_storage::types::Seq;
use tandem_storage::{ReadError, Store};

/// Counts the total of a scope at a readable point from all its rows. Blocking.
///
/// # Errors
/// `NotHeld` when the point is not readable, or goes while it is counted: hold it.
pub(crate) fn count_total(store: &Store, scope: &Scope, at: Seq) -> Result<Total, ReadError> {
    let (mut total, mut after) = (Total::default(), None);
    loop {
        after = store.count_total_page(scope, at, after, &mut total)?;
        if after.is_none() {
            return Ok(total);
        }
    }
}
