//! What the committer does for multipart uploads.

use std::ops::ControlFlow;

use super::{AbortUpload, CompletePart, CompleteUpload, CreateUpload, PutPart};
use crate::change::object::Versions;
use crate::change::{PutOutcome, Refusal};
use crate::meta::Tx;
use crate::meta::engine::Direction;
use crate::meta::layout::{Span, bucket_prefix};
use crate::record::{Content, ObjectRow, ObjectState, PartMap, PartRow, RowKey, UploadRow, tag};
use crate::store::Change;
use crate::types::{BucketGuid, ObjectKey, UploadId};

impl Change for CreateUpload {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        tx.writable_bucket(self.bucket, self.permit)?;
        if tx.uploads_of(self.row.counts_against())? >= self.most {
            return Err(Refusal::TooManyUploads);
        }
        tx.room_for_rows()?;
        tx.put_record(&RowKey::Upload(self.bucket, self.row.key.clone(), self.row.id), &self.row)
    }
}

impl Change for PutPart {
    type Output = PartRow;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<PartRow, Refusal> {
        tx.writable_bucket(self.bucket, self.permit)?;
        if !tx.row_exists(&RowKey::Upload(self.bucket, self.key, self.upload))? {
            return Err(Refusal::NoSuchUpload);
        }
        tx.room_for_rows()?;
        let size = self.body.size();
        let body = tx.stage(self.body)?;
        let row = PartRow { size, md5: self.md5, body, checksum: self.checksum, modified: tx.now() };
        tx.put_record(&RowKey::Part(self.bucket, self.upload, self.number), &row)?;
        Ok(row)
    }
}

impl Change for CompleteUpload {
    type Output = PutOutcome;

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<PutOutcome, Refusal> {
        let bucket = tx.writable_bucket(self.bucket, self.permit)?;
        let upload_key = RowKey::Upload(self.bucket, self.key.clone(), self.upload);
        let upload: UploadRow = tx.record(&upload_key)?.ok_or(Refusal::NoSuchUpload)?;
        check_parts(tx, self.bucket, self.upload, &self.parts)?;
        let versions = Versions::of(&bucket, &self.key);
        let latest = versions.latest(tx)?;
        self.precondition.check(latest.as_ref())?;
        let size = self.body.size();
        let body = tx.stage(self.body)?;
        let map = tx.stage(self.part_map)?.root();
        let count = u16::try_from(self.parts.len()).map_err(|_| Refusal::InvalidPart(u16::MAX))?;
        let content = Content {
            size,
            body,
            etag: self.etag,
            checksum: self.checksum,
            parts: map.map(|blob| PartMap { count, blob }),
            headers: upload.headers,
            metadata: upload.metadata,
            tags: upload.tags,
            acl: upload.acl,
            lock: upload.lock,
            wrapped_key: upload.wrapped_key,
        };
        let version = versions.next(tx, latest.as_ref(), self.random);
        let row = ObjectRow { version, modified: tx.now(), state: ObjectState::Content(Box::new(content)) };
        // The object first: what parts and object share keeps a reference throughout.
        versions.insert_newest(tx, latest, &row)?;
        remove_upload(tx, self.bucket, &self.key, self.upload)?;
        Ok(PutOutcome { row })
    }
}

/// Parts must still be what the caller's recipe was made of.
fn check_parts(tx: &mut Tx<'_>, bucket: BucketGuid, upload: UploadId, parts: &[CompletePart]) -> Result<(), Refusal> {
    for part in parts {
        let stored: Option<PartRow> = tx.record(&RowKey::Part(bucket, upload, part.number))?;
        if stored.as_ref() != Some(&part.row) {
            return Err(Refusal::InvalidPart(part.number));
        }
    }
    Ok(())
}

impl Change for AbortUpload {
    type Output = ();

    fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), Refusal> {
        tx.writable_bucket(self.bucket, self.permit)?;
        if !tx.row_exists(&RowKey::Upload(self.bucket, self.key.clone(), self.upload))? {
            return Err(Refusal::NoSuchUpload);
        }
        remove_upload(tx, self.bucket, &self.key, self.upload)
    }
}

/// The upload and all its parts, also those that no object was made of.
fn remove_upload(tx: &mut Tx<'_>, bucket: BucketGuid, key: &ObjectKey, upload: UploadId) -> Result<(), Refusal> {
    let prefix = [&bucket_prefix(tag::PART, bucket)[..], upload.as_bytes()].concat();
    let mut parts = Vec::new();
    tx.scan_rows(&Span::prefix(&prefix), Direction::Forward, &mut |key, _| {
        parts.push(RowKey::decode(key));
        ControlFlow::Continue(())
    })?;
    for part in parts {
        tx.delete_row(&part?)?;
    }
    tx.delete_row(&RowKey::Upload(bucket, key.clone(), upload))
}
