//! Signing keys, and the comparison of signatures.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use subtle::ConstantTimeEq;
use tandem_storage::types::Timestamp;
use zeroize::Zeroizing;

/// More than a day's keys of all regions in use; a flood of others only costs their own derivation.
const ENTRIES_MAX: usize = 64;

pub type SigningKey = Zeroizing<[u8; 32]>;

struct Entry {
    secret: Zeroizing<String>,
    /// `20130524/us-east-1/s3/aws4_request`
    scope: String,
    key: SigningKey,
}

/// Derived keys, remembered: deriving one costs as much as four signatures.
#[derive(Default)]
pub struct SigningKeys(RwLock<Vec<Entry>>);

impl SigningKeys {
    /// The key of a secret for a scope, which begins on `day`.
    pub fn get(&self, secret: &str, scope: &str, region: &str, day: Timestamp) -> SigningKey {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let known =
            |entry: &&Entry| entry.scope == scope && bool::from(entry.secret.as_bytes().ct_eq(secret.as_bytes()));
        if let Some(entry) = entries.iter().find(known) {
            return entry.key.clone();
        }
        drop(entries);
        let key = derive(secret, region, day);
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= ENTRIES_MAX {
            entries.remove(0);
        }
        entries.push(Entry { secret: Zeroizing::new(secret.to_owned()), scope: scope.to_owned(), key: key.clone() });
        key
    }
}

fn derive(secret: &str, region: &str, day: Timestamp) -> SigningKey {
    let since_epoch = Duration::from_secs(u64::try_from(day.as_secs()).unwrap_or_default());
    let derived = generate_signing_key(secret, UNIX_EPOCH + since_epoch, region, "s3");
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(derived.as_ref());
    key
}

/// Whether `signature` (hexadecimal) is that of `text`, in constant time.
pub fn verify(key: &SigningKey, text: &[u8], signature: &str) -> bool {
    calculate_signature(key.as_slice(), text).as_bytes().ct_eq(signature.as_bytes()).into()
}
