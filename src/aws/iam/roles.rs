use std::sync::Arc;

use super::page::{Page, write_end};
use super::{Answered, allowed, done, makes, shape, users};
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::identity::{Kind, NewRole, Role, TrustDocument, arn};

pub async fn create(call: &Call<'_>) -> Answered {
    let new = NewRole {
        name: makes::<Role>(call)?.to_owned(),
        path: call.form.given("Path").unwrap_or_default().to_owned(),
        description: call.form.given("Description").unwrap_or_default().to_owned(),
        trust: TrustDocument::accept(call.form.required("AssumeRolePolicyDocument")?)?,
        max_session_seconds: call.form.number("MaxSessionDuration")?,
        tags: call.form.tags(),
        boundary: users::boundary(call)?,
    };
    let role = call.change(|draft| draft.create_role(call.account(), new)).await?;
    Ok(shown(call, role))
}

fn shown(call: &Call<'_>, role: Arc<Role>) -> super::Write {
    let directory = call.identities.directory();
    Box::new(move |xml| {
        xml.open("Role");
        shape::role(xml, &directory, &role, true);
        xml.close();
    })
}

pub fn get(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:GetRole")?;
    Ok(shown(call, role))
}

pub fn list(call: &Call<'_>) -> Answered {
    let prefix = call.form.given("PathPrefix").unwrap_or("/").to_owned();
    call.require("iam:ListRoles", &arn(call.account(), Kind::Role, "/", ""))?;
    let roles = call.directory.all::<Role>(call.account()).filter(|role| role.path.starts_with(&prefix)).cloned();
    let page = Page::of(call, roles, |role| role.name.clone())?;
    let directory = call.directory.clone();
    Ok(Box::new(move |xml| {
        members(xml, "Roles", &page.items, |xml, role| shape::role(xml, &directory, role, false));
        write_end(xml, page.marker.as_deref());
    }))
}

pub async fn update(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:UpdateRole")?;
    let description = call.form.get("Description").map(str::to_owned);
    let seconds = call.form.number("MaxSessionDuration")?;
    call.change(|draft| draft.update_role(&role.id, description, seconds)).await?;
    Ok(done())
}

pub async fn update_description(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:UpdateRoleDescription")?;
    let description = call.form.get("Description").unwrap_or_default().to_owned();
    call.change(|draft| draft.update_role(&role.id, Some(description), None)).await?;
    let fresh = call.identities.directory();
    let role = fresh.get::<Role>(&role.id).cloned().unwrap_or(role);
    Ok(shown(call, role))
}

pub async fn update_trust(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:UpdateAssumeRolePolicy")?;
    let trust = TrustDocument::accept(call.form.required("PolicyDocument")?)?;
    call.change(|draft| draft.set_trust(&role.id, trust)).await?;
    Ok(done())
}

pub async fn delete(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:DeleteRole")?;
    call.change(|draft| draft.delete_role(&role.id)).await?;
    Ok(done())
}
