//! The OpenAPI document and the routes are one: what it says answers, and what answers is in it.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::{Bench, allow_all, trust};
use crate::admin::vms::schema::{Field, Kind};
use crate::admin::vms::{openapi, table};

#[test]
fn every_reference_resolves_and_every_operation_has_its_own_name() {
    let document = openapi::document("/api/v5/");
    assert_eq!(document["servers"][0]["url"], "/api/v5");
    let mut references = Vec::new();
    collect(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let paths = document["paths"].as_object().unwrap();
    let mut names: Vec<&str> = Vec::new();
    for operation in paths.values().flat_map(|place| place.as_object().unwrap().values()) {
        names.push(operation["operationId"].as_str().unwrap());
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), count), (count, table::routes().count()));
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|inner| collect(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, found)),
        _ => {}
    }
}

#[test]
fn no_schema_names_a_field_twice() {
    for route in table::routes() {
        let schema = route.answer.schema().map_or(&[][..], |schema| schema.fields);
        for fields in [schema, route.body.fields().0] {
            let mut names: Vec<&str> = fields.iter().map(|field| field.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", route.path);
        }
    }
}

/// One object of every collection.
async fn furnish(bench: &Bench) {
    let policy = bench.made("s3policies", json!({"name": "all", "policy": allow_all()})).await;
    let fields = json!({"name": "alice", "uid": 7, "leading_gid": 100, "s3_policies_ids": [policy]});
    let user = bench.made("users", fields).await;
    bench.made("groups", json!({"name": "staff", "gid": 100, "s3_policies_ids": [policy]})).await;
    bench.made("iamroles", json!({"name": "r", "trust_policy": trust()})).await;
    bench.made("views", json!({"path": "/photos", "bucket_owner": "alice"})).await;
    bench.made("views", json!({"path": "/s3", "protocols": ["ENDPOINT"]})).await;
    assert_eq!(bench.post(&format!("users/{user}/access_keys/"), json!({})).await.0, 200);
    assert_eq!(bench.post("apitokens/", json!({"name": "ci"})).await.0, 201);
    assert_eq!(bench.post("organizationalunits/", json!({"name": "u"})).await.0, 201);
}

/// Every field shown is in the schema, with its type; and every field of the schema is shown.
fn check(place: &str, fields: &[Field], shown: &Value) {
    let shown = shown.as_object().unwrap_or_else(|| panic!("{place}: {shown}"));
    for name in shown.keys() {
        assert!(fields.iter().any(|field| field.shown() && field.name == name), "{place}: {name} is in no schema");
    }
    for field in fields.iter().filter(|field| field.shown()) {
        let value = shown.get(field.name).unwrap_or_else(|| panic!("{place}: {} is not shown", field.name));
        assert!(fits(&field.kind, value) || (field.nullable && value.is_null()), "{place}: {} is {value}", field.name);
    }
}

fn fits(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Integer => value.is_i64() || value.is_u64(),
        Kind::Text | Kind::Document => value.is_string(),
        Kind::Time => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        Kind::Flag => value.is_boolean(),
        Kind::List(of) => value.as_array().is_some_and(|items| items.iter().all(|item| fits(of, item))),
        Kind::Object(fields) => {
            let names = |map: &Map<String, Value>| map.keys().all(|name| fields.iter().any(|field| field.name == name));
            value.as_object().is_some_and(names)
        }
        Kind::Map => value.is_object(),
        Kind::Any => true,
    }
}

#[tokio::test]
async fn every_list_shows_what_its_schema_says_and_so_does_each_of_its_objects() {
    let bench = Bench::new().await;
    furnish(&bench).await;
    for route in table::routes() {
        let Some(schema) = route.answer.schema() else { continue };
        if route.verb.name() != "GET" || route.path.contains('{') || route.path == "users/query" {
            continue;
        }
        let (status, list) = bench.get(&format!("{}/", route.path)).await;
        assert_eq!(status, 200, "{}: {list}", route.path);
        let objects = list.as_array().unwrap_or_else(|| panic!("{}: no bare array", route.path));
        assert!(!objects.is_empty(), "{} shows nothing to check", route.path);
        for object in objects {
            check(route.path, schema.fields, object);
            let one = format!("{}/{{id}}", route.path);
            let single = table::routes().any(|other| other.path == one && other.verb.name() == "GET");
            if single {
                let (status, mut alone) = bench.get(&format!("{}/{}/", route.path, object["id"])).await;
                if let Some(free) = object.get("free_physical_space") {
                    alone["free_physical_space"] = free.clone();
                }
                assert_eq!((status, &alone), (200, object), "{one}");
            }
        }
        let filters =
            schema.fields.iter().filter(|field| field.shown() && !matches!(field.kind, Kind::Map | Kind::Any));
        for field in filters {
            let path = format!("{}/?{}__isnull=False&ordering={}&page=1", route.path, field.name, field.name);
            assert_eq!(bench.get(&path).await.0, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn every_operation_of_the_document_answers_something_that_it_announces() {
    let bench = Bench::new().await;
    let (status, document) = bench.get("latest/openapi.json").await;
    assert_eq!(status, 200);
    for (path, place) in document["paths"].as_object().unwrap() {
        for (verb, operation) in place.as_object().unwrap() {
            let method = Method::from_bytes(verb.to_ascii_uppercase().as_bytes()).unwrap();
            let concrete = path.trim_start_matches('/').replace("{id}", "424242").replace(['{', '}'], "");
            let body = (method != Method::GET).then(|| json!({}));
            let (status, answer) = bench.call(method, &concrete, body).await;
            let announced = operation["responses"].get(status.to_string());
            assert!(announced.is_some(), "{verb} {path}: {status} {answer}");
        }
    }
}
