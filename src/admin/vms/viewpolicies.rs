//! `/viewpolicies/`: the one there is. Who may do what stands in policies of buckets and of identities.

use serde_json::{Value, json};

use super::entity;
use super::face::Face;
use super::route::{Call, Outcome, not_found};
use super::schema::{Kind, Schema, read};

pub const DEFAULT_ID: u64 = 1;
pub const DEFAULT_NAME: &str = "s3_default_policy";

pub const SCHEMA: Schema = Schema {
    name: "ViewPolicy",
    fields: &[
        entity::ID,
        entity::GUID,
        read("name", Kind::Text, "unique"),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        read("flavor", Kind::Text, "S3_NATIVE"),
        read("access_flavor", Kind::Text, "ALL"),
        read("is_s3_default_policy", Kind::Flag, "always"),
        read("protocols", Kind::List(&Kind::Text), "S3"),
        read("cluster", Kind::Text, "the node's name"),
        read("cluster_id", Kind::Integer, "the node's id"),
        read("tenant_id", Kind::Integer, "the default tenant"),
        entity::TENANT_NAME,
        read("count_views", Kind::Integer, "how many views have it"),
    ],
};

fn show(face: &Face, call: &Call) -> Result<Value, super::error::VmsError> {
    Ok(json!({
        "id": DEFAULT_ID,
        "guid": face.guid("viewpolicies", DEFAULT_NAME),
        "name": DEFAULT_NAME,
        "title": DEFAULT_NAME,
        "url": call.url("viewpolicies/1"),
        "state": "ACTIVE",
        "flavor": "S3_NATIVE",
        "access_flavor": "ALL",
        "is_s3_default_policy": true,
        "protocols": ["S3"],
        "cluster": face.facts.name,
        "cluster_id": 1,
        "tenant_id": 1,
        "tenant_name": face.directory().account_numbered(1).map(|tenant| tenant.name.clone()),
        "count_views": super::views::count(face)?,
    }))
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    Ok(json!([show(face, call)?]))
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    match call.id()? == DEFAULT_ID {
        true => show(face, call),
        false => Err(not_found()),
    }
}
