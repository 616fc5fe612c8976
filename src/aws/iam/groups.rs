use std::sync::Arc;

use super::page::{Page, write_end};
use super::{Answered, allowed, done, makes, shape};
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{Group, Kind, NewGroup, User, arn};

pub async fn create(call: &Call<'_>) -> Answered {
    let name = makes::<Group>(call)?;
    let path = call.form.given("Path").unwrap_or_default().to_owned();
    let new = NewGroup { name: name.to_owned(), path, gid: None };
    let group = call.change(|draft| draft.create_group(call.account(), new)).await?;
    Ok(Box::new(move |xml| {
        xml.open("Group");
        shape::group(xml, &group);
        xml.close();
    }))
}

pub fn get(call: &Call<'_>) -> Answered {
    let group = allowed::<Group>(call, "iam:GetGroup")?;
    let inside = call.directory.members(&group).cloned();
    let page = Page::of(call, inside, |user| user.name.clone())?;
    let directory = call.directory.clone();
    Ok(Box::new(move |xml| {
        xml.open("Group");
        shape::group(xml, &group);
        xml.close();
        members(xml, "Users", &page.items, |xml, user| shape::user(xml, &directory, user, false));
        write_end(xml, page.marker.as_deref());
    }))
}

pub fn list(call: &Call<'_>) -> Answered {
    let prefix = call.form.given("PathPrefix").unwrap_or("/").to_owned();
    call.require("iam:ListGroups", &arn(call.account(), Kind::Group, "/", ""))?;
    let groups = call.directory.all::<Group>(call.account()).filter(|group| group.path.starts_with(&prefix)).cloned();
    let page = Page::of(call, groups, |group| group.name.clone())?;
    Ok(Box::new(move |xml| {
        members(xml, "Groups", &page.items, |xml, group| shape::group(xml, group));
        write_end(xml, page.marker.as_deref());
    }))
}

pub async fn update(call: &Call<'_>) -> Answered {
    let group = allowed::<Group>(call, "iam:UpdateGroup")?;
    let name = call.form.given("NewGroupName").map(str::to_owned);
    let path = call.form.given("NewPath").map(str::to_owned);
    if name.is_some() || path.is_some() {
        let (path, name) = (path.as_deref().unwrap_or(&group.path), name.as_deref().unwrap_or(&group.name));
        call.require("iam:UpdateGroup", &arn(group.account, Kind::Group, path, name))?;
    }
    call.change(|draft| draft.update_group(&group.id, name, path, None)).await?;
    Ok(done())
}

pub async fn delete(call: &Call<'_>) -> Answered {
    let group = allowed::<Group>(call, "iam:DeleteGroup")?;
    call.change(|draft| draft.delete_group(&group.id)).await?;
    Ok(done())
}

fn user_of(call: &Call<'_>) -> Result<Arc<User>, QueryError> {
    Ok(Arc::clone(call.directory.named::<User>(call.account(), call.form.required("UserName")?)?))
}

pub async fn add_user(call: &Call<'_>) -> Answered {
    let group = allowed::<Group>(call, "iam:AddUserToGroup")?;
    let user = user_of(call)?;
    call.change(|draft| draft.add_to_group(&user.id, &group.id)).await?;
    Ok(done())
}

pub async fn remove_user(call: &Call<'_>) -> Answered {
    let group = allowed::<Group>(call, "iam:RemoveUserFromGroup")?;
    let user = user_of(call)?;
    call.change(|draft| draft.remove_from_group(&user.id, &group.id)).await?;
    Ok(done())
}

pub fn of_user(call: &Call<'_>) -> Answered {
    let user = allowed::<User>(call, "iam:ListGroupsForUser")?;
    let mut groups: Vec<_> = call.directory.groups_of(&user).cloned().collect();
    groups.sort_by_key(|group| group.name.to_ascii_lowercase());
    let page = Page::of(call, groups.into_iter(), |group| group.name.clone())?;
    Ok(Box::new(move |xml| {
        members(xml, "Groups", &page.items, |xml, group| shape::group(xml, group));
        write_end(xml, page.marker.as_deref());
    }))
}
