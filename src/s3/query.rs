//! The way of IAM's and STS's forms through the S3 port: recognised, proved, read; what they ask is answered elsewhere.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, Method, Response, Uri};
use tandem_storage::types::Timestamp;

use super::auth::{self, Judge};
use super::error::{ErrorCode, S3Error};
use super::payload::{Document, Holder, Source};
use super::request::RequestId;
use super::service::Service;
use crate::identity::Credential;

/// The longest form, in bytes: the largest policy, encoded, with room.
const FORM_BYTES_MAX: usize = 128 * 1024;

/// A form whose sender is proved.
pub struct Form {
    /// Of which service the signature is: `iam` or `sts`.
    pub service: String,
    pub caller: Arc<Credential>,
    pub body: Document,
    pub id: RequestId,
    pub received: Timestamp,
    pub client: IpAddr,
    pub secure: bool,
    pub user_agent: Option<String>,
}

/// Who answers forms.
pub trait QueryFace: Send + Sync + 'static {
    fn answer(&self, form: Form) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + '_>>;

    /// The answer to a form that did not get that far.
    fn refuse(&self, refused: Refused<'_>) -> Response<Bytes>;
}

/// A form whose sender is not proved.
pub struct Refused<'a> {
    /// What its sender claims.
    pub service: &'a str,
    pub access_key: Option<&'a str>,
    pub error: &'a S3Error,
    pub id: &'a RequestId,
    pub client: IpAddr,
}

/// A request as the connection has it.
pub struct Posted<'a> {
    pub headers: &'a HeaderMap,
    pub source: Source,
    pub id: RequestId,
    pub client: IpAddr,
    pub secure: bool,
}

/// Nothing of S3 is posted to the root.
pub fn is_form(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let content = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = content.split(';').next().unwrap_or_default().trim();
    let root = uri.path() == "/" && uri.query().is_none_or(str::is_empty);
    *method == Method::POST && root && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

pub async fn handle(service: &Service, face: &dyn QueryFace, posted: Posted<'_>) -> Response<Bytes> {
    let mut claimed = Claimant::default();
    let (id, client) = (posted.id.clone(), posted.client);
    match prove(service, posted, &mut claimed).await {
        Ok(form) => face.answer(form).await,
        Err(error) => {
            let access_key = Some(claimed.access_key.as_str()).filter(|key| !key.is_empty());
            let mut response =
                face.refuse(Refused { service: &claimed.service, access_key, error: &error, id: &id, client });
            if error.close {
                response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
            }
            response
        }
    }
}

/// What a claim says before it is proved; empty: nothing yet.
#[derive(Default)]
struct Claimant {
    service: String,
    access_key: String,
}

async fn prove(service: &Service, posted: Posted<'_>, claimed: &mut Claimant) -> Result<Form, S3Error> {
    let Posted { headers, source, id, client, secure } = posted;
    let received = service.clock.now();
    let judge = Judge {
        identities: &service.identities,
        settings: &service.settings,
        keys: &service.signing_keys,
        now: received,
    };
    let claim = auth::claim_form(headers, judge)?;
    // Unsigned forms are of operations that this server does not have.
    let claim =
        claim.ok_or_else(|| S3Error::new(ErrorCode::AccessDenied, "Request is missing Authentication Token"))?;
    claim.service().clone_into(&mut claimed.service);
    claim.access_key().clone_into(&mut claimed.access_key);
    // So that nobody in particular takes the room of those who have a key.
    let source = match claim.is_known() {
        true => source.kept_for(&service.documents, Holder::Claimed(claim.access_key().to_owned())),
        false => source.kept_for(&service.documents, Holder::at(client)),
    };
    let body = read(headers, source).await?;
    let caller = auth::prove_form(claim, &body, judge)?;
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Form { service: claimed.service.clone(), caller, body, id, received, client, secure, user_agent })
}

/// Read before its sender is proved, because the signature covers it.
async fn read(headers: &HeaderMap, mut source: Source) -> Result<Document, S3Error> {
    let too_long = || S3Error::of(ErrorCode::MaxMessageLengthExceeded).closing();
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    if declared.is_some_and(|length: u64| length > FORM_BYTES_MAX as u64) {
        return Err(too_long());
    }
    let mut place = source.place();
    let mut whole = BytesMut::new();
    while let Some(bytes) = source.next().await? {
        let length = whole.len() + bytes.len();
        if length > FORM_BYTES_MAX {
            return Err(too_long());
        }
        let room = if length > whole.capacity() { length.max(2 * whole.capacity()) } else { whole.capacity() };
        place.as_mut().map_or(Ok(()), |place| place.hold(room))?;
        whole.extend_from_slice(&bytes);
    }
    Ok(Document::new(whole.freeze(), place))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Uri};

    use super::is_form;

    #[test]
    fn only_a_form_posted_to_the_root_is_one() {
        let is = |method: Method, uri: &'static str, kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static(kind));
            is_form(&method, &Uri::from_static(uri), &headers)
        };
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        assert!(is(Method::POST, "/", form));
        assert!(!is(Method::PUT, "/", form) && !is(Method::POST, "/b", form) && !is(Method::POST, "/?delete", form));
        assert!(!is(Method::POST, "/", "multipart/form-data") && !is(Method::POST, "/", ""));
    }
}
