//! Who asks. Cheap to clone and share: what is known of a caller stands behind one `Arc`.

use std::sync::Arc;

use crate::context::Values;
use crate::key::same_name;

/// The principal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody signed the request.
    Anonymous,
    /// An account's own keys. May everything in its account.
    Root(Arc<Root>),
    User(Arc<User>),
    /// A role that somebody assumed.
    Session(Arc<Session>),
    /// A service acting for itself, `logging.s3.amazonaws.com`.
    Service(Arc<Service>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// 64 hexadecimal digits: how ACLs name the account.
    pub canonical_id: String,
    pub organization: Option<Organization>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// `o-...`
    pub id: String,
    /// `o-.../r-.../ou-.../`, as `aws:PrincipalOrgPaths` has it.
    pub paths: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    pub account: Account,
    /// `arn:aws:iam::ID:root`
    pub arn: String,
    /// The node's administrator: root in every account.
    pub superuser: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub account: Account,
    /// `arn:aws:iam::ID:user/path/name`
    pub arn: String,
    /// The unique id (`AIDA...`), which a bucket keeps as its creator.
    pub id: String,
    pub name: String,
    pub path: String,
    pub tags: Vec<Tag>,
    /// Names of the groups that a `{"Group": ...}` principal may name.
    pub groups: Vec<String>,
    pub kind: UserKind,
}

/// Two kinds of user: one has what policies give, the other owns the buckets it made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKind {
    Iam,
    Local { allow_create_bucket: bool, allow_delete_bucket: bool, superuser: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub account: Account,
    pub role: Role,
    /// `arn:aws:sts::ID:assumed-role/role/session`
    pub arn: String,
    pub session_name: String,
    /// `AROA...:session`, as `aws:userid` has it.
    pub user_id: String,
    /// The role's tags overlaid with the session's.
    pub tags: Vec<Tag>,
    pub source_identity: Option<String>,
    pub federated_provider: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `arn:aws:iam::ID:role/path/name`
    pub arn: String,
    /// The unique id (`AROA...`).
    pub id: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `logging.s3.amazonaws.com`
    pub name: String,
    pub names: Vec<String>,
}

impl Caller {
    pub fn account(&self) -> Option<&Account> {
        match self {
            Caller::Anonymous | Caller::Service(_) => None,
            Caller::Root(root) => Some(&root.account),
            Caller::User(user) => Some(&user.account),
            Caller::Session(session) => Some(&session.account),
        }
    }

    /// The ARN that GetCallerIdentity answers and the audit log writes.
    pub fn arn(&self) -> Option<&str> {
        match self {
            Caller::Anonymous | Caller::Service(_) => None,
            Caller::Root(root) => Some(&root.arn),
            Caller::User(user) => Some(&user.arn),
            Caller::Session(session) => Some(&session.arn),
        }
    }

    /// `aws:userid`, which also names the creator of a bucket.
    pub fn user_id(&self) -> &str {
        match self {
            Caller::Anonymous => "anonymous",
            Caller::Root(root) => &root.account.id,
            Caller::User(user) => &user.id,
            Caller::Session(session) => &session.user_id,
            Caller::Service(service) => &service.name,
        }
    }

    /// The node's administrator, or a local user who is made one: allowed whatever is not explicitly denied.
    pub fn is_superuser(&self) -> bool {
        match self {
            Caller::Root(root) => root.superuser,
            Caller::User(user) => matches!(user.kind, UserKind::Local { superuser: true, .. }),
            _ => false,
        }
    }

    fn kind_name(&self) -> &'static str {
        match self {
            Caller::Anonymous => "Anonymous",
            Caller::Root(_) => "Account",
            Caller::User(_) => "User",
            Caller::Session(_) => "AssumedRole",
            Caller::Service(_) => "Service",
        }
    }

    /// `aws:PrincipalArn`: of a session it is the role's.
    fn principal_arn(&self) -> Option<&str> {
        match self {
            Caller::Session(session) => Some(&session.role.arn),
            other => other.arn(),
        }
    }

    fn tags(&self) -> &[Tag] {
        match self {
            Caller::User(user) => &user.tags,
            Caller::Session(session) => &session.tags,
            _ => &[],
        }
    }

    /// The condition keys that speak of the caller.
    pub(crate) fn key(&self, key: &str) -> Values<'_> {
        if let Some(name) = key.strip_prefix("aws:principaltag/") {
            let found = self.tags().iter().find(|tag| same_name(&tag.key, name));
            return Values::from_option(found.map(|tag| tag.value.as_str()));
        }
        let organization = || self.account().and_then(|account| account.organization.as_ref());
        match key {
            "aws:principalarn" => Values::from_option(self.principal_arn()),
            "aws:principalaccount" => Values::from_option(self.account().map(|account| account.id.as_str())),
            "aws:principalorgid" => Values::from_option(organization().map(|held| held.id.as_str())),
            "aws:principalorgpaths" => organization().map_or(Values::Absent, |held| Values::Many(&held.paths)),
            "aws:principaltype" => Values::One(self.kind_name()),
            "aws:principalisawsservice" => {
                Values::One(if matches!(self, Caller::Service(_)) { "true" } else { "false" })
            }
            "aws:userid" => Values::One(self.user_id()),
            _ => self.rarer_key(key),
        }
    }

    fn rarer_key(&self, key: &str) -> Values<'_> {
        match (self, key) {
            (Caller::User(user), "aws:username") => Values::One(&user.name),
            (Caller::Service(service), "aws:principalservicename") => Values::One(&service.name),
            (Caller::Service(service), "aws:principalservicenameslist") => Values::Many(&service.names),
            (Caller::Session(session), "aws:sourceidentity") => Values::from_option(session.source_identity.as_deref()),
            (Caller::Session(session), "aws:federatedprovider") => {
                Values::from_option(session.federated_provider.as_deref())
            }
            _ => Values::Absent,
        }
    }
}
