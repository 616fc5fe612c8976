//! What is stored of identities, one row an entity. Names are as their makers wrote them; policies are compiled when they are
//! decoded, so that nothing that does not parse is ever in force.

use serde::{Deserialize, Serialize};
use tandem_storage::record::Record;
use tandem_storage::types::Timestamp;

use super::document::{IdentityDocument, TrustDocument};
use super::error::Kind;
use super::id::{AccountId, Id};
use super::seal::Sealed;

/// The one organisation of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// `o-...`
    pub id: Id,
    /// `r-...`
    pub root: Id,
    pub units: Vec<Unit>,
}

/// An organisational unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `ou-...`
    pub id: Id,
    pub name: String,
    /// None: the root.
    pub parent: Option<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    /// Its integer id at the admin port (a tenant, there).
    pub number: u64,
    pub name: String,
    pub email: Option<String>,
    /// 64 hexadecimal digits: what ACLs call it.
    pub canonical: Id,
    /// None: below the organisation's root.
    pub unit: Option<Id>,
    pub created: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// A policy of one user, group or role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinePolicy {
    pub name: String,
    pub document: IdentityDocument,
}

/// The policies of a user, a group or a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// In order of their names.
    pub inline: Vec<InlinePolicy>,
    /// Ids of managed policies.
    pub attached: Vec<Id>,
}

impl Grants {
    /// The bytes of its own policies.
    fn bytes(&self) -> usize {
        self.inline.iter().map(|inline| inline.document.text().len()).sum()
    }
}

/// What makes a user a local one: it needs no policy for the buckets it made itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    pub uid: Option<u32>,
    pub leading_gid: Option<u32>,
    pub gids: Vec<u32>,
    pub allow_create_bucket: bool,
    pub allow_delete_bucket: bool,
    /// Allowed everything in the node that nothing denies.
    pub superuser: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// `AIDA...`
    pub id: Id,
    /// Its integer id at the admin port.
    pub number: u64,
    pub account: AccountId,
    pub name: String,
    pub path: String,
    pub created: Timestamp,
    pub tags: Vec<Tag>,
    pub grants: Grants,
    /// The managed policy that bounds it.
    pub boundary: Option<Id>,
    /// Ids of groups it was added to.
    pub groups: Vec<Id>,
    /// None: an IAM user, which has what policies give.
    pub local: Option<Local>,
}

impl User {
    /// What buckets keep as their creator, and policies know as `aws:userid`. A local user with a uid is its uid, so that the user
    /// with the same uid on the node that takes over has the same buckets; any other user is its unique id.
    pub fn creator_id(&self) -> String {
        match self.local.as_ref().and_then(|local| local.uid) {
            Some(uid) => format!("{}:uid:{uid}", self.account),
            None => self.id.to_string(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// `AGPA...`
    pub id: Id,
    pub number: u64,
    pub account: AccountId,
    pub name: String,
    pub path: String,
    pub created: Timestamp,
    pub grants: Grants,
    /// A local group: who has this gid is in it.
    pub gid: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// `AROA...`
    pub id: Id,
    pub number: u64,
    pub account: AccountId,
    pub name: String,
    pub path: String,
    pub description: String,
    pub created: Timestamp,
    pub tags: Vec<Tag>,
    pub trust: TrustDocument,
    pub max_session_seconds: u32,
    pub grants: Grants,
    pub boundary: Option<Id>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// 3 is `v3`.
    pub number: u32,
    pub created: Timestamp,
    pub document: IdentityDocument,
}

/// A managed policy. At most five versions; one of them is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `ANPA...`
    pub id: Id,
    pub number: u64,
    pub account: AccountId,
    pub name: String,
    pub path: String,
    pub description: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub tags: Vec<Tag>,
    /// A policy that is not enabled gives and denies nothing.
    pub enabled: bool,
    /// Oldest first.
    pub versions: Vec<PolicyVersion>,
    pub default: u32,
    /// The number of the next version: numbers are not used again.
    pub next: u32,
}

impl Policy {
    pub fn in_force(&self) -> &PolicyVersion {
        let default = self.versions.iter().find(|version| version.number == self.default);
        default.expect("a policy keeps its default version: checked when it was decoded and when it is changed")
    }
}

/// What a machine would be given to get at a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// `AIPA...`
    pub id: Id,
    pub number: u64,
    pub account: AccountId,
    pub name: String,
    pub path: String,
    pub created: Timestamp,
    pub tags: Vec<Tag>,
    /// The id of the role in it, of which there is at most one.
    pub role: Option<Id>,
}

/// Whose an access key is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyOwner {
    Root(AccountId),
    User(Id),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    pub access_key: Id,
    pub owner: KeyOwner,
    pub account: AccountId,
    pub created: Timestamp,
    pub enabled: bool,
    pub secret: Sealed,
}

/// A token of the admin port. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    pub number: u64,
    /// The public part: what stands before the dot.
    pub id: Id,
    pub name: String,
    /// The manager whose rights it has.
    pub owner: String,
    pub created: Timestamp,
    pub expires: Option<Timestamp>,
    pub revoked: bool,
    /// SHA-256 of the secret part, which has too many bits for that to matter.
    pub hash: [u8; 32],
}

/// Counts changes, and numbers what the admin port knows by integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// One more with each change: the row that each change compares and sets.
    pub generation: u64,
    /// Integers are not used again.
    pub next_number: u64,
}

macro_rules! records {
    ($($type:ty, $kind:literal;)*) => {
        $(impl Record for $type {
            const KIND: &'static str = $kind;
            const VERSION: u8 = 1;
        })*
    };
}
records! {
    Organization, "organization";
    Account, "account";
    User, "user";
    Group, "group";
    Role, "role";
    Policy, "policy";
    InstanceProfile, "instance profile";
    AccessKey, "access key";
    ApiToken, "API token";
    Counters, "identity counters";
}

/// What has a name in an account and an ARN.
pub trait Entity: Record + Clone + Send + Sync + 'static {
    const WHAT: Kind;
    fn id(&self) -> &Id;
    fn number(&self) -> u64;
    fn account(&self) -> AccountId;
    fn name(&self) -> &str;
    fn path(&self) -> &str;

    fn tags(&self) -> &[Tag] {
        &[]
    }

    /// The managed policy that bounds it.
    fn boundary(&self) -> Option<&Id> {
        None
    }

    /// How many bytes of policies it keeps, as they were sent.
    fn policy_bytes(&self) -> usize {
        0
    }

    /// Whether it is allowed everything in the node, beyond its account.
    fn is_superuser(&self) -> bool {
        false
    }

    fn arn(&self) -> String {
        super::id::arn(self.account(), Self::WHAT, self.path(), self.name())
    }
}

macro_rules! entities {
    ($($type:ident { $($own:item)* })*) => {
        $(impl Entity for $type {
            const WHAT: Kind = Kind::$type;

            fn id(&self) -> &Id {
                &self.id
            }

            fn number(&self) -> u64 {
                self.number
            }

            fn account(&self) -> AccountId {
                self.account
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn path(&self) -> &str {
                &self.path
            }

            $($own)*
        })*
    };
}
entities! {
    User {
        fn tags(&self) -> &[Tag] {
            &self.tags
        }

        fn boundary(&self) -> Option<&Id> {
            self.boundary.as_ref()
        }

        fn policy_bytes(&self) -> usize {
            self.grants.bytes()
        }

        fn is_superuser(&self) -> bool {
            self.local.as_ref().is_some_and(|local| local.superuser)
        }
    }
    Group {
        fn policy_bytes(&self) -> usize {
            self.grants.bytes()
        }
    }
    Role {
        fn tags(&self) -> &[Tag] {
            &self.tags
        }

        fn boundary(&self) -> Option<&Id> {
            self.boundary.as_ref()
        }

        fn policy_bytes(&self) -> usize {
            self.grants.bytes() + self.trust.text().len()
        }
    }
    Policy {
        fn tags(&self) -> &[Tag] {
            &self.tags
        }

        fn policy_bytes(&self) -> usize {
            self.versions.iter().map(|version| version.document.text().len()).sum()
        }
    }
    InstanceProfile {
        fn tags(&self) -> &[Tag] {
            &self.tags
        }
    }
}
