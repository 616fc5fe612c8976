//! Access keys: `/users/{id}/access_keys/`, `/locals3keys/`, and `/s3keys/` for those of the administrator itself.

use std::sync::Arc;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::entity::{self, REFERENCE};
use super::error::VmsError;
use super::face::{Face, derived_id, reference, time};
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Field, Kind, Schema, Usage, field, read};
use crate::identity::{AccessKey, AccountId, Directory, Draft, Id, IdentityError, KeyOwner, User};

pub const PAIR: Schema = Schema {
    name: "UserKeyPair",
    fields: &[
        read("access_key", Kind::Text, "the public half"),
        read("secret_key", Kind::Text, "shown this once; not shown if it was provided"),
    ],
};

pub const CREATE: &[Field] = &[
    field("tenant_id", Kind::Integer, Usage::Write, "the user's own tenant, if any is named").nullable(),
    field("access_key", Kind::Text, Usage::Write, "of a known pair: the access key"),
    field("secret_key", Kind::Text, Usage::Write, "of a known pair: its secret"),
];

pub const CHANGE: &[Field] = &[
    field("access_key", Kind::Text, Usage::Write, "which").required(),
    field("enabled", Kind::Flag, Usage::Write, "whether it opens anything").required(),
];

pub const DELETE: &[Field] = &[field("access_key", Kind::Text, Usage::Write, "which").required()];

pub const LOCAL: Schema = Schema {
    name: "LocalS3Key",
    fields: &[
        read("id", Kind::Integer, "made from the access key"),
        entity::GUID,
        read("name", Kind::Text, "the access key"),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        read("access_key", Kind::Text, "the public half"),
        read("enabled", Kind::Flag, "whether it opens anything"),
        read("creation_time", Kind::Time, "when it was made"),
        read("tenant", Kind::Object(REFERENCE), "the tenant it works in"),
        read("user", Kind::Object(REFERENCE), "whose it is"),
    ],
};

pub const OWN: Schema = Schema {
    name: "AccessKey",
    fields: &[
        read("id", Kind::Integer, "made from the access key"),
        read("access_key", Kind::Text, "the public half"),
        read("enabled", Kind::Flag, "whether it opens anything"),
        read("creation_time", Kind::Time, "when it was made").nullable(),
    ],
};

/// A new pair, or a known one: what the DR side needs.
pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let directory = face.directory();
        let user = entity::at::<User>(&directory, &call)?;
        let tenant = entity::tenant_of(&directory, user.account).ok_or_else(not_found)?;
        if call.integer::<u64>("tenant_id")?.flatten().is_some_and(|named| named != tenant.number) {
            return Err(VmsError::field("tenant_id", "The user belongs to another tenant."));
        }
        make(&face, &call, KeyOwner::User(user.id.clone())).await
    })
}

async fn make(face: &Face, call: &Call, owner: KeyOwner) -> Outcome {
    match (call.text("access_key"), call.text("secret_key")) {
        (None, None) => {
            let made = face.change(call, move |draft| draft.create_key(owner)).await?;
            Ok(json!({"access_key": made.key.access_key.as_str(), "secret_key": made.secret.as_str()}))
        }
        (Some(access), Some(secret)) => {
            let (access, secret) = (access.to_owned(), Zeroizing::new(secret.to_owned()));
            let key = face.change(call, move |draft| draft.provide_key(owner, &access, &secret)).await?;
            Ok(json!({"access_key": key.access_key.as_str()}))
        }
        (Some(_), None) => Err(VmsError::field("secret_key", "A known pair has both halves.")),
        (None, Some(_)) => Err(VmsError::field("access_key", "A known pair has both halves.")),
    }
}

pub fn enable(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let user = entity::at::<User>(&face.directory(), &call)?;
        let (access_key, enabled) = (call.needed("access_key")?.to_owned(), call.flag("enabled").unwrap_or(true));
        let owner = KeyOwner::User(user.id.clone());
        let changing = move |draft: &mut Draft<'_>| {
            owned(draft, &access_key, &owner)?;
            draft.set_key_enabled(&access_key, enabled)
        };
        face.change(&call, changing).await?;
        Ok(Value::Null)
    })
}

pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let user = entity::at::<User>(&face.directory(), &call)?;
        let (access_key, owner) = (call.needed("access_key")?.to_owned(), KeyOwner::User(user.id.clone()));
        let deleting = move |draft: &mut Draft<'_>| {
            owned(draft, &access_key, &owner)?;
            draft.delete_key(&access_key)
        };
        face.change(&call, deleting).await?;
        Ok(Value::Null)
    })
}

/// A key of somebody else is not there.
fn owned(directory: &Directory, access_key: &str, owner: &KeyOwner) -> Result<(), IdentityError> {
    let known = directory.key(access_key).is_some_and(|key| key.owner == *owner);
    if known { Ok(()) } else { Err(IdentityError::missing("Access Key", access_key)) }
}

pub const LOCAL_PARAMETERS: &[Field] =
    &[read("tenant_id", Kind::Integer, "keys of this tenant"), read("user_id", Kind::Integer, "keys of this user")];

pub fn local(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let (tenant, user) = (call.query.integer("tenant_id")?, call.query.integer("user_id")?);
    let tenant = tenant.or(call.tenant.and_then(|tenant| i64::try_from(tenant).ok()));
    let fits = |shown: &Value| {
        let is =
            |name: &str, wanted: Option<i64>| wanted.is_none_or(|wanted| shown[name]["id"].as_i64() == Some(wanted));
        is("tenant", tenant) && is("user", user)
    };
    let keys = directory.all_keys().filter_map(|key| show_local(face, &directory, call, key));
    Ok(keys.filter(fits).collect())
}

fn show_local(face: &Face, directory: &Directory, call: &Call, key: &Arc<AccessKey>) -> Option<Value> {
    let KeyOwner::User(id) = &key.owner else { return None };
    let user = directory.get::<User>(id)?;
    let tenant = directory.account(key.account)?;
    Some(json!({
        "id": derived_id(key.access_key.as_bytes()),
        "guid": face.guid("keys", &key.access_key),
        "name": key.access_key.as_str(),
        "title": key.access_key.as_str(),
        "url": call.url("locals3keys"),
        "state": if key.enabled { "ACTIVE" } else { "INACTIVE" },
        "access_key": key.access_key.as_str(),
        "enabled": key.enabled,
        "creation_time": time(key.created),
        "tenant": reference(tenant.number, &tenant.name),
        "user": reference(user.number, &user.name),
    }))
}

/// Who logs in here is the administrator: the root of the default account.
const ROOT: KeyOwner = KeyOwner::Root(AccountId::DEFAULT);

pub fn own(face: &Face, _call: &Call) -> Outcome {
    let directory = face.directory();
    let administrator = face.identities.administrator_key();
    let show = |access_key: &Id, enabled: bool, created: Value| {
        json!({
            "id": derived_id(access_key.as_bytes()), "access_key": access_key.as_str(), "enabled": enabled,
            "creation_time": created,
        })
    };
    let first = show(&administrator, true, Value::Null);
    let others = directory.keys_of(&ROOT).map(|key| show(&key.access_key, key.enabled, json!(time(key.created))));
    Ok(std::iter::once(first).chain(others).collect())
}

pub fn create_own(face: Face, call: Call) -> Running {
    Box::pin(async move { make(&face, &call, ROOT).await })
}

pub fn delete_own(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let access_key = call.place().to_owned();
        if access_key == *face.identities.administrator_key() {
            let detail = "the administrator's key is a setting of the node, and cannot be deleted here";
            return Err(VmsError::conflict("delete_conflict", detail));
        }
        let deleting = move |draft: &mut Draft<'_>| {
            owned(draft, &access_key, &ROOT)?;
            draft.delete_key(&access_key)
        };
        face.change(&call, deleting).await?;
        Ok(Value::Null)
    })
}
