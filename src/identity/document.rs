//! Policies as they are stored: the text as it was sent, and what it compiles to. A text that does not compile does not exist. It is
//! compiled at its first use, and kept so: versions that are not in force, and policies that nobody has, cost their text.

use std::sync::{Arc, OnceLock};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tandem_policy::{Document, Kind, Malformed};

use super::error::IdentityError;
use super::limits;

macro_rules! documents {
    ($($(#[$comment:meta])* $name:ident $kind:expr, $limit:expr;)*) => {
        $($(#[$comment])*
        #[derive(Clone)]
        pub struct $name {
            text: Arc<str>,
            /// Shared by clones.
            compiled: Arc<OnceLock<Arc<Document>>>,
        }

        impl $name {
            /// As it is stored.
            ///
            /// # Errors
            /// `LimitExceeded`, `MalformedPolicyDocument`.
            pub fn parse(text: &str) -> Result<Self, IdentityError> {
                Self::read(text, Document::parse)
            }

            /// As somebody sends it; see [`Document::accept`].
            ///
            /// # Errors
            /// `LimitExceeded`, `MalformedPolicyDocument`.
            pub fn accept(text: &str) -> Result<Self, IdentityError> {
                Self::read(text, Document::accept)
            }

            fn read(
                text: &str,
                read: fn(&[u8], Kind<'_>) -> Result<Document, Malformed>,
            ) -> Result<Self, IdentityError> {
                if text.len() > $limit {
                    return Err(IdentityError::limit(format!("Cannot exceed quota for PolicySize: {}", $limit)));
                }
                let malformed = |fault: Malformed| IdentityError::MalformedPolicyDocument(fault.to_string());
                read(text.as_bytes(), $kind).map_err(malformed)?;
                Ok($name { text: text.into(), compiled: Arc::default() })
            }

            pub fn text(&self) -> &str {
                &self.text
            }

            #[cfg(test)]
            pub fn is_compiled(&self) -> bool {
                self.compiled.get().is_some()
            }

            pub fn compiled(&self) -> &Arc<Document> {
                let compile = || Document::parse(self.text.as_bytes(), $kind).expect("it was compiled when it was made");
                self.compiled.get_or_init(|| Arc::new(compile()))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.text == other.text
            }
        }

        impl Eq for $name {}

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                $name::parse(&text).map_err(D::Error::custom)
            }
        })*
    };
}

documents! {
    /// What a user, a group or a role may do.
    IdentityDocument Kind::Identity, limits::DOCUMENT_BYTES;
    /// Who may become a role.
    TrustDocument Kind::Trust, limits::TRUST_BYTES;
    /// What a session may do of what its principal may.
    SessionDocument Kind::Session, limits::SESSION_POLICY_BYTES;
}
