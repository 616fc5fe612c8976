use std::path::PathBuf;

use tandem_storage::record::CorruptRecord;
use tandem_storage::{CommitError, ReadError};

/// What an identity can be; the word that messages use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    User,
    Group,
    Role,
    Policy,
    /// What hands a role to a machine. Machines are none of ours, but automation makes one for each role.
    InstanceProfile,
}

impl Kind {
    /// As it stands in an ARN and in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Group => "group",
            Kind::Role => "role",
            Kind::Policy => "policy",
            Kind::InstanceProfile => "instance-profile",
        }
    }
}

/// Why a change of identities was not made, or a look-up found nothing. Each face maps these to its own codes.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("The {kind} with name {name} cannot be found.")]
    NoSuchEntity { kind: &'static str, name: String },
    #[error("{kind} with name {name} already exists.")]
    EntityAlreadyExists { kind: &'static str, name: String },
    #[error("{0}")]
    LimitExceeded(String),
    #[error("{0}")]
    DeleteConflict(String),
    #[error("{0}")]
    MalformedPolicyDocument(String),
    #[error("{0}")]
    InvalidInput(String),
    /// It would change what a superuser of the node is or may.
    #[error("superusers are changed by superusers")]
    SuperuserOnly,
    /// Another process changed the rows; nobody else should.
    #[error("identities were changed at the same time; try again")]
    Concurrent,
    #[error(transparent)]
    Commit(CommitError),
}

impl IdentityError {
    pub fn missing(kind: &'static str, name: impl Into<String>) -> Self {
        IdentityError::NoSuchEntity { kind, name: name.into() }
    }

    pub fn exists(kind: &'static str, name: impl Into<String>) -> Self {
        IdentityError::EntityAlreadyExists { kind, name: name.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        IdentityError::InvalidInput(message.into())
    }

    pub fn limit(message: impl Into<String>) -> Self {
        IdentityError::LimitExceeded(message.into())
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        IdentityError::DeleteConflict(message.into())
    }
}

/// Why the identities of a node cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path}: {reason}")]
    KeyFile { path: PathBuf, reason: String },
    #[error(
        "{path} is missing, and stored secrets are sealed under it: put the key file back (setting identity_key_file), or delete the access keys"
    )]
    KeyFileMissing { path: PathBuf },
    #[error("the secret of access key {access_key} is sealed under key {key_id}, which {path} does not hold")]
    UnknownKey { access_key: String, key_id: String, path: PathBuf },
    #[error("the sealed secret of access key {0} does not open: it was damaged or moved")]
    Damaged(String),
    #[error(transparent)]
    Corrupt(#[from] CorruptRecord),
    #[error("identity rows contradict each other: {0}")]
    Inconsistent(String),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the first identity rows: {0}")]
    Commit(#[from] CommitError),
}
