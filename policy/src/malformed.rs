/// A policy that is not one. The message names the fault in the words that AWS's clients know; the server answers it as
/// `MalformedPolicy` (S3) or `MalformedPolicyDocument` (IAM).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    pub(crate) fn new(message: impl Into<String>) -> Malformed {
        Malformed(message.into())
    }

    pub(crate) fn missing(field: &str) -> Malformed {
        Malformed(format!("Missing required field {field}"))
    }

    pub fn message(&self) -> &str {
        &self.0
    }
}
