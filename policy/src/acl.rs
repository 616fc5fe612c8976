//! Access control lists: grants of five permissions to accounts and three groups.

mod canned;
mod permission;

pub use canned::CannedAcl;
pub use permission::{On, Permission};

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::caller::Caller;
use crate::principal::Nearness;

/// S3 keeps no more grants than this.
pub const GRANTS_MAX: usize = 100;

/// The first byte of a stored ACL.
const RECORD_VERSION: u8 = 1;

/// An account as ACLs show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The canonical id.
    pub id: String,
    pub display_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    Account(Owner),
    /// Everybody, signed or not.
    AllUsers,
    /// Every account's users.
    AuthenticatedUsers,
    /// The service that delivers access logs.
    LogDelivery,
}

const GROUP: &str = "http://acs.amazonaws.com/groups/";

impl Grantee {
    /// A group's URI.
    pub fn uri(&self) -> Option<&'static str> {
        match self {
            Grantee::Account(_) => None,
            Grantee::AllUsers => Some("http://acs.amazonaws.com/groups/global/AllUsers"),
            Grantee::AuthenticatedUsers => Some("http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
            Grantee::LogDelivery => Some("http://acs.amazonaws.com/groups/s3/LogDelivery"),
        }
    }

    /// The group with this URI.
    pub fn group(uri: &str) -> Option<Grantee> {
        match uri.strip_prefix(GROUP)? {
            "global/AllUsers" => Some(Grantee::AllUsers),
            "global/AuthenticatedUsers" => Some(Grantee::AuthenticatedUsers),
            "s3/LogDelivery" => Some(Grantee::LogDelivery),
            _ => None,
        }
    }

    /// Whether it is a group that anybody is in.
    pub fn is_public(&self) -> bool {
        matches!(self, Grantee::AllUsers | Grantee::AuthenticatedUsers)
    }

    fn meets(&self, caller: &Caller) -> Option<Nearness> {
        match (self, caller) {
            (Grantee::AllUsers, _) => Some(Nearness::Wide),
            (Grantee::AuthenticatedUsers, caller) => caller.account().map(|_| Nearness::Account),
            (Grantee::Account(owner), caller) => {
                caller.account().filter(|account| account.canonical_id == owner.id).map(|_| Nearness::Account)
            }
            (Grantee::LogDelivery, Caller::Service(service)) => {
                (service.name == "logging.s3.amazonaws.com").then_some(Nearness::Itself)
            }
            (Grantee::LogDelivery, _) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub grantee: Grantee,
    pub permission: Permission,
}

/// The ACL of a bucket or an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl {
    pub owner: Owner,
    pub grants: Vec<Grant>,
}

/// An ACL that cannot be kept, or stored bytes that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AclError {
    #[error("an ACL has at most {GRANTS_MAX} grants")]
    TooManyGrants,
    #[error("a stored ACL does not decode")]
    Corrupt,
}

impl Acl {
    /// # Errors
    /// [`AclError::TooManyGrants`]
    pub fn new(owner: Owner, grants: Vec<Grant>) -> Result<Acl, AclError> {
        if grants.len() > GRANTS_MAX {
            return Err(AclError::TooManyGrants);
        }
        Ok(Acl { owner, grants })
    }

    /// FULL_CONTROL for the owner, nothing for anyone else.
    pub fn private(owner: Owner) -> Acl {
        CannedAcl::Private.acl(owner, None)
    }

    /// Whether some grant lets `caller` do `action` on what this ACL is of.
    pub fn allows(&self, caller: &Caller, action: &Action<'_>, on: On) -> bool {
        self.nearness(caller, action, on, false).is_some()
    }

    pub(crate) fn nearness(
        &self,
        caller: &Caller,
        action: &Action<'_>,
        on: On,
        ignore_public: bool,
    ) -> Option<Nearness> {
        let counts =
            |grant: &&Grant| grant.permission.covers(action, on) && !(ignore_public && grant.grantee.is_public());
        self.grants.iter().filter(counts).filter_map(|grant| grant.grantee.meets(caller)).max()
    }

    /// Whether it grants anything to everybody or to every account.
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee.is_public())
    }

    /// The bytes that a bucket's `acl` setting or an object's row keeps.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![RECORD_VERSION]).expect("an ACL holds only what postcard can write")
    }

    /// # Errors
    /// [`AclError::Corrupt`] when the marker is unknown, bytes are missing, or bytes are left over.
    pub fn decode(bytes: &[u8]) -> Result<Acl, AclError> {
        let rest = bytes.strip_prefix(&[RECORD_VERSION]).ok_or(AclError::Corrupt)?;
        match postcard::take_from_bytes(rest) {
            Ok((acl, [])) => Ok(acl),
            _ => Err(AclError::Corrupt),
        }
    }
}

#[cfg(test)]
mod tests;
