//! `/tenants/`: a tenant is an account. `/localproviders/`: every tenant has one, with the tenant's id.

use std::sync::Arc;

use serde_json::{Value, json};

use super::entity::{self, REFERENCE};
use super::error::VmsError;
use super::face::{Face, time};
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Field, Kind, Purpose, Schema, Usage, both, check, field, neutral, read};
use crate::identity::{Account, AccountId, Directory, Draft, Id, NewAccount};

pub const SCHEMA: Schema = Schema {
    name: "Tenant",
    fields: &[
        entity::ID,
        entity::GUID,
        both("name", Kind::Text, "unique").required(),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        entity::CREATED,
        field("account_id", Kind::Text, Usage::Create, "twelve digits; none: drawn by lot"),
        read("canonical_id", Kind::Text, "64 hexadecimal digits: what ACLs call it"),
        field("email", Kind::Text, Usage::Create, "unique, if any").nullable(),
        both("organizational_unit_id", Kind::Text, "the unit it hangs in; none: the organisation's root").nullable(),
        read("organization_id", Kind::Text, "o-..."),
        read("organization_path", Kind::Text, "o-.../r-.../ou-.../, as aws:PrincipalOrgPaths has it"),
        read("local_provider", Kind::Object(REFERENCE), "where its users are kept"),
        read("local_provider_id", Kind::Integer, "the same as `id`"),
        read("client_ip_ranges", Kind::List(&Kind::Any), "empty: clients come from anywhere"),
        read("vippool_names", Kind::List(&Kind::Text), "empty: all of them"),
        neutral("encryption_group", Kind::Text),
        neutral("domain_name", Kind::Text),
        neutral("access_ip_ranges", Kind::List(&Kind::Any)),
    ],
};

pub const PROVIDER: Schema = Schema {
    name: "LocalProvider",
    fields: &[
        entity::ID,
        entity::GUID,
        read("name", Kind::Text, "unique"),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        read("description", Kind::Text, "for people"),
        read("tenant_id", Kind::Integer, "the same as `id`"),
        entity::TENANT_NAME,
    ],
};

pub const BULK: &[Field] = &[field(
    "tenants",
    Kind::List(&Kind::Any),
    Usage::Write,
    "as many tenants as are wanted, each as POST /tenants/ takes it: all of them are made, or none",
)
.required()];

pub const UNIT: Schema = Schema {
    name: "OrganizationalUnit",
    fields: &[
        read("id", Kind::Text, "ou-..."),
        field("name", Kind::Text, Usage::Create, "for people").required(),
        field("parent_id", Kind::Text, Usage::Create, "the unit it hangs in; none: the organisation's root").nullable(),
    ],
};

fn show(face: &Face, directory: &Directory, call: &Call, account: &Account) -> Value {
    json!({
        "id": account.number,
        "guid": face.guid("tenants", &account.id.to_string()),
        "name": account.name,
        "title": account.name,
        "url": call.url(&format!("tenants/{}", account.number)),
        "state": "ACTIVE",
        "created": time(account.created),
        "account_id": account.id.to_string(),
        "canonical_id": account.canonical.as_str(),
        "email": account.email,
        "organizational_unit_id": account.unit.as_deref(),
        "organization_id": directory.organization().id.as_str(),
        "organization_path": directory.organization_path(account.id),
        "local_provider": entity::provider(account),
        "local_provider_id": account.number,
        "client_ip_ranges": [],
        "vippool_names": [],
    })
}

fn at(directory: &Directory, call: &Call) -> Result<Arc<Account>, VmsError> {
    directory.account_numbered(call.id()?).cloned().ok_or_else(not_found)
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    Ok(directory.accounts().map(|account| show(face, &directory, call, account)).collect())
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    let directory = face.directory();
    let account = at(&directory, call)?;
    Ok(show(face, &directory, call, &account))
}

fn new(fields: &serde_json::Map<String, Value>) -> Result<NewAccount, VmsError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let id = match text("account_id") {
        None => None,
        Some(id) => {
            let parsed = AccountId::parse(id);
            Some(parsed.ok_or_else(|| VmsError::field("account_id", "Twelve digits are required."))?)
        }
    };
    Ok(NewAccount {
        id,
        name: text("name").unwrap_or_default().to_owned(),
        email: text("email").map(str::to_owned),
        unit: text("organizational_unit_id").map(Id::from),
    })
}

pub fn create(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let new = new(&call.body)?;
        let made = face.change(&call, move |draft| draft.create_account(new)).await?;
        Ok(show(&face, &face.directory(), &call, &made))
    })
}

/// Many at once, in one commit.
pub fn create_bulk(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let mut wanted = Vec::new();
        for (at, item) in call.body["tenants"].as_array().into_iter().flatten().enumerate() {
            let Value::Object(item) = item.clone() else {
                return Err(VmsError::field("tenants", format!("Item {at}: expected a dictionary of items.")));
            };
            let wrong = |faults| VmsError::field("tenants", format!("Item {at}: {}", Value::Object(faults)));
            wanted.push(new(&check(SCHEMA.fields, Purpose::Create, item).map_err(wrong)?)?);
        }
        let making = move |draft: &mut Draft<'_>| {
            wanted.into_iter().map(|new| draft.create_account(new)).collect::<Result<Vec<_>, _>>()
        };
        let made = face.change(&call, making).await?;
        let directory = face.directory();
        Ok(made.iter().map(|account| show(&face, &directory, &call, account)).collect())
    })
}

pub fn change(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let account = at(&face.directory(), &call)?;
        let name = call.text("name").filter(|name| *name != account.name).map(str::to_owned);
        let unit = call.body.get("organizational_unit_id").map(|unit| unit.as_str().map(Id::from));
        let id = account.id;
        let made = face.change(&call, move |draft| draft.update_account(id, name, unit)).await?;
        Ok(show(&face, &face.directory(), &call, &made))
    })
}

/// Only a tenant that has nothing left goes.
pub fn delete(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let account = at(&face.directory(), &call)?;
        face.change(&call, move |draft| draft.delete_account(account.id)).await?;
        Ok(Value::Null)
    })
}

fn show_provider(face: &Face, call: &Call, account: &Account) -> Value {
    let name = entity::provider_name(account);
    json!({
        "id": account.number,
        "guid": face.guid("localproviders", &account.id.to_string()),
        "name": name,
        "title": name,
        "url": call.url(&format!("localproviders/{}", account.number)),
        "state": "ACTIVE",
        "description": format!("users and groups of tenant {}", account.name),
        "tenant_id": account.number,
        "tenant_name": account.name,
    })
}

pub fn providers(face: &Face, call: &Call) -> Outcome {
    Ok(face.directory().accounts().map(|account| show_provider(face, call, account)).collect())
}

pub fn provider(face: &Face, call: &Call) -> Outcome {
    let account = at(&face.directory(), call)?;
    Ok(show_provider(face, call, &account))
}

pub fn units(face: &Face, _call: &Call) -> Outcome {
    let show = |unit: &crate::identity::Unit| json!({"id": unit.id.as_str(), "name": unit.name, "parent_id": unit.parent.as_deref()});
    Ok(face.directory().organization().units.iter().map(show).collect())
}

pub fn create_unit(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let (name, parent) = (call.needed("name")?.to_owned(), call.text("parent_id").map(Id::from));
        let unit = face.change(&call, move |draft| draft.create_unit(&name, parent)).await?;
        Ok(json!({"id": unit.id.as_str(), "name": unit.name, "parent_id": unit.parent.as_deref()}))
    })
}

pub fn delete_unit(face: Face, call: Call) -> Running {
    Box::pin(async move {
        let id = call.place().to_owned();
        face.change(&call, move |draft| draft.delete_unit(&id)).await?;
        Ok(Value::Null)
    })
}
