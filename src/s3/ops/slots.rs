//! Replacing what a version carries beside its bytes.

use tandem_storage::CommitError;
use tandem_storage::change::{Refusal, ReplaceObjectSlots, Seen, Slots};
use tandem_storage::types::Version;

use super::{access, answer, argument, version};
use crate::s3::error::S3Error;
use crate::s3::request::Request;
use crate::s3::service::Service;

/// Replaces slots of the version that the request names, and gives its id where the bucket shows versions.
/// `still`: what else decided it.
pub(super) async fn replace(
    service: &Service,
    request: &Request,
    slots: Slots,
    still: &[Seen],
) -> Result<Option<Version>, S3Error> {
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    let version = argument::version(request)?;
    let bucket = access::bucket(&service.store.read()?, request)?;
    let change = ReplaceObjectSlots { permit, bucket: bucket.row.guid, key: key.clone(), version, slots };
    match access::commit_as_decided(service, request, version, still, &change).await? {
        Ok(row) => Ok(answer::shows_versions(&bucket).then_some(row.version)),
        Err(CommitError::Refused(Refusal::NoSuchKey | Refusal::NoSuchVersion)) => {
            // Whether it is absent or a delete marker, and of what age, says the store.
            let row = version::find(&service.store.read()?, &bucket, request, version)?;
            version::content(&row, &bucket, request, version)?;
            Err(version::absent(request, version))
        }
        Err(error) => Err(access::refused(service, name, error)),
    }
}
