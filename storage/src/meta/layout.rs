//! Keys and small values of the engine's tables, as FORMAT.md has them.

use std::ops::Bound;

use crate::record::{CorruptRecord, InstanceId, ObjectRow, PartRow, Record, escape, escape_open, tag, unescape};
use crate::types::{BucketGuid, ContentHash, PathGuid, Seq, SnapshotGuid};

use super::engine::KeyRange;

/// Keys from an inclusive bound up to an exclusive one; none is the table's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub from: Vec<u8>,
    pub until: Option<Vec<u8>>,
}

impl Span {
    /// All keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        Span { from: prefix.to_vec(), until: after_prefix(prefix) }
    }

    /// The keys of `prefix` from `from` on.
    pub fn tail(prefix: &[u8], from: Vec<u8>) -> Self {
        Span { from, until: after_prefix(prefix) }
    }

    pub fn range(&self) -> KeyRange<'_> {
        let until = self.until.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        (Bound::Included(&self.from), until)
    }

    /// Where the history rows of the rows in this span are.
    pub fn history(&self) -> Span {
        let open = |key: &[u8]| {
            let mut out = Vec::with_capacity(key.len() + 12);
            escape_open(&mut out, key);
            out
        };
        Span { from: open(&self.from), until: self.until.as_deref().map(open) }
    }
}

/// The first key after all that begin with `prefix`; none if there is no such key.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if last < u8::MAX {
            next.push(last + 1);
            return Some(next);
        }
    }
    None
}

/// What all rows of one kind of a bucket begin with.
pub(crate) fn bucket_prefix(tag: u8, bucket: BucketGuid) -> Vec<u8> {
    [&[tag], &bucket.as_bytes()[..]].concat()
}

/// `history`: the row's key, escaped and ended, so that all its intervals stand together; then until.
pub(crate) fn history_key(key: &[u8], until: Seq) -> Vec<u8> {
    let mut out = history_prefix(key);
    out.extend_from_slice(&until.to_bytes());
    out
}

/// What all history rows of `key`, and no others, begin with.
pub(crate) fn history_prefix(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 12);
    escape(&mut out, key);
    out
}

pub(crate) fn parse_history_key(bytes: &[u8]) -> Result<(Vec<u8>, Seq), CorruptRecord> {
    let parts = unescape(bytes).and_then(|(key, until)| Some((key, Seq::from_bytes(until.try_into().ok()?))));
    parts.ok_or_else(|| corrupt("history key", bytes))
}

/// `ended`: the Seq at which an interval of `history` ended, then its row's key.
pub(crate) fn ended_key(until: Seq, key: &[u8]) -> Vec<u8> {
    [&until.to_bytes()[..], key].concat()
}

pub(crate) fn parse_ended_key(bytes: &[u8]) -> Result<(Seq, &[u8]), CorruptRecord> {
    let (until, key) = bytes.split_first_chunk::<8>().ok_or_else(|| corrupt("ended key", bytes))?;
    Ok((Seq::from_bytes(*until), key))
}

/// `released`: the Seq at which the last hold of a point went, then the point.
pub(crate) fn released_key(at: Seq, point: Seq) -> Vec<u8> {
    [at.to_bytes(), point.to_bytes()].concat()
}

pub(crate) fn parse_released_key(bytes: &[u8]) -> Result<(Seq, Seq), CorruptRecord> {
    let parse = || {
        let (at, point) = bytes.split_first_chunk::<8>()?;
        Some((Seq::from_bytes(*at), Seq::from_bytes(point.try_into().ok()?)))
    };
    parse().ok_or_else(|| corrupt("released key", bytes))
}

/// `snapshots`: the path, then the point, so that a path's snapshots stand in order; then the snapshot.
pub(crate) fn snapshot_key(path: PathGuid, point: Seq, snapshot: SnapshotGuid) -> Vec<u8> {
    [&path.as_bytes()[..], &point.to_bytes(), snapshot.as_bytes()].concat()
}

/// A value of `current` or `history`: since when it is true, and what it is.
pub(crate) fn stored(from: Seq, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + value.len());
    out.extend_from_slice(&from.to_bytes());
    out.extend_from_slice(value);
    out
}

pub(crate) fn parse_stored(bytes: &[u8]) -> Result<(Seq, &[u8]), CorruptRecord> {
    let (from, value) = bytes.split_first_chunk::<8>().ok_or_else(|| corrupt("row", bytes))?;
    Ok((Seq::from_bytes(*from), value))
}

pub(crate) fn changes_key(bucket: BucketGuid, seq: Seq, n: u32) -> Vec<u8> {
    [&bucket.as_bytes()[..], &seq.to_bytes(), &n.to_be_bytes()].concat()
}

/// `(bucket, Seq, n)` of a feed row.
pub(crate) fn parse_changes_key(bytes: &[u8]) -> Result<(BucketGuid, Seq, u32), CorruptRecord> {
    let parse = || {
        let (bucket, rest) = bytes.split_first_chunk::<16>()?;
        let (seq, n) = rest.split_first_chunk::<8>()?;
        Some((BucketGuid::from_bytes(*bucket), Seq::from_bytes(*seq), u32::from_be_bytes(n.try_into().ok()?)))
    };
    parse().ok_or_else(|| corrupt("feed key", bytes))
}

/// `dead`: the Seq at which the count reached zero, then the blob.
pub(crate) fn dead_key(died: Seq, hash: ContentHash) -> Vec<u8> {
    [&died.to_bytes()[..], hash.as_bytes()].concat()
}

pub(crate) fn parse_dead_key(bytes: &[u8]) -> Result<(Seq, ContentHash), CorruptRecord> {
    let parse = || {
        let (seq, hash) = bytes.split_first_chunk::<8>()?;
        Some((Seq::from_bytes(*seq), ContentHash::from_bytes(hash.try_into().ok()?)))
    };
    parse().ok_or_else(|| corrupt("dead key", bytes))
}

/// Live bodies of one journal file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SegmentCount {
    pub bodies: u64,
    pub bytes: u64,
}

impl SegmentCount {
    pub fn encode(self) -> Vec<u8> {
        [self.bodies.to_be_bytes(), self.bytes.to_be_bytes()].concat()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CorruptRecord> {
        let parse = || {
            let (bodies, rest) = bytes.split_first_chunk::<8>()?;
            Some(SegmentCount { bodies: u64::from_be_bytes(*bodies), bytes: u64::from_be_bytes(rest.try_into().ok()?) })
        };
        parse().ok_or_else(|| corrupt("segment", bytes))
    }
}

/// `segments`: the number of a journal file.
pub(crate) fn segment_key(file: u64) -> Vec<u8> {
    file.to_be_bytes().to_vec()
}

/// `condemned`: the instance whose unlinking is decided.
pub(crate) fn condemned_key(instance: InstanceId) -> Vec<u8> {
    instance.get().to_be_bytes().to_vec()
}

/// Rows of `meta`.
pub(crate) mod meta_row {
    /// The Seq of the batch that the engine has applied last.
    pub const APPLIED: &[u8] = b"applied";
    /// What the last checkpoint covers: a Seq, and where in the journal the next frame begins.
    pub const CHECKPOINT: &[u8] = b"checkpoint";
    /// Instance ids below this number may have been used.
    pub const INSTANCES: &[u8] = b"instances";
    /// Since which Seq the feed is complete.
    pub const FLOOR: &[u8] = b"floor";
    /// How far the totals are; none: they are not kept, unless there has been no batch yet.
    pub const TOTALS: &[u8] = b"totals";
    /// Behind it, a hash of whom they count against: how many multipart uploads are in progress.
    pub const UPLOADS: &[u8] = b"uploads/";
}

/// The row that counts the uploads in progress of whom they [count against](super::super::record::UploadRow::counts_against), whose name may be of
/// any length.
pub(crate) fn uploads_key(whose: Option<&str>) -> Vec<u8> {
    let name = blake3::hash(whose.unwrap_or_default().as_bytes());
    [meta_row::UPLOADS, &name.as_bytes()[..16]].concat()
}

/// What a name's row holds.
pub(crate) fn parse_name_row(value: &[u8]) -> Result<BucketGuid, CorruptRecord> {
    let guid = value.try_into().map_err(|_| corrupt("bucket name", value))?;
    Ok(BucketGuid::from_bytes(guid))
}

pub(crate) fn parse_number(bytes: &[u8]) -> Result<u64, CorruptRecord> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| corrupt("number", bytes))
}

/// The blobs that a row's value references, each to be counted once. At most two.
pub(crate) fn row_blobs(key: &[u8], value: &[u8]) -> Result<[Option<ContentHash>; 2], CorruptRecord> {
    let mut blobs = [None; 2];
    match key.first() {
        Some(&(tag::LATEST | tag::VERSION)) => {
            let row = ObjectRow::decode(value)?;
            blobs.iter_mut().zip(row.blobs()).for_each(|(slot, hash)| *slot = Some(hash));
        }
        Some(&tag::PART) => blobs[0] = PartRow::decode(value)?.body.root(),
        _ => {}
    }
    Ok(blobs)
}

/// The bucket whose feed carries changes of the row with this key; none for derived rows.
pub(crate) fn row_bucket(key: &[u8]) -> Option<BucketGuid> {
    match key.split_first() {
        None | Some((&tag::NAME, _)) => None,
        Some((_, rest)) => rest.first_chunk::<16>().map(|guid| BucketGuid::from_bytes(*guid)),
    }
}

pub(crate) fn corrupt(kind: &'static str, bytes: &[u8]) -> CorruptRecord {
    CorruptRecord { kind, reason: format!("{} bytes of another shape", bytes.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_of_a_key_stands_together_even_next_to_keys_that_begin_with_it() {
        let mut keys = vec![];
        for key in [&b"a"[..], b"a\0", b"a\0\0", b"a\x01", b"ab", b"a\xff"] {
            for until in [1, 255, 256, u64::MAX] {
                keys.push(history_key(key, Seq::new(until)));
            }
        }
        let mut sorted = keys.clone();
        sorted.sort();
        assert_eq!(keys, sorted);
        for key in &keys {
            let (row, until) = parse_history_key(key).unwrap();
            assert_eq!(*key, history_key(&row, until));
        }
    }

    #[test]
    fn a_span_of_rows_maps_to_the_span_of_their_history() {
        let span = Span { from: b"a\0".to_vec(), until: Some(b"b".to_vec()) }.history();
        let inside = |key: &[u8]| {
            let key = history_key(key, Seq::new(7));
            key >= span.from && key < span.until.clone().unwrap()
        };
        assert!(!inside(b"a") && inside(b"a\0") && inside(b"a\0\0") && inside(b"a\x01") && !inside(b"b"));
    }

    #[test]
    fn the_end_of_a_prefix_skips_trailing_ff() {
        assert_eq!(after_prefix(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff\xff"), None);
    }
}
