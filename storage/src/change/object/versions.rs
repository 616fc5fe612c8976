//! Where a key's versions stand: the newest at `Latest`, all others behind it by their ids.

use std::ops::ControlFlow;

use crate::change::{Precondition, Refusal, VersionSelector};
use crate::meta::Tx;
use crate::meta::engine::Direction;
use crate::meta::layout::Span;
use crate::record::{BucketRow, ObjectRow, Place, Record, RowKey, Versioning, tag};
use crate::types::{BucketGuid, ObjectKey, Version, VersionId};

/// A key of a bucket, in a batch.
pub(crate) struct Versions<'key> {
    pub bucket: BucketGuid,
    pub versioning: Versioning,
    pub key: &'key ObjectKey,
}

impl<'key> Versions<'key> {
    pub fn of(bucket: &BucketRow, key: &'key ObjectKey) -> Self {
        Versions { bucket: bucket.guid, versioning: bucket.versioning, key }
    }

    pub fn row_key(&self, place: Place) -> RowKey {
        RowKey::Object(self.bucket, self.key.clone(), place)
    }

    pub fn latest(&self, tx: &mut Tx<'_>) -> Result<Option<ObjectRow>, Refusal> {
        tx.record(&self.row_key(Place::Latest))
    }

    /// A version, and where it stands.
    pub fn find(
        &self,
        tx: &mut Tx<'_>,
        latest: Option<ObjectRow>,
        version: VersionSelector,
    ) -> Result<Option<(Place, ObjectRow)>, Refusal> {
        let place = match (version, latest.as_ref().map(|row| row.version)) {
            (VersionSelector::Latest, _) | (VersionSelector::Null, Some(Version::Null { .. })) => Place::Latest,
            (VersionSelector::Id(id), Some(Version::Id(newest))) if id == newest => Place::Latest,
            (VersionSelector::Null, _) => Place::Null,
            (VersionSelector::Id(id), _) => Place::Id(id),
        };
        let row = if place == Place::Latest { latest } else { tx.record(&self.row_key(place))? };
        Ok(row.map(|row| (place, row)))
    }

    /// The version that a write makes now: newer than all the key has, whatever the clock says.
    pub fn next(&self, tx: &Tx<'_>, latest: Option<&ObjectRow>, random: u64) -> Version {
        let after_latest = latest.map_or(0, |row| row.version.stamp().saturating_add(1));
        let stamp = u64::try_from(tx.now().as_micros()).unwrap_or(0).max(after_latest);
        match self.versioning {
            Versioning::Enabled => Version::Id(VersionId::new(stamp, random)),
            Versioning::Unversioned | Versioning::Suspended => Version::Null { stamp },
        }
    }

    /// Makes `row` the newest version. A null version replaces the null version there was, wherever it stood; a newest
    /// version with an id moves behind.
    pub fn insert_newest(&self, tx: &mut Tx<'_>, latest: Option<ObjectRow>, row: &ObjectRow) -> Result<(), Refusal> {
        let is_null = matches!(row.version, Version::Null { .. });
        match latest.as_ref().map(|old| place_behind(old.version)) {
            None => {}
            Some(Place::Null) if is_null => {}
            Some(place) => {
                let old = latest.as_ref().expect("its place was asked for above");
                tx.put_record(&self.row_key(place), old)?;
            }
        }
        // A bucket that never had versioning has nothing behind its newest versions.
        if is_null && self.versioning != Versioning::Unversioned {
            tx.delete_row(&self.row_key(Place::Null))?;
        }
        tx.put_record(&self.row_key(Place::Latest), row)
    }

    /// Takes a version away for good. If it was the newest, the next newest moves to its place.
    pub fn remove(&self, tx: &mut Tx<'_>, place: Place) -> Result<(), Refusal> {
        let promotes = place == Place::Latest && self.versioning != Versioning::Unversioned;
        match if promotes { self.next_newest(tx)? } else { None } {
            None => tx.delete_row(&self.row_key(place)),
            Some((from, row)) => {
                tx.put_record(&self.row_key(Place::Latest), &row)?;
                tx.delete_row(&self.row_key(from))
            }
        }
    }

    /// The newest version behind the newest.
    fn next_newest(&self, tx: &mut Tx<'_>) -> Result<Option<(Place, ObjectRow)>, Refusal> {
        let mut prefix = Vec::with_capacity(64);
        RowKey::version_prefix(&mut prefix, self.bucket, self.key);
        prefix.push(tag::PLACE_ID);
        let mut first = None;
        tx.scan_rows(&Span::prefix(&prefix), Direction::Forward, &mut |_, value| {
            first = Some(ObjectRow::decode(value));
            ControlFlow::Break(())
        })?;
        let with_id = first.transpose()?.map(|row| (place_behind(row.version), row));
        let null = tx.record(&self.row_key(Place::Null))?.map(|row: ObjectRow| (Place::Null, row));
        Ok(with_id.into_iter().chain(null).max_by_key(|(_, row)| row.version.stamp()))
    }
}

/// Where a version stands when another is newer.
fn place_behind(version: Version) -> Place {
    match version {
        Version::Null { .. } => Place::Null,
        Version::Id(id) => Place::Id(id),
    }
}

impl Precondition {
    /// Judges the key's newest version; a delete marker counts as absent.
    pub(crate) fn check(&self, latest: Option<&ObjectRow>) -> Result<(), Refusal> {
        let etag = latest.and_then(ObjectRow::content).map(|content| content.etag.to_string());
        let listed = |tags: &[String]| etag.as_ref().is_some_and(|etag| tags.contains(etag));
        match self {
            Precondition::None => Ok(()),
            Precondition::IfMatch(_) | Precondition::IfExists if etag.is_none() => Err(Refusal::ConditionOnAbsent),
            Precondition::IfMatch(tags) if !listed(tags) => Err(Refusal::PreconditionFailed),
            Precondition::IfNoneMatch(tags) if listed(tags) => Err(Refusal::PreconditionFailed),
            Precondition::IfAbsent if etag.is_some() => Err(Refusal::PreconditionFailed),
            _ => Ok(()),
        }
    }
}
