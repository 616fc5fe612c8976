//! Who asks, and may they. One [`authenticate`] for every way of signing; only its result hands out a body.

mod canonical;
mod claim;
mod scope;
mod signing;
#[cfg(test)]
mod tests;

use http::{HeaderMap, Method};
use tandem_storage::types::Timestamp;

use canonical::{Signed, string_to_sign};
use claim::{Claim, claim};
use scope::{Mechanism, parse_timestamp};
pub use signing::SigningKeys;

use super::error::{ErrorCode, S3Error};
use super::operation::{Effect, Operation, Resource};
use super::payload::{ChunkChain, Payload, PayloadHash, Plan, Source};
use super::request::Principal;
use super::route::Routed;
use super::service::Settings;
use crate::identity::Identities;

/// What claims are judged by.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    pub identities: &'a Identities,
    pub settings: &'a Settings,
    pub keys: &'a SigningKeys,
    pub now: Timestamp,
}

/// A principal whose claim was proved, and how the body is to be proved.
pub struct Authenticated {
    principal: Principal,
    hash: PayloadHash,
    chain: Option<ChunkChain>,
}

impl Authenticated {
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The body, with everything that its headers promise to be proved while it is read.
    ///
    /// # Errors
    /// Whatever the headers alone show to be wrong.
    pub fn into_payload(
        self,
        operation: Operation,
        headers: &HeaderMap,
        source: Source,
    ) -> Result<(Principal, Payload), S3Error> {
        let plan = Plan::of(operation, headers, self.hash)?;
        Ok((self.principal, Payload::new(plan, self.chain, source)))
    }
}

/// # Errors
/// Any flaw of the claim, and `SignatureDoesNotMatch`.
pub fn authenticate(
    method: &Method,
    routed: &Routed,
    headers: &HeaderMap,
    judge: Judge<'_>,
) -> Result<Authenticated, S3Error> {
    let Some(claim) = claim(headers, &routed.query, judge.settings, judge.now)? else {
        return anonymous(routed, headers);
    };
    let hash = PayloadHash::parse(claim.payload)?;
    if claim.mechanism == Mechanism::Query && hash.is_streaming() {
        return Err(S3Error::new(ErrorCode::InvalidRequest, "A presigned request cannot have a chunked body."));
    }
    let secret = judge.identities.secret(claim.credential.access_key);
    // An unknown key costs the same work as a known one, so that time does not tell them apart.
    let day = claim.timestamp.get(..8).and_then(|day| parse_timestamp(&format!("{day}T000000Z"))).unwrap_or_default();
    let key = judge.keys.get(secret.unwrap_or("unknown"), claim.credential.scope, claim.credential.region, day);
    let proved = prove(method, routed, headers, &claim, &key);
    if secret.is_none() {
        let error = S3Error::of(ErrorCode::InvalidAccessKeyId);
        return Err(error.detail("AWSAccessKeyId", claim.credential.access_key));
    }
    proved?;
    // There are no sessions yet, so every token is a foreign one.
    if headers.contains_key("x-amz-security-token") || routed.query.has("X-Amz-Security-Token") {
        return Err(ErrorCode::InvalidToken.into());
    }
    let chain = hash.is_signed_streaming().then(|| {
        let (scope, seed) = (claim.credential.scope.to_owned(), claim.signature.to_owned());
        ChunkChain::new(key, claim.timestamp.clone(), scope, seed)
    });
    let principal = Principal::Administrator { access_key: claim.credential.access_key.to_owned() };
    Ok(Authenticated { principal, hash, chain })
}

fn anonymous(routed: &Routed, headers: &HeaderMap) -> Result<Authenticated, S3Error> {
    let request = |message: &str| Err(S3Error::new(ErrorCode::InvalidRequest, message));
    if routed.query.0.iter().any(|(name, _)| name.starts_with("response-")) {
        return request("Request specific response headers cannot be used for anonymous GET requests.");
    }
    let hash = match headers.get("x-amz-content-sha256") {
        None => PayloadHash::Unsigned,
        Some(value) => PayloadHash::parse(value.to_str().unwrap_or_default())?,
    };
    if hash.is_signed_streaming() {
        return request("A signed chunked body needs a signed request.");
    }
    Ok(Authenticated { principal: Principal::Anonymous, hash, chain: None })
}

/// Checks that everything decisive is signed, and the signature.
fn prove(
    method: &Method,
    routed: &Routed,
    headers: &HeaderMap,
    claim: &Claim<'_>,
    key: &signing::SigningKey,
) -> Result<(), S3Error> {
    let is_signed = |name: &str| claim.signed_headers.split(';').any(|signed| signed == name);
    let mut unsigned = headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| (name.starts_with("x-amz-") || *name == "host") && !is_signed(name));
    if let Some(name) = unsigned.next() {
        let error =
            S3Error::new(ErrorCode::AccessDenied, "There were headers present in the request which were not signed");
        return Err(error.detail("HeadersNotSigned", name));
    }
    if !is_signed("host") {
        return Err(ErrorCode::SignatureDoesNotMatch.into());
    }
    let signed = Signed {
        method: method.as_str(),
        path: &routed.path,
        query: &routed.query,
        headers,
        names: claim.signed_headers,
        payload: claim.payload,
    };
    let canonical = signed.canonical_request()?;
    let text = string_to_sign(&claim.timestamp, claim.credential.scope, &canonical);
    match signing::verify(key, &text, claim.signature) {
        true => Ok(()),
        false => Err(S3Error::of(ErrorCode::SignatureDoesNotMatch)
            .detail("AWSAccessKeyId", claim.credential.access_key)
            .detail("StringToSign", String::from_utf8_lossy(&text))
            .detail("SignatureProvided", claim.signature)
            .detail("CanonicalRequest", String::from_utf8_lossy(&canonical))),
    }
}

/// One thing that a principal must be allowed to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required<'a> {
    pub action: &'static str,
    pub resource: Resource,
    pub bucket: Option<&'a str>,
    pub key: Option<&'a str>,
}

/// Everything a request needs. Copies also read their source; their handlers name it once it is parsed.
pub fn required(routed: &Routed) -> Vec<Required<'_>> {
    let operation = routed.operation;
    let mut all = vec![Required {
        action: operation.action(),
        resource: operation.resource(),
        bucket: routed.bucket.as_deref(),
        key: routed.key.as_deref(),
    }];
    if matches!(operation, Operation::CopyObject | Operation::UploadPartCopy) {
        all.push(Required { action: "s3:GetObject", resource: Resource::Object, bucket: None, key: None });
    }
    all
}

/// The decision: for now an administrator may do everything, and nobody else anything.
///
/// # Errors
/// `AccessDenied`.
pub fn authorize(principal: &Principal, required: &[Required<'_>]) -> Result<(), S3Error> {
    match principal {
        Principal::Administrator { .. } => Ok(()),
        Principal::Anonymous => {
            tracing::debug!(?required, "refused an anonymous request");
            Err(ErrorCode::AccessDenied.into())
        }
    }
}

/// Whether the role gate must be asked.
pub fn writes(operation: Operation) -> bool {
    operation.effect() == Effect::Write
}
