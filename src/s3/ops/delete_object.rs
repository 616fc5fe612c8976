use http::{HeaderMap, StatusCode};
use tandem_storage::change::{self, Deleted};

use super::{access, answer, argument, condition};
use crate::clock::random_u64;
use crate::s3::error::S3Error;
use crate::s3::operation::DeleteObject;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;

pub async fn handle(service: &Service, request: Authorized<DeleteObject>) -> Result<Response, S3Error> {
    let (name, key) = (request.bucket_name()?, request.object_key()?);
    let permit = access::permit(service, name)?;
    let version = argument::version(&request)?;
    let precondition = condition::of_delete(&request.headers)?;
    let random = random_u64(&*service.clock);
    let committed = access::commit_as_decided(service, &request, version, |_, known| {
        let (bucket, key, precondition) = (known.row.guid, key.clone(), precondition.clone());
        Ok((change::DeleteObject { permit, bucket, key, version, precondition, random }, Vec::new()))
    });
    let refused = |error| condition::named(access::refused(service, name, error), &precondition);
    let deleted = committed.await?.map_err(refused)?;
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    tell(response.headers_mut(), deleted, request.query.get("versionId"));
    Ok(response)
}

/// A version that was not there is named as it was asked for, so that to delete it twice looks the same.
fn tell(headers: &mut HeaderMap, deleted: Deleted, asked: Option<&str>) {
    match deleted {
        Deleted::Gone => {
            if let Some(id) = asked {
                answer::set(headers, "x-amz-version-id", id);
            }
        }
        Deleted::MarkerWritten(version) => {
            answer::set(headers, "x-amz-delete-marker", "true");
            answer::set_version(headers, version);
        }
        Deleted::VersionGone { version, was_marker } => {
            if was_marker {
                answer::set(headers, "x-amz-delete-marker", "true");
            }
            answer::set_version(headers, version);
        }
    }
}
