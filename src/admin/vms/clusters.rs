//! `/clusters/` and `/versions/`: this node.

use serde_json::{Value, json};

use super::entity;
use super::error::VmsError;
use super::face::{Face, host_and_port, time};
use super::route::{Call, Outcome, Running, not_found};
use super::schema::{Kind, Schema, both, read};

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub const SCHEMA: Schema = Schema {
    name: "Cluster",
    fields: &[
        entity::ID,
        entity::GUID,
        read("name", Kind::Text, "the node's name"),
        entity::TITLE,
        entity::URL,
        read("state", Kind::Text, "ONLINE"),
        read("ip", Kind::Text, "host of the admin port"),
        read("mgmt_address", Kind::Text, "host and port of the admin port"),
        read("sw_version", Kind::Text, "the version of VMS whose names are spoken here: clients go by it"),
        read("build", Kind::Text, "the same"),
        read("tandem_version", Kind::Text, "version of the software"),
        read("loopback", Kind::Flag, "never"),
        read("enabled", Kind::Flag, "always"),
        read("enable_s3", Kind::Flag, "always"),
        both("enable_bucket_replication", Kind::Flag, "always: it cannot be turned off"),
        read("free_physical_space", Kind::Integer, "bytes free on the disk of the data directory"),
        read("region", Kind::Text, "the node's region"),
        read("s3_endpoint", Kind::Text, "URL of S3"),
    ],
};

pub const VERSIONS: Schema = Schema {
    name: "Version",
    fields: &[
        entity::ID,
        entity::GUID,
        read("name", Kind::Text, "the version of VMS whose names are spoken here"),
        entity::TITLE,
        entity::URL,
        read("state", Kind::Text, "ACTIVE"),
        read("status", Kind::Text, "success"),
        read("sys_version", Kind::Text, "the same"),
        read("build", Kind::Text, "the same"),
        read("tandem_version", Kind::Text, "version of the software"),
        read("created", Kind::Time, "when this process started"),
        read("cluster", Kind::Text, "the node's name"),
    ],
};

fn show(face: &Face, call: &Call) -> Value {
    let facts = &face.facts;
    let admin = facts.admin.split_once("://").map_or(facts.admin.as_str(), |(_, place)| place);
    json!({
        "id": 1,
        "guid": facts.node,
        "name": facts.name,
        "title": facts.name,
        "url": call.url("clusters/1"),
        "state": "ONLINE",
        "ip": host_and_port(&facts.admin).0,
        "mgmt_address": admin,
        "sw_version": facts.vms_version,
        "build": facts.vms_version,
        "tandem_version": VERSION,
        "loopback": false,
        "enabled": true,
        "enable_s3": true,
        "enable_bucket_replication": true,
        "free_physical_space": face.store.space().free_bytes,
        "region": facts.region,
        "s3_endpoint": facts.s3,
    })
}

fn only(call: &Call) -> Result<(), VmsError> {
    if call.id()? == 1 { Ok(()) } else { Err(not_found()) }
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    Ok(json!([show(face, call)]))
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    only(call)?;
    Ok(show(face, call))
}

/// The walkthrough turns bucket replication on; here it is on.
pub fn change(face: Face, call: Call) -> Running {
    Box::pin(async move {
        only(&call)?;
        match call.flag("enable_bucket_replication") {
            Some(false) => {
                Err(VmsError::field("enable_bucket_replication", "Bucket replication cannot be turned off."))
            }
            _ => Ok(show(&face, &call)),
        }
    })
}

pub fn versions(face: &Face, call: &Call) -> Outcome {
    let version = face.facts.vms_version.as_str();
    Ok(json!([{
        "id": 1,
        "guid": face.guid("versions", version),
        "name": version,
        "title": version,
        "url": call.url("versions"),
        "state": "ACTIVE",
        "status": "success",
        "sys_version": version,
        "build": version,
        "tandem_version": VERSION,
        "created": time(face.started),
        "cluster": face.facts.name,
    }]))
}
