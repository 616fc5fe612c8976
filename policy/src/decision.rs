use std::fmt;

/// What was decided, and why. Borrows from the policies that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    pub allowed: bool,
    pub why: Why<'a>,
}

impl<'a> Decision<'a> {
    pub(crate) fn allow(why: Why<'a>) -> Decision<'a> {
        Decision { allowed: true, why }
    }

    pub(crate) fn deny(why: Why<'a>) -> Decision<'a> {
        Decision { allowed: false, why }
    }

    pub(crate) fn default_deny(reason: Reason) -> Decision<'a> {
        Decision::deny(Why { source: Source::Default(reason), statement: None, sid: None })
    }

    /// Whether a Deny statement decided, rather than the want of an Allow.
    pub fn is_explicit_deny(&self) -> bool {
        !self.allowed && self.why.statement.is_some()
    }
}

/// The statement that decided, or what did when no statement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why<'a> {
    pub source: Source<'a>,
    /// Its place in the document, from 0.
    pub statement: Option<usize>,
    pub sid: Option<&'a str>,
}

impl<'a> Why<'a> {
    pub(crate) fn by(source: Source<'a>) -> Why<'a> {
        Why { source, statement: None, sid: None }
    }
}

/// Where a decision comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The node's administrator or a local superuser.
    Superuser,
    /// The root of the account that owns the resource.
    AccountRoot,
    /// A local user on the bucket it made, making one, or listing its own.
    OwnBucket,
    /// The identity policy of this name.
    Identity(&'a str),
    Session(&'a str),
    Boundary(&'a str),
    BucketPolicy,
    /// A role's trust policy or a key's policy.
    ResourcePolicy,
    BucketAcl,
    ObjectAcl,
    /// Nothing allowed it, for this reason.
    Default(Reason),
}

/// Why nothing allowed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No policy, grant or ownership speaks for the caller.
    NoAllow,
    /// The bucket's side allows a caller of another account, but no policy of the caller's own does.
    NoIdentityAllow,
    /// The caller's own policies allow, but the resource belongs to another account, which does not.
    NoResourceAllow,
    /// Allowed, but not within the session's policies.
    SessionLimit,
    /// Allowed, but not within the permissions boundary.
    BoundaryLimit,
    /// Allowed by a public policy, which RestrictPublicBuckets keeps within the account.
    RestrictPublicBuckets,
    /// Reserved for the bucket's owner, whatever policies say.
    OwnerOnly,
    /// A local user may not make buckets.
    MayNotCreateBuckets,
    /// A local user may not delete buckets.
    MayNotDeleteBuckets,
    /// Comparing its policies with the request takes more steps than a request may take.
    TooManySteps,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NoAllow => "nothing allows it",
            Reason::NoIdentityAllow => "no identity policy of the caller allows it",
            Reason::NoResourceAllow => "the owning account does not allow it",
            Reason::SessionLimit => "the session policies do not allow it",
            Reason::BoundaryLimit => "the permissions boundary does not allow it",
            Reason::RestrictPublicBuckets => "RestrictPublicBuckets keeps other accounts out",
            Reason::OwnerOnly => "only the bucket's owner may",
            Reason::MayNotCreateBuckets => "the user may not create buckets",
            Reason::MayNotDeleteBuckets => "the user may not delete buckets",
            Reason::TooManySteps => "comparing the policies with the request takes more steps than a request may take",
        })
    }
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Superuser => f.write_str("superuser"),
            Source::AccountRoot => f.write_str("account root"),
            Source::OwnBucket => f.write_str("own bucket"),
            Source::Identity(name) => write!(f, "identity policy {name}"),
            Source::Session(name) => write!(f, "session policy {name}"),
            Source::Boundary(name) => write!(f, "permissions boundary {name}"),
            Source::BucketPolicy => f.write_str("bucket policy"),
            Source::ResourcePolicy => f.write_str("resource policy"),
            Source::BucketAcl => f.write_str("bucket ACL"),
            Source::ObjectAcl => f.write_str("object ACL"),
            Source::Default(reason) => write!(f, "default deny: {reason}"),
        }
    }
}

/// `bucket policy, statement 2 (Sid allow-all-s3)`
impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)?;
        if let Some(at) = self.statement {
            write!(f, ", statement {at}")?;
        }
        if let Some(sid) = self.sid {
            write!(f, " (Sid {sid})")?;
        }
        Ok(())
    }
}
