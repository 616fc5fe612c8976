//! `/vippools/`: the node's addresses. Clients name the one with role REPLICATION when they make a peer.

use serde_json::{Value, json};

use super::entity;
use super::face::{Face, host_and_port};
use super::route::{Call, Outcome, not_found};
use super::schema::{Kind, Schema, read};

pub const SCHEMA: Schema = Schema {
    name: "VipPool",
    fields: &[
        entity::ID,
        entity::GUID,
        read("name", Kind::Text, "what the addresses are for"),
        entity::TITLE,
        entity::URL,
        entity::STATE,
        read("role", Kind::Text, "PROTOCOLS or REPLICATION"),
        read("enabled", Kind::Flag, "always"),
        read("start_ip", Kind::Text, "the host"),
        read("end_ip", Kind::Text, "the host"),
        read("ip_ranges", Kind::List(&Kind::List(&Kind::Text)), "first and last of each range"),
        read("ranges_summary", Kind::Text, "the same, for people"),
        read("port", Kind::Integer, "the port").nullable(),
        read("domain_name", Kind::Text, "empty"),
        read("cluster", Kind::Text, "the node's name"),
        read("cluster_id", Kind::Integer, "the node's id"),
    ],
};

fn show(face: &Face, call: &Call, id: u64) -> Option<Value> {
    let (name, role, address) = match id {
        1 => ("replication", "REPLICATION", face.facts.replication.as_str()),
        2 => ("protocols", "PROTOCOLS", face.facts.s3.as_str()),
        _ => return None,
    };
    let (host, port) = host_and_port(address);
    Some(json!({
        "id": id,
        "guid": face.guid("vippools", name),
        "name": name,
        "title": name,
        "url": call.url(&format!("vippools/{id}")),
        "state": "ACTIVE",
        "role": role,
        "enabled": true,
        "start_ip": host,
        "end_ip": host,
        "ip_ranges": [[host, host]],
        "ranges_summary": host,
        "port": port,
        "domain_name": "",
        "cluster": face.facts.name,
        "cluster_id": 1,
    }))
}

pub fn list(face: &Face, call: &Call) -> Outcome {
    Ok([1, 2].into_iter().filter_map(|id| show(face, call, id)).collect())
}

pub fn get(face: &Face, call: &Call) -> Outcome {
    show(face, call, call.id()?).ok_or_else(not_found)
}
