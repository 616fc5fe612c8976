//! Fields by the names that VMS publishes: one description serves the check of bodies, the filters and the OpenAPI document.

use serde_json::{Map, Value, json};

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Integer,
    Text,
    /// RFC 3339.
    Time,
    /// A JSON document as text. One that comes as an object is taken too: command lines cannot tell them apart.
    Document,
    Flag,
    List(&'static Kind),
    Object(&'static [Field]),
    /// Names of the object are not known beforehand.
    Map,
    /// Any JSON value.
    Any,
}

/// Who sets a field, and who sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Shown only.
    Read,
    /// Shown, and taken by POST and PATCH.
    Both,
    /// Shown, and taken by POST.
    Create,
    /// Taken, never shown.
    Write,
    /// Published by VMS, without a meaning here: taken if it asks for nothing.
    Neutral,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    pub name: &'static str,
    pub kind: Kind,
    pub usage: Usage,
    pub required: bool,
    pub nullable: bool,
    pub what: &'static str,
}

/// An object of a collection.
#[derive(Debug)]
pub struct Schema {
    pub name: &'static str,
    pub fields: &'static [Field],
}

pub const fn field(name: &'static str, kind: Kind, usage: Usage, what: &'static str) -> Field {
    Field { name, kind, usage, required: false, nullable: false, what }
}

pub const fn read(name: &'static str, kind: Kind, what: &'static str) -> Field {
    field(name, kind, Usage::Read, what)
}

pub const fn both(name: &'static str, kind: Kind, what: &'static str) -> Field {
    field(name, kind, Usage::Both, what)
}

pub const fn neutral(name: &'static str, kind: Kind) -> Field {
    field(name, kind, Usage::Neutral, "has no meaning here: only a value that asks for nothing is taken")
}

impl Field {
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    pub const fn shown(&self) -> bool {
        matches!(self.usage, Usage::Read | Usage::Both | Usage::Create)
    }

    /// Whether a body for this purpose may have it.
    pub fn settable(&self, purpose: Purpose) -> bool {
        match self.usage {
            Usage::Read => false,
            Usage::Create => purpose == Purpose::Create,
            Usage::Both | Usage::Write | Usage::Neutral => true,
        }
    }
}

/// What a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Create,
    Change,
}

/// What is wrong with a body, by field, in Django REST's words.
pub type Faults = Map<String, Value>;

pub fn fault(name: &str, message: impl Into<String>) -> Faults {
    Faults::from_iter([(name.to_owned(), json!([message.into()]))])
}

/// Checks a body against the fields that it may set, and drops what is not among them, as Django REST does.
pub fn check(fields: &[Field], purpose: Purpose, mut body: Map<String, Value>) -> Result<Map<String, Value>, Faults> {
    let mut faults = Faults::new();
    let mut taken = Map::new();
    for field in fields.iter().filter(|field| field.settable(purpose)) {
        let Some(value) = body.remove(field.name) else {
            if field.required && purpose == Purpose::Create {
                faults.extend(fault(field.name, "This field is required."));
            }
            continue;
        };
        match check_value(field, value) {
            Ok(Some(value)) => {
                taken.insert(field.name.to_owned(), value);
            }
            Ok(None) => {}
            Err(message) => faults.extend(fault(field.name, message)),
        }
    }
    if faults.is_empty() { Ok(taken) } else { Err(faults) }
}

/// The value as it is meant; none: it asks for nothing.
fn check_value(field: &Field, value: Value) -> Result<Option<Value>, String> {
    if field.usage == Usage::Neutral {
        return match asks_for_nothing(&value) {
            true => Ok(None),
            false => Err("This is not supported here.".into()),
        };
    }
    if value.is_null() {
        return match field.nullable || !field.required {
            true => Ok(if field.nullable { Some(Value::Null) } else { None }),
            false => Err("This field may not be null.".into()),
        };
    }
    let value = meant(&field.kind, value)?;
    match field.required && value.as_str().is_some_and(|text| text.trim().is_empty()) {
        true => Err("This field may not be blank.".into()),
        false => Ok(Some(value)),
    }
}

fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text.eq_ignore_ascii_case("none"),
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) => false,
    }
}

/// Django REST takes numbers and booleans that are written as text, and so do command lines that build bodies from words.
fn meant(kind: &Kind, value: Value) -> Result<Value, String> {
    match (kind, value) {
        (Kind::Integer, value) => integer(&value).map(Value::from).ok_or_else(|| "A valid integer is required.".into()),
        (Kind::Flag, value) => flag(&value).map(Value::from).ok_or_else(|| "Must be a valid boolean.".into()),
        (Kind::Text | Kind::Time, value @ Value::String(_)) => Ok(value),
        (Kind::Text, Value::Number(number)) => Ok(Value::String(number.to_string())),
        (Kind::Document, value @ Value::String(_)) => Ok(value),
        (Kind::Document, value @ Value::Object(_)) => Ok(Value::String(value.to_string())),
        (Kind::Text | Kind::Time | Kind::Document, _) => Err("Not a valid string.".into()),
        (Kind::List(of), Value::Array(items)) => {
            items.into_iter().map(|item| meant(of, item)).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        // A command line cannot tell one item from a list of one.
        (Kind::List(of), item @ (Value::String(_) | Value::Number(_))) => {
            meant(of, item).map(|item| Value::Array(vec![item]))
        }
        (Kind::List(_), _) => Err("Expected a list of items.".into()),
        (Kind::Object(fields), Value::Object(items)) => match check(fields, Purpose::Create, items) {
            Ok(items) => Ok(Value::Object(items)),
            Err(faults) => Err(Value::Object(faults).to_string()),
        },
        (Kind::Map, value @ Value::Object(_)) => Ok(value),
        (Kind::Object(_) | Kind::Map, _) => Err("Expected a dictionary of items.".into()),
        (Kind::Any, value) => Ok(value),
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => flag_text(text),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// `True` and `False`, as Python writes them, among others.
pub(super) fn flag_text(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "1" => Some(true),
        "false" | "False" | "FALSE" | "0" => Some(false),
        _ => None,
    }
}

/// The JSON Schema of an object with these fields.
pub fn document(fields: &[Field], keep: &dyn Fn(&Field) -> bool, required: bool) -> Value {
    let kept = || fields.iter().filter(|field| keep(field));
    let properties: Map<String, Value> = kept().map(|field| (field.name.to_owned(), property(field))).collect();
    let mut out = json!({"type": "object", "properties": properties});
    let names: Vec<&str> = kept().filter(|field| field.required).map(|field| field.name).collect();
    if required && !names.is_empty() {
        out["required"] = json!(names);
    }
    out
}

fn property(field: &Field) -> Value {
    let mut out = shape(&field.kind);
    out["description"] = json!(field.what);
    match field.usage {
        Usage::Read => out["readOnly"] = json!(true),
        Usage::Write | Usage::Neutral => out["writeOnly"] = json!(true),
        Usage::Both | Usage::Create => {}
    }
    if field.nullable || field.usage == Usage::Neutral {
        out["nullable"] = json!(true);
    }
    out
}

fn shape(kind: &Kind) -> Value {
    match kind {
        Kind::Integer => json!({"type": "integer"}),
        Kind::Text | Kind::Document => json!({"type": "string"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::List(of) => json!({"type": "array", "items": shape(of)}),
        Kind::Object(fields) => document(fields, &|_| true, true),
        Kind::Map => json!({"type": "object", "additionalProperties": true}),
        Kind::Any => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        read("id", Kind::Integer, "id"),
        both("name", Kind::Text, "name").required(),
        both("uid", Kind::Integer, "uid").nullable(),
        both("gids", Kind::List(&Kind::Integer), "gids"),
        both("flag", Kind::Flag, "flag"),
        neutral("locking", Kind::Flag),
    ];

    fn body(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn bodies_are_checked_in_django_rests_words() {
        let wrong = |value| Value::Object(check(FIELDS, Purpose::Create, body(value)).unwrap_err());
        assert_eq!(wrong(json!({})), json!({"name": ["This field is required."]}));
        assert_eq!(wrong(json!({"name": ""})), json!({"name": ["This field may not be blank."]}));
        assert_eq!(
            wrong(json!({"name": null, "uid": "x", "flag": "maybe", "gids": [1, true]})),
            json!({
                "name": ["This field may not be null."], "uid": ["A valid integer is required."],
                "flag": ["Must be a valid boolean."], "gids": ["A valid integer is required."],
            })
        );
        assert_eq!(wrong(json!({"name": "a", "locking": true})), json!({"locking": ["This is not supported here."]}));
    }

    #[test]
    fn what_is_taken_has_its_type_and_what_is_not_settable_is_dropped() {
        let sent = json!({"id": 9, "name": "a", "uid": "7", "flag": "True", "gids": 4, "other": 1, "locking": false});
        let taken = check(FIELDS, Purpose::Create, body(sent)).unwrap();
        assert_eq!(Value::Object(taken), json!({"name": "a", "uid": 7, "flag": true, "gids": [4]}));
        assert!(check(FIELDS, Purpose::Change, body(json!({}))).unwrap().is_empty());
        let taken = check(FIELDS, Purpose::Change, body(json!({"uid": null, "flag": null}))).unwrap();
        assert_eq!(Value::Object(taken), json!({"uid": null}));
    }
}
