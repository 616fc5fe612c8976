//! Steps on buckets, objects and uploads.

use tandem_storage::Store;
use tandem_storage::blob::StagedBody;
use tandem_storage::change::{
    AbortUpload, CreateBucket, DeleteBucket, DeleteObject, Deleted, NewObject, Precondition, PutObject, PutOutcome,
    Refusal, ReplaceObjectSlots, SetBucketSetting, SetVersioning, Slots, VersionSelector,
};
use tandem_storage::record::{BucketRow, ContentHeaders, Versioning};
use tandem_storage::types::{Body, BucketGuid, BucketName, ETag, ObjectKey, Timestamp, Version};

use crate::content::Content;
use crate::model::{Bucket, DeleteEffect, Object, Stored};
use crate::world::{SETTINGS, Stopped, World};

pub fn new_object(etag: ETag, tags: Vec<(String, String)>) -> NewObject {
    NewObject {
        etag,
        checksum: None,
        headers: ContentHeaders { content_type: Some("text/plain".into()), ..ContentHeaders::default() },
        metadata: vec![("colour".into(), "blue".into())],
        tags,
        acl: None,
        lock: None,
        wrapped_key: None,
        parts: None,
    }
}

/// An empty object.
pub fn plain_object() -> NewObject {
    new_object(ETag::Md5([0; 16]), Vec::new())
}

pub fn md5_of(content: &Content) -> [u8; 16] {
    *content.hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

pub fn is_precondition(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::PreconditionFailed | Refusal::ConditionOnAbsent)
}

impl World {
    pub fn create_bucket(&mut self) -> Result<(), Stopped> {
        let (name, now) = (self.some_name(), self.tick());
        let guid = BucketGuid::from_bytes(self.random.guid());
        let versioning = if self.random.one_in(2) { Versioning::Enabled } else { Versioning::Unversioned };
        let row = BucketRow {
            guid,
            name: name.clone(),
            created: now,
            location: None,
            versioning,
            object_lock: false,
            owner: None,
            creator: None,
        };
        self.log.push(format!("create bucket {name} {versioning:?}"));
        let exists = self.model().buckets.contains_key(&name);
        let result = self.commit(now, CreateBucket { permit: self.permit(), row, settings: Vec::new() })?;
        assert_eq!(result.map(|_| ()), if exists { Err(Refusal::BucketExists) } else { Ok(()) });
        if !exists {
            let bucket = Bucket {
                guid,
                created: now,
                versioning,
                settings: Default::default(),
                keys: Default::default(),
                uploads: Default::default(),
            };
            self.model_mut().buckets.insert(name, bucket);
        }
        Ok(())
    }

    pub fn delete_bucket(&mut self) -> Result<(), Stopped> {
        let (name, now) = (self.some_name(), self.tick());
        let bucket = self.model().buckets.get(&name).map(|bucket| (bucket.guid, bucket.is_empty()));
        let guid = bucket.map_or_else(|| BucketGuid::from_bytes([9; 16]), |(guid, _)| guid);
        self.log.push(format!("delete bucket {name} {bucket:?}"));
        let result = self.commit(now, DeleteBucket { permit: self.permit(), name: name.clone(), guid })?;
        let expected = match bucket {
            None => Err(Refusal::NoSuchBucket),
            Some((_, false)) => Err(Refusal::BucketNotEmpty),
            Some((_, true)) => Ok(()),
        };
        assert_eq!(result.map(|_| ()), expected);
        if expected.is_ok() {
            self.model_mut().buckets.remove(&name);
        }
        Ok(())
    }

    pub fn set_versioning(&mut self) -> Result<(), Stopped> {
        let Some((bucket, _)) = self.some_bucket() else { return Ok(()) };
        let versioning = if self.random.one_in(2) { Versioning::Enabled } else { Versioning::Suspended };
        let now = self.tick();
        self.log.push(format!("versioning {bucket} {versioning:?}"));
        let result = self.commit(now, SetVersioning { permit: self.permit(), bucket, versioning })?;
        result.expect("the bucket is there");
        self.bucket_mut(bucket).versioning = versioning;
        Ok(())
    }

    pub fn set_setting(&mut self) -> Result<(), Stopped> {
        let Some((bucket, _)) = self.some_bucket() else { return Ok(()) };
        let name = SETTINGS[self.random.below(2)];
        let value = if self.random.one_in(3) { None } else { Some(vec![self.random.below(3) as u8]) };
        let now = self.tick();
        self.log.push(format!("setting {bucket} {name} {value:?}"));
        let change = SetBucketSetting { permit: self.permit(), bucket, name: name.into(), value: value.clone() };
        self.commit(now, change)?.expect("the bucket is there");
        let settings = &mut self.bucket_mut(bucket).settings;
        match value {
            Some(value) => drop(settings.insert(name.into(), value)),
            None => drop(settings.remove(name)),
        }
        Ok(())
    }

    pub fn some_precondition(&mut self, bucket: BucketGuid, key: &ObjectKey) -> Precondition {
        let newest = self.model().bucket(bucket).and_then(|bucket| bucket.newest(key));
        let etag = newest.and_then(|stored| stored.object.as_ref()).map(|object| object.etag.to_string());
        match self.random.below(20) {
            0 => Precondition::IfAbsent,
            1 => Precondition::IfExists,
            2 => Precondition::IfMatch(vec!["other".into(), etag.unwrap_or_default()]),
            3 => Precondition::IfMatch(vec!["other".into()]),
            4 => Precondition::IfNoneMatch(vec![etag.unwrap_or_default()]),
            _ => Precondition::None,
        }
    }

    /// Puts new bytes.
    pub fn put(&mut self) -> Result<(), Stopped> {
        let Some((bucket, _)) = self.some_bucket() else { return self.create_bucket() };
        let (key, sizes) = (self.some_key(), self.sizes);
        let content = self.contents.random(&mut self.random, sizes);
        let body = self.stage(&content)?;
        let tags = vec![("n".to_owned(), self.random.below(3).to_string())];
        let object = Object { etag: ETag::Md5(md5_of(&content)), content, tags, parts: None };
        self.put_staged(bucket, key, body, object).map(drop)
    }

    /// Puts under a key what is stored already: a present object's content, or one that may be gone.
    pub fn copy(&mut self) -> Result<(), Stopped> {
        let Some((bucket, _)) = self.some_bucket() else { return Ok(()) };
        let key = self.some_key();
        let stale = self.random.one_in(3);
        let source = if stale { self.random.pick(&self.stale).cloned() } else { self.some_object()? };
        let Some((body, content)) = source else { return Ok(()) };
        let staged = StagedBody::existing(body, content.size);
        let object = Object { etag: ETag::Md5(md5_of(&content)), content, tags: Vec::new(), parts: None };
        self.log.push(format!("copy {}", if stale { "of old" } else { "" }));
        let gone = self.put_staged(bucket, key, staged, object)?;
        assert!(stale || !gone, "live bytes are gone");
        Ok(())
    }

    /// True: refused because the bytes are gone.
    fn put_staged(
        &mut self,
        bucket: BucketGuid,
        key: ObjectKey,
        body: StagedBody,
        object: Object,
    ) -> Result<bool, Stopped> {
        let precondition = self.some_precondition(bucket, &key);
        let permitted = self.model().bucket(bucket).is_some_and(|found| found.permits(&key, &precondition));
        let now = self.tick();
        self.log.push(format!("put {bucket} {key:?} {precondition:?} {} {:?}", object.content.size, body.body()));
        let change = PutObject {
            permit: self.permit(),
            bucket,
            key: key.clone(),
            precondition,
            body,
            object: new_object(object.etag, object.tags.clone()),
            random: self.random.next(),
        };
        match self.commit(now, change)? {
            Ok((_, outcome)) => {
                assert!(permitted, "a precondition was passed over");
                self.stored(bucket, key, now, object, &outcome);
                Ok(false)
            }
            Err(Refusal::BytesGone) => Ok(true),
            Err(refusal) => {
                assert!(!permitted && is_precondition(&refusal), "{refusal}");
                Ok(false)
            }
        }
    }

    pub fn stored(&mut self, bucket: BucketGuid, key: ObjectKey, now: Timestamp, object: Object, outcome: &PutOutcome) {
        assert_eq!(outcome.row.modified, now);
        let body = outcome.row.content().expect("a put stores content").body;
        if body != Body::Empty && self.stale.len() < 40 {
            self.stale.push((body, object.content.clone()));
        }
        let stored = Stored { version: outcome.row.version, modified: now, object: Some(object) };
        let bucket = self.bucket_mut(bucket);
        assert_eq!(outcome.row.version.has_id(), bucket.versioning == Versioning::Enabled);
        bucket.put(key, stored);
    }

    /// A present object's body, with what it must contain.
    pub fn some_object(&mut self) -> Result<Option<(Body, Content)>, Stopped> {
        let objects: Vec<(BucketName, ObjectKey, Content)> = self
            .model()
            .buckets
            .iter()
            .flat_map(|(name, bucket)| bucket.keys.iter().map(move |(key, versions)| (name, key, &versions[0])))
            .filter_map(|(name, key, newest)| {
                Some((name.clone(), key.clone(), newest.object.as_ref()?.content.clone()))
            })
            .collect();
        let Some((name, key, content)) = self.random.pick(&objects).cloned() else { return Ok(None) };
        let body = present_body(self.store(), &name, &key)?;
        Ok(Some((body, content)))
    }

    fn some_selector(&mut self, bucket: BucketGuid, key: &ObjectKey) -> VersionSelector {
        let versions = self.model().bucket(bucket).and_then(|bucket| bucket.keys.get(key)).cloned().unwrap_or_default();
        match self.random.below(6) {
            0..=2 => VersionSelector::Latest,
            3 => VersionSelector::Null,
            _ => match self.random.pick(&versions).map(|stored| stored.version) {
                Some(Version::Id(id)) => VersionSelector::Id(id),
                Some(Version::Null { .. }) => VersionSelector::Null,
                None => VersionSelector::Id(tandem_storage::types::VersionId::new(1, 1)),
            },
        }
    }

    pub fn delete(&mut self) -> Result<(), Stopped> {
        let Some((bucket, _)) = self.some_bucket() else { return Ok(()) };
        let key = self.some_key();
        let version = self.some_selector(bucket, &key);
        let now = self.tick();
        self.log.push(format!("delete {bucket} {key:?} {version:?}"));
        let change = DeleteObject {
            permit: self.permit(),
            bucket,
            key: key.clone(),
            version,
            precondition: Precondition::None,
            random: self.random.next(),
        };
        let (_, deleted) = self.commit(now, change)?.expect("a delete without precondition goes");
        self.deleted(bucket, key, version, now, deleted);
        Ok(())
    }

    /// Does to the model what a delete did to the store.
    pub fn deleted(
        &mut self,
        bucket: BucketGuid,
        key: ObjectKey,
        version: VersionSelector,
        now: Timestamp,
        deleted: Deleted,
    ) {
        let bucket = self.bucket_mut(bucket);
        let effect = bucket.delete_effect(&key, version);
        match (effect, deleted) {
            (DeleteEffect::Nothing, Deleted::Gone) => {}
            (DeleteEffect::Removes(at), deleted) => {
                let gone = bucket.remove(&key, at);
                let was_marker = gone.object.is_none();
                let whole = Deleted::VersionGone { version: gone.version, was_marker };
                assert!(deleted == whole || (version == VersionSelector::Latest && deleted == Deleted::Gone));
            }
            (DeleteEffect::Marks, Deleted::MarkerWritten(version)) => {
                bucket.put(key, Stored { version, modified: now, object: None });
            }
            (effect, deleted) => panic!("expected {effect:?}, got {deleted:?}"),
        }
    }

    pub fn set_tags(&mut self) -> Result<(), Stopped> {
        let Some((bucket, _)) = self.some_bucket() else { return Ok(()) };
        let key = self.some_key();
        let version = self.some_selector(bucket, &key);
        let tags = vec![("t".to_owned(), self.random.below(4).to_string())];
        let now = self.tick();
        self.log.push(format!("tags {bucket} {key:?} {version:?}"));
        let slots = Slots::Tags(tags.clone());
        let change = ReplaceObjectSlots { permit: self.permit(), bucket, key: key.clone(), version, slots };
        let result = self.commit(now, change)?;
        let bucket = self.bucket_mut(bucket);
        let at = bucket.position(&key, version);
        let object = at.and_then(|at| bucket.keys.get_mut(&key)?.get_mut(at)?.object.as_mut());
        match object {
            Some(object) => {
                result.expect("the version is there");
                object.tags = tags;
            }
            None => assert!(result.is_err(), "tags were put on nothing"),
        }
        Ok(())
    }
}

impl World {
    /// Puts staged content under a key of the first bucket.
    pub fn put_content(&mut self, key: &str, body: StagedBody, content: Content) -> Result<(), Refusal> {
        let bucket = self.model().buckets.values().next().expect("there is a bucket").guid;
        let key = ObjectKey::new(key).expect("a valid key");
        let object = Object { etag: ETag::Md5(md5_of(&content)), content, tags: Vec::new(), parts: None };
        let now = self.tick();
        let change = PutObject {
            permit: self.permit(),
            bucket,
            key: key.clone(),
            precondition: Precondition::None,
            body,
            object: new_object(object.etag, Vec::new()),
            random: self.random.next(),
        };
        let (_, outcome) = self.commit(now, change).expect("it has not stopped")?;
        self.stored(bucket, key, now, object, &outcome);
        Ok(())
    }

    /// Deletes all versions of a key of the first bucket.
    pub fn delete_key(&mut self, key: &str) -> Result<(), Refusal> {
        let bucket = self.model().buckets.values().next().expect("there is a bucket").guid;
        let key = ObjectKey::new(key).expect("a valid key");
        while let Some(newest) = self.model().bucket(bucket).and_then(|bucket| bucket.newest(&key)) {
            let version = match newest.version {
                Version::Null { .. } => VersionSelector::Null,
                Version::Id(id) => VersionSelector::Id(id),
            };
            let (permit, now) = (self.permit(), self.tick());
            let change =
                DeleteObject { permit, bucket, key: key.clone(), version, precondition: Precondition::None, random: 0 };
            self.commit(now, change).expect("it has not stopped")?;
            self.bucket_mut(bucket).remove(&key, 0);
        }
        Ok(())
    }

    /// Deletes every version, upload and bucket.
    pub fn empty_buckets(&mut self) -> Result<(), Stopped> {
        let buckets: Vec<(BucketName, Bucket)> =
            self.model().buckets.iter().map(|(name, bucket)| (name.clone(), bucket.clone())).collect();
        for (name, bucket) in buckets {
            for (key, versions) in &bucket.keys {
                for stored in versions {
                    let version = match stored.version {
                        Version::Null { .. } => VersionSelector::Null,
                        Version::Id(id) => VersionSelector::Id(id),
                    };
                    let (permit, now) = (self.permit(), self.tick());
                    let (key, precondition) = (key.clone(), Precondition::None);
                    let change = DeleteObject { permit, bucket: bucket.guid, key, version, precondition, random: 0 };
                    self.commit(now, change)?.expect("it is there");
                }
            }
            for (key, upload) in bucket.uploads.keys().cloned() {
                let (permit, now) = (self.permit(), self.tick());
                self.commit(now, AbortUpload { permit, bucket: bucket.guid, key, upload })?.expect("it is there");
            }
            let (permit, now) = (self.permit(), self.tick());
            self.commit(now, DeleteBucket { permit, name: name.clone(), guid: bucket.guid })?.expect("it is empty");
            self.model_mut().buckets.remove(&name);
        }
        Ok(())
    }
}

fn present_body(store: &Store, name: &BucketName, key: &ObjectKey) -> Result<Body, Stopped> {
    let reader = store.read()?;
    let view = reader.bucket(name)?.expect("the bucket is there");
    let row = reader.object(&view, key, VersionSelector::Latest)?.expect("the object is there");
    Ok(row.content().expect("it is no marker").body)
}
