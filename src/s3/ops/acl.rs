//! ACLs as headers and documents carry them, and what a write makes of them under its bucket's ownership.

use http::HeaderMap;
use tandem_policy::{Acl, Caller, CannedAcl, Grant, Grantee, Owner, Permission};

use super::argument::invalid;
use super::attributes;
use crate::s3::access::{KnownBucket, Owners, StoredAcl, setting};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Request;
use crate::s3::service::Service;
use crate::s3::xml::{MalformedXml, XmlReader, XmlWriter, set_once};

/// The longest document of an ACL: a hundred grants.
pub(super) const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// The settings that say which ACLs a bucket takes.
pub(super) const LOOKS_AT: &[&str] = &[setting::OWNERSHIP, setting::PUBLIC_ACCESS];

const GRANT_HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
    ("x-amz-grant-full-control", Permission::FullControl),
];

/// The ACL that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Canned(CannedAcl),
    Grants(Vec<Grant>),
}

impl Wanted {
    /// What the headers ask for; none: nothing.
    pub(super) fn of(headers: &HeaderMap, owners: &Owners) -> Result<Option<Self>, S3Error> {
        let canned = attributes::text(headers, "x-amz-acl")?;
        let canned = canned.map(|name| {
            CannedAcl::parse(&name).ok_or_else(|| invalid("x-amz-acl", &name, "The canned ACL is not valid"))
        });
        let canned = canned.transpose()?;
        let mut grants = Vec::new();
        for (header, permission) in GRANT_HEADERS {
            if let Some(text) = attributes::text(headers, header)? {
                for grantee in grantees(header, &text, owners)? {
                    grants.push(Grant { grantee, permission });
                }
            }
        }
        match (canned, grants.is_empty()) {
            (Some(_), false) => Err(S3Error::new(
                ErrorCode::InvalidRequest,
                "Specifying both Canned ACLs and Header Grants is not allowed",
            )),
            (Some(canned), true) => Ok(Some(Wanted::Canned(canned))),
            (None, false) => Ok(Some(Wanted::Grants(grants))),
            (None, true) => Ok(None),
        }
    }

    /// Whether it says no more than what holds where ACLs do not count: there all objects are the bucket owner's, and its alone.
    /// `private` says so when the bucket's own account writes.
    fn asks_nothing(&self, by_bucket_owner: bool) -> bool {
        matches!(self, Wanted::Canned(CannedAcl::BucketOwnerFullControl)) || (by_bucket_owner && self.is_private())
    }

    pub(super) fn is_private(&self) -> bool {
        matches!(self, Wanted::Canned(CannedAcl::Private))
    }

    /// Whether it gives nothing to anybody but the owner of a new bucket.
    pub(super) fn gives_nothing(&self) -> bool {
        matches!(self, Wanted::Canned(CannedAcl::BucketOwnerFullControl | CannedAcl::Private))
    }

    /// As the ACL of `owner`'s object, or bucket: then there is no `bucket_owner`.
    pub(super) fn into_acl(self, owner: Owner, bucket_owner: Option<&Owner>) -> Result<Acl, S3Error> {
        match self {
            Wanted::Canned(canned) => Ok(canned.acl(owner, bucket_owner)),
            Wanted::Grants(grants) => Acl::new(owner, grants).map_err(|_| too_many()),
        }
    }

    fn canned(&self) -> Option<CannedAcl> {
        match self {
            Wanted::Canned(canned) => Some(*canned),
            Wanted::Grants(_) => None,
        }
    }
}

/// The slot of an object that the request writes into `bucket`; none: the bucket owner's, private.
pub(super) fn of_new_object(
    service: &Service,
    request: &Request,
    bucket: &KnownBucket,
) -> Result<Option<Vec<u8>>, S3Error> {
    let owners = Owners::of(service);
    let wanted = Wanted::of(&request.headers, &owners)?;
    let caller = request.principal.credential().map(|credential| credential.caller());
    if !bucket.ownership.acls_count() {
        let own = caller.and_then(Caller::account).is_some_and(|account| account.id == bucket.account());
        return match wanted.is_none_or(|wanted| wanted.asks_nothing(own)) {
            true => Ok(None),
            false => Err(ErrorCode::AccessControlListNotSupported.into()),
        };
    }
    let wanted = wanted.unwrap_or(Wanted::Canned(CannedAcl::Private));
    let account = match bucket.ownership.bucket_owner_owns(wanted.canned()) {
        true => bucket.account(),
        false => owners.of_caller(caller, bucket),
    };
    let bucket_owner = owners.of_bucket(bucket);
    let acl = wanted.into_acl(owners.account(account), Some(&bucket_owner))?;
    refuse_public(bucket, &acl)?;
    let plain = account == bucket.account() && acl == Acl::private(bucket_owner);
    Ok((!plain).then(|| StoredAcl { account: account.to_owned(), acl }.encode()))
}

/// # Errors
/// `AccessDenied`, when the bucket takes no public ACLs and this is one.
pub(super) fn refuse_public(bucket: &KnownBucket, acl: &Acl) -> Result<(), S3Error> {
    match bucket.public_access.block_public_acls && acl.is_public() {
        true => Err(S3Error::of(ErrorCode::AccessDenied).detail("Reason", "BlockPublicAcls")),
        false => Ok(()),
    }
}

/// The ACL that a PutBucketAcl or PutObjectAcl sets on what `owner` owns: by headers, or by its document.
pub(super) fn replacement(
    owners: &Owners,
    request: &Request,
    document: &[u8],
    owner: Owner,
    bucket_owner: Option<&Owner>,
) -> Result<Acl, S3Error> {
    let by_document = !document.iter().all(u8::is_ascii_whitespace);
    match (Wanted::of(&request.headers, owners)?, by_document) {
        (Some(_), true) => Err(ErrorCode::UnexpectedContent.into()),
        (Some(wanted), false) => wanted.into_acl(owner, bucket_owner),
        (None, true) => of_document(document, owners, owner),
        (None, false) => Err(ErrorCode::MissingSecurityHeader.into()),
    }
}

/// # Errors
/// `AccessControlListNotSupported`, when ACLs do not count: then none is set, also not one that says what holds anyhow, as with AWS.
pub(super) fn refuse_where_off(bucket: &KnownBucket) -> Result<(), S3Error> {
    match bucket.ownership.acls_count() {
        true => Ok(()),
        false => Err(ErrorCode::AccessControlListNotSupported.into()),
    }
}

fn of_document(document: &[u8], owners: &Owners, owner: Owner) -> Result<Acl, S3Error> {
    let parsed = parse(document).map_err(|_| S3Error::of(ErrorCode::MalformedACLError))?;
    if parsed.owner.is_some_and(|id| id != owner.id) {
        return Err(ErrorCode::AccessDenied.into());
    }
    let grants = parsed.grants.into_iter().map(|grant| {
        let grantee = match grant.grantee {
            Asked::Id(id) => by_id("CanonicalUser/ID", &id, owners)?,
            Asked::Uri(uri) => by_uri("Group/URI", &uri)?,
            Asked::Email(email) => by_email(&email, owners)?,
        };
        let permission = Permission::parse(&grant.permission);
        let permission = permission.ok_or_else(|| S3Error::of(ErrorCode::MalformedACLError))?;
        Ok(Grant { grantee, permission })
    });
    let grants = grants.collect::<Result<Vec<_>, S3Error>>()?;
    Acl::new(owner, grants).map_err(|_| too_many())
}

struct Parsed {
    owner: Option<String>,
    grants: Vec<ParsedGrant>,
}

struct ParsedGrant {
    grantee: Asked,
    permission: String,
}

enum Asked {
    Id(String),
    Uri(String),
    Email(String),
}

fn parse(document: &[u8]) -> Result<Parsed, MalformedXml> {
    let mut xml = XmlReader::open(document, "AccessControlPolicy")?;
    let (mut owner, mut grants) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Owner" => set_once(&mut owner, parse_owner(&mut xml)?)?,
            "AccessControlList" => {
                let mut list = Vec::new();
                while let Some(name) = xml.child()? {
                    match name.as_str() {
                        "Grant" => list.push(parse_grant(&mut xml)?),
                        _ => return Err(MalformedXml),
                    }
                }
                set_once(&mut grants, list)?;
            }
            _ => return Err(MalformedXml),
        }
    }
    xml.finish()?;
    Ok(Parsed { owner: owner.flatten(), grants: grants.ok_or(MalformedXml)? })
}

fn parse_owner(xml: &mut XmlReader<'_>) -> Result<Option<String>, MalformedXml> {
    let mut id = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "ID" => set_once(&mut id, xml.text()?)?,
            "DisplayName" => drop(xml.text()?),
            _ => return Err(MalformedXml),
        }
    }
    Ok(id)
}

fn parse_grant(xml: &mut XmlReader<'_>) -> Result<ParsedGrant, MalformedXml> {
    let (mut grantee, mut permission) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Grantee" => {
                while let Some(name) = xml.child()? {
                    match name.as_str() {
                        "ID" => set_once(&mut grantee, Asked::Id(xml.text()?))?,
                        "URI" => set_once(&mut grantee, Asked::Uri(xml.text()?))?,
                        "EmailAddress" => set_once(&mut grantee, Asked::Email(xml.text()?))?,
                        "DisplayName" => drop(xml.text()?),
                        _ => return Err(MalformedXml),
                    }
                }
            }
            "Permission" => set_once(&mut permission, xml.text()?)?,
            _ => return Err(MalformedXml),
        }
    }
    Ok(ParsedGrant { grantee: grantee.ok_or(MalformedXml)?, permission: permission.ok_or(MalformedXml)? })
}

/// `id="...", uri="..."`
fn grantees(header: &'static str, text: &str, owners: &Owners) -> Result<Vec<Grantee>, S3Error> {
    let each = text.split(',').map(|part| {
        let (kind, value) =
            part.trim().split_once('=').ok_or_else(|| invalid(header, text, "Argument format not recognized"))?;
        let value = value.trim().trim_matches('"');
        match kind.trim() {
            "id" => by_id("id", value, owners),
            "uri" => by_uri("uri", value),
            "emailAddress" => by_email(value, owners),
            _ => Err(invalid(header, text, "Argument format not recognized")),
        }
    });
    each.collect()
}

fn by_id(argument: &str, id: &str, owners: &Owners) -> Result<Grantee, S3Error> {
    match owners.by_canonical(id) {
        Some((_, owner)) => Ok(Grantee::Account(owner)),
        None => Err(invalid(argument, id, "Invalid id")),
    }
}

fn by_uri(argument: &str, uri: &str) -> Result<Grantee, S3Error> {
    Grantee::group(uri).ok_or_else(|| invalid(argument, uri, "Invalid group uri"))
}

fn by_email(email: &str, owners: &Owners) -> Result<Grantee, S3Error> {
    owners.by_email(email).map(Grantee::Account).ok_or_else(|| ErrorCode::UnresolvableGrantByEmailAddress.into())
}

fn too_many() -> S3Error {
    let message = format!("The request contained more than {} grants", tandem_policy::acl::GRANTS_MAX);
    S3Error::new(ErrorCode::MalformedACLError, message)
}

/// The document that GETs answer with.
pub(super) fn write(acl: &Acl) -> bytes::Bytes {
    let mut xml = XmlWriter::document("AccessControlPolicy");
    super::object_listing::write_owner(&mut xml, &acl.owner);
    xml.open("AccessControlList");
    let of_account = |grant: &&Grant| matches!(grant.grantee, Grantee::Account(_));
    // Groups first: there are clients that look for what is public at the beginning.
    let groups = acl.grants.iter().filter(|grant| !of_account(grant));
    for grant in groups.chain(acl.grants.iter().filter(of_account)) {
        xml.open("Grant");
        let kind = if of_account(&grant) { "CanonicalUser" } else { "Group" };
        xml.open_typed("Grantee", kind);
        match &grant.grantee {
            Grantee::Account(owner) => {
                xml.text("ID", &owner.id);
                xml.text("DisplayName", &owner.display_name);
            }
            group => xml.optional("URI", group.uri()),
        }
        xml.close();
        xml.raw("Permission", grant.permission.as_str());
        xml.close();
    }
    xml.close();
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_who_and_what_once_each() {
        let grant = "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>u</URI></Grantee><Permission>READ</Permission></Grant>";
        let document = |inside: &str| format!("<AccessControlPolicy>{inside}</AccessControlPolicy>");
        let list = format!("<Owner><ID>o</ID></Owner><AccessControlList>{grant}</AccessControlList>");
        let parsed = parse(document(&list).as_bytes()).unwrap();
        assert_eq!((parsed.owner.as_deref(), parsed.grants.len()), (Some("o"), 1));
        assert!(matches!(&parsed.grants[0].grantee, Asked::Uri(uri) if uri == "u"));
        for bad in [
            "",
            "<AccessControlList><Grant/></AccessControlList>",
            "<AccessControlList><Grant><Grantee><ID>a</ID><URI>b</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList>",
            "<AccessControlList/><AccessControlList/>",
            "<Other/><AccessControlList/>",
        ] {
            assert!(parse(document(bad).as_bytes()).is_err(), "{bad}");
        }
    }
}
