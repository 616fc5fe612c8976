//! All versions of keys: the newest ones and those behind them, walked side by side.

use super::objects::{HEAD, latest_key};
use super::walk::Rows;
use super::{ReadError, Reader};
use crate::change::VersionSelector;
use crate::meta::layout::{Span, bucket_prefix, corrupt};
use crate::record::{ObjectRow, Place, Record, RowKey, escape_open, tag, unescape};
use crate::store::{BucketView, Visit};
use crate::types::{ObjectKey, Version, VersionId};

/// Is told of a key, a version of it, and whether that is the latest.
type Visitor<'v> = &'v mut dyn FnMut(&str, ObjectRow, bool) -> Visit;

impl Reader<'_> {
    /// All versions of keys from `from` on, newest first within a key; the flag says latest. Rows are read one by one: a key with a million
    /// versions costs no more than what is visited of it.
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn versions(&self, bucket: &BucketView, from: &[u8], visit: Visitor<'_>) -> Result<(), ReadError> {
        let mut from = from.to_vec();
        while let Some(to) = self.versions_until_seek(bucket, &from, None, visit)? {
            from = to;
        }
        Ok(())
    }

    /// Goes on behind one version of a key: what is older than it, and all later keys. The version need not be there any more; but
    /// of a null version that is gone nobody knows how old it was, and then all of its key's versions come again.
    ///
    /// # Errors
    /// As all reads of rows.
    pub fn versions_after(
        &self,
        bucket: &BucketView,
        key: &ObjectKey,
        version: VersionSelector,
        visit: Visitor<'_>,
    ) -> Result<(), ReadError> {
        let from = key.as_str().as_bytes();
        let behind = match version {
            VersionSelector::Id(id) => Some(id.stamp()),
            _ => self.object(bucket, key, version)?.map(|row| row.version.stamp()),
        };
        match self.versions_until_seek(bucket, from, behind.map(|stamp| (key, stamp)), visit)? {
            Some(to) => self.versions(bucket, &to, visit),
            None => Ok(()),
        }
    }

    /// Until the end, or until a seek: its key. `behind` leaves out the versions of one key, the first, that are not older than a stamp.
    fn versions_until_seek(
        &self,
        bucket: &BucketView,
        from: &[u8],
        behind: Option<(&ObjectKey, u64)>,
        visit: Visitor<'_>,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let newest = bucket_prefix(tag::LATEST, bucket.row.guid);
        let newest_span = Span::tail(&newest, [&newest[..], from].concat());
        let mut newest = Rows::open(&*self.view, &newest_span, bucket.point)?;
        let mut older = self.older_versions(bucket, from, behind)?;
        while let Some(row) = newest.next()? {
            let key = latest_key(&row.key)?;
            let latest = ObjectRow::decode(&row.value)?;
            let skipped = behind.is_some_and(|(first, stamp)| first.as_str() == key && latest.version.stamp() >= stamp);
            let mut next = if skipped { None } else { Some((latest, true)) };
            loop {
                let (version, is_latest) = match next.take() {
                    Some(latest) => latest,
                    None => match older.next_of(key.as_bytes())? {
                        Some(version) => (version, false),
                        None => break,
                    },
                };
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

    fn older_versions(
        &self,
        bucket: &BucketView,
        from: &[u8],
        behind: Option<(&ObjectKey, u64)>,
    ) -> Result<OlderVersions<'_>, ReadError> {
        let guid = bucket.row.guid;
        let prefix = bucket_prefix(tag::VERSION, guid);
        let Some((key, stamp)) = behind else {
            let mut first = prefix.clone();
            escape_open(&mut first, from);
            let rows = Rows::open(&*self.view, &Span::tail(&prefix, first), bucket.point)?;
            return OlderVersions::open(rows, None);
        };
        let null: Option<ObjectRow> = self.record(&RowKey::Object(guid, key.clone(), Place::Null), bucket.point)?;
        let null = null.filter(|row| row.version.stamp() < stamp);
        let older = VersionId::new(stamp.saturating_sub(1), 0);
        let first = RowKey::Object(guid, key.clone(), Place::Id(older)).encode();
        OlderVersions::open(Rows::open(&*self.view, &Span::tail(&prefix, first), bucket.point)?, null)
    }
}

/// Versions behind the newest ones, taken key by key. They stand in order of their ids, a key's null version before them; its place
/// among them is by its stamp.
struct OlderVersions<'view> {
    rows: Rows<'view>,
    next: Option<(Vec<u8>, ObjectRow)>,
    /// The null version of the key that is being walked, until its turn comes.
    null: Option<ObjectRow>,
}

impl<'view> OlderVersions<'view> {
    fn open(rows: Rows<'view>, null: Option<ObjectRow>) -> Result<Self, ReadError> {
        let mut older = OlderVersions { rows, next: None, null };
        older.take()?;
        Ok(older)
    }

    /// The row that stands next, replaced by the one behind it.
    fn take(&mut self) -> Result<Option<ObjectRow>, ReadError> {
        let following = match self.rows.next()? {
            None => None,
            Some(row) => {
                let (key, _) = unescape(&row.key[HEAD..]).ok_or_else(|| corrupt("version key", &row.key))?;
                Some((key, ObjectRow::decode(&row.value)?))
            }
        };
        Ok(std::mem::replace(&mut self.next, following).map(|(_, row)| row))
    }

    /// The next older version of a key. Keys are asked for in order, each until it has no more.
    fn next_of(&mut self, key: &[u8]) -> Result<Option<ObjectRow>, ReadError> {
        loop {
            let Some((of, row)) = self.next.as_ref().filter(|(of, _)| of.as_slice() <= key) else {
                return Ok(self.null.take());
            };
            if of.as_slice() < key {
                self.take()?;
            } else if matches!(row.version, Version::Null { .. }) {
                self.null = self.take()?;
            } else if self.null.as_ref().is_some_and(|null| null.version.stamp() > row.version.stamp()) {
                return Ok(self.null.take());
            } else {
                return self.take();
            }
        }
    }
}
