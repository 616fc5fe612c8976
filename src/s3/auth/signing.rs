//! Signing keys, and the comparison of signatures.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use subtle::ConstantTimeEq;
use tandem_storage::types::Timestamp;
use zeroize::Zeroizing;

use super::scope::Credential;

/// More than a day's keys of most nodes; beyond them they are derived anew.
const ENTRIES_MAX: usize = 4_096;

pub type SigningKey = Zeroizing<[u8; 32]>;

struct Entry {
    secret: Zeroizing<String>,
    key: SigningKey,
}

/// Derived keys, remembered: deriving one costs as much as four signatures. A revoked key's stay without use: whoever asks
/// here has looked up the secret first, and with another secret nothing is found.
#[derive(Clone, Default)]
pub struct SigningKeys(Arc<RwLock<HashMap<String, Entry>>>);

impl SigningKeys {
    /// The key of a secret for a scope, which begins on `day`. Unknown access keys share one entry for each scope.
    pub fn get(&self, secret: Option<&str>, claimed: &Credential<'_>, day: Timestamp) -> SigningKey {
        let name = format!("{} {}", secret.map_or("", |_| claimed.access_key), claimed.scope);
        let secret = secret.unwrap_or("unknown");
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known = entries.get(&name).filter(|entry| entry.secret.as_bytes().ct_eq(secret.as_bytes()).into());
        if let Some(entry) = known {
            return entry.key.clone();
        }
        drop(entries);
        let key = derive(secret, claimed.region, claimed.service, day);
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(name, Entry { secret: Zeroizing::new(secret.to_owned()), key: key.clone() });
        key
    }
}

fn derive(secret: &str, region: &str, service: &str, day: Timestamp) -> SigningKey {
    let since_epoch = Duration::from_secs(u64::try_from(day.as_secs()).unwrap_or_default());
    let derived = generate_signing_key(secret, UNIX_EPOCH + since_epoch, region, service);
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(derived.as_ref());
    key
}

/// Whether `signature` (hexadecimal) is that of `text`, in constant time.
pub fn verify(key: &SigningKey, text: &[u8], signature: &str) -> bool {
    calculate_signature(key.as_slice(), text).as_bytes().ct_eq(signature.as_bytes()).into()
}
