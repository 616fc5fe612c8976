//! May the caller make this call: identity policies decide, as for AWS's own.

use tandem_policy::{Action, Caller, Context, Entries, Request, Resource, UserKind, Values, evaluate};

use super::answer::date;
use super::call::Call;
use super::error::QueryError;
use crate::audit::Kind;

/// What a call tells policies beside its caller: where it comes from and when, and what it names itself.
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
        let tags = call.form.tags();
        if !tags.is_empty() {
            for tag in &tags {
                entries = entries.with(&format!("aws:RequestTag/{}", tag.key), [tag.value.as_str()]);
            }
            entries = entries.with("aws:TagKeys", tags.iter().map(|tag| tag.key.as_str()));
        }
        for (field, key) in [
            ("ExternalId", "sts:ExternalId"),
            ("RoleSessionName", "sts:RoleSessionName"),
            ("SourceIdentity", "sts:SourceIdentity"),
            ("PolicyArn", "iam:PolicyARN"),
            ("PermissionsBoundary", "iam:PermissionsBoundary"),
        ] {
            if let Some(value) = call.form.given(field) {
                entries = entries.with(key, [value]);
            }
        }
        let transitive = call.form.list("TransitiveTagKeys");
        if !transitive.is_empty() {
            entries = entries.with("sts:TransitiveTagKeys", transitive);
        }
        Circumstances { entries }
    }

    /// With one further key.
    #[must_use]
    pub fn with(self, key: &str, value: &str) -> Self {
        Circumstances { entries: self.entries.with(key, [value]) }
    }
}

impl Call<'_> {
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
