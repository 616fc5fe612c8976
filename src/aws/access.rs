//! May the caller make this call: identity policies decide, as for AWS's own.

use tandem_policy::{Action, Caller, Context, Entries, Request, Resource, UserKind, Values, evaluate};

use super::answer::date;
use super::call::Call;
use super::error::QueryError;
use crate::audit::Kind;
use crate::identity::{Entity, Policy};

/// What a call tells policies beside its caller: where it comes from and when, and what it names itself. Of its form only the
/// fields that its operation has: any other could pose as a key.
pub struct Circumstances {
    entries: Entries,
}

impl Context for Circumstances {
    fn get(&self, key: &str) -> Values<'_> {
        self.entries.get(key)
    }
}

impl Circumstances {
    pub fn of(call: &Call<'_>) -> Self {
        let at = call.received;
        let mut entries = Entries::new()
            .with("aws:SourceIp", [call.client.to_string()])
            .with("aws:SecureTransport", [call.secure.to_string()])
            .with("aws:CurrentTime", [date(at)])
            .with("aws:EpochTime", [at.as_secs().to_string()]);
        if let Some(agent) = &call.user_agent {
            entries = entries.with("aws:UserAgent", [agent.as_str()]);
        }
        if let Some(issued) = call.caller.issued {
            entries = entries.with("aws:TokenIssueTime", [date(issued)]);
        }
        for (field, key) in fields_of(call.action()) {
            if let Some(value) = call.form.given(field) {
                entries = entries.with(key, [value]);
            }
        }
        entries = match call.action() {
            action if takes_tags(action) => tagged(call, entries),
            action if action.starts_with("Untag") => entries.with("aws:TagKeys", call.form.list("TagKeys")),
            _ => entries,
        };
        Circumstances { entries }
    }

    /// With what is known of the entity that `action` is about.
    #[must_use]
    pub fn about<E: Entity>(mut self, call: &Call<'_>, action: &str, entity: &E) -> Self {
        for tag in entity.tags() {
            self = self.with(&format!("aws:ResourceTag/{}", tag.key), &tag.value);
            self = self.with(&format!("iam:ResourceTag/{}", tag.key), &tag.value);
        }
        match entity.boundary().and_then(|id| call.directory.get::<Policy>(id)) {
            Some(policy) if asks_for_boundary(action) => self.with("iam:PermissionsBoundary", &policy.arn()),
            _ => self,
        }
    }

    /// With one further key.
    #[must_use]
    pub fn with(self, key: &str, value: &str) -> Self {
        Circumstances { entries: self.entries.with(key, [value]) }
    }
}

/// The fields that policies know by a key.
fn fields_of(action: &str) -> &'static [(&'static str, &'static str)] {
    match action {
        "AssumeRole" => &[("ExternalId", "sts:ExternalId"), ("RoleSessionName", "sts:RoleSessionName")],
        "CreateUser" | "CreateRole" | "PutUserPermissionsBoundary" | "PutRolePermissionsBoundary" => {
            &[("PermissionsBoundary", "iam:PermissionsBoundary")]
        }
        "AttachUserPolicy" | "AttachGroupPolicy" | "AttachRolePolicy" | "DetachUserPolicy" | "DetachGroupPolicy"
        | "DetachRolePolicy" => &[("PolicyArn", "iam:PolicyARN")],
        _ => &[],
    }
}

fn takes_tags(action: &str) -> bool {
    let tags = ["CreateUser", "CreateRole", "CreatePolicy", "TagUser", "TagRole", "TagPolicy", "AssumeRole"];
    tags.contains(&action)
}

fn tagged(call: &Call<'_>, mut entries: Entries) -> Entries {
    let tags = call.form.tags();
    for tag in &tags {
        entries = entries.with(&format!("aws:RequestTag/{}", tag.key), [tag.value.as_str()]);
    }
    if !tags.is_empty() {
        entries = entries.with("aws:TagKeys", tags.iter().map(|tag| tag.key.as_str()));
    }
    let transitive = call.form.list("TransitiveTagKeys");
    if transitive.is_empty() { entries } else { entries.with("sts:TransitiveTagKeys", transitive) }
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
            self.tell(Kind::Denied, Some(action), Some(resource), "superusers are changed by superusers");
            return Err(self.not_authorized(action, resource, false));
        }
        Ok(())
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
