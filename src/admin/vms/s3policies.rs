//! `/s3policies/`: identity policies that users, groups and roles share.

use serde_json::{Value, json};

use super::entity;
use super::error::VmsError;
use super::face::{Face, time};
use super::index::{Holders, Index};
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Kind, Schema, Usage, both, field, read};
use super::users::merge;
use crate::identity::{Draft, IdentityDocument, NewPolicy, Policy};

const COLLECTION: &str = "s3policies";

pub const SCHEMA: Schema = Schema {
    name: "S3Policy",
    fields: &[
        entity::ID,
        entity::GUID,
        both("name", Kind::Text, "unique in its tenant").required(),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        entity::ARN,
        entity::CREATED,
        both("policy", Kind::Document, "the document, as JSON in a string").required(),
        both("enabled", Kind::Flag, "a policy that is not enabled gives and denies nothing"),
        field("tenant_id", Kind::Integer, Usage::Create, "its tenant; none: the default one; null: AWS's own policies")
            .nullable(),
        entity::TENANT_NAME.nullable(),
        read("users", Kind::List(&Kind::Text), "names of the users it is attached to"),
        read("groups", Kind::List(&Kind::Text), "names of the groups it is attached to"),
        read("roles", Kind::List(&Kind::Text), "names of the roles it is attached to"),
        read("is_replicated", Kind::Flag, "never: identities are the node's own"),
    ],
};

fn show(face: &Face, index: &Index<'_>, call: &Call, policy: &Policy) -> Value {
    let mut out = entity::common(face, index.directory, call, COLLECTION, policy);
    let none = Holders::default();
    let holders = index.holders(&policy.id).unwrap_or(&none);
    let facts = json!({
        "created": time(policy.created),
        "policy": policy.in_force().document.text(),
        "enabled": policy.enabled,
        "users": holders.users,
        "groups": holders.groups,
        "roles": holders.roles,
        "is_replicated": false,
    });
    merge(&mut out, facts);
    out
}

fn shown(face: &Face, call: &Call, id: &str) -> Outcome {
    let directory = face.directory();
    let policy = directory.get::<Policy>(id).ok_or_else(not_found)?;
    Ok(show(face, &Index::new(&directory), call, policy))
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let index = Index::new(&directory);
    let wanted = directory.everywhere::<Policy>().filter(|policy| entity::wanted(call, &***policy));
    Ok(wanted.map(|policy| show(face, &index, call, policy)).collect())
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let policy = entity::at::<Policy>(&directory, call)?;
    Ok(show(face, &Index::new(&directory), call, &policy))
}

fn document(text: &str) -> Result<IdentityDocument, VmsError> {
    Ok(IdentityDocument::parse(text)?)
}

pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let account = face.tenant(&call)?.id;
        let parsed = document(call.needed("policy")?)?;
        let new = NewPolicy { local: true, ..NewPolicy::of(call.needed("name")?, parsed) };
        let enabled = call.flag("enabled").unwrap_or(true);
        let making = move |draft: &mut Draft<'_>| {
            let policy = draft.create_policy(account, new)?;
            if !enabled {
                draft.update_policy(&policy.id, None, Some(false))?;
            }
            Ok(policy.id.clone())
        };
        let id = face.change(&call, making).await?;
        shown(&face, &call, &id)
    })
}

pub fn change(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let policy = entity::at::<Policy>(&face.directory(), &call)?;
        let parsed = call.text("policy").map(document).transpose()?;
        let name = call.text("name").filter(|name| *name != policy.name).map(str::to_owned);
        let enabled = call.flag("enabled").filter(|enabled| *enabled != policy.enabled);
        let id = policy.id.clone();
        let changing = move |draft: &mut Draft<'_>| {
            if let Some(parsed) = parsed {
                draft.replace_document(&id, parsed)?;
            }
            if name.is_some() || enabled.is_some() {
                draft.update_policy(&id, name, enabled)?;
            }
            Ok(())
        };
        face.change(&call, changing).await?;
        shown(&face, &call, &policy.id)
    })
}

/// Whoever it was attached to has it no longer.
pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let policy = entity::at::<Policy>(&face.directory(), &call)?;
        face.change(&call, move |draft| draft.remove_policy(&policy.id)).await?;
        Ok(Value::Null)
    })
}
