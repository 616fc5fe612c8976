//! Forms of IAM and STS, posted to the root: the same signatures, over the body's hash.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;

use super::canonical::Signed;
use super::claim::{Claim, claim};
use super::scope::{Face, Mechanism};
use super::{Judge, Known, check_signed, find, prove, signing_key, token};
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::request::Query;

/// A claim about a form whose body has not been read yet.
pub struct Claimed<'a> {
    claim: Claim<'a>,
    headers: &'a HeaderMap,
    found: Result<Arc<Known>, S3Error>,
}

/// Nothing but the path and the body says what is asked.
const NO_QUERY: &Query = &Query(Vec::new());

impl Claimed<'_> {
    /// `iam` or `sts`.
    pub fn service(&self) -> &str {
        self.claim.credential.service
    }

    /// Whether there is such a key.
    pub fn is_known(&self) -> bool {
        self.found.is_ok()
    }

    pub fn access_key(&self) -> &str {
        self.claim.credential.access_key
    }
}

/// None: the request is not signed.
///
/// # Errors
/// Any flaw of the claim. A key that is unknown is told of with the signature's flaws, after the same work.
pub fn claim_form<'a>(headers: &'a HeaderMap, judge: Judge<'_>) -> Result<Option<Claimed<'a>>, S3Error> {
    let Some(claim) = claim(headers, NO_QUERY, Face::Query, judge.settings, judge.now)? else { return Ok(None) };
    check_signed(headers, claim.signed_headers)?;
    let found = find(&claim, token(headers, NO_QUERY, Mechanism::Header)?, judge);
    Ok(Some(Claimed { claim, headers, found }))
}

/// # Errors
/// `SignatureDoesNotMatch`, and what was wrong with the key.
pub fn prove_form(claimed: Claimed<'_>, body: &[u8], judge: Judge<'_>) -> Result<Arc<Known>, S3Error> {
    let Claimed { claim, headers, found } = claimed;
    let key = signing_key(&claim, found.as_deref().ok(), judge);
    let hash = hex::encode(digest(&SHA256, body));
    if !claim.payload.is_empty() && claim.payload != hash {
        return Err(ErrorCode::SignatureDoesNotMatch.into());
    }
    let signed =
        Signed { method: "POST", path: "/", query: NO_QUERY, headers, names: claim.signed_headers, payload: &hash };
    let proved = prove(&signed, &claim, &key);
    let credential = found?;
    proved?;
    Ok(credential)
}
