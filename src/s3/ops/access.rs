//! What nearly every handler begins with: the bucket, and the right to write to it.

use std::sync::Arc;

use tandem_storage::change::{Refusal, WritePermit};
use tandem_storage::types::BucketName;
use tandem_storage::{Change, CommitError, Lane, Reader};

use crate::s3::access::{self, KnownBucket};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;
use crate::s3::service::Service;

/// The bucket that the request names, if its owner is who the client expects. It is the one that was decided about, and no other of
/// the same name; what hangs on it may have changed since.
pub(super) fn bucket(reader: &Reader<'_>, request: &Request) -> Result<Arc<KnownBucket>, S3Error> {
    let known = request.known.as_ref().ok_or_else(|| S3Error::internal("a handler without its bucket"))?;
    let known = still(reader, known)?;
    check_owner(&request.headers, "x-amz-expected-bucket-owner", &known)?;
    Ok(known)
}

/// The same for who goes on to read an object: the request is allowed for the one that `reader` sees, too.
pub(super) fn bucket_of_object(
    service: &Service,
    reader: &Reader<'_>,
    request: &Request,
) -> Result<Arc<KnownBucket>, S3Error> {
    let known = bucket(reader, request)?;
    access::confirm(service, reader, request)?;
    Ok(known)
}

pub(super) fn source_bucket(reader: &Reader<'_>, request: &Request) -> Result<Arc<KnownBucket>, S3Error> {
    let known = request.source.as_ref().ok_or_else(|| S3Error::internal("a copy without its source"))?;
    let known = still(reader, known)?;
    check_owner(&request.headers, "x-amz-source-expected-bucket-owner", &known)?;
    Ok(known)
}

/// The same bucket as `reader` sees it.
fn still(reader: &Reader<'_>, known: &Arc<KnownBucket>) -> Result<Arc<KnownBucket>, S3Error> {
    if known.is_seen_by(reader) {
        return Ok(Arc::clone(known));
    }
    let name = &known.row.name;
    match KnownBucket::find(reader, name)? {
        Some(now) if now.row.guid == known.row.guid => Ok(Arc::new(now)),
        _ => Err(no_such_bucket(name)),
    }
}

fn no_such_bucket(name: &BucketName) -> S3Error {
    S3Error::of(ErrorCode::NoSuchBucket).detail("BucketName", name.as_str())
}

pub(super) fn permit(service: &Service, name: &BucketName) -> Result<WritePermit, S3Error> {
    Ok(service.gate.permit(name)?)
}

/// Commits a client's change to `bucket`, and waits until it is on stable storage.
pub(super) async fn commit<C: Change>(service: &Service, bucket: &BucketName, change: C) -> Result<C::Output, S3Error> {
    let pending = service.store.commit(Lane::Client, service.clock.now(), change);
    match pending.await {
        Ok(durable) => Ok(durable.into_inner()),
        Err(error) => Err(refused(service, bucket, error)),
    }
}

/// The answer to a refusal. A fence that went up after the permit was given says what the gate says now.
pub(super) fn refused(service: &Service, bucket: &BucketName, error: CommitError) -> S3Error {
    match error {
        CommitError::Refused(Refusal::Fenced) => match service.gate.permit(bucket) {
            Err(closed) => closed.into(),
            Ok(_) => Refusal::Fenced.into(),
        },
        CommitError::Refused(Refusal::NoSuchBucket) => no_such_bucket(bucket),
        error => error.into(),
    }
}

/// `x-amz-expected-bucket-owner` and its kin: a client's guard against writing into somebody else's bucket.
fn check_owner(headers: &http::HeaderMap, name: &str, bucket: &KnownBucket) -> Result<(), S3Error> {
    match headers.get(name) {
        Some(expected) if expected.as_bytes() != bucket.account().as_bytes() => {
            Err(S3Error::of(ErrorCode::AccessDenied))
        }
        _ => Ok(()),
    }
}
