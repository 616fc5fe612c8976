//! `/iamroles/`

use serde_json::{Value, json};

use super::entity::{self, REFERENCE, Shown};
use super::error::VmsError;
use super::face::{Face, reference, time};
use super::index::Index;
use super::route::{Call, Running};
use super::schema::{Kind, Schema, Usage, both, field, read};
use crate::admin::model::Attachment;
use crate::identity::{Draft, Holder, IdentityError, NewRole, Role, TrustDocument};

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

impl Shown for Role {
    fn show(&self, face: &Face, index: &Index<'_>, call: &Call) -> Value {
        let directory = index.directory;
        let mut out = entity::common(face, directory, call, COLLECTION, self);
        entity::add_grants(directory, &self.grants, &mut out);
        let tenant = entity::tenant_of(directory, self.account);
        let facts = json!({
            "created": time(self.created),
            "description": self.description,
            "trust_policy": self.trust.text(),
            "max_session_duration": self.max_session_seconds,
            "tenant": tenant.map(|tenant| reference(tenant.number, &tenant.name)),
            "vid": self.number,
        });
        entity::merge(&mut out, facts);
        out
    }
}

fn trust(text: &str) -> Result<TrustDocument, VmsError> {
    TrustDocument::accept(text).map_err(|error| match error {
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
        entity::shown::<Role>(&face, &call, &id)
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
        entity::shown::<Role>(&face, &call, &role.id)
    })
}

/// With its own policies, its attachments and its places in instance profiles.
pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let role = entity::at::<Role>(&face.directory(), &call)?;
        let holder = Holder::Role(role.id.clone());
        let deleting = move |draft: &mut Draft<'_>| {
            draft.set_attached(&holder, &[])?;
            let profiles: Vec<_> = draft.profiles_of(&role).map(|profile| profile.id.clone()).collect();
            for profile in profiles {
                draft.remove_role_from_profile(&profile, &role)?;
            }
            for inline in &role.grants.inline {
                draft.delete_inline_policy(&holder, &inline.name)?;
            }
            draft.delete_role(&role.id)
        };
        face.change(&call, deleting).await?;
        Ok(Value::Null)
    })
}

pub fn attach(face: Face, call: Call) -> Running {
    entity::attach::<Role>(face, call, Holder::Role, Attachment::Attach)
}

pub fn detach(face: Face, call: Call) -> Running {
    entity::attach::<Role>(face, call, Holder::Role, Attachment::Detach)
}
