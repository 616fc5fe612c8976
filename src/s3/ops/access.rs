//! What nearly every handler begins with: the bucket, and the right to write to it.

use tandem_storage::change::{Refusal, WritePermit};
use tandem_storage::types::BucketName;
use tandem_storage::{BucketView, Change, CommitError, Lane, Reader};

use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;
use crate::s3::service::Service;

/// The account that owns everything until there are others.
pub(super) const OWNER: &str = "000000000000";

/// The bucket that the request names, if its owner is who the client expects.
pub(super) fn bucket(reader: &Reader<'_>, request: &Request) -> Result<BucketView, S3Error> {
    let view = named(reader, request.bucket_name()?)?;
    check_owner(&request.headers, "x-amz-expected-bucket-owner", &view)?;
    Ok(view)
}

pub(super) fn source_bucket(reader: &Reader<'_>, request: &Request, name: &BucketName) -> Result<BucketView, S3Error> {
    let view = named(reader, name)?;
    check_owner(&request.headers, "x-amz-source-expected-bucket-owner", &view)?;
    Ok(view)
}

fn named(reader: &Reader<'_>, name: &BucketName) -> Result<BucketView, S3Error> {
    reader.bucket(name)?.ok_or_else(|| no_such_bucket(name))
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
fn check_owner(headers: &http::HeaderMap, name: &str, bucket: &BucketView) -> Result<(), S3Error> {
    let owner = bucket.row.owner.as_deref().unwrap_or(OWNER);
    match headers.get(name) {
        Some(expected) if expected.as_bytes() != owner.as_bytes() => Err(S3Error::of(ErrorCode::AccessDenied)),
        _ => Ok(()),
    }
}
