use super::{Own, Place, Question, Verdict};
use crate::acl::{Acl, On};
use crate::caller::{Caller, UserKind};
use crate::decision::{Decision, Reason, Source, Why};
use crate::document::Document;
use crate::ownership::ObjectOwnership;
use crate::principal::Nearness;
use crate::public::PublicAccessBlock;

/// A bucket, or an object in it, with what hangs on them.
#[derive(Clone, Copy)]
pub struct Bucket<'a> {
    /// The account that owns the bucket.
    pub account: &'a str,
    /// The unique id of who made it.
    pub creator: Option<&'a str>,
    pub policy: Option<&'a Document>,
    pub ownership: ObjectOwnership,
    pub public_access: PublicAccessBlock,
    pub acl: Option<&'a Acl>,
    /// The account that owns the object, where that is known and ACLs count.
    pub object_owner: Option<&'a str>,
    pub object_acl: Option<&'a Acl>,
}

impl<'a> Bucket<'a> {
    /// A bucket on which nothing hangs.
    pub fn of(account: &'a str) -> Bucket<'a> {
        Bucket {
            account,
            creator: None,
            policy: None,
            ownership: ObjectOwnership::default(),
            public_access: PublicAccessBlock::default(),
            acl: None,
            object_owner: None,
            object_acl: None,
        }
    }

    /// The account that owns an object which is not the bucket's.
    fn foreign_owner(&self) -> Option<&'a str> {
        self.object_owner.filter(|owner| self.ownership.acls_count() && *owner != self.account)
    }
}

/// What nobody is to lock himself out of: a Deny of the bucket's policy does not hold its account's root back.
const POLICY_ITSELF: &[&str] = &["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

/// What is the owning account's alone, whatever the bucket's policy says.
const ACCOUNT_ONLY: &[&str] = &[
    "s3:GetBucketPolicy",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketOwnershipControls",
    "s3:DeleteBucketOwnershipControls",
    "s3:PutBucketPublicAccessBlock",
    "s3:DeleteBucketPublicAccessBlock",
];

/// What a local user may do to none but its own buckets.
const CREATOR_ONLY: &[&str] = &[
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketOwnershipControls",
    "s3:DeleteBucketOwnershipControls",
    "s3:PutBucketPublicAccessBlock",
    "s3:DeleteBucketPublicAccessBlock",
];

/// What the owner of an object decides, and not the bucket's policy, while ACLs count.
const OBJECT_OWNERS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTorrent",
    "s3:GetObjectVersionTorrent",
    "s3:GetObjectAcl",
    "s3:GetObjectVersionAcl",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersionTagging",
];

impl Question<'_> {
    pub(super) fn in_bucket<'a>(&self, bucket: &Bucket<'a>, own: Own<'a>) -> Decision<'a> {
        // Who may always put the policy right is not asked of it: neither its Deny nor its length locks him out.
        let policy = bucket.policy.filter(|_| !self.is_let_to_the_policy(bucket));
        let granted = match policy.map(|policy| self.ask(policy, Source::BucketPolicy, Place::Resource)) {
            Some(Verdict::Denied(why)) => return Decision::deny(why),
            Some(Verdict::Allowed(why, nearness)) => Some((why, nearness)),
            _ => None,
        };
        if self.request.caller.is_superuser() {
            return Decision::allow(Why::by(Source::Superuser));
        }
        if let Some(decision) = self.as_local_user(bucket) {
            return decision;
        }
        if !self.is_of(bucket.account) && self.request.action.is(ACCOUNT_ONLY) {
            return Decision::default_deny(Reason::OwnerOnly);
        }
        let foreign = bucket.foreign_owner().filter(|_| self.request.action.is(OBJECT_OWNERS));
        let owner = foreign.unwrap_or(bucket.account);
        let granted = granted.filter(|_| foreign.is_none());
        let listed = self.listed(bucket);
        let best = match (granted, listed) {
            (Some(policy), Some(acl)) => Some(if policy.1 >= acl.1 { policy } else { acl }),
            (policy, acl) => policy.or(acl),
        };
        if self.is_of(owner) { self.of_the_owner(best, own) } else { self.elsewhere_asks(bucket, best, own) }
    }

    fn is_let_to_the_policy(&self, bucket: &Bucket<'_>) -> bool {
        let root = match self.request.caller {
            Caller::Root(root) => root.superuser || root.account.id == bucket.account,
            _ => false,
        };
        root && self.request.action.is(POLICY_ITSELF)
    }

    /// A local user's rights on the bucket it made; none where they do not decide.
    fn as_local_user<'a>(&self, bucket: &Bucket<'_>) -> Option<Decision<'a>> {
        let Caller::User(user) = self.request.caller else { return None };
        let UserKind::Local { allow_delete_bucket, .. } = user.kind else { return None };
        let made_it = bucket.creator == Some(user.id.as_str()) && user.account.id == bucket.account;
        if !made_it {
            let refused = self.request.action.is(CREATOR_ONLY);
            return refused.then(|| Decision::default_deny(Reason::OwnerOnly));
        }
        if self.request.action.is(&["s3:DeleteBucket"]) && !allow_delete_bucket {
            return Some(Decision::default_deny(Reason::MayNotDeleteBuckets));
        }
        let anothers_object = bucket.foreign_owner().is_some() && self.request.action.is(OBJECT_OWNERS);
        (!anothers_object).then(|| Decision::allow(Why::by(Source::OwnBucket)))
    }

    /// What the ACLs grant. WRITE deletes only what the caller's account owns.
    fn listed<'a>(&self, bucket: &Bucket<'a>) -> Option<(Why<'a>, Nearness)> {
        if !bucket.ownership.acls_count() {
            return None;
        }
        let ignore_public = bucket.public_access.ignore_public_acls;
        let by = |acl: Option<&Acl>, on, source| {
            let nearness = acl?.nearness(self.request.caller, &self.request.action, on, ignore_public)?;
            Some((Why::by(source), nearness))
        };
        let deletes_anothers =
            self.request.action.is(&["s3:DeleteObject"]) && !bucket.object_owner.is_some_and(|owner| self.is_of(owner));
        let of_bucket = by(bucket.acl, On::Bucket, Source::BucketAcl).filter(|_| !deletes_anothers);
        of_bucket.or_else(|| by(bucket.object_acl, On::Object, Source::ObjectAcl))
    }

    fn of_the_owner<'a>(&self, best: Option<(Why<'a>, Nearness)>, own: Own<'a>) -> Decision<'a> {
        if let Some(why) = own.allowed() {
            return Decision::allow(why);
        }
        match best {
            Some((why, nearness)) => self.within(why, nearness, own),
            None => Decision::default_deny(own.short_of()),
        }
    }

    fn elsewhere_asks<'a>(&self, bucket: &Bucket<'a>, best: Option<(Why<'a>, Nearness)>, own: Own<'a>) -> Decision<'a> {
        let Some((why, _)) = best else {
            let reason = if own.allowed().is_some() { Reason::NoResourceAllow } else { Reason::NoAllow };
            return Decision::default_deny(reason);
        };
        let restricted = bucket.public_access.restrict_public_buckets
            && bucket.policy.is_some_and(Document::is_public)
            && !self.is_of(bucket.account)
            && !matches!(self.request.caller, Caller::Service(_));
        if restricted {
            return Decision::default_deny(Reason::RestrictPublicBuckets);
        }
        self.across(why, own)
    }
}
