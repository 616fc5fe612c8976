use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use tandem_storage::types::Timestamp;
use zeroize::Zeroizing;

use super::{Draft, within};
use crate::identity::error::IdentityError;
use crate::identity::id::{check_local_name, mint, mint_secret};
use crate::identity::limits;
use crate::identity::record::ApiToken;
use crate::identity::rows;

/// A token that was just made: the only time that it is shown.
pub struct NewToken {
    pub token: Arc<ApiToken>,
    /// `ID.SECRET`, as it goes into a header.
    pub text: Zeroizing<String>,
}

pub(in crate::identity) fn hash_of(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    hash
}

impl Draft<'_> {
    /// # Errors
    /// `InvalidInput`, `LimitExceeded`.
    pub fn create_token(
        &mut self,
        name: &str,
        owner: &str,
        expires: Option<Timestamp>,
    ) -> Result<NewToken, IdentityError> {
        check_local_name("token name", name)?;
        check_local_name("token owner", owner)?;
        within(self.directory.tokens.len() + 1, limits::TOKENS, "ApiTokens")?;
        // Letters and digits only: the secret goes into headers and files.
        let secret = Zeroizing::new(mint_secret(44, self.clock).replace(['+', '/'], "x"));
        let id = mint("", 16, self.clock);
        let text = Zeroizing::new(format!("{id}.{}", secret.as_str()));
        let token = ApiToken {
            number: self.number(),
            id: id.into(),
            name: name.into(),
            owner: owner.into(),
            created: self.now,
            expires,
            revoked: false,
            hash: hash_of(&secret),
        };
        Ok(NewToken { token: self.put_token(token), text })
    }

    /// Renames a token, or changes when it expires; what is not given stays.
    ///
    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`.
    pub fn change_token(
        &mut self,
        number: u64,
        name: Option<&str>,
        expires: Option<Option<Timestamp>>,
    ) -> Result<Arc<ApiToken>, IdentityError> {
        let known = self.token(number).ok_or_else(|| IdentityError::missing("token", number.to_string()))?;
        let mut token = ApiToken::clone(known);
        if let Some(name) = name {
            check_local_name("token name", name)?;
            token.name = name.into();
        }
        if let Some(expires) = expires {
            token.expires = expires;
        }
        Ok(self.put_token(token))
    }

    /// A revoked token stays listed, and opens nothing.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn revoke_token(&mut self, number: u64) -> Result<Arc<ApiToken>, IdentityError> {
        let known = self.token(number).ok_or_else(|| IdentityError::missing("token", number.to_string()))?;
        let token = ApiToken { revoked: true, ..ApiToken::clone(known) };
        Ok(self.put_token(token))
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn delete_token(&mut self, number: u64) -> Result<(), IdentityError> {
        self.token(number).ok_or_else(|| IdentityError::missing("token", number.to_string()))?;
        self.directory.tokens.remove(&number);
        self.write::<ApiToken>(rows::token(number), None);
        Ok(())
    }

    fn put_token(&mut self, token: ApiToken) -> Arc<ApiToken> {
        let token = Arc::new(token);
        self.write(rows::token(token.number), Some(&*token));
        self.directory.tokens.insert(token.number, Arc::clone(&token));
        token
    }
}
