use serde::{Deserialize, Serialize};

use crate::acl::CannedAcl;

/// A bucket's `ObjectOwnership`: who owns what others write into it, and whether ACLs count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectOwnership {
    /// The bucket's owner owns everything; ACLs do not count and cannot be set.
    #[default]
    BucketOwnerEnforced,
    /// The writer owns, unless it writes with `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// The writer owns.
    ObjectWriter,
}

impl ObjectOwnership {
    pub fn parse(text: &str) -> Option<ObjectOwnership> {
        match text {
            "BucketOwnerEnforced" => Some(ObjectOwnership::BucketOwnerEnforced),
            "BucketOwnerPreferred" => Some(ObjectOwnership::BucketOwnerPreferred),
            "ObjectWriter" => Some(ObjectOwnership::ObjectWriter),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            ObjectOwnership::BucketOwnerEnforced => "BucketOwnerEnforced",
            ObjectOwnership::BucketOwnerPreferred => "BucketOwnerPreferred",
            ObjectOwnership::ObjectWriter => "ObjectWriter",
        }
    }

    pub fn acls_count(self) -> bool {
        self != ObjectOwnership::BucketOwnerEnforced
    }

    /// Whether the bucket's owner, rather than the writer's account, owns an object written with `canned`.
    pub fn bucket_owner_owns(self, canned: Option<CannedAcl>) -> bool {
        match self {
            ObjectOwnership::BucketOwnerEnforced => true,
            ObjectOwnership::BucketOwnerPreferred => canned == Some(CannedAcl::BucketOwnerFullControl),
            ObjectOwnership::ObjectWriter => false,
        }
    }
}
