//! How much of everything there may be: checked before anything is made. Where AWS has a quota that its users can raise, ours
//! is the higher one. What is counted in an account has a bound for the node as well: the account's is its share.

use super::error::Kind;

pub const ACCOUNTS: usize = 10_000;
pub const UNITS: usize = 1_000;
/// Units below each other.
pub const UNIT_DEPTH: usize = 5;

/// How many entities of a kind there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// As AWS names it.
    pub name: &'static str,
    pub of_account: usize,
    pub of_node: usize,
}

pub const fn quota(kind: Kind) -> Quota {
    match kind {
        Kind::User => Quota { name: "UsersPerAccount", of_account: 5_000, of_node: 100_000 },
        Kind::Group => Quota { name: "GroupsPerAccount", of_account: 500, of_node: 20_000 },
        Kind::Role => Quota { name: "RolesPerAccount", of_account: 5_000, of_node: 50_000 },
        Kind::Policy => Quota { name: "PoliciesPerAccount", of_account: 5_000, of_node: 50_000 },
        Kind::InstanceProfile => Quota { name: "InstanceProfilesPerAccount", of_account: 5_000, of_node: 50_000 },
    }
}

/// Bytes of all policies of an account, as sent: managed ones with all versions, inline ones, trust policies.
pub const POLICY_BYTES_OF_ACCOUNT: usize = 16 << 20;
/// The same of all accounts. What is compiled of them takes at most eight times as much memory.
pub const POLICY_BYTES_OF_NODE: usize = 64 << 20;

pub const KEYS_PER_OWNER: usize = 10;
pub const GROUPS_PER_USER: usize = 64;
pub const GIDS: usize = 64;
pub const ATTACHED: usize = 20;
pub const INLINE: usize = 20;
pub const TAGS: usize = 50;
pub const POLICY_VERSIONS: usize = 5;
pub const TOKENS: usize = 1_000;
/// Bytes of a managed policy's document, as sent.
pub const DOCUMENT_BYTES: usize = 20_480;
/// Bytes of all inline documents of one user, group or role.
pub const INLINE_BYTES: usize = 40_960;
pub const TRUST_BYTES: usize = 8_192;
pub const DESCRIPTION: usize = 1_000;
pub const SESSION_POLICY_BYTES: usize = 2_048;
pub const SESSION_POLICY_ARNS: usize = 10;
/// Bytes of a session token's content: tokens travel in a header.
pub const SESSION_BYTES: usize = 4_096;
