//! How the settings that say who may do what are stored: in rows that travel with their bucket.

use serde::{Deserialize, Serialize};
use tandem_policy::{Acl, ObjectOwnership, PublicAccessBlock};
use tandem_storage::record::Record;

use crate::s3::error::S3Error;

/// Names of the rows: those of S3's subresources.
pub const POLICY: &str = "policy";
pub const ACL: &str = "acl";
pub const OWNERSHIP: &str = "ownershipControls";
pub const PUBLIC_ACCESS: &str = "publicAccessBlock";

/// An ACL with the account of the owner that it names: what a bucket's setting and an object's slot hold. An object without one is
/// its bucket owner's, and private.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAcl {
    /// Twelve digits.
    pub account: String,
    pub acl: Acl,
}

#[derive(Serialize, Deserialize)]
struct StoredBlock(PublicAccessBlock);

#[derive(Serialize, Deserialize)]
struct StoredOwnership(ObjectOwnership);

macro_rules! records {
    ($($type:ty, $kind:literal;)*) => {
        $(impl Record for $type {
            const KIND: &'static str = $kind;
            const VERSION: u8 = 1;
        })*
    };
}
records! {
    StoredAcl, "ACL";
    StoredBlock, "public access block";
    StoredOwnership, "ownership controls";
}

impl StoredAcl {
    /// # Errors
    /// `InternalError`.
    pub fn decode(bytes: &[u8]) -> Result<Self, S3Error> {
        Record::decode(bytes).map_err(S3Error::internal)
    }

    pub fn encode(&self) -> Vec<u8> {
        Record::encode(self)
    }
}

pub fn encode_public_access(block: PublicAccessBlock) -> Vec<u8> {
    Record::encode(&StoredBlock(block))
}

/// # Errors
/// `InternalError`.
pub fn public_access(bytes: Option<&[u8]>) -> Result<Option<PublicAccessBlock>, S3Error> {
    let stored: Option<StoredBlock> = bytes.map(Record::decode).transpose().map_err(S3Error::internal)?;
    Ok(stored.map(|stored| stored.0))
}

pub fn encode_ownership(ownership: ObjectOwnership) -> Vec<u8> {
    Record::encode(&StoredOwnership(ownership))
}

/// # Errors
/// `InternalError`.
pub fn ownership(bytes: Option<&[u8]>) -> Result<Option<ObjectOwnership>, S3Error> {
    let stored: Option<StoredOwnership> = bytes.map(Record::decode).transpose().map_err(S3Error::internal)?;
    Ok(stored.map(|stored| stored.0))
}
