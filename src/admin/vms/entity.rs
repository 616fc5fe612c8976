//! Fields that objects of several collections share.

use std::sync::Arc;

use serde_json::{Value, json};

use super::error::VmsError;
use super::face::{Face, reference};
use super::index::Index;
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Field, Kind, Usage, both, field, read};
use crate::admin::model::Attachment;
use crate::identity::{
    Account, AccountId, Directory, Draft, Entity, Grants, Holder, Id, IdentityError, Policy, Shelved,
};

pub const REFERENCE: &[Field] = &[read("id", Kind::Integer, "its id"), read("name", Kind::Text, "its name")];

pub const ID: Field = read("id", Kind::Integer, "never used again for another object");
pub const GUID: Field = read("guid", Kind::Text, "unlike those of all other nodes");
pub const TITLE: Field = read("title", Kind::Text, "what a list shows");
pub const URL: Field = read("url", Kind::Text, "where it can be asked for");
pub const STATE: Field = read("state", Kind::Text, "ACTIVE");
pub const TENANT_NAME: Field = read("tenant_name", Kind::Text, "the tenant's name");
pub const CREATED: Field = read("created", Kind::Time, "when it was made");
pub const ARN: Field = read("arn", Kind::Text, "what policies call it");
pub const POLICIES: Field =
    read("s3_policies", Kind::List(&Kind::Object(REFERENCE)), "the identity policies attached to it");
pub const POLICIES_IDS: Field = both("s3_policies_ids", Kind::List(&Kind::Integer), "the ids of those policies");
pub const INLINE: Field = read("inline_policies", Kind::List(&Kind::Text), "names of policies that are its own");

/// An entity that has a collection.
pub trait Shown: Shelved {
    fn show(&self, face: &Face, index: &Index<'_>, call: &Call) -> Value;
}

pub fn list<E: Shown>(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let index = Index::new(&directory);
    let wanted = directory.everywhere::<E>().filter(|entity| wanted(call, &***entity));
    Ok(wanted.map(|entity| entity.show(face, &index, call)).collect())
}

pub fn get<E: Shown>(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    Ok(at::<E>(&directory, call)?.show(face, &Index::new(&directory), call))
}

/// What a change answers: the entity as it is now.
pub fn shown<E: Shown>(face: &Face, call: &Call, id: &str) -> Outcome {
    let directory = face.directory();
    let entity = directory.get::<E>(id).ok_or_else(not_found)?;
    Ok(entity.show(face, &Index::new(&directory), call))
}

/// The entity of a call's path.
pub fn at<E: Shelved>(directory: &Directory, call: &Call) -> Result<Arc<E>, VmsError> {
    directory.numbered::<E>(call.id()?).cloned().ok_or_else(not_found)
}

/// Whether an entity can be in the list at all, by its name and its id: told before it is written down.
fn wanted<E: Entity>(call: &Call, entity: &E) -> bool {
    let named = call.query.get("name").is_none_or(|name| name == entity.name());
    named && call.query.get("id").is_none_or(|id| id.trim().parse() == Ok(entity.number()))
}

/// `id`, `guid`, `name`, `title`, `url`, `state`, the tenant, and the ARN.
pub fn common<E: Entity>(face: &Face, directory: &Directory, call: &Call, collection: &str, entity: &E) -> Value {
    let (number, name) = (entity.number(), entity.name());
    let tenant = tenant_of(directory, entity.account());
    json!({
        "id": number,
        "guid": face.guid(collection, entity.id()),
        "name": name,
        "title": name,
        "url": call.url(&format!("{collection}/{number}")),
        "state": "ACTIVE",
        "tenant_id": tenant.as_ref().map(|tenant| tenant.number),
        "tenant_name": tenant.as_ref().map(|tenant| tenant.name.as_str()),
        "arn": entity.arn(),
    })
}

pub fn merge(out: &mut Value, more: Value) {
    if let (Value::Object(out), Value::Object(more)) = (out, more) {
        out.extend(more);
    }
}

pub fn tenant_of(directory: &Directory, account: AccountId) -> Option<Arc<Account>> {
    directory.account(account).cloned()
}

/// Adds `s3_policies`, `s3_policies_ids` and `inline_policies`.
pub fn add_grants(directory: &Directory, grants: &Grants, out: &mut Value) {
    let attached: Vec<&Arc<Policy>> = grants.attached.iter().filter_map(|id| directory.get::<Policy>(id)).collect();
    out["s3_policies"] = attached.iter().map(|policy| reference(policy.number, &policy.name)).collect();
    out["s3_policies_ids"] = attached.iter().map(|policy| policy.number).collect();
    out["inline_policies"] = grants.inline.iter().map(|inline| inline.name.as_str()).collect();
}

/// The policies that `s3_policies_ids` names; none: it was not sent.
pub fn policies(directory: &Directory, call: &Call) -> Result<Option<Vec<Id>>, VmsError> {
    let Some(numbers) = call.integers::<u64>("s3_policies_ids")? else { return Ok(None) };
    let find = |number: u64| {
        let found = directory.numbered::<Policy>(number).map(|policy| policy.id.clone());
        let message = || format!("Invalid pk \"{number}\" - object does not exist.");
        found.ok_or_else(|| VmsError::field("s3_policies_ids", message()))
    };
    numbers.into_iter().map(find).collect::<Result<_, _>>().map(Some)
}

/// The one policy of a call that attaches or detaches it.
pub const POLICY: &[Field] = &[field("policy_id", Kind::Integer, Usage::Write, "the policy's id").required()];

/// Attaches one policy, or detaches it. What else is attached stays as it is when the change is made: two changes at the same time do not
/// undo each other. Doing it twice changes nothing.
pub fn attach<E: Shown>(face: Face, call: Call, holder: fn(Id) -> Holder, attachment: Attachment) -> Running {
    Box::pin(async move {
        let directory = face.directory();
        let entity = at::<E>(&directory, &call)?;
        let number = call.integer::<u64>("policy_id")?.flatten().unwrap_or_default();
        let policy = directory.numbered::<Policy>(number).map(|policy| policy.id.clone());
        let message = || format!("Invalid pk \"{number}\" - object does not exist.");
        let policy = policy.ok_or_else(|| VmsError::field("policy_id", message()))?;
        let holder = holder(entity.id().clone());
        let changing = move |draft: &mut Draft<'_>| match attachment {
            Attachment::Attach => draft.attach(&holder, &policy),
            Attachment::Detach => match draft.detach(&holder, &policy) {
                Err(IdentityError::NoSuchEntity { kind: "attached policy", .. }) => Ok(()),
                done => done,
            },
        };
        face.change(&call, changing).await?;
        shown::<E>(&face, &call, entity.id())
    })
}

/// Every tenant has one local provider, and both have the same id.
pub fn provider(tenant: &Account) -> Value {
    reference(tenant.number, &provider_name(tenant))
}

pub fn provider_name(tenant: &Account) -> String {
    match tenant.id == AccountId::DEFAULT {
        true => "local".to_owned(),
        false => format!("local-{}", tenant.name),
    }
}
