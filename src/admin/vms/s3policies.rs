//! `/s3policies/`: identity policies that users, groups and roles share.

use serde_json::{Value, json};

use super::entity::{self, Shown};
use super::error::VmsError;
use super::face::{Face, time};
use super::index::{Holders, Index};
use super::route::{Call, Running};
use super::schema::{Kind, Schema, Usage, both, field, read};
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

impl Shown for Policy {
    fn show(&self, face: &Face, index: &Index<'_>, call: &Call) -> Value {
        let mut out = entity::common(face, index.directory, call, COLLECTION, self);
        let none = Holders::default();
        let holders = index.holders(&self.id).unwrap_or(&none);
        let facts = json!({
            "created": time(self.created),
            "policy": self.in_force().document.text(),
            "enabled": self.enabled,
            "users": holders.users,
            "groups": holders.groups,
            "roles": holders.roles,
            "is_replicated": false,
        });
        entity::merge(&mut out, facts);
        out
    }
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
        entity::shown::<Policy>(&face, &call, &id)
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
        entity::shown::<Policy>(&face, &call, &policy.id)
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
