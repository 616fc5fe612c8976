//! A route: where it is, what it takes, what it answers, and what does it. The table of all routes is also the OpenAPI document.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::error::VmsError;
use super::face::Face;
use super::query::Query;
use super::schema::{Field, Purpose, Schema};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Patch,
    Delete,
}

impl Verb {
    pub fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Verb::Get),
            Method::POST => Some(Verb::Post),
            Method::PATCH => Some(Verb::Patch),
            Method::DELETE => Some(Verb::Delete),
            _ => None,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
}

/// What a route takes as its body.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    None,
    /// A new object.
    New(&'static Schema),
    /// Some fields of an object.
    Part(&'static Schema),
    Fields(&'static [Field]),
}

impl Body {
    pub fn fields(&self) -> (&'static [Field], Purpose) {
        match self {
            Body::None => (&[], Purpose::Change),
            Body::New(schema) => (schema.fields, Purpose::Create),
            Body::Part(schema) => (schema.fields, Purpose::Change),
            Body::Fields(fields) => (fields, Purpose::Create),
        }
    }
}

/// What a route answers when it succeeds.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// 200 with a list: of a GET, filtered and paged as asked.
    List(&'static Schema),
    /// 200 with an object.
    One(&'static Schema),
    /// 201 with an object.
    Made(&'static Schema),
    /// 204
    Nothing,
    /// 200 with a document of its own.
    Document,
}

impl Answer {
    pub const fn status(&self) -> StatusCode {
        match self {
            Answer::Made(_) => StatusCode::CREATED,
            Answer::Nothing => StatusCode::NO_CONTENT,
            Answer::List(_) | Answer::One(_) | Answer::Document => StatusCode::OK,
        }
    }

    pub const fn schema(&self) -> Option<&'static Schema> {
        match self {
            Answer::List(schema) | Answer::One(schema) | Answer::Made(schema) => Some(schema),
            Answer::Nothing | Answer::Document => None,
        }
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Operator {
    pub name: String,
    pub from: IpAddr,
}

/// A request, decoded and checked. Without `Debug`: its body may hold secrets.
#[derive(Clone)]
pub struct Call {
    pub verb: Verb,
    /// `users/7/access_keys`
    pub path: String,
    /// What stands in the places of the route's path.
    pub places: Vec<String>,
    pub query: Query,
    pub body: Map<String, Value>,
    pub operator: Operator,
    /// By `X-Tenant-Name`.
    pub tenant: Option<u64>,
    /// `/api/v5/`
    pub base: String,
}

pub type Outcome = Result<Value, VmsError>;
pub type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What does it. Reads are done where blocking is allowed; changes are carried through also when their client has gone.
#[derive(Clone, Copy)]
pub enum Action {
    Read(fn(&Face, &Call) -> Outcome),
    Change(fn(Face, Call) -> Running),
}

#[derive(Clone, Copy)]
pub struct Route {
    pub verb: Verb,
    /// `users/{id}/access_keys`
    pub path: &'static str,
    pub what: &'static str,
    pub body: Body,
    pub answer: Answer,
    pub action: Action,
    /// Filters beside the fields of the schema, with their meaning.
    pub parameters: &'static [Field],
    /// Whether it is open to those who are not logged in.
    pub open: bool,
}

const fn route(
    verb: Verb,
    path: &'static str,
    what: &'static str,
    body: Body,
    answer: Answer,
    action: Action,
) -> Route {
    Route { verb, path, what, body, answer, action, parameters: &[], open: false }
}

pub const fn list(path: &'static str, schema: &'static Schema, action: fn(&Face, &Call) -> Outcome) -> Route {
    route(Verb::Get, path, "list, filtered and paged as asked", Body::None, Answer::List(schema), Action::Read(action))
}

pub const fn get(path: &'static str, schema: &'static Schema, action: fn(&Face, &Call) -> Outcome) -> Route {
    route(Verb::Get, path, "show one", Body::None, Answer::One(schema), Action::Read(action))
}

pub const fn create(path: &'static str, schema: &'static Schema, action: fn(Face, Call) -> Running) -> Route {
    route(Verb::Post, path, "make one", Body::New(schema), Answer::Made(schema), Action::Change(action))
}

pub const fn change(path: &'static str, schema: &'static Schema, action: fn(Face, Call) -> Running) -> Route {
    route(Verb::Patch, path, "change some fields", Body::Part(schema), Answer::One(schema), Action::Change(action))
}

pub const fn delete(path: &'static str, action: fn(Face, Call) -> Running) -> Route {
    route(Verb::Delete, path, "delete one", Body::None, Answer::Nothing, Action::Change(action))
}

pub const fn act(
    verb: Verb,
    path: &'static str,
    what: &'static str,
    fields: &'static [Field],
    answer: Answer,
    action: fn(Face, Call) -> Running,
) -> Route {
    route(verb, path, what, Body::Fields(fields), answer, Action::Change(action))
}

impl Route {
    pub const fn what(mut self, what: &'static str) -> Self {
        self.what = what;
        self
    }

    pub const fn with(mut self, parameters: &'static [Field]) -> Self {
        self.parameters = parameters;
        self
    }

    pub const fn open(mut self) -> Self {
        self.open = true;
        self
    }
}

impl Call {
    pub fn place(&self) -> &str {
        self.places.first().map_or("", String::as_str)
    }

    /// The integer id in the path; another word is no object's.
    pub fn id(&self) -> Result<u64, VmsError> {
        self.place().parse().map_err(|_| not_found())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }

    pub fn needed(&self, name: &str) -> Result<&str, VmsError> {
        self.text(name).ok_or_else(|| VmsError::field(name, "This field is required."))
    }

    pub fn flag(&self, name: &str) -> Option<bool> {
        self.body.get(name).and_then(Value::as_bool)
    }

    /// None: not sent. `Some(None)`: sent as null.
    pub fn integer<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<Option<T>>, VmsError> {
        let Some(value) = self.body.get(name) else { return Ok(None) };
        let Some(number) = value.as_i64() else { return Ok(Some(None)) };
        T::try_from(number)
            .map(|number| Some(Some(number)))
            .map_err(|_| VmsError::field(name, "Ensure this value is within its range."))
    }

    pub fn integers<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<Vec<T>>, VmsError> {
        let Some(Value::Array(items)) = self.body.get(name) else { return Ok(None) };
        let numbers = items.iter().map(|item| item.as_i64().and_then(|number| T::try_from(number).ok()));
        let numbers: Option<Vec<T>> = numbers.collect();
        numbers.map(Some).ok_or_else(|| VmsError::field(name, "Ensure each value is within its range."))
    }

    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.body.get(name)?.as_array()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    }

    /// Where an object of this answer can be asked for.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}/", self.base)
    }
}

pub fn not_found() -> VmsError {
    VmsError::not_found("Not found.")
}
