//! Kept totals, compared with rows while the node serves.

use super::Refusal;
use super::path::{release_hold, set_hold};
use crate::meta::Tx;
use crate::meta::totals::audit_hold;
use crate::record::{HoldReason, HoldRow, Total};
use crate::store::Change;
use crate::types::{BucketGuid, Seq};

/// Holds the newest point, and tells which totals buckets have there: those behind `after`, in the order of their GUIDs, `limit` at most. The
/// hold is the one that was asked for before, moved. Output: [`HeldTotals`]; absent while the totals are not whole: then nothing is held.
#[derive(Clone, Copy, Debug)]
pub struct HoldTotals {
    pub after: Option<BucketGuid>,
    pub limit: usize,
}

/// What to compare with the rows at `point`. Empty: there is no bucket behind.
#[derive(Clone, Debug)]
pub struct HeldTotals {
    pub point: Seq,
    pub totals: Vec<(BucketGuid, Total)>,
}

/// Lets go of the point. Idempotent. Output: `()`.
#[derive(Clone, Copy, Debug)]
pub struct ReleaseTotals;

impl Change for HoldTotals {
    type Output = Option<HeldTotals>;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<Option<HeldTotals>, Refusal> {
        let Some(totals) = tx.totals_before(self.after, self.limit)? else {
            release_hold(tx, audit_hold());
            return Ok(None);
        };
        let point = tx.newest();
        set_hold(tx, HoldRow { id: audit_hold(), seq: point, reason: HoldReason::Count });
        Ok(Some(HeldTotals { point, totals }))
    }
}

impl Change for ReleaseTotals {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        release_hold(tx, audit_hold());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{CreateBucket, WritePermit};
    use crate::fixture::{Fixture, guid, name};
    use crate::meta::engine::Table;
    use crate::record::{BucketRow, Versioning};
    use crate::store::{Lane, Store};
    use crate::types::Timestamp;

    fn create(store: &Store, number: u8) {
        let row = BucketRow {
            guid: guid(number),
            name: name(&format!("bucket-{number}")),
            created: Timestamp::default(),
            location: None,
            versioning: Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        let create = CreateBucket { permit: WritePermit::Unprotected, row, settings: Vec::new() };
        let _ = store.commit(Lane::Client, Timestamp::default(), create).wait().unwrap();
    }

    fn held(store: &Store, after: Option<u8>, limit: usize) -> HeldTotals {
        let hold = HoldTotals { after: after.map(guid), limit };
        store.commit(Lane::Client, Timestamp::default(), hold).wait().unwrap().into_inner().expect("whole")
    }

    fn counted(store: &Store, bucket: BucketGuid, at: Seq) -> Total {
        let (mut total, mut after) = (Total::default(), None);
        loop {
            after = store.count_bucket_page(bucket, at, after, &mut total).unwrap();
            if after.is_none() {
                return total;
            }
        }
    }

    #[test]
    fn totals_are_those_of_the_held_point_whatever_is_written_meanwhile() {
        let fixture = Fixture::new();
        let store = &fixture.store;
        (1..=3).for_each(|number| create(store, number));
        let first = held(store, None, 2);
        let buckets: Vec<_> = first.totals.iter().map(|(bucket, _)| *bucket).collect();
        assert_eq!(buckets, [guid(1), guid(2)]);
        create(store, 4);
        for (bucket, total) in first.totals {
            assert_eq!(counted(store, bucket, first.point), total);
        }
        assert!(counted(store, guid(4), first.point).is_nothing());
        let rest = held(store, Some(2), 10);
        assert_eq!(rest.totals.iter().map(|(bucket, _)| *bucket).collect::<Vec<_>>(), [guid(3), guid(4)]);
        assert!(rest.point > first.point);
        let _ = store.commit(Lane::Client, Timestamp::default(), ReleaseTotals).wait().unwrap();
        assert!(store.holds().unwrap().is_empty());
    }

    #[test]
    fn sums_that_do_not_add_up_and_buckets_without_a_total_are_told() {
        let fixture = Fixture::new();
        let store = &fixture.store;
        (1..=2).for_each(|number| create(store, number));
        let sums = store.totals_add_up().unwrap().expect("whole");
        assert_eq!((sums.node, sums.missing), (sums.buckets, None));
        assert_eq!(sums.node.rows(), 2);
        struct Lose(BucketGuid);
        impl Change for Lose {
            type Output = ();
            fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
                tx.table_delete(Table::Totals, self.0.as_bytes().to_vec());
                Ok(())
            }
        }
        let _ = store.commit(Lane::Client, Timestamp::default(), Lose(guid(2))).wait().unwrap();
        let sums = store.totals_add_up().unwrap().expect("whole");
        assert_ne!(sums.node, sums.buckets);
        assert_eq!(sums.missing, Some(guid(2)));
    }
}
