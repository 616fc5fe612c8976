use http::StatusCode;
use tandem_storage::change;
use tandem_storage::record::Versioning;

use super::{access, answer};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::operation::PutBucketVersioning;
use crate::s3::request::Authorized;
use crate::s3::response::Response;
use crate::s3::service::Service;
use crate::s3::xml::{MalformedXml, XmlReader, set_once};

const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Once a bucket has had versions it never goes back to none: suspended is as far as it goes.
pub async fn handle(service: &Service, request: Authorized<PutBucketVersioning>) -> Result<Response, S3Error> {
    let (request, payload) = request.into_parts();
    let name = request.bucket_name()?;
    let permit = access::permit(service, name)?;
    let versioning = parse(&payload.collect(DOCUMENT_BYTES_MAX).await?)?;
    let bucket = access::confirmed_bucket(service, &service.store.read()?, &request)?.row.clone();
    if bucket.object_lock && versioning != Versioning::Enabled {
        let message =
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
        return Err(S3Error::new(ErrorCode::InvalidBucketState, message));
    }
    access::commit(service, name, change::SetVersioning { permit, bucket: bucket.guid, versioning }).await?;
    Ok(answer::empty(StatusCode::OK))
}

fn parse(document: &[u8]) -> Result<Versioning, S3Error> {
    let mut xml = XmlReader::open(document, "VersioningConfiguration")?;
    let (mut status, mut mfa_delete) = (None, None);
    while let Some(name) = xml.child()? {
        match name.as_str() {
            "Status" => set_once(&mut status, xml.text()?)?,
            "MfaDelete" => set_once(&mut mfa_delete, xml.text()?)?,
            _ => return Err(MalformedXml.into()),
        }
    }
    xml.finish()?;
    match mfa_delete.as_deref().map(str::trim) {
        None | Some("Disabled") => {}
        Some("Enabled") => {
            return Err(S3Error::new(
                ErrorCode::NotImplemented,
                "MFA delete is not implemented: there are no MFA devices.",
            ));
        }
        Some(_) => return Err(MalformedXml.into()),
    }
    match status.as_deref().map(str::trim) {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        Some(_) => Err(MalformedXml.into()),
        None => {
            let message = "The Versioning element must be specified";
            Err(S3Error::new(ErrorCode::IllegalVersioningConfigurationException, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_two_states_and_refuses_what_is_not_done() {
        let parsed = |inside: &str| {
            let document = format!("<VersioningConfiguration>{inside}</VersioningConfiguration>");
            parse(document.as_bytes()).map_err(|error| error.code)
        };
        assert_eq!(parsed("<Status>Enabled</Status>"), Ok(Versioning::Enabled));
        assert_eq!(parsed("<MfaDelete>Disabled</MfaDelete><Status>Suspended</Status>"), Ok(Versioning::Suspended));
        for (inside, code) in [
            ("", ErrorCode::IllegalVersioningConfigurationException),
            ("<MfaDelete>Disabled</MfaDelete>", ErrorCode::IllegalVersioningConfigurationException),
            ("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>", ErrorCode::NotImplemented),
            ("<Status>Enabled</Status><MfaDelete>Maybe</MfaDelete>", ErrorCode::MalformedXML),
            ("<Status>enabled</Status>", ErrorCode::MalformedXML),
            ("<Status>Unversioned</Status>", ErrorCode::MalformedXML),
            ("<Status/>", ErrorCode::MalformedXML),
            ("<Status>Enabled</Status><Status>Enabled</Status>", ErrorCode::MalformedXML),
            ("<Other/>", ErrorCode::MalformedXML),
        ] {
            assert_eq!(parsed(inside), Err(code), "{inside}");
        }
    }
}
