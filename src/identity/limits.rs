//! How much of everything there may be: checked before anything is made. Where AWS has a quota that its users can raise, ours
//! is the higher one.

pub const ACCOUNTS: usize = 10_000;
pub const UNITS: usize = 1_000;
/// Units below each other.
pub const UNIT_DEPTH: usize = 5;
/// In the whole node.
pub const USERS: usize = 100_000;
pub const GROUPS: usize = 10_000;
pub const ROLES: usize = 10_000;
pub const POLICIES: usize = 10_000;
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
