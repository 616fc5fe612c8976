//! Rows against rows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Check, Counted, Kind, Progress, State, hex};
use crate::meta::engine::Table;
use crate::meta::layout::{
    meta_row, parse_changes_key, parse_dead_key, parse_ended_key, parse_history_key, parse_number, parse_stored,
    row_blobs, row_bucket,
};
use crate::meta::staged::claimed;
use crate::record::{
    BlobKind, BlobRow, BucketRow, CorruptRecord, CursorRow, HoldRow, ObjectRow, PartRow, Record, RowKey, UploadRow,
};
use crate::store::ReadError;
use crate::types::{ContentHash, Seq};

/// Progress is told every so many rows.
const TELL_EVERY: u64 = 10_000;

/// What holds and cursors ask for.
#[derive(Default)]
struct Kept {
    held: BTreeSet<Seq>,
    /// The feed must be complete above this; none: no cursor.
    feed_above: Option<Seq>,
}

impl Check<'_> {
    pub(super) fn load_blobs(&mut self) -> Result<(), ReadError> {
        self.each(Table::Blobs, &mut |check, key, value| {
            let hash = hash_of(key)?;
            let row = BlobRow::decode(value)?;
            check.blobs.insert(hash, Counted { row: Some(row), references: 0 });
            check.report.blobs += 1;
            check.report.blob_bytes += row.len;
            Ok(())
        })
    }

    /// `current` and `history`: every value decodes, its blobs are counted, intervals stand in order, the feed knows of it.
    pub(super) fn rows(&mut self) -> Result<(), ReadError> {
        let kept = self.kept()?;
        let fed = self.fed(&kept)?;
        let mut ended: HashSet<(Seq, Vec<u8>)> = HashSet::new();
        self.each(Table::Ended, &mut |_, key, _| {
            let (until, row) = parse_ended_key(key)?;
            ended.insert((until, row.to_vec()));
            Ok(())
        })?;
        let mut last: BTreeMap<Vec<u8>, Seq> = BTreeMap::new();
        self.each(Table::History, &mut |check, key, stored| {
            let (row, until) = parse_history_key(key)?;
            let (from, value) = parse_stored(stored)?;
            check.report.history_rows += 1;
            check.row(&row, value)?;
            check.tally.row(&row, value, from, Some(until))?;
            let before = last.insert(row.clone(), until).unwrap_or(Seq::ZERO);
            if from >= until || from < before {
                check.found(Kind::History, hex(&row), format!("[{from}, {until}) after an interval until {before}"));
            }
            if !ended.remove(&(until, row.clone())) {
                check.found(Kind::History, hex(&row), format!("[{from}, {until}) is not indexed by its end"));
            }
            if check.subject.state == State::Collected && kept.held.range(from..until).next().is_none() {
                check.found(Kind::LeftOver, hex(&row), format!("history [{from}, {until}) without a hold in it"));
            }
            Ok(())
        })?;
        for (until, row) in ended {
            self.found(Kind::History, hex(&row), format!("indexed as ended at {until}, and not there"));
        }
        self.each(Table::Current, &mut |check, row, stored| {
            let (from, value) = parse_stored(stored)?;
            check.row(row, value)?;
            check.tally.row(row, value, from, None)?;
            if let Some(until) = last.get(row).filter(|until| from < **until) {
                check.found(Kind::History, hex(row), format!("present since {from}, history until {until}"));
            }
            let missing = kept.feed_above.is_some_and(|above| from > above) && row_bucket(row).is_some();
            if missing && !fed.contains(&(from, row.to_vec())) {
                check.found(Kind::Feed, hex(row), format!("changed at {from}, above a cursor, and not in the feed"));
            }
            Ok(())
        })?;
        self.names()
    }

    fn kept(&mut self) -> Result<Kept, ReadError> {
        let mut kept = Kept::default();
        self.each(Table::Holds, &mut |_, _, value| {
            kept.held.insert(HoldRow::decode(value)?.seq);
            Ok(())
        })?;
        self.each(Table::Cursors, &mut |_, _, value| {
            let after = CursorRow::decode(value)?.after;
            kept.feed_above = Some(kept.feed_above.map_or(after, |above| above.min(after)));
            Ok(())
        })?;
        let floor = self.floor()?;
        if kept.feed_above.is_some_and(|above| above < floor) {
            self.found(Kind::Feed, "floor", format!("the feed is complete since {floor}, above a cursor"));
        }
        Ok(kept)
    }

    fn floor(&mut self) -> Result<Seq, ReadError> {
        let stored = self.subject.view.value(Table::Meta, meta_row::FLOOR)?;
        Ok(Seq::new(stored.map_or(Ok(0), |bytes| parse_number(&bytes))?))
    }

    /// The feed: which rows it says changed, and when.
    fn fed(&mut self, kept: &Kept) -> Result<HashSet<(Seq, Vec<u8>)>, ReadError> {
        let mut fed = HashSet::new();
        let collected = self.subject.state == State::Collected;
        self.each(Table::Changes, &mut |check, key, stored| {
            let (bucket, seq, _) = parse_changes_key(key)?;
            let (previous, row) = parse_stored(stored)?;
            if row_bucket(row) != Some(bucket) || previous >= seq {
                check.found(
                    Kind::Feed,
                    hex(row),
                    format!("in another bucket's feed, or changed at {previous} and {seq}"),
                );
            }
            if collected && kept.feed_above.is_none_or(|above| seq <= above) {
                check.found(Kind::LeftOver, hex(row), format!("a feed row at {seq} that no cursor needs"));
            }
            fed.insert((seq, row.to_vec()));
            Ok(())
        })?;
        Ok(fed)
    }

    /// One value of a row: it decodes, and its blobs are counted.
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), CorruptRecord> {
        self.report.rows += 1;
        if self.report.rows.is_multiple_of(TELL_EVERY) {
            (self.progress)(Progress::Rows { done: self.report.rows });
        }
        match RowKey::decode(key)? {
            RowKey::Bucket(guid) => {
                let row = BucketRow::decode(value)?;
                if row.guid != guid {
                    self.found(Kind::Name, hex(key), "holds another bucket's row");
                }
            }
            RowKey::BucketName(_) | RowKey::Setting(..) => {}
            RowKey::Object(..) => drop(ObjectRow::decode(value)?),
            RowKey::Upload(..) => drop(UploadRow::decode(value)?),
            RowKey::Part(..) => drop(PartRow::decode(value)?),
        }
        for hash in row_blobs(key, value)?.into_iter().flatten() {
            self.blobs.entry(hash).or_default().references += 1;
        }
        Ok(())
    }

    /// Every bucket has its name, every name its bucket.
    fn names(&mut self) -> Result<(), ReadError> {
        let (mut names, mut rows) = (BTreeMap::new(), BTreeMap::new());
        self.each(Table::Current, &mut |_, key, stored| {
            match RowKey::decode(key)? {
                RowKey::BucketName(name) => drop(names.insert(name, parse_stored(stored)?.1.to_vec())),
                RowKey::Bucket(guid) => drop(rows.insert(guid, BucketRow::decode(parse_stored(stored)?.1)?.name)),
                _ => {}
            }
            Ok(())
        })?;
        for (guid, name) in &rows {
            if names.remove(name).is_none_or(|value| value != guid.as_bytes()) {
                self.found(Kind::Name, name.as_str(), format!("does not point to bucket {guid}"));
            }
        }
        for name in names.into_keys() {
            self.found(Kind::Name, name.as_str(), "points to no bucket");
        }
        Ok(())
    }

    pub(super) fn claims(&mut self) -> Result<(), ReadError> {
        self.each(Table::Claims, &mut |check, key, _| {
            check.blobs.entry(claimed(key)?).or_default().references += 1;
            Ok(())
        })
    }

    /// Children of every recipe that has a row: a recipe references them until it is taken off the tables.
    pub(super) fn recipes(&mut self) {
        let is_recipe = |counted: &Counted| counted.row.is_some_and(|row| row.kind == BlobKind::Recipe);
        let recipes: Vec<ContentHash> =
            self.blobs.iter().filter(|(_, counted)| is_recipe(counted)).map(|(hash, _)| *hash).collect();
        for hash in recipes {
            let children = match self.recipe(hash) {
                Ok(Some(children)) => children,
                Ok(None) => continue,
                Err(error) => {
                    self.found(Kind::Bytes, format!("recipe {hash}"), error.to_string());
                    continue;
                }
            };
            for child in children {
                let counted = self.blobs.entry(child.hash).or_default();
                counted.references += 1;
                if let Some(row) = counted.row.filter(|row| row.kind != child.kind) {
                    let detail = format!("recipe {hash} lists it as {:?}, it is {:?}", child.kind, row.kind);
                    self.found(Kind::Bytes, format!("blob {}", child.hash), detail);
                }
            }
        }
    }

    pub(super) fn counts(&mut self) {
        let mut findings = Vec::new();
        for (hash, counted) in &self.blobs {
            match counted.row {
                None => findings.push((Kind::MissingBlob, *hash, format!("{} references", counted.references))),
                Some(row) if row.references != counted.references => {
                    let detail = format!("counted {}, stored {}", counted.references, row.references);
                    findings.push((Kind::Count, *hash, detail));
                }
                Some(row) if (row.references == 0) != (row.died > Seq::ZERO) => {
                    let detail = format!("{} references, died at {}", row.references, row.died);
                    findings.push((Kind::Dead, *hash, detail));
                }
                Some(row) if row.references == 0 && self.subject.state == State::Collected => {
                    findings.push((Kind::LeftOver, *hash, "referenced by nothing".to_owned()));
                }
                Some(_) => {}
            }
        }
        for (kind, hash, detail) in findings {
            self.found(kind, format!("blob {hash}"), detail);
        }
    }

    /// `dead` has every blob without a reference.
    pub(super) fn dead(&mut self) -> Result<(), ReadError> {
        let mut listed = HashSet::new();
        self.each(Table::Dead, &mut |_, key, _| {
            listed.insert(parse_dead_key(key)?);
            Ok(())
        })?;
        let unlisted: Vec<ContentHash> = self
            .blobs
            .iter()
            .filter_map(|(hash, counted)| counted.row.map(|row| (*hash, row)))
            .filter(|(hash, row)| row.references == 0 && !listed.contains(&(row.died, *hash)))
            .map(|(hash, _)| hash)
            .collect();
        for hash in unlisted {
            self.found(Kind::Dead, format!("blob {hash}"), "referenced by nothing, and not listed as dead");
        }
        if self.subject.state == State::Collected {
            for (seq, hash) in listed {
                self.found(Kind::LeftOver, format!("blob {hash}"), format!("still listed as dead at {seq}"));
            }
        }
        Ok(())
    }
}

fn hash_of(key: &[u8]) -> Result<ContentHash, CorruptRecord> {
    let bytes = key.try_into().map_err(|_| crate::meta::layout::corrupt("blob key", key))?;
    Ok(ContentHash::from_bytes(bytes))
}
