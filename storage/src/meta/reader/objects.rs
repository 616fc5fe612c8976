//! Objects, versions, uploads and parts of a bucket.

use std::ops::ControlFlow;

use super::walk::{Rows, Step};
use super::{ReadError, Reader};
use crate::change::VersionSelector;
use crate::meta::at::RowAt;
use crate::meta::layout::{Span, bucket_prefix, corrupt};
use crate::record::{ObjectRow, PartRow, Place, Record, RowKey, UploadRow, escape_open, tag, unescape};
use crate::store::{BucketView, Visit};
use crate::types::{ObjectKey, UploadId, Version};

/// Bytes before the key in the rows of a bucket: tag and GUID.
const HEAD: usize = 17;

impl Reader<'_> {
    /// A version, delete markers included.
    ///
    /// # Errors
    /// [`ReadError::Engine`], [`ReadError::Corrupt`]: so for all reads of rows.
    pub fn object(
        &self,
        bucket: &BucketView,
        key: &ObjectKey,
        version: VersionSelector,
    ) -> Result<Option<ObjectRow>, ReadError> {
        let at = |place| RowKey::Object(bucket.row.guid, key.clone(), place);
        let latest: Option<ObjectRow> = self.record(&at(Place::Latest), bucket.point)?;
        let place = match (version, latest.as_ref().map(|row| row.version)) {
            (VersionSelector::Latest, _) => return Ok(latest),
            (VersionSelector::Null, Some(Version::Null { .. })) => return Ok(latest),
            (VersionSelector::Id(id), Some(Version::Id(newest))) if id == newest => return Ok(latest),
            (VersionSelector::Null, _) => Place::Null,
            (VersionSelector::Id(id), _) => Place::Id(id),
        };
        self.record(&at(place), bucket.point)
    }

    /// Newest versions in key order from `from` on (inclusive), delete markers included.
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn objects(
        &self,
        bucket: &BucketView,
        from: &[u8],
        visit: &mut dyn FnMut(&str, ObjectRow) -> Visit,
    ) -> Result<(), ReadError> {
        let prefix = bucket_prefix(tag::LATEST, bucket.row.guid);
        let span = Span::tail(&prefix, [&prefix[..], from].concat());
        self.walk(span, bucket.point, &mut |key, value| {
            Ok(match visit(latest_key(key)?, ObjectRow::decode(value)?) {
                Visit::Next => Step::Next,
                Visit::Stop => Step::Stop,
                Visit::Seek(to) => Step::Seek([&prefix[..], &to].concat()),
            })
        })
    }

    /// All versions of keys from `from` on, newest first within a key; the flag says latest.
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn versions(
        &self,
        bucket: &BucketView,
        from: &[u8],
        visit: &mut dyn FnMut(&str, ObjectRow, bool) -> Visit,
    ) -> Result<(), ReadError> {
        let mut from = from.to_vec();
        loop {
            match self.versions_until_seek(bucket, &from, visit)? {
                Some(to) => from = to,
                None => return Ok(()),
            }
        }
    }

    fn versions_until_seek(
        &self,
        bucket: &BucketView,
        from: &[u8],
        visit: &mut dyn FnMut(&str, ObjectRow, bool) -> Visit,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let newest = bucket_prefix(tag::LATEST, bucket.row.guid);
        let older = bucket_prefix(tag::VERSION, bucket.row.guid);
        let newest_span = Span::tail(&newest, [&newest[..], from].concat());
        let mut older_from = older.clone();
        escape_open(&mut older_from, from);
        let mut newest = Rows::open(&*self.view, &newest_span, bucket.point)?;
        let mut older = OlderVersions::open(Rows::open(&*self.view, &Span::tail(&older, older_from), bucket.point)?)?;
        while let Some(row) = newest.next()? {
            let key = latest_key(&row.key)?;
            let latest = ObjectRow::decode(&row.value)?;
            let versions = std::iter::once((latest, true))
                .chain(older.of(key.as_bytes())?.into_iter().map(|version| (version, false)));
            for (version, is_latest) in versions {
                match visit(key, version, is_latest) {
                    Visit::Next => {}
                    Visit::Stop => return Ok(None),
                    Visit::Seek(to) if to.as_slice() > key.as_bytes() => return Ok(Some(to)),
                    Visit::Seek(_) => {}
                }
            }
        }
        Ok(None)
    }

    /// # Errors
    /// As all reads of rows.
    pub fn upload(
        &self,
        bucket: &BucketView,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<UploadRow>, ReadError> {
        self.record(&RowKey::Upload(bucket.row.guid, key.clone(), upload), bucket.point)
    }

    /// Uploads in (key, upload id) order from `from_key` on (inclusive).
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn uploads(
        &self,
        bucket: &BucketView,
        from_key: &[u8],
        visit: &mut dyn FnMut(UploadRow) -> Visit,
    ) -> Result<(), ReadError> {
        let prefix = bucket_prefix(tag::UPLOAD, bucket.row.guid);
        let sought = |key: &[u8]| {
            let mut from = prefix.clone();
            escape_open(&mut from, key);
            from
        };
        let span = Span::tail(&prefix, sought(from_key));
        self.walk(span, bucket.point, &mut |_, value| {
            Ok(match visit(UploadRow::decode(value)?) {
                Visit::Next => Step::Next,
                Visit::Stop => Step::Stop,
                Visit::Seek(to) => Step::Seek(sought(&to)),
            })
        })
    }

    /// Parts by number, from `after + 1` on.
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn parts(
        &self,
        bucket: &BucketView,
        upload: UploadId,
        after: u16,
        visit: &mut dyn FnMut(u16, PartRow) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let prefix = [&bucket_prefix(tag::PART, bucket.row.guid)[..], upload.as_bytes()].concat();
        let Some(first) = after.checked_add(1) else { return Ok(()) };
        let span = Span::tail(&prefix, [&prefix[..], &first.to_be_bytes()].concat());
        self.walk(span, bucket.point, &mut |key, value| {
            let number = key[prefix.len()..].try_into().map_err(|_| corrupt("part key", key))?;
            let flow = visit(u16::from_be_bytes(number), PartRow::decode(value)?);
            Ok(if flow.is_break() { Step::Stop } else { Step::Next })
        })
    }
}

/// Versions behind the newest ones, taken key by key.
struct OlderVersions<'view> {
    rows: Rows<'view>,
    next: Option<RowAt>,
}

impl<'view> OlderVersions<'view> {
    fn open(mut rows: Rows<'view>) -> Result<Self, ReadError> {
        let next = rows.next()?;
        Ok(OlderVersions { rows, next })
    }

    /// The older versions of a key, newest first. Keys are asked for in order.
    fn of(&mut self, key: &[u8]) -> Result<Vec<ObjectRow>, ReadError> {
        let mut versions = Vec::new();
        while let Some(row) = &self.next {
            let (of, _) = unescape(&row.key[HEAD..]).ok_or_else(|| corrupt("version key", &row.key))?;
            if of.as_slice() > key {
                break;
            }
            if of == key {
                versions.push(ObjectRow::decode(&row.value)?);
            }
            self.next = self.rows.next()?;
        }
        // They stand in order of their ids; the null version has its place by its stamp.
        versions.sort_by_key(|row| std::cmp::Reverse(row.version.stamp()));
        Ok(versions)
    }
}

/// The object key in the key of a newest version's row.
fn latest_key(key: &[u8]) -> Result<&str, ReadError> {
    let text = key.get(HEAD..).and_then(|key| str::from_utf8(key).ok());
    Ok(text.ok_or_else(|| corrupt("object key", key))?)
}
