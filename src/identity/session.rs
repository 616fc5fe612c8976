//! Temporary credentials. A session's token holds all there is to know of it, sealed under the node's key file: nothing is
//! stored, and whoever has no key file can make none. What the session may do is worked out from the directory as it is when
//! the token is used, so that a role's change or end reaches its running sessions.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tandem_policy::Attached;
use tandem_policy::key::same_name;
use tandem_storage::record::Record;
use tandem_storage::types::Timestamp;
use zeroize::Zeroizing;

use super::credential::{Credential, Standing, Subject};
use super::directory::Directory;
use super::document::SessionDocument;
use super::error::IdentityError;
use super::id::{AccountId, Id, mint, mint_secret};
use super::limits;
use super::record::{Policy, Role, Tag, User};
use super::seal::{Sealed, Sealer};
use crate::clock::Clock;

/// Where a token's sealed content belongs.
const PLACE: &[u8] = b"session token";
/// The longest token that is looked at, in bytes of base64.
const TOKEN_MAX: usize = limits::SESSION_BYTES * 2;

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionOf {
    Administrator,
    Root(AccountId),
    User(Id),
    Role { id: Id, name: String, source_identity: Option<String> },
}

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub of: SessionOf,
    pub seconds: u32,
    pub tags: Vec<Tag>,
    /// Keys of those tags that go on to further sessions.
    pub transitive: Vec<String>,
    /// An inline session policy, as sent.
    pub policy: Option<String>,
    /// Managed policies of the session's account.
    pub policies: Vec<Id>,
}

/// What a token holds. Its secret is wiped from memory with it.
#[derive(Serialize, Deserialize)]
struct Ticket {
    access_key: Id,
    secret: String,
    issued: Timestamp,
    expires: Timestamp,
    of: SessionOf,
    tags: Vec<Tag>,
    transitive: Vec<String>,
    policy: Option<String>,
    policies: Option<Vec<Id>>,
}

impl Record for Ticket {
    const KIND: &'static str = "session";
    const VERSION: u8 = 1;
}

impl Drop for Ticket {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

/// Credentials as STS hands them out.
pub struct Issued {
    pub access_key: Id,
    pub secret: Zeroizing<String>,
    pub token: String,
    pub expires: Timestamp,
    /// How much of a token's room is used, in per cent.
    pub packed_percent: usize,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not one of this node's, or not of this access key")]
    Invalid,
    #[error("the session has expired")]
    Expired,
}

impl From<&Subject> for Option<SessionOf> {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Administrator => Some(SessionOf::Administrator),
            Subject::Root(account) => Some(SessionOf::Root(*account)),
            Subject::User(id) => Some(SessionOf::User(id.clone())),
            Subject::Role(_) => None,
        }
    }
}

/// # Errors
/// `MalformedPolicyDocument`, `LimitExceeded` (a token would be too long).
pub(super) fn issue(
    sealer: &Sealer,
    clock: &dyn Clock,
    now: Timestamp,
    new: NewSession,
) -> Result<Issued, IdentityError> {
    if let Some(text) = &new.policy {
        SessionDocument::parse(text)?;
    }
    if new.policies.len() > limits::SESSION_POLICY_ARNS || new.tags.len() > limits::TAGS {
        return Err(IdentityError::limit("At most 10 policies and 50 tags may be passed for a session."));
    }
    let narrowed = new.policy.is_some() || !new.policies.is_empty();
    let secret = mint_secret(40, clock);
    let ticket = Ticket {
        access_key: mint("ASIA", 16, clock).into(),
        secret: secret.as_str().to_owned(),
        issued: now,
        expires: now.plus_micros(i64::from(new.seconds) * 1_000_000),
        of: new.of,
        tags: new.tags,
        transitive: new.transitive,
        policy: new.policy,
        policies: narrowed.then_some(new.policies),
    };
    let content = Zeroizing::new(ticket.encode());
    if content.len() > limits::SESSION_BYTES {
        return Err(IdentityError::limit(format!(
            "The packed policies and tags are {} % of what is allowed.",
            content.len() * 100 / limits::SESSION_BYTES
        )));
    }
    let sealed = sealer.seal(PLACE, &content, clock);
    let token = STANDARD.encode(postcard::to_stdvec(&sealed).expect("plain bytes"));
    Ok(Issued {
        access_key: ticket.access_key.clone(),
        secret,
        token,
        expires: ticket.expires,
        packed_percent: content.len() * 100 / limits::SESSION_BYTES,
    })
}

/// A token opened against the directory as it is.
pub(super) fn open(sealer: &Sealer, directory: &Directory, token: &str) -> Result<Credential, TokenError> {
    if token.len() > TOKEN_MAX {
        return Err(TokenError::Invalid);
    }
    let bytes = STANDARD.decode(token).map_err(|_| TokenError::Invalid)?;
    let sealed: Sealed = postcard::from_bytes(&bytes).map_err(|_| TokenError::Invalid)?;
    let content = sealer.open_sealed(PLACE, &sealed).map_err(|_| TokenError::Invalid)?;
    let ticket = Ticket::decode(&content).map_err(|_| TokenError::Invalid)?;
    let standing = standing(directory, &ticket).ok_or(TokenError::Invalid)?;
    Ok(Credential {
        access_key: ticket.access_key.clone(),
        secret: Zeroizing::new(ticket.secret.clone()),
        enabled: true,
        standing,
        issued: Some(ticket.issued),
        expires: Some(ticket.expires),
    })
}

/// None when whose session it is exists no more.
fn standing(directory: &Directory, ticket: &Ticket) -> Option<Standing> {
    let whole = match &ticket.of {
        SessionOf::Administrator => Standing::administrator(directory),
        SessionOf::Root(account) => {
            directory.account(*account)?;
            Standing::root(directory, *account)
        }
        SessionOf::User(id) => Standing::user(directory, directory.get::<User>(id)?),
        SessionOf::Role { id, name, source_identity } => {
            let role = directory.get::<Role>(id)?;
            Standing::role(directory, role, name, &ticket.tags, source_identity.as_deref())
        }
    };
    let session = match &ticket.policies {
        None => None,
        Some(policies) => Some(session_policies(directory, ticket.policy.as_deref(), policies)?),
    };
    let goes_on = |tag: &&Tag| ticket.transitive.iter().any(|key| same_name(key, &tag.key));
    let transitive = ticket.tags.iter().filter(goes_on).cloned().collect();
    Some(Standing { session, transitive, ..whole })
}

/// None when one of them does not parse any more: then nothing may be allowed by it. A managed policy that is gone allows nothing.
fn session_policies(directory: &Directory, inline: Option<&str>, managed: &[Id]) -> Option<Vec<Attached>> {
    let mut held = Vec::with_capacity(1 + managed.len());
    if let Some(text) = inline {
        let document = SessionDocument::parse(text).ok()?;
        held.push(Attached { name: "inline".into(), document: Arc::clone(document.compiled()) });
    }
    let managed = managed.iter().filter_map(|id| directory.get::<Policy>(id)).filter(|policy| policy.enabled);
    for policy in managed {
        let document = Arc::clone(policy.in_force().document.compiled());
        held.push(Attached { name: policy.name.as_str().into(), document });
    }
    Some(held)
}
