use http::StatusCode;
use tandem_storage::change::{self, Refusal, WritePermit};
use tandem_storage::record::UploadRow;
use tandem_storage::{BucketView, CommitError, Lane, ReadError, Store, Visit};

use super::{access, answer};
use crate::clock::SharedClock;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::DeleteBucket;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// Uploads aborted in one go; a bucket may have more.
const UPLOADS_PAGE: usize = 1000;

/// Why a bucket stays.
#[derive(Debug)]
pub enum Kept {
    Unreadable(ReadError),
    Refused(CommitError),
}

impl From<ReadError> for Kept {
    fn from(error: ReadError) -> Self {
        Kept::Unreadable(error)
    }
}

impl From<CommitError> for Kept {
    fn from(error: CommitError) -> Self {
        Kept::Refused(error)
    }
}

pub async fn handle(service: &Service, request: Authorized<DeleteBucket>) -> Result<Response, S3Error> {
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let bucket = access::bucket(&service.store.read()?, &request)?;
    match remove(&service.store, &service.clock, permit, &bucket).await {
        Ok(()) => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Err(Kept::Refused(CommitError::Refused(Refusal::BucketNotEmpty))) => {
            Err(S3Error::of(ErrorCode::BucketNotEmpty).detail("BucketName", name.as_str()))
        }
        Err(Kept::Refused(error)) => Err(access::refused(service, name, error)),
        Err(Kept::Unreadable(error)) => Err(error.into()),
    }
}

/// Deletes a bucket, also for the admin port. Objects and versions keep a bucket alive; uploads in progress do not, and go with it.
///
/// # Errors
/// `BucketNotEmpty` among what the store refuses.
pub async fn remove(store: &Store, clock: &SharedClock, permit: WritePermit, bucket: &BucketView) -> Result<(), Kept> {
    let (name, guid) = (&bucket.row.name, bucket.row.guid);
    // Looked at before uploads are touched: a delete that is refused destroys nothing.
    if !is_empty(store, bucket)? {
        return Err(CommitError::from(Refusal::BucketNotEmpty).into());
    }
    loop {
        let uploads = some_uploads(store, bucket)?;
        if uploads.is_empty() {
            break;
        }
        let aborts = uploads.into_iter().map(|row| {
            let change = change::AbortUpload { permit, bucket: guid, key: row.key, upload: row.id };
            store.commit(Lane::Client, clock.now(), change)
        });
        for abort in aborts.collect::<Vec<_>>() {
            match abort.await {
                // Completed or aborted by someone else: the bucket's own check decides.
                Ok(_) | Err(CommitError::Refused(Refusal::NoSuchUpload)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let _ = store.commit(Lane::Client, clock.now(), change::DeleteBucket { permit, name: name.clone(), guid }).await?;
    Ok(())
}

fn is_empty(store: &Store, bucket: &BucketView) -> Result<bool, ReadError> {
    let mut empty = true;
    store.read()?.versions(bucket, b"", &mut |_, _, _| {
        empty = false;
        Visit::Stop
    })?;
    Ok(empty)
}

fn some_uploads(store: &Store, bucket: &BucketView) -> Result<Vec<UploadRow>, ReadError> {
    let mut found = Vec::new();
    store.read()?.uploads(bucket, b"", &mut |row| {
        found.push(row);
        if found.len() < UPLOADS_PAGE { Visit::Next } else { Visit::Stop }
    })?;
    Ok(found)
}
