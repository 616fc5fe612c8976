//! Instance profiles: there are no machines here, but automation makes one for each role, and looks for it.

use std::sync::Arc;

use super::page::{Page, write_end};
use super::{Answered, allowed, done, makes, shape};
use crate::aws::access::Circumstances;
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{Entity, InstanceProfile, Kind, NewProfile, Role, arn};

/// Whom a role in an instance profile is handed to.
const MACHINES: &str = "ec2.amazonaws.com";

fn shown(call: &Call<'_>, profile: Arc<InstanceProfile>) -> super::Write {
    let directory = call.identities.directory();
    Box::new(move |xml| {
        xml.open("InstanceProfile");
        shape::profile(xml, &directory, &profile, true);
        xml.close();
    })
}

pub async fn create(call: &Call<'_>) -> Answered {
    let new = NewProfile {
        name: makes::<InstanceProfile>(call)?.to_owned(),
        path: call.form.given("Path").unwrap_or_default().to_owned(),
        tags: call.form.tags(),
    };
    let profile = call.change(|draft| draft.create_profile(call.account(), new)).await?;
    Ok(shown(call, profile))
}

pub fn get(call: &Call<'_>) -> Answered {
    let profile = allowed::<InstanceProfile>(call, "iam:GetInstanceProfile")?;
    Ok(shown(call, profile))
}

pub async fn delete(call: &Call<'_>) -> Answered {
    let profile = allowed::<InstanceProfile>(call, "iam:DeleteInstanceProfile")?;
    call.change(|draft| draft.delete_profile(&profile.id)).await?;
    Ok(done())
}

fn listed(call: &Call<'_>, profiles: impl Iterator<Item = Arc<InstanceProfile>>) -> Answered {
    let page = Page::of(call, profiles, |profile| profile.name.clone())?;
    let directory = call.directory.clone();
    Ok(Box::new(move |xml| {
        members(xml, "InstanceProfiles", &page.items, |xml, profile| shape::profile(xml, &directory, profile, false));
        write_end(xml, page.marker.as_deref());
    }))
}

pub fn list(call: &Call<'_>) -> Answered {
    let prefix = call.form.given("PathPrefix").unwrap_or("/");
    call.require("iam:ListInstanceProfiles", &arn(call.account(), Kind::InstanceProfile, "/", ""))?;
    let all = call.directory.all::<InstanceProfile>(call.account());
    listed(call, all.filter(|profile| profile.path.starts_with(prefix)).cloned())
}

pub fn of_role(call: &Call<'_>) -> Answered {
    let role = allowed::<Role>(call, "iam:ListInstanceProfilesForRole")?;
    listed(call, call.directory.profiles_of(&role).cloned())
}

fn role_of(call: &Call<'_>) -> Result<Arc<Role>, QueryError> {
    Ok(Arc::clone(call.directory.named::<Role>(call.account(), call.form.required("RoleName")?)?))
}

/// Who hands a role to machines must be allowed to pass it to them.
pub async fn add_role(call: &Call<'_>) -> Answered {
    let profile = allowed::<InstanceProfile>(call, "iam:AddRoleToInstanceProfile")?;
    let role = role_of(call)?;
    let passed = Circumstances::of(call).about(call, "iam:PassRole", &*role).with("iam:PassedToService", MACHINES);
    call.require_in("iam:PassRole", &role.arn(), &passed)?;
    call.change(|draft| draft.add_role_to_profile(&profile.id, &role.id)).await?;
    Ok(done())
}

pub async fn remove_role(call: &Call<'_>) -> Answered {
    let profile = allowed::<InstanceProfile>(call, "iam:RemoveRoleFromInstanceProfile")?;
    let role = role_of(call)?;
    call.change(|draft| draft.remove_role_from_profile(&profile.id, &role)).await?;
    Ok(done())
}
