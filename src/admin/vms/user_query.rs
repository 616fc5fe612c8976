//! `/users/query/` and `/users/names/`: users by what is known of them.

use std::sync::Arc;

use serde_json::json;

use super::entity::{self, Shown};
use super::error::VmsError;
use super::face::Face;
use super::index::Index;
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Field, Kind, Schema, Usage, field, read};
use super::users;
use crate::identity::{Directory, User};

pub const PARAMETERS: &[Field] = &[
    read("uid", Kind::Integer, "the user's uid"),
    read("username", Kind::Text, "the user's name"),
    read("login_name", Kind::Text, "the user's name"),
    read("vid", Kind::Integer, "the user's id"),
    read("tenant_id", Kind::Integer, "the tenant to look in; none: the default one"),
    read("context", Kind::Text, "`local`, or `aggregated`: the same here"),
];

pub const NAME_PARAMETERS: &[Field] =
    &[read("prefix", Kind::Text, "what names begin with"), read("domain", Kind::Text, "has no meaning here")];

pub const NAME: Schema = Schema {
    name: "UserName",
    fields: &[
        read("id", Kind::Integer, "the user's id"),
        read("name", Kind::Text, "the user's name"),
        read("uid", Kind::Integer, "the user's uid").nullable(),
        read("tenant_id", Kind::Integer, "the user's tenant"),
    ],
};

/// What `PATCH /users/query/` takes: who is meant, and what to set.
pub const CHANGE: &[Field] = &[
    field("uid", Kind::Integer, Usage::Write, "the user's uid"),
    field("username", Kind::Text, Usage::Write, "the user's name"),
    field("login_name", Kind::Text, Usage::Write, "the user's name"),
    field("tenant_id", Kind::Integer, Usage::Write, "the tenant to look in; none: the default one"),
    field("allow_create_bucket", Kind::Flag, Usage::Write, "whether it may make buckets"),
    field("allow_delete_bucket", Kind::Flag, Usage::Write, "whether it may delete buckets that it made"),
    field("s3_superuser", Kind::Flag, Usage::Write, "allowed everything in the node that nothing denies"),
    field("s3_policies_ids", Kind::List(&Kind::Integer), Usage::Write, "the policies attached to it"),
];

pub fn names(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let prefix = call.query.get("prefix").unwrap_or_default();
    let named = directory.everywhere::<User>().filter(|user| user.name.starts_with(prefix));
    let show = |user: &Arc<User>| {
        let tenant = directory.account(user.account).map(|tenant| tenant.number);
        let uid = user.local.as_ref().and_then(|local| local.uid);
        json!({"id": user.number, "name": user.name, "uid": uid, "tenant_id": tenant})
    };
    Ok(named.map(show).collect())
}

pub fn query(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let uid = call.query.integer("uid")?;
    let name = call.query.get("username").or_else(|| call.query.get("login_name"));
    let number = call.query.integer("vid")?;
    let tenant = call.query.integer("tenant_id")?.and_then(|tenant| u64::try_from(tenant).ok()).or(call.tenant);
    let user = find(&directory, tenant, uid, name, number)?;
    Ok(user.show(face, &Index::new(&directory), call))
}

pub fn change(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let mut inner = call.clone();
        // A uid says here who is meant, and is not set.
        let uid = inner.body.remove("uid").and_then(|uid| uid.as_i64());
        let name = call.text("username").or_else(|| call.text("login_name"));
        let tenant = call.integer::<u64>("tenant_id")?.flatten().or(call.tenant);
        let user = find(&face.directory(), tenant, uid, name, None)?;
        // The audit log names whom it was.
        inner.path = format!("users/{}", user.number);
        users::apply(&face, &inner, &user).await?;
        entity::shown::<User>(&face, &call, &user.id)
    })
}

fn find(
    directory: &Directory,
    tenant: Option<u64>,
    uid: Option<i64>,
    name: Option<&str>,
    number: Option<i64>,
) -> Result<Arc<User>, VmsError> {
    if uid.is_none() && name.is_none() && number.is_none() {
        return Err(VmsError::bad_request("name a user: by uid, by username or by vid"));
    }
    let account = match tenant {
        None => crate::identity::AccountId::DEFAULT,
        Some(number) => directory.account_numbered(number).ok_or_else(not_found)?.id,
    };
    let fits = |user: &&Arc<User>| {
        let held = user.local.as_ref().and_then(|local| local.uid).map(i64::from);
        uid.is_none_or(|uid| held == Some(uid))
            && name.is_none_or(|name| user.name == name)
            && number.is_none_or(|number| u64::try_from(number) == Ok(user.number))
    };
    directory.all::<User>(account).find(fits).cloned().ok_or_else(not_found)
}
