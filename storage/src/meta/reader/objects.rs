//! Objects, uploads and parts of a bucket.

use std::ops::ControlFlow;

use super::walk::Step;
use super::{ReadError, Reader};
use crate::change::VersionSelector;
use crate::meta::layout::{Span, bucket_prefix, corrupt};
use crate::record::{ObjectRow, PartRow, Place, Record, RowKey, UploadRow, escape_open, tag};
use crate::store::{BucketView, Visit};
use crate::types::{ObjectKey, UploadId, Version};

/// Bytes before the key in the rows of a bucket: tag and GUID.
pub(super) const HEAD: usize = 17;

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

/// The object key in the key of a newest version's row.
pub(super) fn latest_key(key: &[u8]) -> Result<&str, ReadError> {
    let text = key.get(HEAD..).and_then(|key| str::from_utf8(key).ok());
    Ok(text.ok_or_else(|| corrupt("object key", key))?)
}
