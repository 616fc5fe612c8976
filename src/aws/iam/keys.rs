use super::page::{Page, write_end};
use super::{Answered, allowed, done, users};
use crate::aws::answer::{date, members};
use crate::aws::call::Call;
use crate::aws::error::QueryError;
use crate::identity::{AccountId, Directory, Entity, IdentityError, KeyOwner, Subject, User, root_arn};

/// Whose keys a call is about: the named user's, or the caller's own.
fn owner(call: &Call<'_>, action: &str) -> Result<KeyOwner, QueryError> {
    if call.form.given("UserName").is_some() {
        return Ok(KeyOwner::User(allowed::<User>(call, action)?.id.clone()));
    }
    match (&call.caller.standing.subject, users::caller(call)) {
        (_, Some(user)) => {
            call.require_of(action, &user.arn(), Some(&*user))?;
            Ok(KeyOwner::User(user.id.clone()))
        }
        (Subject::Administrator | Subject::Root(_), None) => {
            call.require(action, &root_arn(call.account()))?;
            Ok(KeyOwner::Root(call.account()))
        }
        _ => Err(QueryError::validation("Must specify userName when calling with non-User credentials")),
    }
}

/// The name that answers show; none for an account's root.
fn name_of(directory: &Directory, owner: &KeyOwner) -> Option<String> {
    match owner {
        KeyOwner::Root(_) => None,
        KeyOwner::User(id) => directory.get::<User>(id).map(|user| user.name.clone()),
    }
}

const fn status(enabled: bool) -> &'static str {
    if enabled { "Active" } else { "Inactive" }
}

pub async fn create(call: &Call<'_>) -> Answered {
    let owner = owner(call, "iam:CreateAccessKey")?;
    let name = name_of(&call.directory, &owner);
    let made = call.change(|draft| draft.create_key(owner)).await?;
    Ok(Box::new(move |xml| {
        xml.open("AccessKey");
        xml.text("UserName", name.as_deref().unwrap_or("root"));
        xml.text("AccessKeyId", &made.key.access_key);
        xml.text("Status", status(true));
        xml.text("SecretAccessKey", &made.secret);
        xml.text("CreateDate", &date(made.key.created));
        xml.close();
    }))
}

pub fn list(call: &Call<'_>) -> Answered {
    let owner = owner(call, "iam:ListAccessKeys")?;
    let name = name_of(&call.directory, &owner);
    let keys = call.directory.keys_of(&owner).cloned();
    let page = Page::of(call, keys, |key| key.access_key.to_string())?;
    Ok(Box::new(move |xml| {
        xml.optional("UserName", name.as_deref());
        members(xml, "AccessKeyMetadata", &page.items, |xml, key| {
            xml.optional("UserName", name.as_deref());
            xml.text("AccessKeyId", &key.access_key);
            xml.text("Status", status(key.enabled));
            xml.text("CreateDate", &date(key.created));
        });
        write_end(xml, page.marker.as_deref());
    }))
}

/// One of the owner's keys.
fn named<'a>(call: &'a Call<'_>, owner: &KeyOwner) -> Result<&'a str, QueryError> {
    let access_key = call.form.required("AccessKeyId")?;
    let known = call.directory.key(access_key).filter(|key| key.owner == *owner);
    known.map(|_| access_key).ok_or_else(|| IdentityError::missing("Access Key", access_key).into())
}

pub async fn update(call: &Call<'_>) -> Answered {
    let owner = owner(call, "iam:UpdateAccessKey")?;
    let access_key = named(call, &owner)?;
    let enabled = match call.form.required("Status")? {
        "Active" => true,
        "Inactive" => false,
        _ => return Err(QueryError::validation("Status is Active or Inactive.")),
    };
    call.change(|draft| draft.set_key_enabled(access_key, enabled)).await?;
    Ok(done())
}

pub async fn delete(call: &Call<'_>) -> Answered {
    let owner = owner(call, "iam:DeleteAccessKey")?;
    let access_key = named(call, &owner)?;
    call.change(|draft| draft.delete_key(access_key)).await?;
    Ok(done())
}

/// Uses are not counted: a write for each read would cost more than the answer is worth.
pub fn last_used(call: &Call<'_>) -> Answered {
    call.require("iam:GetAccessKeyLastUsed", "*")?;
    let access_key = call.form.required("AccessKeyId")?;
    let own = |account: AccountId| account == call.account();
    let key = call.directory.key(access_key).filter(|key| own(key.account));
    let owner = &key.ok_or_else(|| IdentityError::missing("Access Key", access_key))?.owner;
    let name = name_of(&call.directory, owner);
    Ok(Box::new(move |xml| {
        xml.optional("UserName", name.as_deref());
        xml.open("AccessKeyLastUsed");
        xml.text("Region", "N/A");
        xml.text("ServiceName", "N/A");
        xml.close();
    }))
}
