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

    /// The most bytes a document of this kind may have.
    pub(crate) fn bytes_max(self) -> usize {
        match self {
            Kind::Bucket { .. } => Limit::BUCKET,
            Kind::Key => Limit::KEY,
            Kind::Identity | Kind::Session | Kind::Trust => Limit::ANY,
        }
    }
}

/// How many bytes a document may have. What an entity's documents may have together, whoever attaches them holds.
pub struct Limit;

impl Limit {
    pub const BUCKET: usize = 20_480;
    pub const KEY: usize = 32_768;
    /// No document is parsed beyond this, whatever its kind.
    pub const ANY: usize = 131_072;
}
