//! Replacing what a version carries beside its bytes.

use tandem_storage::change::{Refusal, ReplaceObjectSlots, Seen, Slots};
use tandem_storage::types::Version;
use tandem_storage::{CommitError, Reader};

use super::{access, answer, argument, version};
use crate::s3::access::KnownBucket;
use crate::s3::error::S3Error;
use crate::s3::request::Request;
use crate::s3::service::Service;

/// Replaces slots of the version that the request names by those that `decide` makes of its bucket, and gives the version's id where the
/// bucket shows versions. `decide` says what it looked at: it is asked again when that changes before the commit.
pub(super) async fn replace(
    service: &Service,
    request: &Request,
    decide: impl Fn(&Reader<'_>, &KnownBucket) -> Result<(Slots, Vec<Seen>), S3Error>,
) -> Result<Option<Version>, S3Error> {
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    let version = argument::version(request)?;
    let bucket = access::bucket(&service.store.read()?, request)?;
    let committed = access::commit_as_decided(service, request, version, |reader, known| {
        let (slots, still) = decide(reader, known)?;
        Ok((ReplaceObjectSlots { permit, bucket: known.row.guid, key: key.clone(), version, slots }, still))
    });
    match committed.await? {
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
