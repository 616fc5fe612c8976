use std::sync::Arc;

use super::page::{Page, write_end};
use super::{Answered, allowed, attached, done, makes, shape};
use crate::aws::answer::members;
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{Entity, Id, IdentityError, NewUser, Subject, User, arn, root_arn};

/// The caller itself, if it is a user.
pub fn caller(call: &Call<'_>) -> Option<Arc<User>> {
    match &call.caller.standing.subject {
        Subject::User(id) => call.directory.get::<User>(id).cloned(),
        _ => None,
    }
}

/// The managed policy that a parameter names as a boundary.
pub fn boundary(call: &Call<'_>) -> Result<Option<Id>, QueryError> {
    match call.form.given("PermissionsBoundary") {
        None => Ok(None),
        Some(_) => attached::policy(call, "PermissionsBoundary").map(Some),
    }
}

pub async fn create(call: &Call<'_>) -> Answered {
    let new = NewUser {
        name: makes::<User>(call)?.to_owned(),
        path: call.form.given("Path").unwrap_or_default().to_owned(),
        tags: call.form.tags(),
        boundary: boundary(call)?,
        local: None,
    };
    let user = call.change(|draft| draft.create_user(call.account(), new)).await?;
    let directory = call.identities.directory();
    Ok(Box::new(move |xml| {
        xml.open("User");
        shape::user(xml, &directory, &user, true);
        xml.close();
    }))
}

pub fn get(call: &Call<'_>) -> Answered {
    let user = match (call.form.given("UserName"), caller(call)) {
        (Some(_), _) => allowed(call, "iam:GetUser")?,
        (None, Some(user)) => {
            call.require_of("iam:GetUser", &user.arn(), Some(&*user))?;
            user
        }
        (None, None) => return get_root(call),
    };
    let directory = call.directory.clone();
    Ok(Box::new(move |xml| {
        xml.open("User");
        shape::user(xml, &directory, &user, true);
        xml.close();
    }))
}

/// An account's root asks who it is.
fn get_root(call: &Call<'_>) -> Answered {
    if matches!(call.caller.standing.subject, Subject::Role(_)) {
        return Err(QueryError::validation("Must specify userName when calling with non-User credentials"));
    }
    let account = call.account();
    let created = call.directory.account(account).map(|account| account.created).unwrap_or_default();
    Ok(Box::new(move |xml| {
        xml.open("User");
        xml.text("Path", "/");
        xml.raw("UserId", account);
        xml.text("Arn", &root_arn(account));
        xml.text("CreateDate", &crate::aws::answer::date(created));
        xml.close();
    }))
}

pub fn list(call: &Call<'_>) -> Answered {
    let prefix = call.form.given("PathPrefix").unwrap_or("/").to_owned();
    call.require("iam:ListUsers", &arn(call.account(), crate::identity::Kind::User, "/", ""))?;
    let users = call.directory.all::<User>(call.account()).filter(|user| user.path.starts_with(&prefix)).cloned();
    let page = Page::of(call, users, |user| user.name.clone())?;
    let directory = call.directory.clone();
    Ok(Box::new(move |xml| {
        members(xml, "Users", &page.items, |xml, user| shape::user(xml, &directory, user, false));
        write_end(xml, page.marker.as_deref());
    }))
}

pub async fn update(call: &Call<'_>) -> Answered {
    let user = allowed::<User>(call, "iam:UpdateUser")?;
    let name = call.form.given("NewUserName").map(str::to_owned);
    let path = call.form.given("NewPath").map(str::to_owned);
    if name.is_some() || path.is_some() {
        let new = arn(
            user.account,
            crate::identity::Kind::User,
            path.as_deref().unwrap_or(&user.path),
            name.as_deref().unwrap_or(&user.name),
        );
        call.require_of("iam:UpdateUser", &new, Some(&*user))?;
    }
    call.change(|draft| draft.update_user(&user.id, name, path)).await?;
    Ok(done())
}

pub async fn delete(call: &Call<'_>) -> Answered {
    let user = allowed::<User>(call, "iam:DeleteUser")?;
    if user.local.is_some() {
        let message = "A local user is deleted at the admin port, where it was made.";
        return Err(IdentityError::conflict(message).into());
    }
    call.change(|draft| draft.delete_user(&user.id)).await?;
    Ok(done())
}
