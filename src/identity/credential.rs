//! What a key stands for: who calls by it, and the policies in force for that caller.

use std::sync::Arc;

use tandem_policy as policy;
use tandem_policy::key::same_name;
use tandem_policy::{Attached, Caller};
use tandem_storage::types::Timestamp;
use zeroize::Zeroizing;

use super::directory::Directory;
use super::error::IdentityError;
use super::id::{AccountId, Id, root_arn};
use super::record::{Entity, Grants, Group, KeyOwner, Policy, Role, Tag, User};

/// Whose rights a caller has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The node's administrator: root of the default account, superuser.
    Administrator,
    Root(AccountId),
    User(Id),
    Role(Id),
}

/// A caller with everything that decisions about it read. Shared; made once after each change.
#[derive(Clone, Debug)]
pub struct Standing {
    pub subject: Subject,
    pub account: AccountId,
    pub caller: Caller,
    /// Identity policies: its own, and its groups'.
    pub identity: Vec<Attached>,
    /// The permissions boundary.
    pub boundary: Option<Attached>,
    /// Session policies; none: the session is not narrowed.
    pub session: Option<Vec<Attached>>,
    /// Session tags that go on to sessions begun by this one.
    pub transitive: Vec<Tag>,
}

/// A key pair and what it stands for.
pub struct Credential {
    pub access_key: Id,
    pub(super) secret: Zeroizing<String>,
    pub enabled: bool,
    pub standing: Standing,
    /// When the session began; none: a long-term key.
    pub issued: Option<Timestamp>,
    /// When the session ends; none: a long-term key.
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential")
            .field("access_key", &self.access_key)
            .field("subject", &self.standing.subject)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// For signatures only.
    pub fn secret(&self) -> &Zeroizing<String> {
        &self.secret
    }

    pub fn caller(&self) -> &Caller {
        &self.standing.caller
    }

    pub fn account(&self) -> AccountId {
        self.standing.account
    }

    pub fn is_administrator(&self) -> bool {
        self.standing.subject == Subject::Administrator
    }

    pub fn is_session(&self) -> bool {
        self.expires.is_some()
    }
}

impl Standing {
    pub(super) fn administrator(directory: &Directory) -> Self {
        let root = Standing::root(directory, AccountId::DEFAULT);
        let caller = match root.caller {
            Caller::Root(root) => {
                Caller::Root(Arc::new(policy::Root { superuser: true, ..policy::Root::clone(&root) }))
            }
            other => other,
        };
        Standing { subject: Subject::Administrator, caller, ..root }
    }

    pub(super) fn root(directory: &Directory, account: AccountId) -> Self {
        let root = policy::Root { account: facts(directory, account), arn: root_arn(account), superuser: false };
        Standing {
            subject: Subject::Root(account),
            account,
            caller: Caller::Root(Arc::new(root)),
            identity: Vec::new(),
            boundary: None,
            session: None,
            transitive: Vec::new(),
        }
    }

    pub fn user(directory: &Directory, user: &User) -> Self {
        let kind = match &user.local {
            None => policy::UserKind::Iam,
            Some(local) => policy::UserKind::Local {
                allow_create_bucket: local.allow_create_bucket,
                allow_delete_bucket: local.allow_delete_bucket,
                superuser: local.superuser,
            },
        };
        let groups: Vec<_> = directory.groups_of(user).collect();
        let mut identity = Vec::new();
        for id in user.groups.iter().filter(|id| directory.get::<Group>(id).is_none()) {
            identity.push(nothing(&format!("group {id}, which is missing")));
        }
        hold(directory, "", &user.grants, &mut identity);
        for group in &groups {
            hold(directory, &format!("group {}: ", group.name), &group.grants, &mut identity);
        }
        let caller = policy::User {
            account: facts(directory, user.account),
            arn: user.arn(),
            id: user.creator_id(),
            name: user.name.clone(),
            path: user.path.clone(),
            tags: tags(&user.tags),
            groups: groups.iter().map(|group| group.name.clone()).collect(),
            kind,
        };
        Standing {
            subject: Subject::User(user.id.clone()),
            account: user.account,
            caller: Caller::User(Arc::new(caller)),
            identity,
            boundary: boundary(directory, user.boundary.as_ref()),
            session: None,
            transitive: Vec::new(),
        }
    }

    /// A role as somebody who assumed it under `name` has it.
    pub fn role(directory: &Directory, role: &Role, name: &str, session_tags: &[Tag], source: Option<&str>) -> Self {
        let mut identity = Vec::new();
        hold(directory, "", &role.grants, &mut identity);
        let mut all = tags(&role.tags);
        for tag in session_tags {
            all.retain(|known| !same_name(&known.key, &tag.key));
            all.push(policy::Tag { key: tag.key.clone(), value: tag.value.clone() });
        }
        let caller = policy::Session {
            account: facts(directory, role.account),
            role: policy::Role { arn: role.arn(), id: role.id.to_string(), name: role.name.clone() },
            arn: format!("arn:aws:sts::{}:assumed-role/{}/{name}", role.account, role.name),
            session_name: name.to_owned(),
            user_id: format!("{}:{name}", role.id),
            tags: all,
            source_identity: source.map(str::to_owned),
            federated_provider: None,
        };
        Standing {
            subject: Subject::Role(role.id.clone()),
            account: role.account,
            caller: Caller::Session(Arc::new(caller)),
            identity,
            boundary: boundary(directory, role.boundary.as_ref()),
            session: None,
            transitive: Vec::new(),
        }
    }

    /// A user that has nothing: for policies that are tried before anybody has them.
    pub fn nobody(directory: &Directory, account: AccountId) -> Self {
        let caller = policy::User {
            account: facts(directory, account),
            arn: super::id::arn(account, super::Kind::User, "/", "simulated"),
            id: "AIDASIMULATED".into(),
            name: "simulated".into(),
            path: "/".into(),
            tags: Vec::new(),
            groups: Vec::new(),
            kind: policy::UserKind::Iam,
        };
        Standing {
            subject: Subject::User("AIDASIMULATED".into()),
            account,
            caller: Caller::User(Arc::new(caller)),
            identity: Vec::new(),
            boundary: None,
            session: None,
            transitive: Vec::new(),
        }
    }

    /// Of a key's owner; none when it is gone.
    pub(super) fn of_owner(directory: &Directory, owner: &KeyOwner) -> Option<Self> {
        match owner {
            KeyOwner::Root(account) => directory.account(*account).map(|_| Standing::root(directory, *account)),
            KeyOwner::User(id) => directory.get::<User>(id).map(|user| Standing::user(directory, user)),
        }
    }

    /// Of whoever an ARN names: a user, a role (as a session named `simulated`), or an account's root.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn of_arn(directory: &Directory, arn: &str) -> Result<Self, IdentityError> {
        if let Some(account) = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root")) {
            let known = AccountId::parse(account).filter(|id| directory.account(*id).is_some());
            let account = known.ok_or_else(|| IdentityError::missing("account", account))?;
            return Ok(Standing::root(directory, account));
        }
        if let Ok(role) = directory.by_arn::<Role>(arn) {
            return Ok(Standing::role(directory, role, "simulated", &[], None));
        }
        directory.by_arn::<User>(arn).map(|user| Standing::user(directory, user))
    }
}

impl Standing {
    /// The texts of the identity policies of a user or a role, and of the groups it is in.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn texts_of_arn(directory: &Directory, arn: &str) -> Result<Vec<Arc<str>>, IdentityError> {
        let grants: Vec<&Grants> = match directory.by_arn::<Role>(arn) {
            Ok(role) => vec![&role.grants],
            Err(_) => match directory.by_arn::<Group>(arn) {
                Ok(group) => vec![&group.grants],
                Err(_) => {
                    let user = directory.by_arn::<User>(arn)?;
                    let groups = directory.groups_of(user).map(|group| &group.grants);
                    std::iter::once(&user.grants).chain(groups).collect()
                }
            },
        };
        let inline = grants.iter().flat_map(|grants| &grants.inline).map(|inline| inline.document.text());
        let attached = grants.iter().flat_map(|grants| &grants.attached);
        let attached =
            attached.filter_map(|id| directory.get::<Policy>(id)).map(|policy| policy.in_force().document.text());
        Ok(inline.chain(attached).map(Arc::from).collect())
    }

    /// Everything that has a say about what it asks for.
    pub fn policies<'a>(&'a self, resource: policy::Resource<'a>) -> policy::Policies<'a> {
        policy::Policies {
            identity: &self.identity,
            session: self.session.as_deref(),
            boundary: self.boundary.as_ref(),
            resource,
        }
    }
}

/// What policies know of an account.
pub fn facts(directory: &Directory, account: AccountId) -> policy::Account {
    let canonical = directory.account(account).map(|account| account.canonical.to_string());
    policy::Account {
        id: account.to_string(),
        canonical_id: canonical.unwrap_or_default(),
        organization: Some(policy::Organization {
            id: directory.organization().id.to_string(),
            paths: vec![directory.organization_path(account)],
        }),
    }
}

fn tags(tags: &[Tag]) -> Vec<policy::Tag> {
    tags.iter().map(|tag| policy::Tag { key: tag.key.clone(), value: tag.value.clone() }).collect()
}

fn hold(directory: &Directory, whose: &str, grants: &Grants, held: &mut Vec<Attached>) {
    for inline in &grants.inline {
        let name = format!("{whose}inline {}", inline.name).into();
        held.push(Attached { name, document: Arc::clone(inline.document.compiled()) });
    }
    for id in &grants.attached {
        match directory.get::<Policy>(id) {
            Some(policy) if !policy.enabled => {}
            Some(policy) => {
                let document = Arc::clone(policy.in_force().document.compiled());
                held.push(Attached { name: format!("{whose}{}", policy.name).into(), document });
            }
            None => held.push(nothing(&format!("{whose}{id}, which is missing"))),
        }
    }
}

fn boundary(directory: &Directory, id: Option<&Id>) -> Option<Attached> {
    let id = id?;
    Some(match directory.get::<Policy>(id) {
        Some(policy) => {
            let document = Arc::clone(policy.in_force().document.compiled());
            Attached { name: policy.name.as_str().into(), document }
        }
        None => nothing(&format!("{id}, which is missing")),
    })
}

/// Stands for a policy that rows name and that is not there: nobody knows what it denied, so everything is denied.
fn nothing(name: &str) -> Attached {
    let text = br#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    let document = policy::Document::parse(text, policy::Kind::Identity).expect("a policy");
    tracing::error!(
        policy = name,
        "identity rows name a policy that is missing: whoever it is for is denied everything"
    );
    Attached { name: name.into(), document: Arc::new(document) }
}
