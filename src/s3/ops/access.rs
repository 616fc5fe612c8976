//! What nearly every handler begins with: the bucket, and the right to write to it.

use std::sync::Arc;

use tandem_storage::change::{OnlyIf, Refusal, Seen, SeenSlots, SetBucketSetting, VersionSelector, WritePermit};
use tandem_storage::types::BucketName;
use tandem_storage::{BucketView, Change, CommitError, Lane, Reader};

use crate::s3::access::{self, KnownBucket};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;
use crate::s3::service::Service;

/// How often a change is decided anew when what decided it keeps changing: then the client hears that it should come again.
pub(super) const DECISIONS_MAX: usize = 8;

/// The bucket that the request names, if its owner is who the client expects. It is the one that was decided about, and no other of
/// the same name; what hangs on it may have changed since.
pub(super) fn bucket(reader: &Reader<'_>, request: &Request) -> Result<Arc<KnownBucket>, S3Error> {
    let known = request.known.as_ref().ok_or_else(|| S3Error::internal("a handler without its bucket"))?;
    let known = still(reader, known)?;
    check_owner(&request.headers, "x-amz-expected-bucket-owner", &known)?;
    Ok(known)
}

/// The same for who goes on by what `reader` sees, of an object, or after a body that took its time: the request is allowed by that, too.
pub(super) fn confirmed_bucket(
    service: &Service,
    reader: &Reader<'_>,
    request: &Request,
) -> Result<Arc<KnownBucket>, S3Error> {
    let known = bucket(reader, request)?;
    access::confirm(service, reader, request, &known)?;
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

/// Commits the change of the version that `decide` makes of the request's bucket. What it says it looked at is the same when the change is
/// made, and so is the version's row if it had a say in whether the request may: when they are not, all is decided again. The inner result
/// is the store's.
pub(super) async fn commit_as_decided<C: Change>(
    service: &Service,
    request: &Request,
    version: VersionSelector,
    decide: impl Fn(&Reader<'_>, &KnownBucket) -> Result<(C, Vec<Seen>), S3Error>,
) -> Result<Result<C::Output, CommitError>, S3Error> {
    for _ in 0..DECISIONS_MAX {
        let change = {
            let reader = service.store.read()?;
            let known = confirmed_bucket(service, &reader, request)?;
            let (change, mut still) = decide(&reader, &known)?;
            still.extend(decided_by(&reader, &known, request, version)?);
            OnlyIf { still, change }
        };
        match service.store.commit(Lane::Client, service.clock.now(), change).await {
            Err(CommitError::Refused(Refusal::Stale)) => {}
            Err(error) => return Ok(Err(error)),
            Ok(durable) => return Ok(Ok(durable.into_inner())),
        }
    }
    Ok(Err(Refusal::Stale.into()))
}

fn decided_by(
    reader: &Reader<'_>,
    bucket: &Arc<KnownBucket>,
    request: &Request,
    version: VersionSelector,
) -> Result<Option<Seen>, S3Error> {
    if !access::is_outdated(request, bucket) {
        return Ok(None);
    }
    let key = request.object_key()?.clone();
    let row = reader.object(bucket, &key, version)?;
    let slots = row.as_ref().and_then(SeenSlots::of);
    Ok(Some(Seen::Slots { bucket: bucket.row.guid, key, version, slots }))
}

/// Settings as they are, so that a change can be made only while they are so.
pub(super) fn seen_settings(reader: &Reader<'_>, bucket: &BucketView, names: &[&str]) -> Result<Vec<Seen>, S3Error> {
    let seen = |name: &&str| {
        Ok(Seen::Setting { bucket: bucket.row.guid, name: (*name).into(), value: reader.setting(bucket, name)? })
    };
    names.iter().map(seen).collect()
}

/// Sets a setting of the request's bucket to what `decide` makes of the bucket, if the request is still allowed. The settings that this
/// `looks_at` are the same when the change is made: when they are not, it is decided again.
pub(super) async fn set(
    service: &Service,
    request: &Request,
    name: &str,
    looks_at: &[&str],
    decide: impl Fn(&KnownBucket) -> Result<Vec<u8>, S3Error>,
) -> Result<(), S3Error> {
    let bucket_name = request.bucket_name()?;
    let permit = permit(service, bucket_name)?;
    for _ in 0..DECISIONS_MAX {
        let change = {
            let reader = service.store.read()?;
            let known = confirmed_bucket(service, &reader, request)?;
            let still = seen_settings(&reader, &known, looks_at)?;
            let value = Some(decide(&known)?);
            let change = SetBucketSetting { permit, bucket: known.row.guid, name: name.into(), value };
            OnlyIf { still, change }
        };
        match service.store.commit(Lane::Client, service.clock.now(), change).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Refused(Refusal::Stale)) => {}
            Err(error) => return Err(refused(service, bucket_name, error)),
        }
    }
    Err(Refusal::Stale.into())
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
