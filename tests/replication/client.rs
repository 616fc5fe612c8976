//! What clients of a node do and see.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::BytesMut;
use tandem::clock::{Clock, random_guid, random_u64};
use tandem::role::gate::WriteGate;
use tandem_storage::blob::StagedBody;
use tandem_storage::change::{
    CreateBucket, CreateUpload, DeleteBucket, DeleteObject, NewObject, Precondition, PutObject, PutOutcome, PutPart,
    Refusal, VersionSelector, WritePermit,
};
use tandem_storage::record::{BucketRow, ContentHeaders, ObjectRow, ObjectState, PartRow, UploadRow, Versioning};
use tandem_storage::types::{Body, BucketGuid, BucketName, ETag, ObjectKey, UploadId};
use tandem_storage::{Change, CommitError, Lane, Pending, Visit};

use super::node::Node;
use super::world::Dice;

pub fn bucket(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

/// Everything a reader sees: bucket, key -> hash of the bytes, user metadata, time.
pub type Contents = BTreeMap<(String, String), (String, Vec<(String, String)>, i64)>;

impl Node {
    pub fn create_bucket(&self, name: &str) -> Result<BucketGuid, CommitError> {
        let guid = BucketGuid::from_bytes(random_guid(&*self.clock));
        let row = BucketRow {
            guid,
            name: bucket(name),
            created: self.clock.now(),
            location: None,
            versioning: Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        let permit = self.permit(name)?;
        self.store()
            .commit(Lane::Client, self.clock.now(), CreateBucket { permit, row, settings: Vec::new() })
            .wait()
            .map(|_| guid)
    }

    /// A client's change to a bucket, made with a permit of now.
    pub fn change<C: Change>(
        &self,
        name: &str,
        change: impl FnOnce(WritePermit, BucketGuid) -> C,
    ) -> Result<C::Output, CommitError> {
        let change = change(self.permit(name)?, self.bucket_guid(name)?);
        self.store().commit(Lane::Client, self.clock.now(), change).wait().map(|durable| durable.into_inner())
    }

    pub fn random(&self) -> u64 {
        random_u64(&*self.clock)
    }

    fn permit(&self, name: &str) -> Result<WritePermit, CommitError> {
        let permit = WriteGate::new(self.store().clone()).permit(&bucket(name));
        permit.map_err(|_| CommitError::Refused(Refusal::Fenced))
    }

    fn bucket_guid(&self, name: &str) -> Result<BucketGuid, CommitError> {
        let view = self.store().read().unwrap().bucket(&bucket(name)).unwrap();
        view.map(|view| view.row.guid).ok_or(CommitError::Refused(Refusal::NoSuchBucket))
    }

    pub fn delete_bucket(&self, name: &str) -> Result<(), CommitError> {
        let delete = DeleteBucket { permit: self.permit(name)?, name: bucket(name), guid: self.bucket_guid(name)? };
        self.store().commit(Lane::Client, self.clock.now(), delete).wait().map(|_| ())
    }

    pub fn put(&self, name: &str, key: &str, bytes: &[u8]) -> Result<(), CommitError> {
        let mut writer = self.store().body_writer();
        writer.write(bytes).unwrap();
        self.put_body(name, key, writer.finish().unwrap())?.wait().map(|_| ())
    }

    /// Puts `len` bytes that nothing compresses, without holding them in memory.
    pub fn put_noise(&self, name: &str, key: &str, len: u64, seed: u64) -> Result<(), CommitError> {
        let (mut writer, mut dice) = (self.store().body_writer(), Dice(seed));
        let mut left = len;
        while left > 0 {
            let chunk = dice.bytes(left.min(64 * 1024) as usize);
            writer.write(&chunk).unwrap();
            left -= chunk.len() as u64;
        }
        self.put_body(name, key, writer.finish().unwrap())?.wait().map(|_| ())
    }

    /// Puts an object of the contents of others, one behind the other, as a multipart upload of copies does: a recipe over their roots.
    pub fn put_assembled(&self, name: &str, key: &str, parts: &[&str]) -> Result<(), CommitError> {
        let roots: Vec<_> = parts.iter().map(|part| self.body_of(name, part)).collect();
        self.put_body(name, key, self.store().assemble(&roots).unwrap())?.wait().map(|_| ())
    }

    pub fn body_of(&self, name: &str, key: &str) -> (Body, u64) {
        let reader = self.store().read().unwrap();
        let view = reader.bucket(&bucket(name)).unwrap().unwrap();
        let mut found = None;
        let visit = &mut |at: &str, row: ObjectRow| {
            if at == key {
                found = row.content().map(|content| (content.body, content.size));
            }
            Visit::Next
        };
        reader.objects(&view, key.as_bytes(), visit).unwrap();
        found.unwrap()
    }

    pub fn put_body(&self, name: &str, key: &str, body: StagedBody) -> Result<Pending<PutOutcome>, CommitError> {
        let size = body.size();
        let put = PutObject {
            permit: self.permit(name)?,
            bucket: self.bucket_guid(name)?,
            key: ObjectKey::new(key).unwrap(),
            precondition: Precondition::None,
            body,
            object: NewObject {
                etag: ETag::Md5([7; 16]),
                checksum: None,
                headers: ContentHeaders::default(),
                metadata: vec![("length".into(), size.to_string())],
                tags: Vec::new(),
                acl: None,
                lock: None,
                wrapped_key: None,
                parts: None,
            },
            random: random_u64(&*self.clock),
        };
        Ok(self.store().commit(Lane::Client, self.clock.now(), put))
    }

    /// Begins a multipart upload and puts its part 1.
    pub fn upload_part(&self, name: &str, key: &str, bytes: &[u8]) -> Result<UploadId, CommitError> {
        let (permit, bucket, now) = (self.permit(name)?, self.bucket_guid(name)?, self.clock.now());
        let (id, key) = (UploadId::from_bytes(random_guid(&*self.clock)), ObjectKey::new(key).unwrap());
        let row = UploadRow {
            id,
            key: key.clone(),
            initiated: now,
            headers: ContentHeaders::default(),
            metadata: Vec::new(),
            tags: Vec::new(),
            checksum: None,
            acl: None,
            lock: None,
            wrapped_key: None,
            initiator: None,
        };
        let _ = self.store().commit(Lane::Client, now, CreateUpload { permit, bucket, row, most: u64::MAX }).wait()?;
        let mut writer = self.store().body_writer();
        writer.write(bytes).unwrap();
        let body = writer.finish().unwrap();
        let part = PutPart { permit, bucket, key, upload: id, number: 1, body, md5: [1; 16], checksum: None };
        self.store().commit(Lane::Client, now, part).wait().map(|_| id)
    }

    /// Uploads in progress: key, id, and parts by number with their sizes, every byte read.
    pub fn uploads(&self, name: &str) -> Vec<(String, UploadId, Vec<(u16, u64)>)> {
        let reader = self.store().read().unwrap();
        let Some(view) = reader.bucket(&bucket(name)).unwrap() else { return Vec::new() };
        let (mut rows, mut out) = (Vec::new(), Vec::new());
        let visit = &mut |row| {
            rows.push(row);
            Visit::Next
        };
        reader.uploads(&view, b"", visit).unwrap();
        for UploadRow { id, key, .. } in rows {
            let mut parts = Vec::new();
            let visit = &mut |number, part: PartRow| {
                let mut body = reader.open_body(&part.body, 0..part.size).unwrap();
                let (mut chunk, mut read) = (BytesMut::new(), 0);
                while body.next_chunk(&mut chunk).unwrap() {
                    read += chunk.split().len() as u64;
                }
                parts.push((number, read + chunk.len() as u64));
                ControlFlow::Continue(())
            };
            reader.parts(&view, id, 0, visit).unwrap();
            out.push((key.to_string(), id, parts));
        }
        out
    }

    pub fn delete(&self, name: &str, key: &str) -> Result<(), CommitError> {
        let delete = DeleteObject {
            permit: self.permit(name)?,
            bucket: self.bucket_guid(name)?,
            key: ObjectKey::new(key).unwrap(),
            version: VersionSelector::Latest,
            precondition: Precondition::None,
            random: random_u64(&*self.clock),
        };
        self.store().commit(Lane::Client, self.clock.now(), delete).wait().map(|_| ())
    }

    /// What a reader sees, whole, every byte read.
    pub fn contents(&self) -> Contents {
        let reader = self.store().read().unwrap();
        let (mut out, mut buckets) = (Contents::new(), Vec::new());
        let visit = &mut |view| {
            buckets.push(view);
            ControlFlow::Continue(())
        };
        reader.buckets(None, visit).unwrap();
        for view in buckets {
            out.insert((view.row.name.to_string(), String::new()), (view.row.guid.to_string(), Vec::new(), 0));
            let mut rows = Vec::new();
            let visit = &mut |key: &str, row| {
                rows.push((key.to_owned(), row));
                Visit::Next
            };
            reader.objects(&view, b"", visit).unwrap();
            for (key, row) in rows {
                let ObjectRow { modified, state, .. } = row;
                let ObjectState::Content(content) = state else { continue };
                let mut body = reader.open_body(&content.body, 0..content.size).unwrap();
                let (mut hasher, mut chunk) = (blake3::Hasher::new(), BytesMut::new());
                while body.next_chunk(&mut chunk).unwrap() {
                    hasher.update(&chunk.split());
                }
                hasher.update(&chunk);
                let value = (hasher.finalize().to_hex().to_string(), content.metadata, modified.as_micros());
                out.insert((view.row.name.to_string(), key), value);
            }
        }
        out
    }
}
