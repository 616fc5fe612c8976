//! May the caller make this call: identity policies decide, as for AWS's own.

use tandem_policy::{
    Action, Caller, Context, Entries, Reason, Request, Resource, Source, TagSet, UserKind, Values, evaluate,
};

use super::call::Call;
use super::error::QueryError;
use crate::audit::Kind;
use crate::identity::{Entity, Policy, Tag};
use crate::s3::access::Globals;

/// What a call tells policies beside its caller: where it comes from and when, and what it names itself. Of its form only the
/// fields that its operation has: any other could pose as a key. It answers for the keys that `tandem_policy::key::ALL` says
/// these faces supply; a test walks them.
pub struct Circumstances<'a> {
    globals: Globals<'a>,
    entries: Entries,
    given_tags: TagSet,
    /// Of what the call names.
    held_tags: TagSet,
}

impl Context for Circumstances<'_> {
    fn get(&self, key: &str) -> Values<'_> {
        if let Some(name) = key.strip_prefix("aws:requesttag/") {
            return self.given_tags.get(name);
        }
        if let Some(name) = key.strip_prefix("aws:resourcetag/").or_else(|| key.strip_prefix("iam:resourcetag/")) {
            return self.held_tags.get(name);
        }
        match self.entries.get(key) {
            Values::Absent => self.globals.get(key),
            known => known,
        }
    }
}

fn set_of(tags: &[Tag]) -> TagSet {
    TagSet::of(tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())))
}

impl<'a> Circumstances<'a> {
    pub fn of(call: &'a Call<'_>) -> Self {
        let globals = Globals::of(call.facts(call.account()));
        let mut known = Circumstances {
            globals,
            entries: Entries::new(),
            given_tags: TagSet::default(),
            held_tags: TagSet::default(),
        };
        for (field, key) in fields_of(call.action()) {
            if let Some(value) = call.form.given(field) {
                known = known.with(key, value);
            }
        }
        if takes_tags(call.action()) {
            let tags = call.form.tags();
            known.given_tags = set_of(&tags);
            known = known.with_all("aws:TagKeys", tags.iter().map(|tag| tag.key.as_str()));
            known = known.with_all("sts:TransitiveTagKeys", call.form.list("TransitiveTagKeys"));
        } else if call.action().starts_with("Untag") {
            known = known.with_all("aws:TagKeys", call.form.list("TagKeys"));
        }
        known
    }

    /// With what is known of the entity that `action` is about.
    #[must_use]
    pub fn about<E: Entity>(mut self, call: &'a Call<'_>, action: &str, entity: &E) -> Self {
        self.held_tags = set_of(entity.tags());
        if entity.account() != call.account() {
            self.globals = Globals::of(call.facts(entity.account()));
        }
        match entity.boundary().and_then(|id| call.directory.get::<Policy>(id)) {
            Some(policy) if asks_for_boundary(action) => self.with("iam:PermissionsBoundary", &policy.arn()),
            _ => self,
        }
    }

    /// With one further key.
    #[must_use]
    pub fn with(self, key: &str, value: &str) -> Self {
        self.with_all(key, [value])
    }

    fn with_all<'v>(self, key: &str, values: impl IntoIterator<Item = &'v str>) -> Self {
        Circumstances { entries: self.entries.with(key, values), ..self }
    }
}

/// The fields that policies know by a key.
fn fields_of(action: &str) -> &'static [(&'static str, &'static str)] {
    match action {
        "AssumeRole" => &[
            ("ExternalId", "sts:ExternalId"),
            ("RoleSessionName", "sts:RoleSessionName"),
            ("DurationSeconds", "sts:DurationSeconds"),
        ],
        "CreateUser" | "CreateRole" | "PutUserPermissionsBoundary" | "PutRolePermissionsBoundary" => {
            &[("PermissionsBoundary", "iam:PermissionsBoundary")]
        }
        "AttachUserPolicy" | "AttachGroupPolicy" | "AttachRolePolicy" | "DetachUserPolicy" | "DetachGroupPolicy"
        | "DetachRolePolicy" => &[("PolicyArn", "iam:PolicyARN")],
        _ => &[],
    }
}

fn takes_tags(action: &str) -> bool {
    let tags = [
        "CreateUser",
        "CreateRole",
        "CreatePolicy",
        "CreateInstanceProfile",
        "TagUser",
        "TagRole",
        "TagPolicy",
        "TagInstanceProfile",
        "AssumeRole",
    ];
    tags.contains(&action)
}

/// The calls that change what a bounded user or role may do: delegated, as a rule, only for those with a certain boundary.
fn asks_for_boundary(action: &str) -> bool {
    matches!(
        action.strip_prefix("iam:").unwrap_or_default(),
        "AttachUserPolicy"
            | "AttachRolePolicy"
            | "DetachUserPolicy"
            | "DetachRolePolicy"
            | "PutUserPolicy"
            | "PutRolePolicy"
            | "DeleteUserPolicy"
            | "DeleteRolePolicy"
            | "DeleteUserPermissionsBoundary"
            | "DeleteRolePermissionsBoundary"
    )
}

/// Whether `action` leaves everything as it is.
pub fn looks(action: &str) -> bool {
    ["iam:Get", "iam:List", "iam:Simulate"].iter().any(|verb| action.starts_with(verb))
}

impl Call<'_> {
    /// The same as [`require`](Self::require) for what may exist already. Who is more than its account's is not for its account
    /// to change: its keys would make whoever has them a superuser.
    pub fn require_of<E: Entity>(&self, action: &str, resource: &str, found: Option<&E>) -> Result<(), QueryError> {
        let context = Circumstances::of(self);
        let Some(entity) = found else { return self.require_in(action, resource, &context) };
        self.require_in(action, resource, &context.about(self, action, entity))?;
        if entity.is_superuser() && !looks(action) && !self.caller.caller().is_superuser() {
            return Err(self.superusers_only(action, resource));
        }
        Ok(())
    }

    /// The answer to who is no superuser and would change what one is or may. What is named itself is refused at once; everything else by
    /// the guard of all changes, [`change_and_tell`](crate::identity::Identities::change_and_tell).
    pub fn superusers_only(&self, action: &str, resource: &str) -> QueryError {
        self.tell(Kind::Denied, Some(action), Some(resource), "superusers are changed by superusers");
        self.not_authorized(action, resource, false)
    }

    /// # Errors
    /// `AccessDenied`, in AWS's words.
    pub fn require(&self, action: &str, resource: &str) -> Result<(), QueryError> {
        self.require_in(action, resource, &Circumstances::of(self))
    }

    pub fn require_in(&self, action: &str, resource: &str, context: &dyn Context) -> Result<(), QueryError> {
        let standing = &self.caller.standing;
        let account = standing.account.to_string();
        // A local user is managed at the admin port, and manages nobody.
        if let Caller::User(user) = &standing.caller
            && matches!(user.kind, UserKind::Local { superuser: false, .. })
        {
            self.tell(Kind::Denied, Some(action), Some(resource), "local users do not manage identities");
            return Err(self.not_authorized(action, resource, false));
        }
        let policies = standing.policies(Resource::Account(&account));
        let request = Request { caller: &standing.caller, action: Action::of(action), resource, context };
        let decision = evaluate(&policies, &request);
        if decision.allowed {
            return Ok(());
        }
        if decision.why.source == Source::Default(Reason::TooManySteps) {
            self.tell_out_of_steps(action, resource);
        }
        self.tell(Kind::Denied, Some(action), Some(resource), &decision.why.to_string());
        Err(self.not_authorized(action, resource, decision.is_explicit_deny()))
    }

    pub fn not_authorized(&self, action: &str, resource: &str, explicit: bool) -> QueryError {
        let who = self.caller.caller().arn().unwrap_or("anonymous").to_owned();
        let why = match explicit {
            true => "with an explicit deny in a policy".to_owned(),
            false => format!("because no identity-based policy allows the {action} action"),
        };
        QueryError::denied(format!("User: {who} is not authorized to perform: {action} on resource: {resource} {why}"))
    }
}
