use super::Tx;
use crate::change::Refusal;
use crate::meta::totals::bucket_totals;
use crate::record::Total;
use crate::types::BucketGuid;

impl Tx<'_> {
    /// The totals that buckets behind `after` had before this batch, `limit` at most; absent if the totals were not whole then.
    pub(crate) fn totals_before(
        &self,
        after: Option<BucketGuid>,
        limit: usize,
    ) -> Result<Option<Vec<(BucketGuid, Total)>>, Refusal> {
        match self.whole_before {
            true => Ok(Some(bucket_totals(self.view, after, limit)?)),
            false => Ok(None),
        }
    }
}
