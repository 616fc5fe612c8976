//! The reference: what a store is, in maps.

use std::collections::BTreeMap;

use tandem_storage::change::{Precondition, VersionSelector};
use tandem_storage::record::{Place, RowKey, UploadRow, Versioning};
use tandem_storage::types::{BucketGuid, BucketName, ETag, ObjectKey, Timestamp, UploadId, Version};

use crate::content::Content;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub buckets: BTreeMap<BucketName, Bucket>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    pub guid: BucketGuid,
    pub created: Timestamp,
    pub versioning: Versioning,
    pub settings: BTreeMap<String, Vec<u8>>,
    /// Newest first; never empty.
    pub keys: BTreeMap<ObjectKey, Vec<Stored>>,
    pub uploads: BTreeMap<(ObjectKey, UploadId), Upload>,
}

/// A version; without an object it is a delete marker.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub version: Version,
    pub modified: Timestamp,
    pub object: Option<Object>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub content: Content,
    pub etag: ETag,
    pub tags: Vec<(String, String)>,
    pub parts: Option<u16>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Upload {
    pub row: UploadRow,
    pub parts: BTreeMap<u16, Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub content: Content,
    pub md5: [u8; 16],
    pub modified: Timestamp,
}

/// What a delete does.
#[derive(Clone, Debug, PartialEq)]
pub enum DeleteEffect {
    Nothing,
    Removes(usize),
    Marks,
}

impl Bucket {
    pub fn newest(&self, key: &ObjectKey) -> Option<&Stored> {
        self.keys.get(key)?.first()
    }

    pub fn position(&self, key: &ObjectKey, selector: VersionSelector) -> Option<usize> {
        let versions = self.keys.get(key)?;
        versions.iter().position(|stored| match (selector, stored.version) {
            (VersionSelector::Latest, _) => true,
            (VersionSelector::Null, Version::Null { .. }) => true,
            (VersionSelector::Id(wanted), Version::Id(id)) => wanted == id,
            _ => false,
        })
    }

    /// Whether a write to `key` under `precondition` goes.
    pub fn permits(&self, key: &ObjectKey, precondition: &Precondition) -> bool {
        let etag = self.newest(key).and_then(|stored| stored.object.as_ref()).map(|object| object.etag.to_string());
        match precondition {
            Precondition::None => true,
            Precondition::IfMatch(wanted) => etag.is_some_and(|etag| wanted.contains(&etag)),
            Precondition::IfExists => etag.is_some(),
            Precondition::IfNoneMatch(unwanted) => etag.is_none_or(|etag| !unwanted.contains(&etag)),
            Precondition::IfAbsent => etag.is_none(),
        }
    }

    /// Puts a version as the newest of its key. Where versions are off, or suspended, it takes the null version's place.
    pub fn put(&mut self, key: ObjectKey, stored: Stored) {
        let is_null = |stored: &Stored| matches!(stored.version, Version::Null { .. });
        assert_eq!(is_null(&stored), self.versioning != Versioning::Enabled, "the wrong kind of version id");
        let versions = self.keys.entry(key).or_default();
        if let Some(newest) = versions.first() {
            assert!(stored.version.stamp() > newest.version.stamp(), "a version is not newer than its predecessor");
        }
        if is_null(&stored) {
            versions.retain(|other| !is_null(other));
        }
        versions.insert(0, stored);
    }

    pub fn delete_effect(&self, key: &ObjectKey, selector: VersionSelector) -> DeleteEffect {
        match (selector, self.versioning) {
            (VersionSelector::Latest, Versioning::Enabled | Versioning::Suspended) => DeleteEffect::Marks,
            _ => self.position(key, selector).map_or(DeleteEffect::Nothing, DeleteEffect::Removes),
        }
    }

    pub fn remove(&mut self, key: &ObjectKey, at: usize) -> Stored {
        let versions = self.keys.get_mut(key).expect("there is such a version");
        let removed = versions.remove(at);
        if versions.is_empty() {
            self.keys.remove(key);
        }
        removed
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.uploads.is_empty()
    }

    /// Every row of the bucket, as text: two equal texts are two equal rows.
    fn rows(&self, name: &BucketName, rows: &mut BTreeMap<RowKey, String>) {
        let head = format!("{name} {:?} {:?}", self.created, self.versioning);
        rows.insert(RowKey::Bucket(self.guid), head);
        for (setting, value) in &self.settings {
            rows.insert(RowKey::Setting(self.guid, setting.as_str().into()), format!("{value:?}"));
        }
        for (key, versions) in &self.keys {
            for (at, stored) in versions.iter().enumerate() {
                let place = match stored.version {
                    _ if at == 0 => Place::Latest,
                    Version::Null { .. } => Place::Null,
                    Version::Id(id) => Place::Id(id),
                };
                rows.insert(RowKey::Object(self.guid, key.clone(), place), format!("{stored:?}"));
            }
        }
        for ((key, id), upload) in &self.uploads {
            rows.insert(RowKey::Upload(self.guid, key.clone(), *id), format!("{:?}", upload.row));
            for (number, part) in &upload.parts {
                rows.insert(RowKey::Part(self.guid, *id, *number), format!("{part:?}"));
            }
        }
    }
}

impl Model {
    /// Every row of the buckets that `covers` says, names apart: they do not travel.
    pub fn rows(&self, covers: impl Fn(&BucketName) -> bool) -> BTreeMap<RowKey, String> {
        let mut rows = BTreeMap::new();
        self.buckets.iter().filter(|(name, _)| covers(name)).for_each(|(name, bucket)| bucket.rows(name, &mut rows));
        rows
    }

    pub fn bucket(&self, guid: BucketGuid) -> Option<&Bucket> {
        self.buckets.values().find(|bucket| bucket.guid == guid)
    }
}
