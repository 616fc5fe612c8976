//! The REST face that clients of VMS speak: `/api/COLLECTION/`, by the names that VMS publishes.
//!
//! *Architecture invariant:* one table of routes decides what is answered, checks bodies, and is the OpenAPI document.

mod apitokens;
mod clusters;
mod entity;
mod error;
mod explain;
mod face;
mod groups;
mod iamroles;
mod index;
pub mod jwt;
mod keys;
mod openapi;
mod path;
mod published;
mod query;
mod route;
mod s3policies;
mod schema;
mod table;
mod tenants;
#[cfg(test)]
mod tests;
mod token;
mod user_query;
mod users;
mod view_rows;
mod viewpolicies;
mod views;
mod vippools;

use std::time::Duration;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::auth;
use crate::audit::Kind;
use error::VmsError;
pub use face::{Face, Facts, Parts};
use path::ApiPath;
use query::Query;
pub use route::Operator;
use route::{Action, Answer, Call, Route, Verb};

/// A body may be this long: as long as a list of every account of a node.
const BODY_MAX: usize = 4 << 20;

/// That of somebody who is not logged in yet.
const LOGIN_MAX: usize = 16 << 10;
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections are few: nobody keeps one by a body that never ends, least of all before a login.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

const TENANT: &str = "x-tenant-name";

/// Whether a request is one that logs in, and so comes before any login.
pub fn is_open(method: &Method, path: &str) -> bool {
    let Some(path) = ApiPath::parse(path) else { return false };
    let verb = Verb::of(method);
    table::routes().any(|route| route.open && Some(route.verb) == verb && path.fit(route.path).is_some())
}

/// Answers a request below `/api/` that no other route took.
pub async fn serve(face: Face, request: Request) -> Response {
    let mut response = match answer(face, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    // Some answers hold a secret that is shown once: nobody on the way keeps it.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(face: Face, request: Request) -> Result<Response, VmsError> {
    let (parts, body) = request.into_parts();
    let shown = parts.uri.path();
    let path = ApiPath::parse(shown).ok_or_else(|| VmsError::not_found(format!("there is nothing at {shown}")))?;
    if path.words.is_empty() {
        return Ok(Json(root(&path.base)).into_response());
    }
    let here: Vec<&'static Route> = table::routes().filter(|route| path.fit(route.path).is_some()).collect();
    if here.is_empty() {
        return Err(nothing_at(&path, shown));
    }
    if parts.method == Method::OPTIONS {
        return Ok(options(&here));
    }
    let verb = Verb::of(&parts.method);
    // A word of the path before a place in it: `users/query` is not the user `query`.
    let fitting = here.iter().filter(|route| Some(route.verb) == verb);
    let Some(route) = fitting.min_by_key(|route| route.path.matches('{').count()) else {
        let detail = format!("Method \"{}\" not allowed.", parts.method);
        return Err(VmsError::Method { detail, allow: allowed(&here) });
    };
    let mut query = Query::parse(parts.uri.query().unwrap_or_default())?;
    // Who is not logged in yet does not learn which tenants there are.
    let tenant = if route.open { None } else { tenant(&face, &parts.headers)? };
    if let (Answer::List(schema), Some(tenant)) = (&route.answer, tenant)
        && schema.fields.iter().any(|field| field.shown() && field.name == "tenant_id")
    {
        query.set_default("tenant_id", &tenant.to_string());
    }
    let (longest, within) = if route.open { (LOGIN_MAX, LOGIN_TIMEOUT) } else { (BODY_MAX, BODY_TIMEOUT) };
    let body = read(&parts.headers, body, longest, within).await?;
    let (fields, purpose) = route.body.fields();
    let body = schema::check(fields, purpose, body).map_err(VmsError::Fields)?;
    let operator = match (parts.extensions.get::<Operator>(), parts.extensions.get::<auth::From>()) {
        (Some(operator), _) => operator.clone(),
        (None, Some(from)) if route.open => Operator { name: "nobody".into(), from: from.address },
        _ => return Err(VmsError::Status(StatusCode::UNAUTHORIZED, "log in first".into())),
    };
    let places = path.fit(route.path).unwrap_or_default();
    let (verb, base, path) = (route.verb, path.base, path.words.join("/"));
    let call = Call { verb, path, places, query, body, operator, tenant, base };
    // Here and not where the call is carried out, so that whoever goes away takes no turn.
    let _turn = match route.open {
        true => Some(face.gate.turn(call.operator.from).await),
        false => None,
    };
    let found = run(face, route, call.clone()).await?;
    respond(route, &call, found, &call.url(&call.path))
}

async fn run(face: Face, route: &'static Route, call: Call) -> Result<Value, VmsError> {
    let running = match route.action {
        Action::Read(read) => tokio::task::spawn_blocking(move || read(&face, &call)),
        Action::Change(change) => tokio::spawn(async move {
            let answer = change(face.clone(), call.clone()).await;
            // Who may make buckets, and whose they are: the other collections tell of their changes themselves.
            if answer.is_ok() && call.path.starts_with("views") {
                face.tell(&call, Kind::PolicyChanged).await;
            }
            answer
        }),
    };
    running.await.unwrap_or_else(|error| Err(VmsError::internal(&error)))
}

fn respond(route: &Route, call: &Call, found: Value, here: &str) -> Result<Response, VmsError> {
    let status = route.answer.status();
    let document = match (route.answer, found) {
        (Answer::Nothing, _) => return Ok(status.into_response()),
        // What was just made is answered whole: a filter that is wrong must not look as if nothing was made.
        (Answer::List(schema), Value::Array(objects)) if route.verb == Verb::Get => {
            query::answer(&call.query, route.parameters, schema.fields, objects, here)?
        }
        (Answer::Document, document) => document,
        (_, object) => query::one(&call.query, object),
    };
    Ok((status, Json(document)).into_response())
}

/// The collections, as Django REST's root lists them.
fn root(base: &str) -> Value {
    let lists = table::routes().filter(|route| matches!(route.answer, Answer::List(_)) && !route.path.contains('/'));
    Value::Object(lists.map(|route| (route.path.to_owned(), json!(format!("{base}{}/", route.path)))).collect())
}

fn nothing_at(path: &ApiPath, shown: &str) -> VmsError {
    let first = path.words.first().map_or("", String::as_str);
    let here = table::routes().any(|route| route.path.split('/').next() == Some(first));
    match published::COLLECTIONS.contains(&first) && !here {
        true => {
            VmsError::Status(StatusCode::NOT_IMPLEMENTED, format!("the collection {first} is not implemented here"))
        }
        false => VmsError::not_found(format!("there is nothing at {shown}")),
    }
}

fn allowed(here: &[&Route]) -> String {
    let mut words: Vec<&str> = here.iter().map(|route| route.verb.name()).chain(["OPTIONS"]).collect();
    if words.contains(&"GET") {
        words.push("HEAD");
    }
    words.sort_unstable();
    words.dedup();
    words.join(", ")
}

/// As Django REST describes an endpoint.
fn options(here: &[&Route]) -> Response {
    let mut actions = Map::new();
    for route in here {
        let (fields, purpose) = route.body.fields();
        let settable = fields.iter().filter(|field| field.settable(purpose));
        let described: Map<String, Value> = settable
            .map(|field| {
                let required = field.required && purpose == schema::Purpose::Create;
                let line =
                    json!({"required": required, "read_only": false, "label": field.name, "help_text": field.what});
                (field.name.to_owned(), line)
            })
            .collect();
        if !described.is_empty() {
            actions.insert(route.verb.name().into(), Value::Object(described));
        }
    }
    let name = here.first().map_or("", |route| route.path);
    let document = json!({
        "name": name, "renders": ["application/json"], "parses": ["application/json"], "actions": actions,
    });
    let mut response = Json(document).into_response();
    if let Ok(allow) = HeaderValue::from_str(&allowed(here)) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// `X-Tenant-Name`: what is made is made there, and lists show what is there.
fn tenant(face: &Face, headers: &HeaderMap) -> Result<Option<u64>, VmsError> {
    let Some(name) = headers.get(TENANT) else { return Ok(None) };
    let name = name.to_str().unwrap_or_default();
    let directory = face.directory();
    let account = directory.accounts().find(|account| account.name == name);
    match account {
        Some(account) => Ok(Some(account.number)),
        None => Err(VmsError::bad_request(format!("there is no tenant {name}"))),
    }
}

/// The body as an object: absent, empty and chunked without a chunk are all an empty one.
async fn read(
    headers: &HeaderMap,
    body: HttpBody,
    longest: usize,
    within: Duration,
) -> Result<Map<String, Value>, VmsError> {
    let too_long = || VmsError::Status(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {longest} bytes"));
    let reading = tokio::time::timeout(within, axum::body::to_bytes(body, longest));
    let too_slow = |_| VmsError::Status(StatusCode::REQUEST_TIMEOUT, "the body took too long".into());
    let bytes = reading.await.map_err(too_slow)?.map_err(|_| too_long())?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let media =
        headers.get(header::CONTENT_TYPE).map_or("application/json", |media| media.to_str().unwrap_or_default());
    if !media.to_ascii_lowercase().starts_with("application/json") {
        let detail = format!("Unsupported media type \"{media}\" in request.");
        return Err(VmsError::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(VmsError::field("non_field_errors", "Invalid data. Expected a dictionary.")),
        Err(error) => Err(VmsError::bad_request(format!("JSON parse error - {error}"))),
    }
}
