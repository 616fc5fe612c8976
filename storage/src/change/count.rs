//! The count of all rows that are there, for a directory that was made before there were totals, or whose totals are not believed any more.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::Refusal;
use super::path::{release_hold, set_hold};
use crate::meta::Tx;
use crate::meta::engine::{Direction, Table};
use crate::meta::layout::Span;
use crate::meta::totals::{Counting, NODE, count_hold};
use crate::record::{HoldReason, HoldRow, Total};
use crate::store::Change;
use crate::types::{BucketGuid, Seq};

/// Rows of totals that one commit removes.
const REMOVED_AT_ONCE: usize = 1024;

/// Holds the newest point and keeps what changes from this commit on; before, in commits of its own, it removes the rows there are. Nothing, if a count
/// has begun. Output: `()`.
pub(crate) struct BeginCount;

/// Adds what a page of rows came to, if the count is still where the page was read. Output: `()`.
pub(crate) struct CountBite {
    pub seen: Counting,
    pub found: BTreeMap<BucketGuid, Total>,
    pub next: Counting,
}

/// Forgets the totals: they are not known until all rows have been counted again. Output: `()`.
pub(crate) struct ForgetTotals;

impl Change for BeginCount {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        if *tx.counting() != Counting::NotBegun {
            return Ok(());
        }
        let mut stale = Vec::new();
        tx.table_scan(Table::Totals, &Span::prefix(&[]), Direction::Forward, &mut |key, _| {
            stale.push(key.to_vec());
            if stale.len() < REMOVED_AT_ONCE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        if !stale.is_empty() {
            stale.into_iter().for_each(|key| tx.table_delete(Table::Totals, key));
            return Ok(());
        }
        let point = tx.newest();
        set_hold(tx, HoldRow { id: count_hold(), seq: point, reason: HoldReason::Count });
        tx.set_counting(Counting::Running { point, after: Vec::new(), rows: 0 });
        Ok(())
    }
}

impl Change for CountBite {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        if *tx.counting() != self.seen {
            return Ok(());
        }
        let mut node = Total::default();
        for (bucket, total) in self.found {
            node = node.plus(total);
            tx.add_total(bucket.as_bytes(), total)?;
        }
        tx.add_total(NODE, node)?;
        if self.next.is_whole() {
            release_hold(tx, count_hold());
        }
        tx.set_counting(self.next);
        Ok(())
    }
}

impl Change for ForgetTotals {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        // Without any batch there is nothing to count.
        if tx.newest() > Seq::ZERO {
            release_hold(tx, count_hold());
            tx.set_counting(Counting::NotBegun);
        }
        Ok(())
    }
}
