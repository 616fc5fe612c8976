/// Where a policy document hangs: it decides which elements must be there and which must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// On a bucket: has principals, speaks of that bucket and its objects only.
    Bucket { name: &'a str },
    /// On a user, group or role, inline or managed: has no principals.
    Identity,
    /// Passed with AssumeRole: an identity policy that only narrows.
    Session,
    /// Who may assume a role: has principals, no resources, only STS's actions.
    Trust,
    /// On a KMS key: has principals, and stands alone.
    Key,
}

impl Kind<'_> {
    /// Whether statements name who they speak to.
    pub(crate) fn has_principals(self) -> bool {
        matches!(self, Kind::Bucket { .. } | Kind::Trust | Kind::Key)
    }

    /// The most bytes a document of this kind may have; none where the sum over an entity's documents counts ([`Limit`]).
    pub(crate) fn bytes_max(self) -> Option<usize> {
        match self {
            Kind::Bucket { .. } => Some(Limit::BUCKET),
            Kind::Key => Some(Limit::KEY),
            Kind::Identity | Kind::Session | Kind::Trust => None,
        }
    }
}

/// AWS's limits. Those of identities count characters that are not white space ([`crate::Document::counted_size`]), the
/// inline ones over all documents of the entity; whoever attaches documents holds them.
pub struct Limit;

impl Limit {
    pub const BUCKET: usize = 20_480;
    pub const MANAGED: usize = 6_144;
    pub const USER_INLINE: usize = 2_048;
    pub const GROUP_INLINE: usize = 5_120;
    pub const ROLE_INLINE: usize = 10_240;
    pub const TRUST: usize = 2_048;
    pub const SESSION: usize = 2_048;
    pub const KEY: usize = 32_768;
    /// No document is parsed beyond this, whatever its kind.
    pub const ANY: usize = 131_072;
}
