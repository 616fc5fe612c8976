//! What differs between two points of a scope: by the feed, O(changes); by comparing all rows when the base is below the feed's
//! floor, or is none. The comparison is also the feed walk's oracle.
//!
//! *Exactly once, without memory.* A feed row of K at s carries since when the value it replaced was true. It is the one that stands for K iff
//! K's value at the newer point is of s; or K is absent there, and the replaced value was there at the base. A bucket's own row
//! comes before its other rows, whichever way it is walked.

use serde::{Deserialize, Serialize};

use super::at::{PointCursor, RowAt, entry_at, scan_at, value_at};
use super::engine::{Direction, Table, View};
use super::layout::{Span, changes_key, meta_row, parse_changes_key, parse_number, parse_stored};
use super::scope::{behind, bucket_named, bucket_spans, endpoint_spans};
use crate::record::{CorruptRecord, RowKey, Scope};
use crate::store::ReadError;
use crate::types::{BucketGuid, Seq};

/// Rows that a page looks at for each entry it may have, and in all: what bounds its time when few of them differ.
const ROWS_AN_ENTRY: usize = 8;
const ROWS_A_PAGE: std::ops::RangeInclusive<usize> = 256..=2048;

/// A place in a walk, so that it can be resumed after a restart; opaque to callers, durable between builds of one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaPosition(pub(crate) Vec<u8>);

impl DeltaPosition {
    /// Where a comparison of all rows begins, whatever the feed says.
    pub(crate) fn of_comparison() -> Self {
        Place::Comparison { after: Vec::new() }.encode()
    }
}

/// One row that differs. `old` is its value at the base, `new` at the newer point; none is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaEntry {
    pub key: RowKey,
    pub old: Option<Vec<u8>>,
    pub new: Option<Vec<u8>>,
}

/// A page of a walk. It may have no entries and yet not be the last.
#[derive(Clone, Debug)]
pub struct DeltaPage {
    pub entries: Vec<DeltaEntry>,
    /// None: the walk is done.
    pub next: Option<DeltaPosition>,
}

/// Behind which row a walk goes on. The way of walking is chosen at the start and kept: the two have different orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    Feed { bucket: BucketGuid, seq: Seq, order: u32 },
    Comparison { after: Vec<u8> },
}

#[cfg(test)]
impl DeltaPosition {
    /// What a place at the newer point's own Seq meant to a walk that left out the rest of that commit: the end of the bucket.
    pub(crate) fn passing_the_rest_of(self, to: Seq) -> Self {
        match Place::decode(&self).expect("a place") {
            Place::Feed { bucket, seq, .. } if seq >= to => {
                Place::Feed { bucket, seq: Seq::new(u64::MAX), order: u32::MAX }.encode()
            }
            _ => self,
        }
    }
}

impl Place {
    fn decode(position: &DeltaPosition) -> Result<Place, ReadError> {
        let corrupt = |error: postcard::Error| CorruptRecord { kind: "delta position", reason: error.to_string() };
        Ok(postcard::from_bytes(&position.0).map_err(corrupt)?)
    }

    fn encode(&self) -> DeltaPosition {
        DeltaPosition(postcard::to_extend(self, Vec::new()).expect("a place is plain data"))
    }
}

/// Which walk. Its points are readable in the view of each page: the caller sees to that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    pub scope: &'a Scope,
    /// None: every row is new.
    pub base: Option<Seq>,
    pub to: Seq,
}

/// A page being filled.
struct Filling {
    entries: Vec<DeltaEntry>,
    limit: usize,
    rows_left: usize,
    last: Option<Place>,
}

impl Filling {
    fn new(limit: usize) -> Self {
        let rows_left = limit.saturating_mul(ROWS_AN_ENTRY).clamp(*ROWS_A_PAGE.start(), *ROWS_A_PAGE.end());
        Filling { entries: Vec::new(), limit: limit.max(1), rows_left, last: None }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit || self.rows_left == 0
    }

    /// Records that the walk has passed `place`.
    fn pass(&mut self, place: Place, entry: Option<DeltaEntry>) {
        self.entries.extend(entry);
        self.rows_left = self.rows_left.saturating_sub(1);
        self.last = Some(place);
    }

    /// The page when the walk went no further because it was full.
    fn stopped(self) -> DeltaPage {
        DeltaPage { entries: self.entries, next: self.last.map(|place| place.encode()) }
    }

    fn done(self) -> DeltaPage {
        DeltaPage { entries: self.entries, next: None }
    }
}

impl Walk<'_> {
    /// A page by the feed if it is complete above the base, by comparison if not.
    ///
    /// # Errors
    /// `NotHeld` when the feed above the base went while it was being walked.
    pub fn page(&self, view: &dyn View, from: Option<&DeltaPosition>, limit: usize) -> Result<DeltaPage, ReadError> {
        let feed = self.feed(view)?;
        match (from.map(Place::decode).transpose()?, feed) {
            (Some(Place::Comparison { after }), _) => self.comparison(view, Some(&after), limit),
            (Some(Place::Feed { .. }), None) => Err(ReadError::NotHeld(self.base.unwrap_or_default())),
            (Some(Place::Feed { bucket, seq, order }), Some(feed)) => {
                self.feed_page(view, &feed, Some((bucket, seq, order)), limit)
            }
            (None, Some(feed)) => self.feed_page(view, &feed, None, limit),
            (None, None) => self.comparison(view, None, limit),
        }
    }

    /// Whether the page at a place is one of a comparison of all rows.
    pub fn is_comparison(&self, view: &dyn View, from: Option<&DeltaPosition>) -> Result<bool, ReadError> {
        Ok(match from.map(Place::decode).transpose()? {
            Some(Place::Comparison { .. }) => true,
            Some(Place::Feed { .. }) => false,
            None => self.feed(view)?.is_none(),
        })
    }

    /// A page by comparison.
    pub fn comparison_page(
        &self,
        view: &dyn View,
        from: Option<&DeltaPosition>,
        limit: usize,
    ) -> Result<DeltaPage, ReadError> {
        match from.map(Place::decode).transpose()? {
            None => self.comparison(view, None, limit),
            Some(Place::Comparison { after }) => self.comparison(view, Some(&after), limit),
            Some(Place::Feed { .. }) => {
                let reason = "a place in the feed, in a comparison".to_owned();
                Err(CorruptRecord { kind: "delta position", reason }.into())
            }
        }
    }

    /// How the feed is to be walked; none if it is not complete above the base. A bucket path whose name has come to point to
    /// another bucket is compared: each row of both differs, so that is no more work than the delta is long.
    fn feed(&self, view: &dyn View) -> Result<Option<Feed>, ReadError> {
        let Some(base) = self.base else { return Ok(None) };
        if feed_floor(view)?.is_none_or(|floor| base < floor) {
            return Ok(None);
        }
        let Scope::Bucket(name) = self.scope else { return Ok(Some(Feed { base, only: None })) };
        let (old, new) = (bucket_named(view, name, base)?, bucket_named(view, name, self.to)?);
        Ok(new.filter(|_| old == new).map(|bucket| Feed { base, only: Some(bucket) }))
    }

    fn feed_page(
        &self,
        view: &dyn View,
        feed: &Feed,
        from: Option<(BucketGuid, Seq, u32)>,
        limit: usize,
    ) -> Result<DeltaPage, ReadError> {
        let mut page = Filling::new(limit);
        let first = feed.only.or(from.map(|(bucket, ..)| bucket)).unwrap_or(BucketGuid::from_bytes([0; 16]));
        let span = match feed.only {
            Some(bucket) => Span::prefix(bucket.as_bytes()),
            None => Span { from: first.as_bytes().to_vec(), until: None },
        };
        let mut buckets = view.cursor(Table::LastChanged, span.range(), Direction::Forward)?;
        while let Some((bucket, last)) = buckets.next()? {
            let last = Seq::new(parse_number(last)?);
            let bucket =
                BucketGuid::from_bytes(bucket.try_into().map_err(|_| super::layout::corrupt("bucket", bucket))?);
            let after = from.filter(|(at, ..)| *at == bucket).map(|(_, seq, order)| (seq, order));
            if last > feed.base && !self.bucket_feed(view, feed.base, bucket, after, &mut page)? {
                return Ok(page.stopped());
            }
            page.pass(Place::Feed { bucket, seq: Seq::new(u64::MAX), order: u32::MAX }, None);
            if page.is_full() {
                return Ok(page.stopped());
            }
        }
        Ok(page.done())
    }

    /// Walks one bucket's part of the feed; true when it is done.
    fn bucket_feed(
        &self,
        view: &dyn View,
        base: Seq,
        bucket: BucketGuid,
        after: Option<(Seq, u32)>,
        page: &mut Filling,
    ) -> Result<bool, ReadError> {
        let own = RowKey::Bucket(bucket).encode();
        let (mut seq, mut order) = after.unwrap_or((base, u32::MAX));
        if after.is_none() {
            let (old, new) = (value_at(view, &own, base)?, value_at(view, &own, self.to)?);
            page.pass(Place::Feed { bucket, seq, order }, entry(&own, old, new)?);
        }
        // A place at the newer point itself is inside its commit: the rest of that is still to be walked.
        if seq > self.to {
            return Ok(true);
        }
        let mut first = changes_key(bucket, seq, order);
        first.push(0);
        let span = Span { from: first, until: Some(changes_key(bucket, self.to.next(), 0)) };
        let mut changes = view.cursor(Table::Changes, span.range(), Direction::Forward)?;
        while let Some((key, value)) = changes.next()? {
            if page.is_full() {
                return Ok(false);
            }
            (_, seq, order) = parse_changes_key(key)?;
            let (previous, row) = parse_stored(value)?;
            let differs = if row == own { None } else { self.fed(view, base, row, seq, previous)? };
            page.pass(Place::Feed { bucket, seq, order }, differs);
        }
        Ok(true)
    }

    /// The entry that a feed row stands for, if it does.
    fn fed(
        &self,
        view: &dyn View,
        base: Seq,
        row: &[u8],
        seq: Seq,
        previous: Seq,
    ) -> Result<Option<DeltaEntry>, ReadError> {
        let new = entry_at(view, row, self.to)?;
        let stands = match &new {
            Some((from, _)) => *from == seq,
            None => previous > Seq::ZERO && previous <= base,
        };
        if !stands {
            return Ok(None);
        }
        entry(row, value_at(view, row, base)?, new.map(|(_, value)| value))
    }

    fn comparison(&self, view: &dyn View, after: Option<&[u8]>, limit: usize) -> Result<DeltaPage, ReadError> {
        let mut page = Filling::new(limit);
        for Compared { span, base, to } in self.compared(view)? {
            let Some(span) = behind(span, after) else { continue };
            let mut old = Peeked::new(base.map(|base| scan_at(view, &span, base)).transpose()?)?;
            let mut new = Peeked::new(to.map(|to| scan_at(view, &span, to)).transpose()?)?;
            while let Some(key) = old.key().into_iter().chain(new.key()).min() {
                if page.is_full() {
                    return Ok(page.stopped());
                }
                let key = key.to_vec();
                let differs = entry(&key, old.take(&key)?, new.take(&key)?)?;
                page.pass(Place::Comparison { after: key }, differs);
            }
        }
        Ok(page.done())
    }

    /// What is compared, in key order. Rows of a bucket that the path's name does not point to at a point are absent there.
    fn compared(&self, view: &dyn View) -> Result<Vec<Compared>, ReadError> {
        let Scope::Bucket(name) = self.scope else {
            let all = endpoint_spans().into_iter();
            return Ok(all.map(|span| Compared { span, base: self.base, to: Some(self.to) }).collect());
        };
        let named = |point| bucket_named(view, name, point);
        let (old, new) = (self.base.map(named).transpose()?.flatten(), named(self.to)?);
        let mut buckets: Vec<_> = old.into_iter().chain(new).collect();
        buckets.sort();
        buckets.dedup();
        let spans = bucket_spans(&buckets).into_iter().map(|(bucket, span)| Compared {
            span,
            base: self.base.filter(|_| old == Some(bucket)),
            to: Some(self.to).filter(|_| new == Some(bucket)),
        });
        Ok(spans.collect())
    }
}

/// A walk of the feed.
struct Feed {
    base: Seq,
    /// Of one bucket; none: of all that changed.
    only: Option<BucketGuid>,
}

/// A span, and the points at which its rows count.
struct Compared {
    span: Span,
    base: Option<Seq>,
    to: Option<Seq>,
}

/// A cursor that shows its next row before it gives it.
struct Peeked<'view> {
    cursor: Option<PointCursor<'view>>,
    next: Option<RowAt>,
}

impl<'view> Peeked<'view> {
    fn new(cursor: Option<PointCursor<'view>>) -> Result<Self, ReadError> {
        let mut peeked = Peeked { cursor, next: None };
        peeked.advance()?;
        Ok(peeked)
    }

    fn key(&self) -> Option<&[u8]> {
        self.next.as_ref().map(|row| &row.key[..])
    }

    /// The value of the next row, if it has this key.
    fn take(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(row) = self.next.take_if(|row| row.key == key) else { return Ok(None) };
        self.advance()?;
        Ok(Some(row.value))
    }

    fn advance(&mut self) -> Result<(), ReadError> {
        self.next = match &mut self.cursor {
            Some(cursor) => cursor.next()?,
            None => None,
        };
        Ok(())
    }
}

/// None when nothing differs: a row that was changed and changed back is no entry.
fn entry(key: &[u8], old: Option<Vec<u8>>, new: Option<Vec<u8>>) -> Result<Option<DeltaEntry>, ReadError> {
    if old == new {
        return Ok(None);
    }
    Ok(Some(DeltaEntry { key: RowKey::decode(key)?, old, new }))
}

/// Since when the feed is complete; none while it is not kept.
pub(crate) fn feed_floor(view: &dyn View) -> Result<Option<Seq>, ReadError> {
    let floor = view.value(Table::Meta, meta_row::FLOOR)?;
    Ok(floor.map(|value| parse_number(&value)).transpose()?.map(Seq::new))
}

#[cfg(test)]
mod tests;
