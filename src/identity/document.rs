//! Policies as they are stored: the text as it was sent, and what it compiles to. One without the other does not exist.

use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tandem_policy::{Document, Kind};

use super::error::IdentityError;
use super::limits;

macro_rules! documents {
    ($($(#[$comment:meta])* $name:ident $kind:expr, $limit:expr;)*) => {
        $($(#[$comment])*
        #[derive(Clone)]
        pub struct $name {
            text: Arc<str>,
            compiled: Arc<Document>,
        }

        impl $name {
            /// # Errors
            /// `LimitExceeded`, `MalformedPolicyDocument`.
            pub fn parse(text: &str) -> Result<Self, IdentityError> {
                if text.len() > $limit {
                    return Err(IdentityError::limit(format!("Cannot exceed quota for PolicySize: {}", $limit)));
                }
                let compiled = Document::parse(text.as_bytes(), $kind)
                    .map_err(|malformed| IdentityError::MalformedPolicyDocument(malformed.to_string()))?;
                Ok($name { text: text.into(), compiled: Arc::new(compiled) })
            }

            pub fn text(&self) -> &str {
                &self.text
            }

            pub fn compiled(&self) -> &Arc<Document> {
                &self.compiled
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
