//! `/users/`: local users, and the IAM users beside them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::entity::{self, REFERENCE};
use super::error::VmsError;
use super::face::{Face, time};
use super::index::Index;
use super::route::{Call, Outcome, Running};
use super::schema::{Field, Kind, Schema, Usage, both, field, neutral, read};
use crate::identity::{Directory, Holder, KeyOwner, Local, NewUser, User};

const COLLECTION: &str = "users";

pub const KEY: &[Field] = &[
    read("access_key", Kind::Text, "the public half"),
    read("creation_time", Kind::Time, "when it was made"),
    read("enabled", Kind::Flag, "whether it opens anything"),
    read("tenant_id", Kind::Integer, "the tenant it works in"),
];

pub const SCHEMA: Schema = Schema {
    name: "User",
    fields: &[
        entity::ID,
        entity::GUID,
        both("name", Kind::Text, "unique in its tenant").required(),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        entity::ARN,
        entity::CREATED,
        both("uid", Kind::Integer, "unique in its tenant").nullable(),
        both("leading_gid", Kind::Integer, "its first group's gid").nullable(),
        both("gids", Kind::List(&Kind::Integer), "gids of its further groups"),
        field("local_provider_id", Kind::Integer, Usage::Create, "the local provider of its tenant").nullable(),
        field("tenant_id", Kind::Integer, Usage::Create, "its tenant; none: that of the provider, or the default one")
            .nullable(),
        entity::TENANT_NAME,
        both("allow_create_bucket", Kind::Flag, "whether it may make buckets"),
        both("allow_delete_bucket", Kind::Flag, "whether it may delete buckets that it made"),
        both("s3_superuser", Kind::Flag, "allowed everything in the node that nothing denies"),
        entity::POLICIES_IDS,
        entity::POLICIES,
        entity::INLINE,
        field("iam", Kind::Flag, Usage::Create, "an IAM user: it has what policies give, and nothing else"),
        read("local", Kind::Flag, "whether it is a local user"),
        read("local_provider", Kind::Object(REFERENCE), "where it is kept"),
        read("access_keys", Kind::List(&Kind::Object(KEY)), "its keys, without their secrets"),
        read("groups", Kind::List(&Kind::Text), "names of its groups"),
        read("group_count", Kind::Integer, "how many groups it is in"),
        read("leading_group_name", Kind::Text, "the group of `leading_gid`").nullable(),
        read("leading_group_gid", Kind::Integer, "the same as `leading_gid`").nullable(),
        read("sid", Kind::Text, "empty: users have no SID here"),
        read("vid", Kind::Integer, "the same as `id`"),
        read("password_is_set", Kind::Flag, "never: users have keys here"),
        read("is_temporary_password", Kind::Flag, "never"),
        neutral("password", Kind::Text),
    ],
};

pub const TENANT_DATA: Schema = Schema {
    name: "UserTenantData",
    fields: &[
        both("allow_create_bucket", Kind::Flag, "whether it may make buckets"),
        both("allow_delete_bucket", Kind::Flag, "whether it may delete buckets that it made"),
        both("s3_superuser", Kind::Flag, "allowed everything in the node that nothing denies"),
        entity::POLICIES_IDS,
        entity::POLICIES,
    ],
};

pub fn show(face: &Face, index: &Index<'_>, call: &Call, user: &User) -> Value {
    let directory = index.directory;
    let mut out = entity::common(face, directory, call, COLLECTION, user);
    entity::add_grants(directory, &user.grants, &mut out);
    let local = user.local.clone().unwrap_or_default();
    let tenant = entity::tenant_of(directory, user.account);
    let groups: Vec<&str> = index.groups_of(user).into_iter().map(|group| group.name.as_str()).collect();
    let leading = local.leading_gid.and_then(|gid| index.group_of_gid(user.account, gid));
    let facts = json!({
        "created": time(user.created),
        "uid": local.uid,
        "leading_gid": local.leading_gid,
        "gids": local.gids,
        "allow_create_bucket": local.allow_create_bucket,
        "allow_delete_bucket": local.allow_delete_bucket,
        "s3_superuser": local.superuser,
        "local": user.local.is_some(),
        "local_provider": tenant.as_ref().map(|tenant| entity::provider(tenant)),
        "local_provider_id": tenant.as_ref().map(|tenant| tenant.number),
        "access_keys": keys(directory, user),
        "group_count": groups.len(),
        "groups": groups,
        "leading_group_name": leading.map(|group| group.name.as_str()),
        "leading_group_gid": local.leading_gid,
        "sid": "",
        "vid": user.number,
        "password_is_set": false,
        "is_temporary_password": false,
        "iam": user.local.is_none(),
    });
    merge(&mut out, facts);
    out
}

pub fn merge(out: &mut Value, more: Value) {
    if let (Value::Object(out), Value::Object(more)) = (out, more) {
        out.extend(more);
    }
}

fn keys(directory: &Directory, user: &User) -> Vec<Value> {
    let owner = KeyOwner::User(user.id.clone());
    let tenant = entity::tenant_of(directory, user.account).map(|tenant| tenant.number);
    let show = |key: &Arc<crate::identity::AccessKey>| {
        json!({
            "access_key": key.access_key.as_str(), "creation_time": time(key.created), "enabled": key.enabled,
            "tenant_id": tenant,
        })
    };
    directory.keys_of(&owner).map(show).collect()
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let index = Index::new(&directory);
    let wanted = directory.everywhere::<User>().filter(|user| entity::wanted(call, &***user));
    Ok(wanted.map(|user| show(face, &index, call, user)).collect())
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let user = entity::at::<User>(&directory, call)?;
    Ok(show(face, &Index::new(&directory), call, &user))
}

pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let directory = face.directory();
        let account = tenant(&face, &call)?;
        let local = match call.flag("iam") {
            Some(true) => {
                refuse_local(&call)?;
                None
            }
            _ => Some(local(&call, Local::default())?),
        };
        let new = NewUser { name: call.needed("name")?.to_owned(), local, ..NewUser::default() };
        let policies = entity::policies(&directory, &call)?.unwrap_or_default();
        let making = move |draft: &mut crate::identity::Draft<'_>| {
            let user = draft.create_user(account, new)?;
            draft.set_attached(&Holder::User(user.id.clone()), &policies)?;
            Ok(user.id.clone())
        };
        let id = face.change(&call, making).await?;
        shown(&face, &call, &id)
    })
}

pub fn change(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let user = entity::at::<User>(&face.directory(), &call)?;
        apply(&face, &call, &user).await?;
        shown(&face, &call, &user.id)
    })
}

/// Sets what a body has of a user's fields.
pub async fn apply(face: &Face, call: &Call, user: &User) -> Result<(), VmsError> {
    let directory = face.directory();
    let local = match &user.local {
        Some(known) => Some(local(call, known.clone())?),
        None => {
            refuse_local(call)?;
            None
        }
    };
    let name = call.text("name").filter(|name| *name != user.name).map(str::to_owned);
    let policies = entity::policies(&directory, call)?;
    let (id, before) = (user.id.clone(), user.local.clone());
    let changing = move |draft: &mut crate::identity::Draft<'_>| {
        if name.is_some() {
            draft.update_user(&id, name, None)?;
        }
        if local != before {
            draft.set_local(&id, local)?;
        }
        match policies {
            Some(policies) => draft.set_attached(&Holder::User(id), &policies),
            None => Ok(()),
        }
    };
    face.change(call, changing).await
}

/// With its keys, its memberships and its policies' attachments.
pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let user = entity::at::<User>(&face.directory(), &call)?;
        face.change(&call, move |draft| draft.remove_user(&user.id)).await?;
        Ok(Value::Null)
    })
}

pub fn tenant_data(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let user = entity::at::<User>(&directory, call)?;
    Ok(tenant_part(face, &directory, call, &user))
}

pub fn change_tenant_data(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let user = entity::at::<User>(&face.directory(), &call)?;
        apply(&face, &call, &user).await?;
        let directory = face.directory();
        let user = entity::at::<User>(&directory, &call)?;
        Ok(tenant_part(&face, &directory, &call, &user))
    })
}

fn tenant_part(face: &Face, directory: &Directory, call: &Call, user: &User) -> Value {
    let mut whole = show(face, &Index::new(directory), call, user);
    let names = TENANT_DATA.fields.iter().map(|field| field.name);
    Value::Object(names.map(|name| (name.to_owned(), whole[name].take())).collect())
}

pub fn shown(face: &Face, call: &Call, id: &str) -> Outcome {
    let directory = face.directory();
    let user = directory.get::<User>(id).ok_or_else(super::route::not_found)?;
    Ok(show(face, &Index::new(&directory), call, user))
}

/// By `tenant_id`, else by the local provider, which every tenant has one of.
pub fn tenant(face: &Face, call: &Call) -> Result<crate::identity::AccountId, VmsError> {
    let named = call.integer::<u64>("tenant_id")?.flatten();
    let provider = call.integer::<u64>("local_provider_id")?.flatten();
    let directory = face.directory();
    match (named, provider) {
        (None, Some(provider)) if call.tenant.is_none() => {
            let message = || format!("Invalid pk \"{provider}\" - object does not exist.");
            let found = directory.account_numbered(provider);
            found.map(|account| account.id).ok_or_else(|| VmsError::field("local_provider_id", message()))
        }
        (_, provider) => {
            let account = face.tenant(call)?;
            match provider.is_none_or(|provider| provider == account.number) {
                true => Ok(account.id),
                false => Err(VmsError::field("local_provider_id", "This is not the tenant's local provider.")),
            }
        }
    }
}

/// What makes a local user, as the body changes it.
fn local(call: &Call, mut local: Local) -> Result<Local, VmsError> {
    if let Some(uid) = call.integer("uid")? {
        local.uid = uid;
    }
    if let Some(gid) = call.integer("leading_gid")? {
        local.leading_gid = gid;
    }
    if let Some(gids) = call.integers("gids")? {
        local.gids = gids;
    }
    for (name, place) in [
        ("allow_create_bucket", &mut local.allow_create_bucket),
        ("allow_delete_bucket", &mut local.allow_delete_bucket),
        ("s3_superuser", &mut local.superuser),
    ] {
        if let Some(flag) = call.flag(name) {
            *place = flag;
        }
    }
    Ok(local)
}

/// An IAM user has what policies give: nothing else can be set.
fn refuse_local(call: &Call) -> Result<(), VmsError> {
    let message = "Only a local user has this.";
    for name in ["uid", "leading_gid"] {
        if call.body.get(name).is_some_and(|value| !value.is_null()) {
            return Err(VmsError::field(name, message));
        }
    }
    if call.integers::<u32>("gids")?.is_some_and(|gids| !gids.is_empty()) {
        return Err(VmsError::field("gids", message));
    }
    for name in ["allow_create_bucket", "allow_delete_bucket", "s3_superuser"] {
        if call.flag(name) == Some(true) {
            return Err(VmsError::field(name, message));
        }
    }
    Ok(())
}
