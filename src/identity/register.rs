//! What authentication reads: the published directory, and the keys and sessions it knows. No look-up asks the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use subtle::ConstantTimeEq;
use tandem_storage::types::Timestamp;
use zeroize::Zeroizing;

use super::credential::{Credential, Standing};
use super::directory::{Directory, KeyCell};
use super::draft::hash_of;
use super::error::IdentityError;
use super::id::Id;
use super::record::ApiToken;
use super::rows;
use super::seal::Sealer;
use super::session::{self, Issued, NewSession, TokenError};
use crate::clock::Clock;

/// Sessions remembered with what they stand for; beyond them a session costs the opening of its token.
const SESSIONS_MAX: usize = 4_096;

/// The administrator's pair, from the settings. It is in no row.
pub struct Administrator {
    pub access_key: String,
    pub secret_key: Zeroizing<String>,
}

/// One directory and what was worked out from it.
pub(super) struct Published {
    pub directory: Directory,
    administrator: Arc<Credential>,
    /// By the hash of the token.
    sessions: Mutex<HashMap<[u8; 32], Arc<Credential>>>,
}

/// Who exists, as of the last change.
pub struct Register {
    pub(super) published: ArcSwap<Published>,
    pub(super) administrator: Administrator,
    pub(super) sealer: Sealer,
}

impl Register {
    pub(super) fn new(directory: Directory, administrator: Administrator, sealer: Sealer) -> Self {
        let published = Published::of(directory, &administrator);
        Register { published: ArcSwap::from_pointee(published), administrator, sealer }
    }

    /// One administrator and nobody else; nothing is stored. For tests of faces.
    pub fn administrator(access_key: String, secret_key: String, clock: &dyn Clock) -> Self {
        let administrator = Administrator { access_key, secret_key: Zeroizing::new(secret_key) };
        let (directory, _) = super::birth::first_directory(clock, Timestamp::default());
        Register::new(directory, administrator, Sealer::ephemeral(clock))
    }

    pub(super) fn publish(&self, directory: Directory) {
        self.published.store(Arc::new(Published::of(directory, &self.administrator)));
    }

    /// Everything that exists, as of one change.
    pub fn directory(&self) -> Snapshot {
        Snapshot(self.published.load_full())
    }

    /// What an access key stands for, enabled or not; none: there is no such key. O(1), without a lock.
    pub fn credential(&self, access_key: &str) -> Option<Arc<Credential>> {
        let published = self.published.load();
        if bool::from(access_key.as_bytes().ct_eq(self.administrator.access_key.as_bytes())) {
            return Some(Arc::clone(&published.administrator));
        }
        let cell = published.directory.keys.get(access_key)?;
        if let Some(known) = cell.resolved.get() {
            return Some(Arc::clone(known));
        }
        let fresh = Arc::new(self.resolve(&published.directory, cell)?);
        Some(Arc::clone(cell.resolved.get_or_init(|| fresh)))
    }

    fn resolve(&self, directory: &Directory, cell: &KeyCell) -> Option<Credential> {
        let row = &cell.row;
        let place = rows::key_place(&row.access_key, &row.owner);
        let opened = match self.sealer.open_sealed(&place, &row.secret) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(access_key = %row.access_key, ?error, "a sealed secret does not open");
                return None;
            }
        };
        let secret = Zeroizing::new(std::str::from_utf8(&opened).ok()?.to_owned());
        let standing = Standing::of_owner(directory, &row.owner)?;
        Some(Credential {
            access_key: row.access_key.clone(),
            secret,
            enabled: row.enabled,
            standing,
            issued: None,
            expires: None,
        })
    }

    /// What temporary credentials stand for.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn session(&self, access_key: &str, token: &str, now: Timestamp) -> Result<Arc<Credential>, TokenError> {
        let published = self.published.load();
        let hash = *blake3::hash(token.as_bytes()).as_bytes();
        let known = published.sessions().get(&hash).cloned();
        let credential = match known {
            Some(known) => known,
            None => {
                let fresh = Arc::new(session::open(&self.sealer, &published.directory, token)?);
                let mut sessions = published.sessions();
                if sessions.len() >= SESSIONS_MAX {
                    sessions.clear();
                }
                sessions.insert(hash, Arc::clone(&fresh));
                fresh
            }
        };
        if !bool::from(credential.access_key.as_bytes().ct_eq(access_key.as_bytes())) {
            return Err(TokenError::Invalid);
        }
        match credential.expires {
            Some(expires) if now < expires => Ok(credential),
            _ => Err(TokenError::Expired),
        }
    }

    /// Makes temporary credentials.
    ///
    /// # Errors
    /// `MalformedPolicyDocument`, `LimitExceeded`.
    pub fn issue(&self, clock: &dyn Clock, new: NewSession) -> Result<Issued, IdentityError> {
        session::issue(&self.sealer, clock, clock.now(), new)
    }

    /// The token of the admin port that a header shows, if it is in force.
    pub fn api_token(&self, text: &str, now: Timestamp) -> Option<Arc<ApiToken>> {
        let (id, secret) = text.split_once('.')?;
        let published = self.published.load();
        let token = published.directory.tokens().find(|token| &*token.id == id)?;
        let good = bool::from(token.hash.ct_eq(&hash_of(secret)));
        let in_force = !token.revoked && token.expires.is_none_or(|expires| now < expires);
        (good && in_force).then(|| Arc::clone(token))
    }

    /// Whether the administrator's key is meant.
    pub fn administrator_key(&self) -> Id {
        self.administrator.access_key.as_str().into()
    }
}

impl Published {
    fn of(directory: Directory, administrator: &Administrator) -> Self {
        let credential = Credential {
            access_key: administrator.access_key.as_str().into(),
            secret: administrator.secret_key.clone(),
            enabled: true,
            standing: Standing::administrator(&directory),
            issued: None,
            expires: None,
        };
        Published { directory, administrator: Arc::new(credential), sessions: Mutex::default() }
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Arc<Credential>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory that stays as it is while it is looked at.
#[derive(Clone)]
pub struct Snapshot(Arc<Published>);

impl std::ops::Deref for Snapshot {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.0.directory
    }
}
