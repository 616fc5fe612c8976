//! `/groups/`

use serde_json::{Value, json};

use super::entity::{self, REFERENCE, Shown};
use super::error::VmsError;
use super::face::{Face, time};
use super::index::Index;
use super::route::{Call, Running};
use super::schema::{Field, Kind, Schema, Usage, both, field, neutral, read};
use crate::admin::model::Attachment;
use crate::identity::{Draft, Group, Holder, NewGroup, User};

const COLLECTION: &str = "groups";

pub const SCHEMA: Schema = Schema {
    name: "Group",
    fields: &[
        entity::ID,
        entity::GUID,
        both("name", Kind::Text, "unique in its tenant").required(),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        entity::ARN,
        entity::CREATED,
        both("gid", Kind::Integer, "local users with this gid are in it").nullable(),
        field("local_provider_id", Kind::Integer, Usage::Create, "the local provider of its tenant").nullable(),
        field("tenant_id", Kind::Integer, Usage::Create, "its tenant; none: the default one").nullable(),
        entity::TENANT_NAME,
        entity::POLICIES_IDS,
        entity::POLICIES,
        entity::INLINE,
        read("local_provider", Kind::Object(REFERENCE), "where it is kept"),
        read("users", Kind::List(&Kind::Object(REFERENCE)), "who is in it"),
        neutral("sid", Kind::Text),
    ],
};

pub const MEMBER: &[Field] = &[field("user_id", Kind::Integer, Usage::Write, "which user").required()];

impl Shown for Group {
    fn show(&self, face: &Face, index: &Index<'_>, call: &Call) -> Value {
        let directory = index.directory;
        let mut out = entity::common(face, directory, call, COLLECTION, self);
        entity::add_grants(directory, &self.grants, &mut out);
        let tenant = entity::tenant_of(directory, self.account);
        let facts = json!({
            "created": time(self.created),
            "gid": self.gid,
            "local_provider": tenant.as_ref().map(|tenant| entity::provider(tenant)),
            "local_provider_id": tenant.as_ref().map(|tenant| tenant.number),
            "users": index.members(self),
        });
        entity::merge(&mut out, facts);
        out
    }
}

pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let account = super::users::tenant(&face, &call)?;
        let policies = entity::policies(&face.directory(), &call)?.unwrap_or_default();
        let name = call.needed("name")?.to_owned();
        let new = NewGroup { name, path: String::new(), gid: call.integer("gid")?.flatten() };
        let making = move |draft: &mut Draft<'_>| {
            let group = draft.create_group(account, new)?;
            draft.set_attached(&Holder::Group(group.id.clone()), &policies)?;
            Ok(group.id.clone())
        };
        let id = face.change(&call, making).await?;
        entity::shown::<Group>(&face, &call, &id)
    })
}

pub fn change(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let directory = face.directory();
        let group = entity::at::<Group>(&directory, &call)?;
        let name = call.text("name").filter(|name| *name != group.name).map(str::to_owned);
        let gid = call.integer::<u32>("gid")?;
        if gid == Some(None) && group.gid.is_some() {
            return Err(VmsError::field("gid", "A gid can be changed, and not taken away."));
        }
        let gid = gid.flatten().filter(|gid| Some(*gid) != group.gid);
        let policies = entity::policies(&directory, &call)?;
        let id = group.id.clone();
        let changing = move |draft: &mut Draft<'_>| {
            if name.is_some() || gid.is_some() {
                draft.update_group(&id, name, None, gid)?;
            }
            match policies {
                Some(policies) => draft.set_attached(&Holder::Group(id), &policies),
                None => Ok(()),
            }
        };
        face.change(&call, changing).await?;
        entity::shown::<Group>(&face, &call, &group.id)
    })
}

pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let group = entity::at::<Group>(&face.directory(), &call)?;
        face.change(&call, move |draft| draft.remove_group(&group.id)).await?;
        Ok(Value::Null)
    })
}

fn member(face: &Face, call: &Call) -> Result<(String, String), VmsError> {
    let directory = face.directory();
    let group = entity::at::<Group>(&directory, call)?;
    let number = call.integer::<u64>("user_id")?.flatten().unwrap_or_default();
    let message = || format!("Invalid pk \"{number}\" - object does not exist.");
    let user = directory.numbered::<User>(number).ok_or_else(|| VmsError::field("user_id", message()))?;
    Ok((user.id.to_string(), group.id.to_string()))
}

pub fn add_member(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let (user, group) = member(&face, &call)?;
        let inside = group.clone();
        face.change(&call, move |draft| draft.add_to_group(&user, &inside)).await?;
        entity::shown::<Group>(&face, &call, &group)
    })
}

pub fn remove_member(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let (user, group) = member(&face, &call)?;
        let inside = group.clone();
        face.change(&call, move |draft| draft.remove_from_group(&user, &inside)).await?;
        entity::shown::<Group>(&face, &call, &group)
    })
}

pub fn attach(face: Face, call: Call) -> Running {
    entity::attach::<Group>(face, call, Holder::Group, Attachment::Attach)
}

pub fn detach(face: Face, call: Call) -> Running {
    entity::attach::<Group>(face, call, Holder::Group, Attachment::Detach)
}
