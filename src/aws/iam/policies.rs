use std::sync::Arc;

use super::page::{Page, write_end};
use super::{Answered, done, makes, shape};
use crate::aws::access::looks;
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{AccountId, Group, Holder, IdentityError, NewPolicy, Policy, PolicyVersion, Role, User, Uses};

/// The policy of an ARN of the caller's account. AWS's own can be looked at.
pub fn allowed(call: &Call<'_>, action: &str) -> Result<Arc<Policy>, QueryError> {
    let arn = call.form.required("PolicyArn")?;
    let own = |policy: &&Arc<Policy>| policy.account == call.account() || policy.account == AccountId::AWS;
    let found = call.directory.by_arn::<Policy>(arn).ok().filter(own);
    call.require_of(action, arn, found.map(|policy| &**policy))?;
    let policy = found.ok_or_else(|| IdentityError::missing("policy", arn))?;
    if policy.account == AccountId::AWS && !looks(action) {
        return Err(call.not_authorized(action, arn, false));
    }
    Ok(Arc::clone(policy))
}

fn version(call: &Call<'_>) -> Result<u32, QueryError> {
    let text = call.form.required("VersionId")?;
    let number = text.strip_prefix('v').and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| QueryError::validation("VersionId is v and a number."))
}

fn shown(call: &Call<'_>, policy: Arc<Policy>) -> super::Write {
    let (directory, account) = (call.identities.directory(), call.account());
    Box::new(move |xml| {
        xml.open("Policy");
        let used = Uses {
            attached: directory.holders_of(account, &policy.id).len(),
            bounds: directory.bounded_by(account, &policy.id),
        };
        shape::policy(xml, &policy, used, true);
        xml.close();
    })
}

pub async fn create(call: &Call<'_>) -> Answered {
    let name = makes::<Policy>(call)?;
    let document = call.document("PolicyDocument").await?;
    let new = NewPolicy {
        path: call.form.given("Path").unwrap_or_default().to_owned(),
        description: call.form.given("Description").unwrap_or_default().to_owned(),
        tags: call.form.tags(),
        ..NewPolicy::of(name, document)
    };
    let policy = call.change(|draft| draft.create_policy(call.account(), new)).await?;
    Ok(shown(call, policy))
}

pub fn get(call: &Call<'_>) -> Answered {
    let policy = allowed(call, "iam:GetPolicy")?;
    Ok(shown(call, policy))
}

pub fn list(call: &Call<'_>) -> Answered {
    call.require("iam:ListPolicies", "*")?;
    let prefix = call.form.given("PathPrefix").unwrap_or("/");
    let attached_only = call.form.flag("OnlyAttached")?;
    let accounts: &[AccountId] = match call.form.given("Scope") {
        None | Some("All") => &[call.account(), AccountId::AWS],
        Some("AWS") => &[AccountId::AWS],
        Some("Local") => &[call.account()],
        Some(_) => return Err(QueryError::validation("Scope is All, AWS or Local.")),
    };
    let directory = call.directory.clone();
    let uses = directory.uses_of_policies(call.account());
    let used = |policy: &Policy| uses.get(&policy.id).copied().unwrap_or_default();
    let wanted =
        |policy: &&Arc<Policy>| policy.path.starts_with(prefix) && !(attached_only && used(policy).attached == 0);
    let found = accounts.iter().flat_map(|account| directory.all::<Policy>(*account)).filter(wanted);
    let mut found: Vec<_> = found.cloned().collect();
    found.sort_by_key(|policy| policy.name.to_ascii_lowercase());
    let page = Page::of(call, found.into_iter(), |policy| policy.name.clone())?;
    Ok(Box::new(move |xml| {
        members(xml, "Policies", &page.items, |xml, policy| {
            let used = uses.get(&policy.id).copied().unwrap_or_default();
            shape::policy(xml, policy, used, false);
        });
        write_end(xml, page.marker.as_deref());
    }))
}

pub async fn delete(call: &Call<'_>) -> Answered {
    let policy = allowed(call, "iam:DeletePolicy")?;
    call.change(|draft| draft.delete_policy(&policy.id)).await?;
    Ok(done())
}

/// One permission for both, as with AWS: a version may be put in force with its making.
pub async fn create_version(call: &Call<'_>) -> Answered {
    let policy = allowed(call, "iam:CreatePolicyVersion")?;
    let document = call.document("PolicyDocument").await?;
    let default = call.form.flag("SetAsDefault")?;
    let made = call.change(|draft| draft.create_version(&policy.id, document, default)).await?;
    let in_force = if default { made.number } else { policy.default };
    Ok(version_shown(made, in_force, false))
}

fn version_shown(version: PolicyVersion, in_force: u32, with_document: bool) -> super::Write {
    Box::new(move |xml| {
        xml.open("PolicyVersion");
        shape::version(xml, &version, in_force, with_document);
        xml.close();
    })
}

pub fn get_version(call: &Call<'_>) -> Answered {
    let policy = allowed(call, "iam:GetPolicyVersion")?;
    let number = version(call)?;
    let found = policy.versions.iter().find(|version| version.number == number);
    let found = found.ok_or_else(|| IdentityError::missing("policy version", format!("v{number}")))?;
    Ok(version_shown(found.clone(), policy.default, true))
}

pub fn list_versions(call: &Call<'_>) -> Answered {
    let policy = allowed(call, "iam:ListPolicyVersions")?;
    Ok(Box::new(move |xml| {
        members(xml, "Versions", policy.versions.iter().rev(), |xml, version| {
            shape::version(xml, version, policy.default, false);
        });
        write_end(xml, None);
    }))
}

pub async fn set_default(call: &Call<'_>) -> Answered {
    let policy = allowed(call, "iam:SetDefaultPolicyVersion")?;
    let number = version(call)?;
    call.change(|draft| draft.set_default_version(&policy.id, number)).await?;
    Ok(done())
}

pub async fn delete_version(call: &Call<'_>) -> Answered {
    let policy = allowed(call, "iam:DeletePolicyVersion")?;
    let number = version(call)?;
    call.change(|draft| draft.delete_version(&policy.id, number)).await?;
    Ok(done())
}

pub fn entities(call: &Call<'_>) -> Answered {
    let policy = allowed(call, "iam:ListEntitiesForPolicy")?;
    let directory = call.directory.clone();
    let holders = directory.holders_of(call.account(), &policy.id);
    Ok(Box::new(move |xml| {
        let groups = holders.iter().filter_map(|holder| match holder {
            Holder::Group(id) => directory.get::<Group>(id),
            _ => None,
        });
        members(xml, "PolicyGroups", groups, |xml, group| {
            xml.text("GroupName", &group.name);
            xml.text("GroupId", &group.id);
        });
        let users = holders.iter().filter_map(|holder| match holder {
            Holder::User(id) => directory.get::<User>(id),
            _ => None,
        });
        members(xml, "PolicyUsers", users, |xml, user| {
            xml.text("UserName", &user.name);
            xml.text("UserId", &user.id);
        });
        let roles = holders.iter().filter_map(|holder| match holder {
            Holder::Role(id) => directory.get::<Role>(id),
            _ => None,
        });
        members(xml, "PolicyRoles", roles, |xml, role| {
            xml.text("RoleName", &role.name);
            xml.text("RoleId", &role.id);
        });
        write_end(xml, None);
    }))
}
