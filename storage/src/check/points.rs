//! Snapshots, holds, transfers, segments: what keeps what.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Kind, State, hex};
use crate::meta::engine::Table;
use crate::meta::layout::{SegmentCount, corrupt};
use crate::record::{Access, HoldRow, Location, PathRow, Record, SnapshotRow, TransferRow};
use crate::store::ReadError;

impl Check<'_> {
    /// Snapshots and visible points are held; snapshots and transfers belong to a path; staged rows and claims to a transfer.
    pub(super) fn points(&mut self) -> Result<(), ReadError> {
        self.dead()?;
        let (mut held, mut paths, mut transfers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        self.each(Table::Holds, &mut |_, _, value| {
            held.insert(HoldRow::decode(value)?.seq);
            Ok(())
        })?;
        self.each(Table::Paths, &mut |check, _, value| {
            let row = PathRow::decode(value)?;
            paths.insert(row.guid);
            if let Access::ReadAt(seq) = row.access
                && !held.contains(&seq)
            {
                check.found(Kind::Point, format!("path {}", row.guid), format!("shows {seq}, which nothing holds"));
            }
            Ok(())
        })?;
        self.each(Table::Snapshots, &mut |check, _, value| {
            let row = SnapshotRow::decode(value)?;
            if !held.contains(&row.seq) || !paths.contains(&row.path) {
                let detail = format!("at {} of path {}: not held, or of no path", row.seq, row.path);
                check.found(Kind::Point, format!("snapshot {}", row.meta.guid), detail);
            }
            Ok(())
        })?;
        self.each(Table::Transfers, &mut |check, _, value| {
            let row = TransferRow::decode(value)?;
            transfers.insert(*row.id.as_bytes());
            if !paths.contains(&row.path) {
                check.found(Kind::Point, format!("transfer {}", row.id), "of no path");
            }
            Ok(())
        })?;
        if self.subject.state == State::Collected {
            for table in [Table::Staged, Table::Claims] {
                self.each(table, &mut |check, key, _| {
                    let transfer = key.first_chunk::<16>().ok_or_else(|| corrupt("transfer key", key))?;
                    if !transfers.contains(transfer) {
                        check.found(Kind::LeftOver, format!("{table:?} {}", hex(key)), "of no transfer");
                    }
                    Ok(())
                })?;
            }
            self.each(Table::Released, &mut |check, key, _| {
                check.found(Kind::LeftOver, format!("released {}", hex(key)), "not swept");
                Ok(())
            })?;
        }
        Ok(())
    }

    /// `segments` counts the live bodies of each journal file.
    pub(super) fn segments(&mut self) -> Result<(), ReadError> {
        let mut counted: BTreeMap<u64, SegmentCount> = BTreeMap::new();
        for row in self.blobs.values().filter_map(|counted| counted.row) {
            if let Location::Journal { file, .. } = row.location {
                let count = counted.entry(file).or_default();
                count.bodies += 1;
                count.bytes += row.len;
            }
        }
        self.each(Table::Segments, &mut |check, key, value| {
            let bytes = key.try_into().map_err(|_| corrupt("segment key", key))?;
            let file = u64::from_be_bytes(bytes);
            let (stored, found) = (SegmentCount::decode(value)?, counted.remove(&file).unwrap_or_default());
            if stored != found {
                check.found(
                    Kind::Segment,
                    format!("journal file {file:016x}"),
                    format!("{stored:?}, counted {found:?}"),
                );
            }
            Ok(())
        })?;
        for (file, found) in counted {
            self.found(Kind::Segment, format!("journal file {file:016x}"), format!("no count, counted {found:?}"));
        }
        Ok(())
    }
}
