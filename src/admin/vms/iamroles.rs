//! `/iamroles/`

use serde_json::{Value, json};

use super::entity::{self, REFERENCE};
use super::error::VmsError;
use super::face::{Face, reference, time};
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Kind, Schema, Usage, both, field, read};
use super::users::merge;
use crate::identity::{Directory, Draft, Holder, IdentityError, NewRole, Role, TrustDocument};

const COLLECTION: &str = "iamroles";

pub const SCHEMA: Schema = Schema {
    name: "IamRole",
    fields: &[
        entity::ID,
        entity::GUID,
        field("name", Kind::Text, Usage::Create, "unique in its tenant").required(),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        entity::ARN,
        entity::CREATED,
        both("description", Kind::Text, "for people"),
        both("trust_policy", Kind::Document, "who may assume it: the document, as JSON in a string").required(),
        both("max_session_duration", Kind::Integer, "seconds, 3600 to 43200"),
        field("tenant_id", Kind::Integer, Usage::Create, "its tenant; none: the default one").nullable(),
        entity::TENANT_NAME,
        read("tenant", Kind::Object(REFERENCE), "its tenant"),
        entity::POLICIES_IDS,
        entity::POLICIES,
        entity::INLINE,
        read("vid", Kind::Integer, "the same as `id`"),
    ],
};

fn show(face: &Face, directory: &Directory, call: &Call, role: &Role) -> Value {
    let mut out = entity::common(face, directory, call, COLLECTION, role);
    entity::add_grants(directory, &role.grants, &mut out);
    let tenant = entity::tenant_of(directory, role.account);
    let facts = json!({
        "created": time(role.created),
        "description": role.description,
        "trust_policy": role.trust.text(),
        "max_session_duration": role.max_session_seconds,
        "tenant": tenant.map(|tenant| reference(tenant.number, &tenant.name)),
        "vid": role.number,
    });
    merge(&mut out, facts);
    out
}

fn shown(face: &Face, call: &Call, id: &str) -> Outcome {
    let directory = face.directory();
    let role = directory.get::<Role>(id).ok_or_else(not_found)?;
    Ok(show(face, &directory, call, role))
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    Ok(directory.everywhere::<Role>().map(|role| show(face, &directory, call, role)).collect())
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let role = entity::at::<Role>(&directory, call)?;
    Ok(show(face, &directory, call, &role))
}

fn trust(text: &str) -> Result<TrustDocument, VmsError> {
    TrustDocument::parse(text).map_err(|error| match error {
        IdentityError::MalformedPolicyDocument(message) => VmsError::field("trust_policy", message),
        other => other.into(),
    })
}

pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let account = face.tenant(&call)?.id;
        let policies = entity::policies(&face.directory(), &call)?.unwrap_or_default();
        let new = NewRole {
            name: call.needed("name")?.to_owned(),
            path: String::new(),
            description: call.text("description").unwrap_or_default().to_owned(),
            trust: trust(call.needed("trust_policy")?)?,
            max_session_seconds: call.integer("max_session_duration")?.flatten(),
            tags: Vec::new(),
            boundary: None,
        };
        let making = move |draft: &mut Draft<'_>| {
            let role = draft.create_role(account, new)?;
            draft.set_attached(&Holder::Role(role.id.clone()), &policies)?;
            Ok(role.id.clone())
        };
        let id = face.change(&call, making).await?;
        shown(&face, &call, &id)
    })
}

pub fn change(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let directory = face.directory();
        let role = entity::at::<Role>(&directory, &call)?;
        let trusted = call.text("trust_policy").map(trust).transpose()?;
        let description = call.text("description").map(str::to_owned);
        let seconds = call.integer("max_session_duration")?.flatten();
        let policies = entity::policies(&directory, &call)?;
        let id = role.id.clone();
        let changing = move |draft: &mut Draft<'_>| {
            if let Some(trusted) = trusted {
                draft.set_trust(&id, trusted)?;
            }
            if description.is_some() || seconds.is_some() {
                draft.update_role(&id, description, seconds)?;
            }
            match policies {
                Some(policies) => draft.set_attached(&Holder::Role(id), &policies),
                None => Ok(()),
            }
        };
        face.change(&call, changing).await?;
        shown(&face, &call, &role.id)
    })
}

/// With its own policies and its attachments.
pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let role = entity::at::<Role>(&face.directory(), &call)?;
        let holder = Holder::Role(role.id.clone());
        let deleting = move |draft: &mut Draft<'_>| {
            draft.set_attached(&holder, &[])?;
            for inline in &role.grants.inline {
                draft.delete_inline_policy(&holder, &inline.name)?;
            }
            draft.delete_role(&role.id)
        };
        face.change(&call, deleting).await?;
        Ok(Value::Null)
    })
}
