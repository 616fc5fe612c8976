//! The OpenAPI document, from the table of routes.

use serde_json::{Map, Value, json};

use super::error::VmsError;
use super::face::Face;
use super::query;
use super::route::{Answer, Call, Route, Verb};
use super::schema::{self, Field, Kind, Purpose};
use super::table;

pub const PATH: &str = "openapi.json";

pub fn show(_face: &Face, call: &Call) -> Result<Value, VmsError> {
    Ok(document(&call.base))
}

/// With paths below `base`, such as `/api/v5/`.
pub fn document(base: &str) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for route in table::routes() {
        let place = paths.entry(format!("/{}/", route.path)).or_insert_with(|| json!({}));
        place[route.verb.name().to_ascii_lowercase()] = operation(route);
        if let Some(schema) = route.answer.schema() {
            let shown = schema::document(schema.fields, &|field: &Field| field.shown(), false);
            schemas.insert(schema.name.to_owned(), shown);
        }
    }
    schemas.insert("Detail".into(), json!({"type": "object", "properties": {"detail": {"type": "string"}}}));
    let conflict = json!({"type": "object", "properties": {"code": {"type": "string"}, "detail": {"type": "string"}}});
    schemas.insert("ConflictResponse".into(), conflict);
    let faults = json!({"type": "array", "items": {"type": "string"}});
    schemas.insert("Faults".into(), json!({"type": "object", "additionalProperties": faults}));
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Tandem admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Compatible with the publicly documented VMS REST resource names.",
        },
        "servers": [{"url": base.trim_end_matches('/')}],
        "security": [{"basicAuth": []}, {"bearerAuth": []}, {"apiToken": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "basicAuth": {"type": "http", "scheme": "basic"},
                "bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "apiToken": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Api-Token TOKEN"},
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let words: Vec<&str> = route.path.split('/').map(|word| word.trim_matches(['{', '}'])).collect();
    let tag = words.first().copied().unwrap_or_default();
    let mut out = json!({
        "operationId": format!("{}_{}", route.verb.name().to_ascii_lowercase(), words.join("_").replace('.', "_")),
        "summary": route.what,
        "tags": [tag],
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let Some(body) = body(route) {
        out["requestBody"] = json!({"content": {"application/json": {"schema": body}}});
    }
    if route.open {
        out["security"] = json!([]);
    }
    out
}

fn body(route: &Route) -> Option<Value> {
    let (fields, purpose) = route.body.fields();
    let settable = |field: &Field| field.settable(purpose);
    let any = fields.iter().any(settable);
    any.then(|| schema::document(fields, &settable, purpose == Purpose::Create))
}

fn responses(route: &Route) -> Value {
    let detail = |name: &str, what: &str| {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        json!({"description": what, "content": {"application/json": {"schema": schema}}})
    };
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let content = match route.answer {
        Answer::Nothing => None,
        Answer::Document => Some(json!({"type": "object"})),
        Answer::List(schema) => Some(json!({"type": "array", "items": reference(schema.name)})),
        Answer::One(schema) | Answer::Made(schema) => Some(reference(schema.name)),
    };
    let good = match content {
        None => json!({"description": "done"}),
        Some(schema) => json!({"description": "done", "content": {"application/json": {"schema": schema}}}),
    };
    let mut out = Map::new();
    out.insert(route.answer.status().as_u16().to_string(), good);
    out.insert("400".into(), detail("Faults", "what is wrong, by field, or as a detail"));
    out.insert("401".into(), detail("Detail", "not logged in"));
    out.insert("403".into(), detail("Detail", "not allowed, or not writable on this node"));
    out.insert("404".into(), detail("Detail", "there is no such object"));
    out.insert("409".into(), detail("ConflictResponse", "what is stored stands against it"));
    Value::Object(out)
}

fn parameters(route: &Route) -> Vec<Value> {
    let places = route.path.split('/').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'));
    let mut out: Vec<Value> = places
        .map(|name| {
            let kind = if name == "id" { "integer" } else { "string" };
            json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}})
        })
        .collect();
    let in_query = |name: &str, kind: &str, what: &str| json!({"name": name, "in": "query", "required": false, "schema": {"type": kind}, "description": what});
    out.extend(route.parameters.iter().map(|field| in_query(field.name, kind_name(&field.kind), field.what)));
    if let (Verb::Get, Answer::List(schema)) = (route.verb, route.answer) {
        out.extend(query::PARAMETERS.iter().map(|(name, kind, what)| in_query(name, kind, what)));
        let scalar = |field: &&Field| field.shown() && !matches!(field.kind, Kind::Object(_) | Kind::Map | Kind::Any);
        let own = |field: &&Field| route.parameters.iter().all(|other| other.name != field.name);
        let filters = schema.fields.iter().filter(scalar).filter(own);
        out.extend(
            filters
                .map(|field| in_query(field.name, kind_name(&field.kind), "filter; also with __contains and the like")),
        );
    }
    out
}

fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Integer => "integer",
        Kind::Flag => "boolean",
        Kind::List(of) => kind_name(of),
        _ => "string",
    }
}
