use http::StatusCode;
use tandem_storage::change;
use tandem_storage::record::UploadRow;
use tandem_storage::{BucketView, CommitError, Lane, Visit};

use super::{access, answer};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::DeleteBucket;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

/// Uploads aborted in one go; a bucket may have more.
const UPLOADS_PAGE: usize = 1000;

/// Objects and versions keep a bucket alive; uploads in progress do not, and go with it.
pub async fn handle(service: &Service, request: Authorized<DeleteBucket>) -> Result<Response, S3Error> {
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let bucket = access::bucket(&service.store.read()?, &request)?;
    let guid = bucket.row.guid;
    // Looked at before uploads are touched: a delete that is refused destroys nothing.
    if !is_empty(service, &bucket)? {
        return Err(S3Error::of(ErrorCode::BucketNotEmpty).detail("BucketName", name.as_str()));
    }
    loop {
        let uploads = some_uploads(service, &bucket)?;
        if uploads.is_empty() {
            break;
        }
        let aborts = uploads.into_iter().map(|row| {
            let change = change::AbortUpload { permit, bucket: guid, key: row.key, upload: row.id };
            service.store.commit(Lane::Client, service.clock.now(), change)
        });
        for abort in aborts.collect::<Vec<_>>() {
            match abort.await {
                // Completed or aborted by someone else: the bucket's own check decides.
                Ok(_) | Err(CommitError::Refused(change::Refusal::NoSuchUpload)) => {}
                Err(error) => return Err(access::refused(service, name, error)),
            }
        }
    }
    access::commit(service, name, change::DeleteBucket { permit, name: name.clone(), guid }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn is_empty(service: &Service, bucket: &BucketView) -> Result<bool, S3Error> {
    let mut empty = true;
    service.store.read()?.versions(bucket, b"", &mut |_, _, _| {
        empty = false;
        Visit::Stop
    })?;
    Ok(empty)
}

fn some_uploads(service: &Service, bucket: &BucketView) -> Result<Vec<UploadRow>, S3Error> {
    let mut found = Vec::new();
    service.store.read()?.uploads(bucket, b"", &mut |row| {
        found.push(row);
        if found.len() < UPLOADS_PAGE { Visit::Next } else { Visit::Stop }
    })?;
    Ok(found)
}
