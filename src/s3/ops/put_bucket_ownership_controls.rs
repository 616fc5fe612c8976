use http::StatusCode;
use tandem_policy::{Acl, ObjectOwnership};

use super::{access, answer};
use crate::s3::access::{KnownBucket, Owners, setting};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::PutBucketOwnershipControls;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::{MalformedXml, XmlReader, set_once};

const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

pub async fn handle(service: &Service, request: Authorized<PutBucketOwnershipControls>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    access::permit(service, name)?;
    let ownership = parse(&payload.collect(DOCUMENT_BYTES_MAX).await?)?;
    access::set(service, &request, setting::OWNERSHIP, &[setting::ACL], |bucket| {
        refuse_with_grants(service, bucket, ownership)?;
        Ok(setting::encode_ownership(ownership))
    })
    .await?;
    Ok(answer::empty(StatusCode::OK))
}

/// ACLs are switched off only where none gives anything to others: nobody loses access unseen.
fn refuse_with_grants(service: &Service, bucket: &KnownBucket, ownership: ObjectOwnership) -> Result<(), S3Error> {
    let Some(stored) = &bucket.acl else { return Ok(()) };
    match ownership.acls_count() || stored.acl == Acl::private(Owners::of(service).of_bucket(bucket)) {
        true => Ok(()),
        false => Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into()),
    }
}

fn parse(document: &[u8]) -> Result<ObjectOwnership, MalformedXml> {
    let mut xml = XmlReader::open(document, "OwnershipControls")?;
    let mut rule = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Rule" => set_once(&mut rule, parse_rule(&mut xml)?)?,
            _ => return Err(MalformedXml),
        }
    }
    xml.finish()?;
    rule.ok_or(MalformedXml)
}

fn parse_rule(xml: &mut XmlReader<'_>) -> Result<ObjectOwnership, MalformedXml> {
    let mut ownership = None;
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "ObjectOwnership" => {
                set_once(&mut ownership, ObjectOwnership::parse(xml.text()?.trim()).ok_or(MalformedXml)?)?;
            }
            _ => return Err(MalformedXml),
        }
    }
    ownership.ok_or(MalformedXml)
}

#[cfg(test)]
mod tests {
    use tandem_policy::ObjectOwnership;

    use super::parse;

    #[test]
    fn there_is_one_rule_of_a_known_kind() {
        let document = |rules: &str| format!("<OwnershipControls>{rules}</OwnershipControls>");
        let rule = |kind: &str| format!("<Rule><ObjectOwnership>{kind}</ObjectOwnership></Rule>");
        let good = document(&rule("ObjectWriter"));
        assert_eq!(parse(good.as_bytes()), Ok(ObjectOwnership::ObjectWriter));
        for bad in [String::new(), rule("Nobody"), rule("ObjectWriter").repeat(2), "<Rule/>".to_owned()] {
            assert!(parse(document(&bad).as_bytes()).is_err(), "{bad}");
        }
    }
}
