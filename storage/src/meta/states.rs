//! States of a scope, compared and counted: each page under a view of its own.

use std::collections::HashSet;

use super::core::Core;
use super::delta::{DeltaPage, DeltaPosition, Walk};
use super::digest::LtHash;
use super::engine::{Table, View};
use super::layout::{meta_row, parse_number};
use super::points::Points;
use super::recount::{Tally, count_bucket_page, count_page, count_staged_page, staged_keys_page};
use super::totals::{known_total, present_total};
use crate::change::Refusal;
use crate::record::{CorruptRecord, Digest, Record, Scope, Total, TransferRow};
use crate::store::{ReadError, Unchanged};
use crate::types::{BucketGuid, Seq, TransferGuid};

/// Keys of staged rows that are remembered at once: some 40 MB, while one transfer's rows are compared. Each pass reads all the rows: of 10 million, 10
/// times.
const KEYS_AT_ONCE: usize = 1 << 20;

impl Core {
    pub fn delta_page(
        &self,
        walk: &Walk<'_>,
        from: Option<&DeltaPosition>,
        limit: usize,
    ) -> Result<DeltaPage, ReadError> {
        self.at_points(&[walk.base, Some(walk.to)], |view| walk.page(view, from, limit))
    }

    /// In one view, so that nobody who writes elsewhere moves the newest point on meanwhile. A client may have chosen rows so that two totals are equal:
    /// so equal totals alone do not say that nothing changed.
    pub fn unchanged_since(
        &self,
        scope: &Scope,
        base: Seq,
        total: Option<Total>,
        pages: usize,
    ) -> Result<Unchanged, ReadError> {
        let (view, state) = self.view()?;
        check_readable(&*view, &state.points, base)?;
        let to = newest_of(&*view)?;
        let walk = Walk { scope, base: Some(base), to };
        let mut position = None;
        for _ in 0..pages {
            let page = walk.page(&*view, position.as_ref(), 1)?;
            match page.next {
                _ if !page.entries.is_empty() => return Ok(Unchanged::Differs),
                Some(next) => position = Some(next),
                None => {
                    let is = if state.counting.is_whole() { Some(present_total(&*view, scope)?) } else { None };
                    return Ok(match (total, is) {
                        (Some(was), Some(is)) if was != is => Unchanged::Missed { was, is },
                        _ => Unchanged::Since(to),
                    });
                }
            }
        }
        Ok(Unchanged::Differs)
    }

    pub fn total_at(&self, scope: &Scope, at: Seq) -> Result<Option<Total>, ReadError> {
        let (view, state) = self.view()?;
        check_readable(&*view, &state.points, at)?;
        known_total(&*view, &state.counting, state.gates.paths(), scope, (at, newest_of(&*view)?))
    }

    pub fn comparison_page(
        &self,
        walk: &Walk<'_>,
        from: Option<&DeltaPosition>,
        limit: usize,
    ) -> Result<DeltaPage, ReadError> {
        self.at_points(&[walk.base, Some(walk.to)], |view| walk.comparison_page(view, from, limit))
    }

    pub fn digest(&self, scope: &Scope, at: Seq) -> Result<Digest, ReadError> {
        let mut hash = LtHash::empty();
        let mut after = None;
        loop {
            after = self.count_page(scope, at, after, &mut hash)?;
            if after.is_none() {
                return Ok(hash.digest());
            }
        }
    }

    pub fn count_page(
        &self,
        scope: &Scope,
        at: Seq,
        after: Option<Vec<u8>>,
        tally: &mut dyn Tally,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        self.at_points(&[Some(at)], |view| count_page(view, scope, at, after.as_deref(), tally))
    }

    pub fn count_bucket_page(
        &self,
        bucket: BucketGuid,
        at: Seq,
        after: Option<Vec<u8>>,
        tally: &mut dyn Tally,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        self.at_points(&[Some(at)], |view| count_bucket_page(view, bucket, at, after.as_deref(), tally))
    }

    pub fn staged_digest(&self, transfer: TransferGuid, base: Option<(&Digest, Seq)>) -> Result<Digest, ReadError> {
        let mut hash = base.map_or_else(LtHash::empty, |(digest, _)| LtHash::of(digest));
        self.count_staged(transfer, base.map(|(_, at)| at), &mut hash)?;
        Ok(hash.digest())
    }

    pub fn staged_total(&self, transfer: TransferGuid, base: Option<(Total, Seq)>) -> Result<Total, ReadError> {
        let mut total = base.map_or_else(Total::default, |(total, _)| total);
        self.count_staged(transfer, base.map(|(_, at)| at), &mut total)?;
        Ok(total)
    }

    fn count_staged(&self, transfer: TransferGuid, base: Option<Seq>, tally: &mut dyn Tally) -> Result<(), ReadError> {
        let scope = self.scope_of(transfer)?;
        let mut first = Some(0);
        while let Some(from) = first {
            first = self.at_points(&[base], |view| count_staged_page(view, (transfer, &scope), base, from, tally))?;
        }
        Ok(())
    }

    /// Whether two staged rows bear one key: no delta has that, and a digest would count the key twice. In passes over the rows, each of
    /// which remembers a bounded part of the keys.
    pub fn staged_repeats(&self, transfer: TransferGuid, rows: u64) -> Result<bool, ReadError> {
        let passes = rows.div_ceil(KEYS_AT_ONCE as u64).max(1);
        for pass in 0..passes {
            let mut seen = HashSet::new();
            let mut first = Some(0);
            while let Some(from) = first {
                let view = self.view()?.0;
                first = staged_keys_page(&*view, transfer, from, &mut |key| {
                    let hash = u128::from_le_bytes(*blake3::hash(key).as_bytes().first_chunk().expect("32 bytes"));
                    hash % u128::from(passes) != u128::from(pass) || seen.insert(hash)
                })?;
                if first == Some(from) || seen.len() > 4 * KEYS_AT_ONCE {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn scope_of(&self, transfer: TransferGuid) -> Result<Scope, ReadError> {
        let unknown = || CorruptRecord { kind: "transfer", reason: Refusal::Unknown.to_string() };
        let (view, state) = self.view()?;
        let row = view.value(Table::Transfers, transfer.as_bytes())?.ok_or_else(unknown)?;
        let path = state.gates.path(TransferRow::decode(&row)?.path).ok_or_else(unknown)?;
        Ok(path.scope.clone())
    }

    /// Opens a view in which these points are readable.
    fn at_points<T>(
        &self,
        points: &[Option<Seq>],
        read: impl FnOnce(&dyn View) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let (view, state) = self.view()?;
        for point in points.iter().flatten() {
            check_readable(&*view, &state.points, *point)?;
        }
        read(&*view)
    }
}

/// # Errors
/// `NotHeld` unless a hold has the point, or it is the view's newest. At zero everything is absent, whoever asks.
fn check_readable(view: &dyn View, points: &Points, point: Seq) -> Result<(), ReadError> {
    if point == Seq::ZERO || points.is_held(point) {
        return Ok(());
    }
    if newest_of(view)? == point { Ok(()) } else { Err(ReadError::NotHeld(point)) }
}

/// The newest point that a view shows.
fn newest_of(view: &dyn View) -> Result<Seq, ReadError> {
    let applied = view.value(Table::Meta, meta_row::APPLIED)?;
    Ok(Seq::new(applied.map(|value| parse_number(&value)).transpose()?.unwrap_or_default()))
}
