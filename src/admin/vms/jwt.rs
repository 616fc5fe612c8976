//! Bearer tokens: JSON Web Tokens of a user and an expiry, signed with HMAC-SHA256. Nothing is stored.

use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tandem_storage::types::Timestamp;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::config::credentials::PasswordHash;
use crate::files::{Readers, read_secret_file, write_private};

/// Seconds.
pub const ACCESS_LIFE: i64 = 15 * 60;
pub const REFRESH_LIFE: i64 = 12 * 60 * 60;

const KEY_BYTES: usize = 32;
const TOKEN_BYTES_MAX: usize = 2048;
/// `{"alg":"HS256","typ":"JWT"}`: the only header that is written, and the only one that is read.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Opens every call.
    Access,
    /// Only gives another access token.
    Refresh,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    token_type: TokenType,
    exp: i64,
    iat: i64,
    jti: String,
    username: String,
}

/// Makes and checks tokens.
#[derive(Clone)]
pub struct Signer(hmac::Key);

impl Signer {
    /// Tokens of one password do not outlive it: the key is derived from both.
    pub fn new(key: &[u8], password: &PasswordHash) -> Self {
        let file = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derived = hmac::sign(&file, password.as_bytes());
        Signer(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// With the key that `file` holds; makes one at the first start.
    pub fn open(file: &Path, password: &PasswordHash, clock: &dyn Clock) -> std::io::Result<Self> {
        let key = match read_secret_file(file, Readers::Owner) {
            Ok(key) if key.len() == KEY_BYTES => key,
            Ok(_) => {
                return Err(std::io::Error::other(format!(
                    "it is not {KEY_BYTES} bytes long; remove it for a new one"
                )));
            }
            Err(error) if error.is_absent() => {
                let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
                clock.fill_random(&mut key);
                write_private(file, &key)?;
                key
            }
            Err(error) => return Err(std::io::Error::other(error)),
        };
        Ok(Self::new(&key, password))
    }

    pub fn issue(&self, token_type: TokenType, user: &str, clock: &dyn Clock) -> String {
        let now = clock.now().as_secs();
        let life = match token_type {
            TokenType::Access => ACCESS_LIFE,
            TokenType::Refresh => REFRESH_LIFE,
        };
        let jti = hex::encode(crate::clock::random_guid(clock));
        let claims = Claims { token_type, exp: now + life, iat: now, jti, username: user.to_owned() };
        let claims = serde_json::to_vec(&claims).expect("text and numbers encode");
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// The user of a token of this type that is signed here and has not expired.
    pub fn verify(&self, token_type: TokenType, token: &str, now: Timestamp) -> Option<String> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.0, signed.as_bytes(), &signature).ok()?;
        if header != HEADER {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let live = claims.token_type == token_type && claims.iat <= now.as_secs() + 60 && now.as_secs() < claims.exp;
        live.then_some(claims.username)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn signer(password: &str) -> Signer {
        Signer::new(&[7; KEY_BYTES], &PasswordHash::of(password))
    }

    #[test]
    fn a_token_opens_until_it_expires_and_for_its_own_use_only() {
        let (signer, clock) = (signer("a password"), SystemClock::new());
        let token = signer.issue(TokenType::Access, "admin", &clock);
        let now = clock.now();
        let at = |seconds: i64| signer.verify(TokenType::Access, &token, now.plus_micros(seconds * 1_000_000));
        assert_eq!(at(0).as_deref(), Some("admin"));
        assert_eq!(at(ACCESS_LIFE - 2).as_deref(), Some("admin"));
        assert_eq!(at(ACCESS_LIFE + 1), None);
        assert_eq!(at(-3600), None);
        assert_eq!(signer.verify(TokenType::Refresh, &token, now), None);
    }

    #[test]
    fn forged_tokens_and_those_of_an_old_password_are_refused() {
        let clock = SystemClock::new();
        let token = signer("a password").issue(TokenType::Access, "admin", &clock);
        assert_eq!(signer("another").verify(TokenType::Access, &token, clock.now()), None);
        let here = signer("a password");
        let (head, signature) = token.rsplit_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let claims = head.split_once('.').unwrap().1;
        for forged in [
            String::new(),
            "a.b.c".into(),
            format!("{head}."),
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{signature}"),
            format!("{head}x.{signature}"),
            "a".repeat(10_000),
        ] {
            assert_eq!(here.verify(TokenType::Access, &forged, clock.now()), None, "{forged}");
        }
    }

    #[test]
    fn the_key_is_kept_and_a_damaged_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (file, clock, password) = (dir.path().join("key"), SystemClock::new(), PasswordHash::of("a password"));
        let token = Signer::open(&file, &password, &clock).unwrap().issue(TokenType::Refresh, "admin", &clock);
        let again = Signer::open(&file, &password, &clock).unwrap();
        assert_eq!(again.verify(TokenType::Refresh, &token, clock.now()).as_deref(), Some("admin"));
        std::fs::write(&file, b"short").unwrap();
        assert!(Signer::open(&file, &password, &clock).is_err());
    }
}
