use std::ops::ControlFlow;

use http::StatusCode;
use tandem_storage::change::{self, Refusal};
use tandem_storage::types::UploadId;
use tandem_storage::{CommitError, Lane};

use super::{access, answer, argument};
use crate::s3::error::S3Error;
use crate::s3::operation::AbortMultipartUpload;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::Service;

/// An upload that is no more, because it was completed or aborted, is aborted with success, as clients that clean up expect. An id that this server
/// cannot have given names no upload.
pub async fn handle(service: &Service, request: Authorized<AbortMultipartUpload>) -> Result<Response, S3Error> {
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    let upload = argument::upload_id(&request)?;
    let bucket = access::bucket(&service.store.read()?, &request)?.row.guid;
    let change = change::AbortUpload { permit, bucket, key: key.clone(), upload };
    match service.store.commit(Lane::Client, service.clock.now(), change).await {
        Ok(_) => {}
        Err(CommitError::Refused(Refusal::NoSuchUpload)) if !has_parts(service, &request, upload)? => {}
        Err(error) => return Err(access::refused(service, name, error)),
    }
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Whether the upload is there after all, and of another key: then nothing was aborted. One without parts cannot be told from none.
fn has_parts(service: &Service, request: &Request, id: UploadId) -> Result<bool, S3Error> {
    let reader = service.store.read()?;
    let bucket = access::bucket(&reader, request)?;
    let mut found = false;
    reader.parts(&bucket, id, 0, &mut |_, _| {
        found = true;
        ControlFlow::Break(())
    })?;
    Ok(found)
}
