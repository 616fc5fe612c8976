//! Holds and feed cursors in memory, as the tables have them.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::{CursorRow, HoldRow};
use crate::types::{HoldId, Seq};

/// Which points are kept readable, and above which the feed is kept. Changed only through [`Tx`](super::Tx), which writes
/// the rows too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Points {
    holds: BTreeMap<HoldId, HoldRow>,
    held: BTreeSet<(Seq, HoldId)>,
    cursors: BTreeMap<HoldId, CursorRow>,
}

impl Points {
    pub fn insert_hold(&mut self, row: HoldRow) {
        self.remove_hold(row.id);
        self.held.insert((row.seq, row.id));
        self.holds.insert(row.id, row);
    }

    pub fn remove_hold(&mut self, id: HoldId) -> Option<HoldRow> {
        let row = self.holds.remove(&id)?;
        self.held.remove(&(row.seq, id));
        Some(row)
    }

    pub fn insert_cursor(&mut self, row: CursorRow) {
        self.cursors.insert(row.id, row);
    }

    pub fn remove_cursor(&mut self, id: HoldId) -> Option<CursorRow> {
        self.cursors.remove(&id)
    }

    pub fn hold(&self, id: HoldId) -> Option<&HoldRow> {
        self.holds.get(&id)
    }

    /// In order of id.
    pub fn holds(&self) -> impl Iterator<Item = &HoldRow> {
        self.holds.values()
    }

    pub fn cursor(&self, id: HoldId) -> Option<&CursorRow> {
        self.cursors.get(&id)
    }

    /// In order of id.
    pub fn cursors(&self) -> impl Iterator<Item = &CursorRow> {
        self.cursors.values()
    }

    /// The feed is written while there is a cursor.
    pub fn feed_is_kept(&self) -> bool {
        !self.cursors.is_empty()
    }

    pub fn is_held(&self, point: Seq) -> bool {
        self.any_held(point, point.next())
    }

    /// Whether a hold lies in [from, until).
    pub fn any_held(&self, from: Seq, until: Seq) -> bool {
        let first = HoldId::from_bytes([0; 16]);
        from < until && self.held.range((from, first)..(until, first)).next().is_some()
    }

    /// The first held point at or after this one.
    pub fn held_from(&self, point: Seq) -> Option<Seq> {
        self.held.range((point, HoldId::from_bytes([0; 16]))..).next().map(|(seq, _)| *seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::HoldReason;

    fn hold(id: u8, seq: u64) -> HoldRow {
        HoldRow { id: HoldId::from_bytes([id; 16]), seq: Seq::new(seq), reason: HoldReason::Snapshot }
    }

    #[test]
    fn a_held_point_is_inside_the_interval_that_ends_after_it() {
        let mut points = Points::default();
        points.insert_hold(hold(0xff, 5));
        let held = |from, until| points.any_held(Seq::new(from), Seq::new(until));
        assert!(held(5, 6) && held(1, 6) && held(5, 9));
        assert!(!held(1, 5) && !held(6, 9) && !held(5, 5));
    }

    #[test]
    fn a_hold_set_again_moves() {
        let mut points = Points::default();
        points.insert_hold(hold(1, 5));
        points.insert_hold(hold(2, 5));
        points.insert_hold(hold(1, 7));
        assert!(points.is_held(Seq::new(5)) && points.is_held(Seq::new(7)));
        points.remove_hold(HoldId::from_bytes([2; 16]));
        assert!(!points.is_held(Seq::new(5)) && points.is_held(Seq::new(7)));
    }
}
