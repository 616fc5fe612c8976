//! Steps on multipart uploads.

use tandem_storage::change::{AbortUpload, CompletePart, CompleteUpload, CreateUpload, PutPart, Refusal};
use tandem_storage::record::{ContentHeaders, PartRow, UploadRow};
use tandem_storage::types::{Body, BucketGuid, ETag, ObjectKey, UploadId};
use tandem_storage::{ReadPoint, Store};

use crate::model::{Object, Part, Upload};
use crate::objects::{is_precondition, md5_of};
use crate::world::{Stopped, World};

impl World {
    pub fn create_upload(&mut self) -> Result<(), Stopped> {
        let Some((bucket, _)) = self.some_bucket() else { return Ok(()) };
        let (key, now) = (self.some_key(), self.tick());
        let id = UploadId::from_bytes(self.random.guid());
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
        self.log.push(format!("create upload {bucket} {key:?}"));
        let change = CreateUpload { permit: self.permit(), bucket, row: row.clone(), most: u64::MAX };
        self.commit(now, change)?.expect("the bucket is there");
        let upload = Upload { row, parts: Default::default() };
        self.bucket_mut(bucket).uploads.insert((key, id), upload);
        Ok(())
    }

    fn some_upload(&mut self) -> Option<(BucketGuid, ObjectKey, UploadId)> {
        let all: Vec<(BucketGuid, ObjectKey, UploadId)> = self
            .model()
            .buckets
            .values()
            .flat_map(|bucket| bucket.uploads.keys().map(|(key, id)| (bucket.guid, key.clone(), *id)))
            .collect();
        self.random.pick(&all).cloned()
    }

    pub fn put_part(&mut self) -> Result<(), Stopped> {
        let Some((bucket, key, upload)) = self.some_upload() else { return self.create_upload() };
        let number = 1 + self.random.below(4) as u16;
        let sizes = self.sizes;
        let content = self.contents.random(&mut self.random, sizes);
        let (body, now) = (self.stage(&content)?, self.tick());
        let md5 = md5_of(&content);
        self.log.push(format!("part {number} of {upload}: {}", content.size));
        let change =
            PutPart { permit: self.permit(), bucket, key: key.clone(), upload, number, body, md5, checksum: None };
        let (_, row) = self.commit(now, change)?.expect("the upload is there");
        assert_eq!((row.size, row.modified), (content.size, now));
        let part = Part { content, md5, modified: now };
        let upload = self.bucket_mut(bucket).uploads.get_mut(&(key, upload)).expect("it is there");
        upload.parts.insert(number, part);
        Ok(())
    }

    pub fn complete_upload(&mut self) -> Result<(), Stopped> {
        let Some((bucket, key, upload)) = self.some_upload() else { return Ok(()) };
        let parts = self.model().bucket(bucket).expect("it is there").uploads[&(key.clone(), upload)].parts.clone();
        let mut stored = stored_parts(self.store(), bucket, upload)?;
        if parts.is_empty() {
            return self.abort_upload();
        }
        let wrong = self.random.one_in(12);
        if wrong {
            stored[0].row.md5[0] ^= 1;
        }
        let roots: Vec<(Body, u64)> = stored.iter().map(|part| (part.row.body, part.row.size)).collect();
        let body = self.store().assemble(&roots).map_err(crate::world::stopped)?;
        let map = self.contents.content(vec![(77, 40 * stored.len() as u32)]);
        let part_map = self.stage(&map)?;
        let content = self.contents.content(parts.values().flat_map(|part| part.content.pieces.clone()).collect());
        let etag = ETag::Multipart { md5: md5_of(&content), parts: stored.len() as u16 };
        let object = Object { content, etag, tags: Vec::new(), parts: Some(stored.len() as u16) };
        let precondition = self.some_precondition(bucket, &key);
        let permitted = self.model().bucket(bucket).is_some_and(|found| found.permits(&key, &precondition));
        let now = self.tick();
        self.log.push(format!("complete {upload} {key:?} {} parts, wrong: {wrong}", stored.len()));
        let change = CompleteUpload {
            permit: self.permit(),
            bucket,
            key: key.clone(),
            upload,
            parts: stored,
            body,
            part_map,
            etag,
            checksum: None,
            precondition,
            random: self.random.next(),
        };
        match self.commit(now, change)? {
            Ok((_, outcome)) => {
                assert!(permitted && !wrong);
                self.bucket_mut(bucket).uploads.remove(&(key.clone(), upload));
                self.stored(bucket, key, now, object, &outcome);
            }
            Err(Refusal::InvalidPart(1..=4)) => assert!(wrong),
            Err(refusal) => assert!(!permitted && is_precondition(&refusal), "{refusal}"),
        }
        Ok(())
    }

    pub fn abort_upload(&mut self) -> Result<(), Stopped> {
        let Some((bucket, key, upload)) = self.some_upload() else { return Ok(()) };
        let now = self.tick();
        self.log.push(format!("abort {upload}"));
        self.commit(now, AbortUpload { permit: self.permit(), bucket, key: key.clone(), upload })?
            .expect("it is there");
        self.bucket_mut(bucket).uploads.remove(&(key, upload));
        Ok(())
    }
}

fn stored_parts(store: &Store, bucket: BucketGuid, upload: UploadId) -> Result<Vec<CompletePart>, Stopped> {
    let reader = store.read()?;
    let row = reader.bucket_by_guid(bucket, ReadPoint::Present)?.expect("the bucket is there");
    let view = reader.bucket(&row.name)?.expect("the bucket is there");
    let mut parts = Vec::new();
    reader.parts(&view, upload, 0, &mut |number, row: PartRow| {
        parts.push(CompletePart { number, row });
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(parts)
}
