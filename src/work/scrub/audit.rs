//! The totals that the committer keeps of the node and of each bucket, counted again from the rows at held points.

use std::collections::VecDeque;

use tandem_storage::change::{HoldTotals, ReleaseTotals};
use tandem_storage::record::Total;
use tandem_storage::types::{BucketGuid, Seq, Timestamp};
use tandem_storage::{CommitError, Lane, ReadError, Store};

use super::super::WorkError;

/// Buckets whose totals are compared at one point.
const BUCKETS: usize = 64;
/// What an operator need not do.
const ADVICE: &str = "all rows are counted again by itself; if a later round finds it again, run `tandem check`";

/// Goes through the buckets, a bounded page of rows at a time.
#[derive(Default)]
pub struct Audit {
    begun: bool,
    /// The last bucket whose total was told.
    told: Option<BucketGuid>,
    point: Seq,
    waiting: VecDeque<(BucketGuid, Total)>,
    counting: Option<Counting>,
}

struct Counting {
    bucket: BucketGuid,
    kept: Total,
    counted: Total,
    after: Option<Vec<u8>>,
}

/// What a step came to.
pub enum Audited {
    /// A page of rows was counted, or buckets were chosen.
    Page,
    /// Whose total is wrong, and how.
    Wrong { whose: String, reason: String },
    /// All buckets have been looked at, or the totals are not whole.
    Over,
}

impl Audit {
    /// Blocking.
    pub fn step(&mut self, store: &Store, now: Timestamp) -> Result<Audited, WorkError> {
        if !self.begun {
            self.begun = true;
            return Ok(sums(store)?.unwrap_or(Audited::Page));
        }
        if let Some(counting) = self.counting.take() {
            return Ok(self.page(store, counting)?);
        }
        if let Some((bucket, kept)) = self.waiting.pop_front() {
            self.counting = Some(Counting { bucket, kept, counted: Total::default(), after: None });
            return Ok(Audited::Page);
        }
        let hold = HoldTotals { after: self.told, limit: BUCKETS };
        let held = store.commit(Lane::Background, now, hold).wait()?.into_inner();
        match held.filter(|held| !held.totals.is_empty()) {
            Some(held) => {
                self.told = held.totals.last().map(|(bucket, _)| *bucket);
                (self.point, self.waiting) = (held.point, held.totals.into());
                Ok(Audited::Page)
            }
            None => {
                release(store, now)?;
                Ok(Audited::Over)
            }
        }
    }

    fn page(&mut self, store: &Store, mut counting: Counting) -> Result<Audited, ReadError> {
        let after =
            store.count_bucket_page(counting.bucket, self.point, counting.after.take(), &mut counting.counted)?;
        if after.is_some() {
            self.counting = Some(Counting { after, ..counting });
            return Ok(Audited::Page);
        }
        let Counting { bucket, kept, counted, .. } = counting;
        Ok(match kept == counted {
            true => Audited::Page,
            false => Audited::Wrong {
                whose: format!("bucket {bucket}"),
                reason: format!("kept {kept}, counted {counted} at commit {}; {ADVICE}", self.point),
            },
        })
    }
}

/// Whether the totals of the buckets make that of the node.
fn sums(store: &Store) -> Result<Option<Audited>, ReadError> {
    let Some(sums) = store.totals_add_up()? else { return Ok(None) };
    if let Some(bucket) = sums.missing {
        let reason = format!("it has rows, and no total is kept of it; {ADVICE}");
        return Ok(Some(Audited::Wrong { whose: format!("bucket {bucket}"), reason }));
    }
    let (node, buckets) = (sums.node, sums.buckets);
    let wrong = || Audited::Wrong {
        whose: "this node".to_owned(),
        reason: format!("kept {node}, those of its buckets make {buckets}; {ADVICE}"),
    };
    Ok((node != buckets).then(wrong))
}

/// Lets go of the point that an audit held, also one that a restart has cut.
pub fn release(store: &Store, now: Timestamp) -> Result<(), CommitError> {
    store.commit(Lane::Background, now, ReleaseTotals).wait().map(|_| ())
}
