//! A question as plain data, that the engine and the reference evaluator each read in their own way.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tandem_policy::{
    Account, Acl, Action, Attached, Bucket, Caller, Decision, Document, Entries, Grant, Grantee, Kind, Malformed,
    ObjectOwnership, Organization, Owner, Permission, Policies, Prepared, PublicAccessBlock, Request, Resource, Role,
    Root, Service, Session, Steps, Tag, User, UserKind, evaluate,
};

pub const BUCKET: &str = "bucket";

#[derive(Clone, Debug)]
pub struct Who {
    /// anonymous, root, superuser, iam, local, local-superuser, session, service
    pub kind: &'static str,
    pub account: &'static str,
    pub name: &'static str,
    pub groups: Vec<&'static str>,
    pub tags: Vec<(&'static str, &'static str)>,
    pub organization: Option<&'static str>,
    pub may_delete: bool,
    /// Of a session that an identity provider began.
    pub provider: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub who: Who,
    pub action: String,
    pub resource: String,
    pub context: BTreeMap<String, Vec<String>>,
    pub identity: Vec<Value>,
    pub session: Option<Vec<Value>>,
    pub boundary: Option<Value>,
    pub bucket_account: &'static str,
    pub creator: Option<&'static str>,
    pub policy: Option<Value>,
    pub ownership: &'static str,
    pub ignore_public_acls: bool,
    pub restrict: bool,
    /// (account, AllUsers or AuthenticatedUsers; permission)
    pub acl: Vec<(&'static str, &'static str)>,
    pub object_owner: Option<&'static str>,
    pub object_acl: Vec<(&'static str, &'static str)>,
}

pub fn canonical(account: &str) -> String {
    account.chars().last().expect("an account").to_string().repeat(64)
}

pub fn unique(name: &str) -> String {
    format!("AIDA{:A<16}", name.to_ascii_uppercase())
}

pub fn role_id(name: &str) -> String {
    format!("AROA{:A<16}", name.to_ascii_uppercase())
}

fn account(who: &Who) -> Account {
    let paths = |id: &str| vec![format!("{id}/r-1/ou-1/"), format!("{id}/r-1/ou-2/")];
    Account {
        id: who.account.to_owned(),
        canonical_id: canonical(who.account),
        organization: who.organization.map(|id| Organization { id: id.to_owned(), paths: paths(id) }),
    }
}

pub fn caller(who: &Who) -> Caller {
    let tags =
        || who.tags.iter().map(|(key, value)| Tag { key: (*key).to_owned(), value: (*value).to_owned() }).collect();
    let user = |kind| {
        Caller::User(Arc::new(User {
            account: account(who),
            arn: format!("arn:aws:iam::{}:user/{}", who.account, who.name),
            id: unique(who.name),
            name: who.name.to_owned(),
            path: "/".to_owned(),
            tags: tags(),
            groups: who.groups.iter().map(|group| (*group).to_owned()).collect(),
            kind,
        }))
    };
    let root = |superuser| {
        let arn = format!("arn:aws:iam::{}:root", who.account);
        Caller::Root(Arc::new(Root { account: account(who), arn, superuser }))
    };
    match who.kind {
        "anonymous" => Caller::Anonymous,
        "root" => root(false),
        "superuser" => root(true),
        "iam" => user(UserKind::Iam),
        "local" | "local-superuser" => user(UserKind::Local {
            allow_create_bucket: who.may_delete,
            allow_delete_bucket: who.may_delete,
            superuser: who.kind == "local-superuser",
        }),
        "session" => Caller::Session(Arc::new(Session {
            account: account(who),
            role: Role {
                arn: format!("arn:aws:iam::{}:role/{}", who.account, who.name),
                id: role_id(who.name),
                name: who.name.to_owned(),
            },
            arn: format!("arn:aws:sts::{}:assumed-role/{}/work", who.account, who.name),
            session_name: "work".to_owned(),
            user_id: format!("{}:work", role_id(who.name)),
            tags: tags(),
            source_identity: None,
            federated_provider: who.provider.map(str::to_owned),
        })),
        "service" => {
            let name = "logging.s3.amazonaws.com".to_owned();
            Caller::Service(Arc::new(Service { names: vec![name.clone()], name }))
        }
        other => panic!("no such kind of caller: {other}"),
    }
}

fn grantee(name: &str) -> Grantee {
    match name {
        "AllUsers" => Grantee::AllUsers,
        "AuthenticatedUsers" => Grantee::AuthenticatedUsers,
        account => Grantee::Account(Owner { id: canonical(account), display_name: account.to_owned() }),
    }
}

fn acl(owner: &str, grants: &[(&'static str, &'static str)]) -> Acl {
    let grant = |(to, permission): &(&str, &str)| Grant {
        grantee: grantee(to),
        permission: Permission::parse(permission).expect("a permission"),
    };
    let owner = Owner { id: canonical(owner), display_name: owner.to_owned() };
    Acl::new(owner, grants.iter().map(grant).collect()).expect("few grants")
}

/// What the engine needs of a case, made once and asked often.
pub struct Compiled {
    identity: Vec<Attached>,
    session: Option<Vec<Attached>>,
    boundary: Option<Attached>,
    policy: Option<Document>,
    acl: Acl,
    object_acl: Acl,
}

pub fn attached(value: &Value) -> Result<Attached, Malformed> {
    let document = Document::parse(value.to_string().as_bytes(), Kind::Identity)?;
    Ok(Attached { name: "p".into(), document: Arc::new(document) })
}

impl Compiled {
    pub fn of(case: &Case) -> Result<Compiled, Malformed> {
        let each = |list: &Vec<Value>| list.iter().map(attached).collect::<Result<Vec<_>, _>>();
        let bucket = |value: &Value| Document::parse(value.to_string().as_bytes(), Kind::Bucket { name: BUCKET });
        Ok(Compiled {
            identity: each(&case.identity)?,
            session: case.session.as_ref().map(each).transpose()?,
            boundary: case.boundary.as_ref().map(attached).transpose()?,
            policy: case.policy.as_ref().map(bucket).transpose()?,
            acl: acl(case.bucket_account, &case.acl),
            object_acl: acl(case.object_owner.unwrap_or(case.bucket_account), &case.object_acl),
        })
    }

    pub fn ask<T>(&self, case: &Case, read: impl FnOnce(Decision<'_>) -> T) -> T {
        self.ask_prepared(case, case, read).1
    }

    /// What is decided when the question of `asked` is prepared for its caller and action, about the object of `case`; and
    /// what is decided at once.
    pub fn ask_prepared<T>(&self, asked: &Case, case: &Case, read: impl FnOnce(Decision<'_>) -> T) -> (bool, T) {
        let caller = caller(&asked.who);
        let entries = |context: &BTreeMap<String, Vec<String>>| {
            let each = context.iter();
            each.fold(Entries::new(), |entries, (key, values)| entries.with(key, values.iter().map(String::as_str)))
        };
        let creator = asked.creator.map(unique);
        let bucket = |of: &Case| self.bucket(of, creator.as_deref());
        let policies = |resource| self.policies(resource);
        let action = Action::of(&asked.action);
        // Of the bucket as a whole a request has no key of an object.
        let mut of_bucket = asked.context.clone();
        of_bucket.retain(|key, _| !key.starts_with("s3:existingobjecttag/"));
        let (of_bucket, of_object) = (entries(&of_bucket), entries(&case.context));
        let steps = Steps::default();
        let whole = Request { caller: &caller, action, resource: "arn:aws:s3:::bucket", context: &of_bucket };
        let prepared = Prepared::of(policies(Resource::Bucket(bucket(asked))), &whole, &steps);
        let request = Request { caller: &caller, action, resource: &case.resource, context: &of_object };
        let resource = Resource::Bucket(bucket(case));
        let allowed = prepared.decide(resource, &request, &steps).allowed;
        assert!(steps.taken() < 20_000, "{} steps for {case:#?}", steps.taken());
        (allowed, read(evaluate(&policies(resource), &request)))
    }
    /// The case as the engine takes it.
    pub fn with<T>(&self, case: &Case, read: impl FnOnce(&Policies<'_>, &Request<'_>) -> T) -> T {
        let caller = caller(&case.who);
        let each = case.context.iter();
        let context =
            each.fold(Entries::new(), |entries, (key, values)| entries.with(key, values.iter().map(String::as_str)));
        let creator = case.creator.map(unique);
        let resource = Resource::Bucket(self.bucket(case, creator.as_deref()));
        let request =
            Request { caller: &caller, action: Action::of(&case.action), resource: &case.resource, context: &context };
        read(&self.policies(resource), &request)
    }

    fn bucket<'a>(&'a self, of: &Case, creator: Option<&'a str>) -> Bucket<'a> {
        Bucket {
            account: of.bucket_account,
            creator,
            policy: self.policy.as_ref(),
            ownership: ObjectOwnership::parse(of.ownership).expect("an ownership"),
            public_access: PublicAccessBlock {
                ignore_public_acls: of.ignore_public_acls,
                restrict_public_buckets: of.restrict,
                ..PublicAccessBlock::default()
            },
            acl: Some(&self.acl),
            object_owner: of.object_owner,
            object_acl: Some(&self.object_acl),
        }
    }

    fn policies<'a>(&'a self, resource: Resource<'a>) -> Policies<'a> {
        Policies {
            identity: &self.identity,
            session: self.session.as_deref(),
            boundary: self.boundary.as_ref(),
            resource,
        }
    }
}
