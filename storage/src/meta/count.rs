//! The first count of the totals, in steps that clients do not feel.

use std::collections::BTreeMap;

use super::at::scan_at;
use super::committer::Committer;
use super::core::Core;
use super::engine::View;
use super::layout::row_bucket;
use super::scope::{behind, endpoint_spans};
use super::totals::Counting;
use crate::change::Refusal;
use crate::change::count::{BeginCount, CountBite};
use crate::record::Total;
use crate::store::{CommitError, Counted, Lane, ReadError};
use crate::types::Timestamp;
use crate::types::{BucketGuid, Seq};

/// Rows that one step counts at most.
const ROWS_A_STEP: u64 = 4096;
/// Buckets whose totals one step writes at most.
const BUCKETS_A_STEP: usize = 256;

/// Begins the count, or takes it a page further. How far it is then.
pub(crate) fn step(core: &Core, committer: &Committer, now: Timestamp) -> Result<Counted, CommitError> {
    let (view, state) = core.view().map_err(|error| CommitError::Refused(error.into()))?;
    let seen = state.counting.clone();
    let bite = match &seen {
        Counting::Whole => return Ok(Counted::Whole),
        Counting::NotBegun => None,
        Counting::Running { point, after, rows } => {
            let page = page(&*view, *point, after).map_err(|error| CommitError::Refused(Refusal::from(error)))?;
            let next = match page.reached {
                Some(after) => Counting::Running { point: *point, after, rows: rows + page.rows },
                None => Counting::Whole,
            };
            Some(CountBite { seen, found: page.found, next })
        }
    };
    drop(view);
    let _ = match bite {
        None => committer.commit(Lane::Background, now, BeginCount).wait()?,
        Some(bite) => committer.commit(Lane::Background, now, bite).wait()?,
    };
    Ok(core.published.state().counting.told())
}

#[derive(Default)]
struct Page {
    found: BTreeMap<BucketGuid, Total>,
    rows: u64,
    /// The last key that was counted; none: all are.
    reached: Option<Vec<u8>>,
}

fn page(view: &dyn View, point: Seq, after: &[u8]) -> Result<Page, ReadError> {
    let after = Some(after).filter(|after| !after.is_empty());
    let mut page = Page::default();
    for span in endpoint_spans() {
        let Some(span) = behind(span, after) else { continue };
        let mut rows = scan_at(view, &span, point)?;
        while let Some(row) = rows.next()? {
            if let Some(bucket) = row_bucket(&row.key) {
                page.found.entry(bucket).or_default().add_row(&row.key, &row.value);
            }
            page.rows += 1;
            if page.rows == ROWS_A_STEP || page.found.len() == BUCKETS_A_STEP {
                page.reached = Some(row.key);
                return Ok(page);
            }
        }
    }
    Ok(page)
}
