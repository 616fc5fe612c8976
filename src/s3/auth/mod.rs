//! Who asks, and may they. One [`authenticate`] for every way of signing; only its result hands out a body.

mod canonical;
mod claim;
mod form;
mod scope;
mod signing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderMap, Method};
use tandem_storage::types::Timestamp;

use canonical::{Signed, string_to_sign};
use claim::{Claim, claim};
pub use form::{Claimed, claim_form, prove_form};
use scope::{Face, Mechanism, parse_timestamp};
pub use signing::SigningKeys;

use super::error::{ErrorCode, S3Error};
use super::operation::{Effect, Operation};
use super::payload::{ChunkChain, Payload, PayloadHash, Plan, Source};
use super::request::{Principal, Query, Signed as How};
use super::route::Routed;
use super::service::Settings;
use crate::identity::{Credential as Known, Register, TokenError};

/// What claims are judged by.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    pub identities: &'a Register,
    pub settings: &'a Settings,
    pub keys: &'a SigningKeys,
    pub now: Timestamp,
}

/// A principal whose claim was proved, and how the body is to be proved.
pub struct Authenticated {
    principal: Principal,
    signed: How,
    hash: PayloadHash,
    chain: Option<ChunkChain>,
}

impl Authenticated {
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// By which means, and when.
    pub fn signed(&self) -> How {
        self.signed
    }

    /// Says in `headers` what a presigned URL says of its body, so that policies ask of it as of any other request.
    pub fn tell_payload(&self, headers: &mut HeaderMap) {
        if let (How::Query(_), Some(text)) = (self.signed, self.hash.text()) {
            headers.insert("x-amz-content-sha256", text);
        }
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
    let Some(claim) = claim(headers, &routed.query, Face::S3, judge.settings, judge.now)? else {
        return anonymous(routed, headers);
    };
    let hash = PayloadHash::parse(claim.payload)?;
    if claim.mechanism == Mechanism::Query && hash.is_streaming() {
        return Err(S3Error::new(ErrorCode::InvalidRequest, "A presigned request cannot have a chunked body."));
    }
    check_signed(headers, claim.signed_headers)?;
    let found = find(&claim, token(headers, &routed.query, claim.mechanism)?, judge);
    let key = signing_key(&claim, found.as_deref().ok(), judge);
    let signed = Signed {
        method: method.as_str(),
        path: &routed.path,
        query: &routed.query,
        headers,
        names: claim.signed_headers,
        payload: claim.payload,
    };
    let proved = prove(&signed, &claim, &key);
    let credential = found?;
    proved?;
    let chain = hash.is_signed_streaming().then(|| {
        let (scope, seed) = (claim.credential.scope.to_owned(), claim.signature.to_owned());
        ChunkChain::new(key, claim.timestamp.clone(), scope, seed)
    });
    let at = parse_timestamp(&claim.timestamp).unwrap_or_default();
    let signed = match claim.mechanism {
        Mechanism::Header => How::Header(at),
        Mechanism::Query => How::Query(at),
    };
    Ok(Authenticated { principal: Principal::Known(credential), signed, hash, chain })
}

/// The session token that goes with a claim, from the same place as the claim.
fn token<'a>(headers: &'a HeaderMap, query: &'a Query, mechanism: Mechanism) -> Result<Option<&'a str>, S3Error> {
    let by_header = headers.get("x-amz-security-token");
    let by_query = query.get("X-Amz-Security-Token");
    match (mechanism, by_header, by_query) {
        (Mechanism::Header, Some(token), None) => token.to_str().map(Some).map_err(|_| ErrorCode::InvalidToken.into()),
        (Mechanism::Header, None, None) => Ok(None),
        (Mechanism::Query, None, token) => Ok(token),
        _ => Err(ErrorCode::InvalidToken.into()),
    }
}

/// What the claimed key stands for. A key that is not enabled is answered as one that does not exist, as AWS does.
fn find(claim: &Claim<'_>, token: Option<&str>, judge: Judge<'_>) -> Result<Arc<Known>, S3Error> {
    let access_key = claim.credential.access_key;
    match token {
        None => match judge.identities.credential(access_key).filter(|known| known.enabled) {
            Some(known) => Ok(known),
            None => Err(S3Error::of(ErrorCode::InvalidAccessKeyId).detail("AWSAccessKeyId", access_key)),
        },
        Some(token) => judge.identities.session(access_key, token, judge.now).map_err(|error| match error {
            TokenError::Invalid => ErrorCode::InvalidToken.into(),
            TokenError::Expired => ErrorCode::ExpiredToken.into(),
        }),
    }
}

/// An unknown key costs the same work as a known one, so that time does not tell them apart.
fn signing_key(claim: &Claim<'_>, known: Option<&Known>, judge: Judge<'_>) -> signing::SigningKey {
    let day = claim.timestamp.get(..8).and_then(|day| parse_timestamp(&format!("{day}T000000Z"))).unwrap_or_default();
    judge.keys.get(known.map(|known| known.secret().as_str()), &claim.credential, day)
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
    Ok(Authenticated { principal: Principal::Anonymous, signed: How::Not, hash, chain: None })
}

/// Checks that everything decisive is signed: what is not is not looked at, a session token among it.
fn check_signed(headers: &HeaderMap, signed_headers: &str) -> Result<(), S3Error> {
    let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
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
    Ok(())
}

fn prove(signed: &Signed<'_>, claim: &Claim<'_>, key: &signing::SigningKey) -> Result<(), S3Error> {
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

/// Whether the role gate must be asked.
pub fn writes(operation: Operation) -> bool {
    operation.effect() == Effect::Write
}
