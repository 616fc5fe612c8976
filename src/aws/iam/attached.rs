//! Managed policies on users, groups and roles, as grants and as boundaries.

use super::inline::grants;
use super::page::{Page, write_end};
use super::{Answered, action, done, holder};
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{AccountId, Entity, Id, IdentityError, Kind, Policy};

/// A policy of the caller's account or AWS's own. Others are answered as what is not there.
pub fn policy(call: &Call<'_>, parameter: &str) -> Result<Id, QueryError> {
    let arn = call.form.required(parameter)?;
    let found = call.directory.by_arn::<Policy>(arn)?;
    if found.account != call.account() && found.account != AccountId::AWS {
        return Err(IdentityError::missing("policy", arn).into());
    }
    Ok(found.id.clone())
}

pub async fn attach(call: &Call<'_>, kind: Kind) -> Answered {
    let holder = holder(call, kind, &action("Attach", kind, "Policy"))?;
    let policy = policy(call, "PolicyArn")?;
    call.change(|draft| draft.attach(&holder, &policy)).await?;
    Ok(done())
}

pub async fn detach(call: &Call<'_>, kind: Kind) -> Answered {
    let holder = holder(call, kind, &action("Detach", kind, "Policy"))?;
    let policy = policy(call, "PolicyArn")?;
    call.change(|draft| draft.detach(&holder, &policy)).await?;
    Ok(done())
}

pub fn list(call: &Call<'_>, kind: Kind) -> Answered {
    let holder = holder(call, kind, &action("ListAttached", kind, "Policies"))?;
    let prefix = call.form.given("PathPrefix").unwrap_or("/");
    let ids = grants(&call.directory, &holder).into_iter().flat_map(|held| &held.attached);
    let found = ids.filter_map(|id| call.directory.get::<Policy>(id)).filter(|policy| policy.path.starts_with(prefix));
    let mut found: Vec<_> = found.cloned().collect();
    found.sort_by_key(|policy| policy.name.to_ascii_lowercase());
    let page = Page::of(call, found.into_iter(), |policy| policy.name.clone())?;
    Ok(Box::new(move |xml| {
        members(xml, "AttachedPolicies", &page.items, |xml, policy| {
            xml.text("PolicyName", &policy.name);
            xml.text("PolicyArn", &policy.arn());
        });
        write_end(xml, page.marker.as_deref());
    }))
}

pub async fn put_boundary(call: &Call<'_>, kind: Kind) -> Answered {
    let holder = holder(call, kind, &action("Put", kind, "PermissionsBoundary"))?;
    let policy = policy(call, "PermissionsBoundary")?;
    call.change(|draft| draft.set_boundary(&holder, Some(policy))).await?;
    Ok(done())
}

pub async fn delete_boundary(call: &Call<'_>, kind: Kind) -> Answered {
    let holder = holder(call, kind, &action("Delete", kind, "PermissionsBoundary"))?;
    call.change(|draft| draft.set_boundary(&holder, None)).await?;
    Ok(done())
}
