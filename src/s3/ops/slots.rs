//! Replacing what a version carries beside its bytes.

use tandem_storage::change::{Refusal, ReplaceObjectSlots, Slots};
use tandem_storage::types::Version;
use tandem_storage::{CommitError, Lane};

use super::{access, answer, argument, version};
use crate::s3::error::S3Error;
use crate::s3::request::Request;
use crate::s3::service::Service;

/// Replaces slots of the version that the request names, and gives its id where the bucket shows versions.
pub(super) async fn replace(service: &Service, request: &Request, slots: Slots) -> Result<Option<Version>, S3Error> {
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    let version = argument::version(request)?;
    let bucket = access::bucket(&service.store.read()?, request)?;
    let change = ReplaceObjectSlots { permit, bucket: bucket.row.guid, key: key.clone(), version, slots };
    match service.store.commit(Lane::Client, service.clock.now(), change).await {
        Ok(durable) => Ok(answer::shows_versions(&bucket).then_some(durable.into_inner().version)),
        Err(CommitError::Refused(Refusal::NoSuchKey | Refusal::NoSuchVersion)) => {
            // Whether it is absent or a delete marker, and of what age, says the store.
            let row = version::find(&service.store.read()?, &bucket, request, version)?;
            version::content(&row, &bucket, request, version)?;
            Err(version::absent(request, version))
        }
        Err(error) => Err(access::refused(service, name, error)),
    }
}
