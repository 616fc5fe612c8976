//! What may go, decided from plain values.

use std::collections::HashSet;

use crate::meta::points::Points;
use crate::record::{HoldReason, SnapshotRow};
use crate::types::{PathGuid, Seq, SnapshotGuid, Timestamp};

/// What a live body costs to move, next to its own bytes: its head in the frame, and its rows.
const BODY_OVERHEAD: u64 = 256;

/// Snapshots whose time has come. A locked one stays, and so does one whose point somebody else holds (a transfer's base, what a
/// path shows, a fork are found by their snapshot), or at which a feed cursor stands: the next delta's base.
pub(crate) fn expired(snapshots: &[SnapshotRow], points: &Points, now: Timestamp) -> Vec<(PathGuid, SnapshotGuid)> {
    let held = points.holds().filter(|hold| hold.reason != HoldReason::Snapshot).map(|hold| hold.seq);
    let needed: HashSet<Seq> = held.chain(points.cursors().map(|cursor| cursor.after)).collect();
    let gone = move |row: &&SnapshotRow| {
        let due = row.expires.is_some_and(|expires| expires <= now);
        due && !row.locked && !needed.contains(&row.seq)
    };
    snapshots.iter().filter(gone).map(|row| (row.path, row.meta.guid)).collect()
}

/// Whether an interval of history may go: no hold lies in it.
pub(crate) fn is_unheld(points: &Points, from: Seq, until: Seq) -> bool {
    !points.any_held(from, until)
}

/// Intervals that a released point may have kept all ended after it, and not after this point, the next that is held: one
/// that reaches further has that one inside. None: there is no later held point.
pub(crate) fn kept_until(points: &Points, released: Seq) -> Option<Seq> {
    points.held_from(released.next())
}

/// Feed rows at or below this are in nobody's way. The newest point is the bound when there is no cursor.
pub(crate) fn feed_bound(points: &Points, newest: Seq) -> Seq {
    points.cursors().map(|cursor| cursor.after).min().unwrap_or(newest)
}

/// Blobs that died at or before this can be named by no running reader: by those that run, for they began later, and by those to
/// come, for they will. `newest` was asked for before `oldest_reader`.
pub(crate) fn unread_bound(newest: Seq, oldest_reader: Option<Seq>) -> Seq {
    oldest_reader.map_or(newest, |oldest| oldest.min(newest))
}

/// A journal file that is not written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalFile {
    pub file: u64,
    pub bytes: u64,
    pub live_bodies: u64,
    pub live_bytes: u64,
}

impl JournalFile {
    /// Bytes that moving its live bodies would write.
    fn moved_bytes(&self) -> u64 {
        self.live_bytes + self.live_bodies * BODY_OVERHEAD
    }
}

/// The file to compact next: the one that gives the most back, of those that give back more than they cost. What was just moved is not worth moving
/// again, so compaction ends. A file without live bodies needs none.
pub(crate) fn compaction(files: impl IntoIterator<Item = JournalFile>) -> Option<u64> {
    let worthwhile = files.into_iter().filter(|file| file.live_bodies > 0 && file.moved_bytes() < file.bytes / 2);
    worthwhile.max_by_key(|file| (file.bytes - file.moved_bytes(), std::cmp::Reverse(file.file))).map(|file| file.file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{CreatorKind, CursorRow, HoldRow, SnapshotMeta};
    use crate::types::{EpochNumber, HoldId};

    fn hold(id: u8, seq: u64, reason: HoldReason) -> HoldRow {
        HoldRow { id: HoldId::from_bytes([id; 16]), seq: Seq::new(seq), reason }
    }

    fn snapshot(id: u8, seq: u64, expires: Option<i64>, locked: bool) -> SnapshotRow {
        let meta = SnapshotMeta {
            guid: SnapshotGuid::from_bytes([id; 16]),
            name: String::new(),
            created: Timestamp::default(),
            creator: CreatorKind::Policy,
            epoch: EpochNumber::default(),
        };
        let (path, expires) = (PathGuid::from_bytes([0; 16]), expires.map(Timestamp::from_secs));
        SnapshotRow { meta, path, seq: Seq::new(seq), expires, locked, digest: None, total: None, proved: false }
    }

    #[test]
    fn a_snapshot_goes_when_it_is_due_unlocked_and_nobody_elses() {
        let rows = [
            snapshot(1, 1, Some(10), false),
            snapshot(2, 2, Some(11), false),
            snapshot(3, 3, None, false),
            snapshot(4, 4, Some(1), true),
            snapshot(5, 5, Some(1), false),
            snapshot(6, 6, Some(1), false),
            snapshot(7, 7, Some(1), false),
        ];
        let mut points = Points::default();
        for row in [hold(5, 5, HoldReason::Snapshot), hold(6, 6, HoldReason::Snapshot), hold(7, 6, HoldReason::Fork)] {
            points.insert_hold(row);
        }
        points.insert_cursor(CursorRow { id: HoldId::from_bytes([8; 16]), after: Seq::new(7) });
        let gone: Vec<_> =
            expired(&rows, &points, Timestamp::from_secs(10)).into_iter().map(|(_, guid)| guid).collect();
        assert_eq!(gone, [1, 5].map(|id| SnapshotGuid::from_bytes([id; 16])));
    }

    #[test]
    fn a_released_point_is_looked_for_up_to_the_next_held_one() {
        let mut points = Points::default();
        for seq in [3, 7] {
            points.insert_hold(hold(seq as u8, seq, HoldReason::Snapshot));
        }
        assert_eq!(kept_until(&points, Seq::new(2)), Some(Seq::new(3)));
        assert_eq!(kept_until(&points, Seq::new(3)), Some(Seq::new(7)));
        assert_eq!(kept_until(&points, Seq::new(7)), None);
        assert!(is_unheld(&points, Seq::new(4), Seq::new(7)) && !is_unheld(&points, Seq::new(4), Seq::new(8)));
    }

    #[test]
    fn bounds_are_those_of_the_slowest() {
        let mut points = Points::default();
        assert_eq!(feed_bound(&points, Seq::new(9)), Seq::new(9));
        for after in [5, 3] {
            points.insert_cursor(CursorRow { id: HoldId::from_bytes([after as u8; 16]), after: Seq::new(after) });
        }
        assert_eq!(feed_bound(&points, Seq::new(9)), Seq::new(3));
        assert_eq!(unread_bound(Seq::new(9), None), Seq::new(9));
        assert_eq!(unread_bound(Seq::new(9), Some(Seq::new(4))), Seq::new(4));
        assert_eq!(unread_bound(Seq::new(9), Some(Seq::new(12))), Seq::new(9));
    }

    #[test]
    fn compaction_takes_the_emptiest_and_leaves_what_would_gain_little() {
        let file = |file, bytes, live_bodies, live_bytes| JournalFile { file, bytes, live_bodies, live_bytes };
        let full = file(1, 10_000, 2, 8_000);
        let half = file(2, 10_000, 1, 1_000);
        let empty = file(3, 10_000, 0, 0);
        let tiny = file(4, 10_000, 30, 30);
        assert_eq!(compaction([full, empty, tiny]), None);
        assert_eq!(compaction([full, half, empty, tiny]), Some(2));
        let moved = file(5, half.moved_bytes(), 1, 1_000);
        assert_eq!(compaction([moved]), None);
    }
}
