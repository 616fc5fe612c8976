use http::StatusCode;
use tandem_storage::change;
use tandem_storage::record::{BucketRow, Versioning};
use tandem_storage::types::BucketGuid;

use super::{access, answer, attributes};
use crate::clock::random_guid;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::CreateBucket;
use crate::s3::request::{Authorized, Request};
use crate::s3::response::Response;
use crate::s3::service::{AcceptRegions, Service};
use crate::s3::xml::{MalformedXml, XmlReader, set_once};

const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

pub async fn handle(service: &Service, request: Authorized<CreateBucket>) -> Result<Response, S3Error> {
    let creator = request.principal().creator();
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    attributes::check_acl(&request.headers)?;
    check_ownership(&request)?;
    let object_lock = object_lock(&request)?;
    let document = payload.collect(DOCUMENT_BYTES_MAX).await?;
    let location = parse(&document)?
        .map(|location| check_location(location, &service.settings.region, &service.settings.accept_regions))
        .transpose()?;
    let row = BucketRow {
        guid: BucketGuid::from_bytes(random_guid(&*service.clock)),
        name: name.clone(),
        created: service.clock.now(),
        location,
        // A bucket with object lock keeps versions from its first day, as AWS has it.
        versioning: if object_lock { Versioning::Enabled } else { Versioning::Unversioned },
        object_lock,
        owner: None,
        creator,
    };
    access::commit(service, name, change::CreateBucket { permit, row }).await?;
    let mut response = answer::empty(StatusCode::OK);
    answer::set(response.headers_mut(), "location", &format!("/{name}"));
    Ok(response)
}

fn parse(document: &[u8]) -> Result<Option<String>, S3Error> {
    if document.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let mut xml = XmlReader::open(document, "CreateBucketConfiguration")?;
    let mut location = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "LocationConstraint" => set_once(&mut location, xml.text()?)?,
            "Tags" | "Location" | "Bucket" => {
                let message = format!("{name} in a CreateBucketConfiguration is not implemented");
                return Err(S3Error::new(ErrorCode::NotImplemented, message));
            }
            _ => return Err(MalformedXml.into()),
        }
    }
    xml.finish()?;
    Ok(location.map(|location| location.trim().to_owned()).filter(|location| !location.is_empty()))
}

/// A bucket can be made in any region that the node answers for.
fn check_location(location: String, node: &str, accepted: &AcceptRegions) -> Result<String, S3Error> {
    let shaped = location.len() <= 63 && location.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !shaped {
        let error = S3Error::of(ErrorCode::InvalidLocationConstraint);
        return Err(error.detail("LocationConstraint", location));
    }
    let accepted = location == node
        || match accepted {
            AcceptRegions::Any => true,
            AcceptRegions::Listed(regions) => regions.contains(&location),
        };
    if accepted {
        return Ok(location);
    }
    let message = format!(
        "The {location} location constraint is incompatible for the region specific endpoint this request was sent to."
    );
    Err(S3Error::new(ErrorCode::IllegalLocationConstraintException, message))
}

fn check_ownership(request: &Request) -> Result<(), S3Error> {
    match attributes::text(&request.headers, "x-amz-object-ownership")?.as_deref() {
        None | Some("BucketOwnerEnforced") => Ok(()),
        Some("BucketOwnerPreferred" | "ObjectWriter") => {
            let message = "Object ownership other than BucketOwnerEnforced is not implemented";
            Err(S3Error::new(ErrorCode::NotImplemented, message))
        }
        Some(other) => {
            Err(super::argument::invalid("x-amz-object-ownership", other, "Invalid x-amz-object-ownership header"))
        }
    }
}

fn object_lock(request: &Request) -> Result<bool, S3Error> {
    let name = "x-amz-bucket-object-lock-enabled";
    match attributes::text(&request.headers, name)? {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(value) => Err(super::argument::invalid(name, &value, "The value is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_location_or_none() {
        let document = |inside: &str| format!("<CreateBucketConfiguration>{inside}</CreateBucketConfiguration>");
        assert_eq!(parse(b"").unwrap(), None);
        assert_eq!(parse(document("").as_bytes()).unwrap(), None);
        let given = document("<LocationConstraint> eu-west-1 </LocationConstraint>");
        assert_eq!(parse(given.as_bytes()).unwrap().as_deref(), Some("eu-west-1"));
        let code = |inside: &str| parse(document(inside).as_bytes()).unwrap_err().code;
        assert_eq!(code("<Other/>"), ErrorCode::MalformedXML);
        assert_eq!(code("<LocationConstraint/><LocationConstraint/>"), ErrorCode::MalformedXML);
        assert_eq!(code("<Tags/>"), ErrorCode::NotImplemented);
    }

    #[test]
    fn takes_only_regions_that_the_node_answers_for() {
        let listed = AcceptRegions::Listed(vec!["us-east-1".into()]);
        let check = |location: &str, accepted| check_location(location.into(), "eu-central-1", accepted);
        for location in ["eu-central-1", "us-east-1"] {
            assert_eq!(check(location, &listed).unwrap(), location);
        }
        let code = |location: &str, accepted| check(location, accepted).unwrap_err().code;
        assert_eq!(code("us-west-2", &listed), ErrorCode::IllegalLocationConstraintException);
        assert_eq!(code("<x>", &AcceptRegions::Any), ErrorCode::InvalidLocationConstraint);
        assert!(check("us-west-2", &AcceptRegions::Any).is_ok());
    }
}
