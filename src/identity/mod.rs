//! Who exists: for now one administrator. The seam for accounts, users and keys.
//!
//! *Architecture invariant:* secrets never implement `Debug` or `Display`, and are compared in constant time.

/// Known access keys. Lookup is O(1).
pub struct Identities {
    access_key: String,
    secret_key: zeroize::Zeroizing<String>,
}

impl Identities {
    /// One administrator. The caller has refused default and short credentials.
    pub fn administrator(access_key: String, secret_key: String) -> Self {
        Identities { access_key, secret_key: zeroize::Zeroizing::new(secret_key) }
    }

    /// The secret of an enabled key.
    pub fn secret(&self, access_key: &str) -> Option<&str> {
        (access_key == self.access_key).then(|| self.secret_key.as_str())
    }
}
