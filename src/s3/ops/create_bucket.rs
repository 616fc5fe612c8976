use http::StatusCode;
use tandem_policy::{Caller, ObjectOwnership, UserKind};
use tandem_storage::change::{self, Refusal};
use tandem_storage::record::{BucketRow, Versioning};
use tandem_storage::types::BucketGuid;
use tandem_storage::{CommitError, Lane};

use super::{access, acl, answer, attributes};
use crate::clock::random_guid;
use crate::identity::{AccountId, account_row};
use crate::s3::access::{DEFAULT_ACCOUNT, KnownBucket, Owners, StoredAcl, setting};
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
    let account = account(&request);
    let asked = Asked::of(service, &request)?;
    let settings = asked.settings(service, account)?;
    let object_lock = asked.object_lock;
    let document = payload.collect(DOCUMENT_BYTES_MAX).await?;
    let location = parse(&document)?
        .map(|location| check_location(location, &service.settings.region, &service.settings.accept_regions))
        .transpose()?;
    let again = location.clone();
    let row = BucketRow {
        guid: BucketGuid::from_bytes(random_guid(&*service.clock)),
        name: name.clone(),
        created: service.clock.now(),
        location,
        // A bucket with object lock keeps versions from its first day, as AWS has it.
        versioning: if object_lock { Versioning::Enabled } else { Versioning::Unversioned },
        object_lock,
        owner: Some(account.to_owned()),
        creator,
    };
    let still = of_living_account(account);
    let change = change::OnlyIf { still, change: change::CreateBucket { permit, row, settings } };
    match service.store.commit(Lane::Client, service.clock.now(), change).await {
        Ok(_) => {}
        Err(CommitError::Refused(Refusal::BucketExists)) => exists(service, &request, &asked, again.as_deref())?,
        Err(error) => return Err(access::refused(service, name, error)),
    }
    let mut response = answer::empty(StatusCode::OK);
    answer::set(response.headers_mut(), "location", &format!("/{name}"));
    Ok(response)
}

/// An account that is being deleted gets no bucket any more. The default one is never deleted.
fn of_living_account(account: &str) -> Vec<change::Seen> {
    let others = AccountId::parse(account).filter(|account| *account != AccountId::DEFAULT);
    others.map(|account| change::Seen::NodeRow(account_row(account))).into_iter().collect()
}

/// The account that the bucket will belong to.
fn account(request: &Request) -> &str {
    let caller = request.principal.credential().and_then(|credential| credential.caller().account());
    caller.map_or(DEFAULT_ACCOUNT, |account| account.id.as_str())
}

/// The region in which AWS lets a bucket be made again by who has it.
const TAKES_REPEATS: &str = "us-east-1";

/// Whose a bucket is tells which of the two errors its second maker gets. Of a local user's bucket other users of the account are others.
/// In one region the second request succeeds if it asks for nothing that the bucket is not.
fn exists(service: &Service, request: &Request, asked: &Asked, location: Option<&str>) -> Result<(), S3Error> {
    let name = request.bucket_name()?;
    let known = service.buckets.find(&service.store.read()?, name)?;
    let caller = request.principal.credential().map(|credential| credential.caller());
    let local = matches!(caller, Some(Caller::User(user)) if user.kind != UserKind::Iam);
    let own = known.filter(|known| {
        let creator = known.row.creator.as_deref();
        known.account() == account(request) && (!local || creator == caller.map(Caller::user_id))
    });
    let region = &service.settings.region;
    let code = match own {
        Some(known) if region == TAKES_REPEATS && asked.is(service, &known, location) => return Ok(()),
        Some(_) => ErrorCode::BucketAlreadyOwnedByYou,
        None => ErrorCode::BucketAlreadyExists,
    };
    Err(S3Error::of(code).detail("BucketName", name.as_str()))
}

/// What the headers ask the bucket to be.
struct Asked {
    /// Absent: as the node has it.
    ownership: Option<ObjectOwnership>,
    acl: Option<acl::Wanted>,
    object_lock: bool,
    /// What a new bucket gets.
    granted: ObjectOwnership,
}

impl Asked {
    /// `private` without an ownership has ACLs count, as with AWS (versitygw#1869): who writes the ACL at the bucket writes it at each object.
    fn of(service: &Service, request: &Request) -> Result<Self, S3Error> {
        let ownership = ownership(request)?;
        let acl = acl::Wanted::of(&request.headers, &Owners::of(service))?;
        let granted = match (ownership, service.settings.default_ownership) {
            (Some(asked), _) => asked,
            (None, ObjectOwnership::BucketOwnerEnforced) if acl.as_ref().is_some_and(acl::Wanted::is_private) => {
                ObjectOwnership::BucketOwnerPreferred
            }
            (None, default) => default,
        };
        if !granted.acls_count() && acl.as_ref().is_some_and(|acl| !acl.gives_nothing()) {
            return Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into());
        }
        Ok(Asked { ownership, acl, object_lock: object_lock(request)?, granted })
    }

    /// Ownership is always written down: a bucket stays as it was made when the node's default changes.
    fn settings(&self, service: &Service, account: &str) -> Result<Vec<(Box<str>, Vec<u8>)>, S3Error> {
        let mut settings = vec![(Box::from(setting::OWNERSHIP), setting::encode_ownership(self.granted))];
        if let Some(wanted) = self.acl.clone().filter(|_| self.granted.acls_count()) {
            let acl = wanted.into_acl(Owners::of(service).account(account), None)?;
            let stored = StoredAcl { account: account.to_owned(), acl };
            settings.push((Box::from(setting::ACL), stored.encode()));
        }
        Ok(settings)
    }

    /// Whether a bucket is just what is asked for. AWS would set its ACL anew; here a bucket's ACL is changed by PutBucketAcl alone.
    fn is(&self, service: &Service, known: &KnownBucket, location: Option<&str>) -> bool {
        let elsewhere =
            |location: Option<&str>| location.filter(|name| *name != service.settings.region).map(str::to_owned);
        let acl = self.acl.clone().is_none_or(|wanted| match &known.acl {
            None => wanted.gives_nothing(),
            Some(stored) => wanted.into_acl(stored.acl.owner.clone(), None).is_ok_and(|wanted| wanted == stored.acl),
        });
        acl && self.ownership.is_none_or(|asked| asked == known.ownership)
            && (!self.object_lock || known.row.object_lock)
            && elsewhere(location) == elsewhere(known.row.location.as_deref())
    }
}

pub(super) fn parse(document: &[u8]) -> Result<Option<String>, S3Error> {
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

fn ownership(request: &Request) -> Result<Option<ObjectOwnership>, S3Error> {
    let name = "x-amz-object-ownership";
    let Some(text) = attributes::text(&request.headers, name)? else { return Ok(None) };
    let known = ObjectOwnership::parse(&text);
    known.map(Some).ok_or_else(|| super::argument::invalid(name, &text, "Invalid x-amz-object-ownership header"))
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
