use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Draft, within};
use crate::identity::directory::KeyCell;
use crate::identity::error::IdentityError;
use crate::identity::id::{AccountId, Id, mint, mint_secret};
use crate::identity::limits;
use crate::identity::record::{AccessKey, KeyOwner, User};
use crate::identity::rows;

/// A key that was just made: the only time that its secret is shown.
pub struct NewKey {
    pub key: Arc<AccessKey>,
    pub secret: Zeroizing<String>,
}

const SECRET_MIN: usize = 16;
const SECRET_MAX: usize = 128;

impl Draft<'_> {
    /// Makes a pair.
    ///
    /// # Errors
    /// `NoSuchEntity` (the owner), `LimitExceeded`.
    pub fn create_key(&mut self, owner: KeyOwner) -> Result<NewKey, IdentityError> {
        let access_key = mint("AKIA", 16, self.clock);
        let secret = mint_secret(40, self.clock);
        let key = self.add_key(owner, access_key.into(), &secret)?;
        Ok(NewKey { key, secret })
    }

    /// Takes a known pair, as the other node has it. The same pair for the same owner again changes nothing.
    ///
    /// # Errors
    /// `InvalidInput` (shape, or a secret that is too short), `EntityAlreadyExists`, `NoSuchEntity`, `LimitExceeded`.
    pub fn provide_key(
        &mut self,
        owner: KeyOwner,
        access_key: &str,
        secret: &Zeroizing<String>,
    ) -> Result<Arc<AccessKey>, IdentityError> {
        let plain = access_key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !(3..=128).contains(&access_key.len()) || !plain || access_key.starts_with("ASIA") {
            return Err(IdentityError::invalid(
                "An access key has 3 to 128 letters, digits, dots, hyphens and underscores, and does not begin with ASIA.",
            ));
        }
        let graphic = secret.bytes().all(|byte| byte.is_ascii_graphic());
        if !(SECRET_MIN..=SECRET_MAX).contains(&secret.len()) || !graphic || secret.as_str() == access_key {
            return Err(IdentityError::invalid(
                "A secret key has 16 to 128 printable characters without spaces, and differs from the access key.",
            ));
        }
        if let Some(known) = self.key(access_key).cloned() {
            let place = rows::key_place(&known.access_key, &known.owner);
            let same = self.sealer.open_sealed(&place, &known.secret).is_ok_and(|open| open[..] == *secret.as_bytes());
            return match same && known.owner == owner {
                true => Ok(known),
                false => Err(IdentityError::exists("Access key", access_key)),
            };
        }
        self.add_key(owner, access_key.into(), secret)
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn set_key_enabled(&mut self, access_key: &str, enabled: bool) -> Result<(), IdentityError> {
        let known = self.key(access_key).ok_or_else(|| IdentityError::missing("Access Key", access_key))?;
        let key = AccessKey { enabled, ..AccessKey::clone(known) };
        self.put_key(key);
        Ok(())
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn delete_key(&mut self, access_key: &str) -> Result<(), IdentityError> {
        let known = self.key(access_key).ok_or_else(|| IdentityError::missing("Access Key", access_key))?;
        let (access_key, owner) = (known.access_key.clone(), known.owner.clone());
        self.directory.keys.remove(&access_key);
        self.write::<AccessKey>(rows::key(&access_key), None);
        self.directory.owned.remove(&(owner, access_key));
        Ok(())
    }

    pub(super) fn delete_keys(&mut self, owner: &KeyOwner) {
        let keys: Vec<Id> = self.keys_of(owner).map(|key| key.access_key.clone()).collect();
        for access_key in keys {
            // It was listed a moment ago.
            let _ = self.delete_key(&access_key);
        }
    }

    fn add_key(
        &mut self,
        owner: KeyOwner,
        access_key: Id,
        secret: &Zeroizing<String>,
    ) -> Result<Arc<AccessKey>, IdentityError> {
        if self.key(&access_key).is_some() || *access_key == *self.reserved {
            return Err(IdentityError::exists("Access key", &*access_key));
        }
        let account = self.owning_account(&owner)?;
        within(self.keys_of(&owner).count() + 1, limits::KEYS_PER_OWNER, "AccessKeysPerUser")?;
        let place = rows::key_place(&access_key, &owner);
        let secret = self.sealer.seal(&place, secret.as_bytes(), self.clock);
        Ok(self.put_key(AccessKey { access_key, owner, account, created: self.now, enabled: true, secret }))
    }

    fn put_key(&mut self, key: AccessKey) -> Arc<AccessKey> {
        let key = Arc::new(key);
        self.write(rows::key(&key.access_key), Some(&*key));
        self.directory.owned.insert((key.owner.clone(), key.access_key.clone()));
        self.directory.keys.insert(key.access_key.clone(), KeyCell::of(Arc::clone(&key)));
        key
    }

    fn owning_account(&self, owner: &KeyOwner) -> Result<AccountId, IdentityError> {
        match owner {
            KeyOwner::Root(account) => self.existing_account(*account).map(|()| *account),
            KeyOwner::User(id) => {
                self.get::<User>(id).map(|user| user.account).ok_or_else(|| IdentityError::missing("user", &**id))
            }
        }
    }
}
