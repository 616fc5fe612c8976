//! What a query string asks of a list: Django-style filters, order, fields and pages. Pure.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::error::VmsError;
use super::schema::{self, Field, Kind};

const PAGE_SIZE: usize = 100;
const PAGE_SIZE_MAX: usize = 10_000;
const FILTERS_MAX: usize = 64;

/// Parameters that are no filters. `format` and `_` are what browsers and their tools add.
const RESERVED: [&str; 6] = ["page", "page_size", "fields", "ordering", "format", "_"];

/// What every list takes: name, type, meaning.
pub const PARAMETERS: [(&str, &str, &str); 4] = [
    ("page", "integer", "answer this page, in an envelope"),
    ("page_size", "integer", "answer pages of so many objects, in an envelope"),
    ("fields", "string", "show these fields only; repeated, or separated by commas"),
    ("ordering", "string", "fields to sort by, separated by commas; `-` turns one round"),
];

/// The decoded pairs of a query string, in their order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Result<Self, VmsError> {
        let decode = |word: &str| {
            let spaced = word.replace('+', " ");
            let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
            decoded.map(|text| text.into_owned()).map_err(|_| VmsError::bad_request("the query string is not UTF-8"))
        };
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Query(pairs))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn set_default(&mut self, name: &str, value: &str) {
        if !self.has(name) {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, VmsError> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.map(|value| value.parse().map_err(|_| VmsError::field(name, "Enter a number."))).transpose()
    }

    /// `fields=id&fields=name` and `fields=id,name`; none: all.
    fn fields(&self) -> Option<Vec<&str>> {
        let given = self.0.iter().filter(|(name, _)| name == "fields").flat_map(|(_, value)| value.split(','));
        let names: Vec<&str> = given.map(str::trim).filter(|name| !name.is_empty()).collect();
        (!names.is_empty()).then_some(names)
    }

    fn positive(&self, name: &str) -> Result<Option<usize>, VmsError> {
        match self.get(name).filter(|value| !value.is_empty()).map(str::parse::<usize>) {
            None => Ok(None),
            Some(Ok(number)) if number > 0 => Ok(Some(number)),
            Some(_) => Err(VmsError::not_found("Invalid page.")),
        }
    }

    /// With another page number.
    fn turned(&self, page: usize) -> String {
        let quote =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let others = self.0.iter().filter(|(name, _)| name != "page").map(|(name, value)| {
            let name = quote(name).replace("%5F", "_");
            format!("{name}={}", quote(value))
        });
        others.chain([format!("page={page}")]).collect::<Vec<_>>().join("&")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Exact,
    IExact,
    Contains,
    IContains,
    StartsWith,
    IStartsWith,
    EndsWith,
    IEndsWith,
    In,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    IsNull,
}

impl Compare {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "exact" => Compare::Exact,
            "iexact" => Compare::IExact,
            "contains" => Compare::Contains,
            "icontains" => Compare::IContains,
            "startswith" => Compare::StartsWith,
            "istartswith" => Compare::IStartsWith,
            "endswith" => Compare::EndsWith,
            "iendswith" => Compare::IEndsWith,
            "in" => Compare::In,
            "gt" => Compare::Greater,
            "gte" => Compare::GreaterEqual,
            "lt" => Compare::Less,
            "lte" => Compare::LessEqual,
            "isnull" => Compare::IsNull,
            _ => return None,
        })
    }
}

/// `protection_policy__name__contains=daily`
struct Filter<'a> {
    path: Vec<&'a str>,
    compare: Compare,
    value: &'a str,
    folded: String,
}

impl<'a> Filter<'a> {
    fn parse(fields: &[Field], name: &'a str, value: &'a str) -> Result<Self, VmsError> {
        let mut path: Vec<&str> = name.split("__").flat_map(|word| word.split('.')).collect();
        let compare = match path.last().copied().and_then(Compare::parse) {
            Some(compare) if path.len() > 1 => {
                path.pop();
                compare
            }
            _ => Compare::Exact,
        };
        let Some(kind) = kind_of(fields, &path) else {
            return Err(VmsError::field(name, "This collection has no such filter."));
        };
        let filter = Filter { path, compare, value, folded: value.to_ascii_lowercase() };
        filter.check(name, kind)?;
        Ok(filter)
    }

    /// A value that cannot be of the field's type is an error, never an empty list.
    fn check(&self, name: &str, kind: Kind) -> Result<(), VmsError> {
        let one = |value: &str| match kind {
            Kind::Integer => value.trim().parse::<i64>().is_ok(),
            Kind::Flag => schema::flag_text(value).is_some(),
            _ => true,
        };
        let right = match self.compare {
            Compare::In => self.value.split(',').all(one),
            Compare::IsNull => schema::flag_text(self.value).is_some(),
            Compare::Exact | Compare::Greater | Compare::GreaterEqual | Compare::Less | Compare::LessEqual => {
                one(self.value)
            }
            _ => true,
        };
        let message = match kind {
            Kind::Flag => "Must be a valid boolean.",
            Kind::Integer => "Enter a number.",
            _ => "Enter a valid value.",
        };
        if right { Ok(()) } else { Err(VmsError::field(name, message)) }
    }

    fn matches(&self, object: &Value) -> bool {
        let mut found = Vec::new();
        reach(object, &self.path, &mut found);
        if self.compare == Compare::IsNull {
            let null = found.iter().all(|value| value.is_null());
            return schema::flag_text(self.value) == Some(null);
        }
        found.iter().any(|value| self.accepts(value))
    }

    fn accepts(&self, value: &Value) -> bool {
        if let Value::Array(items) = value {
            return items.iter().any(|item| self.accepts(item));
        }
        let text = text_of(value);
        let folded = || text.to_ascii_lowercase();
        match self.compare {
            Compare::Exact => equal(value, &text, self.value),
            Compare::In => self.value.split(',').any(|one| equal(value, &text, one)),
            Compare::IExact => folded() == self.folded,
            Compare::Contains => text.contains(self.value),
            Compare::IContains => folded().contains(&self.folded),
            Compare::StartsWith => text.starts_with(self.value),
            Compare::IStartsWith => folded().starts_with(&self.folded),
            Compare::EndsWith => text.ends_with(self.value),
            Compare::IEndsWith => folded().ends_with(&self.folded),
            Compare::Greater => self.order(value, &text) == Some(Ordering::Greater),
            Compare::GreaterEqual => matches!(self.order(value, &text), Some(Ordering::Greater | Ordering::Equal)),
            Compare::Less => self.order(value, &text) == Some(Ordering::Less),
            Compare::LessEqual => matches!(self.order(value, &text), Some(Ordering::Less | Ordering::Equal)),
            Compare::IsNull => false,
        }
    }

    fn order(&self, value: &Value, text: &str) -> Option<Ordering> {
        match value {
            Value::Null => None,
            Value::Number(number) => number.as_f64()?.partial_cmp(&self.value.trim().parse::<f64>().ok()?),
            _ => Some(text.cmp(self.value)),
        }
    }
}

fn equal(value: &Value, text: &str, wanted: &str) -> bool {
    match value {
        Value::Bool(flag) => schema::flag_text(wanted) == Some(*flag),
        Value::Number(_) => text == wanted.trim(),
        Value::Null => false,
        _ => text == wanted,
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The kind of what a path names; a relation may be an object (`user__name`) or flat (`tenant_name` for `tenant__name`).
fn kind_of(fields: &[Field], path: &[&str]) -> Option<Kind> {
    let shown = |name: &str| fields.iter().find(|field| field.shown() && field.name == name).map(|field| field.kind);
    let (first, rest) = path.split_first()?;
    let within = |kind: Kind| match (kind, rest) {
        (kind, []) => Some(match kind {
            Kind::List(of) => *of,
            other => other,
        }),
        (Kind::Object(inner), rest) => kind_of(inner, rest),
        (Kind::List(Kind::Object(inner)), rest) => kind_of(inner, rest),
        (Kind::Map | Kind::Any, _) => Some(Kind::Any),
        _ => None,
    };
    shown(first).and_then(within).or_else(|| if rest.is_empty() { None } else { shown(&path.join("_")) })
}

fn reach<'a>(value: &'a Value, path: &[&str], found: &mut Vec<&'a Value>) {
    match (value, path) {
        (value, []) => found.push(value),
        (Value::Array(items), path) => items.iter().for_each(|item| reach(item, path, found)),
        (Value::Object(object), [first, rest @ ..]) => match object.get(*first) {
            Some(inner) => reach(inner, rest, found),
            None => found.extend(object.get(&path.join("_"))),
        },
        _ => {}
    }
}

/// A list as it was asked for: a bare array, or a page in its envelope. `here` is the list's own URL; parameters named in
/// `served` are not for this.
pub fn answer(
    query: &Query,
    served: &[Field],
    fields: &[Field],
    mut objects: Vec<Value>,
    here: &str,
) -> Result<Value, VmsError> {
    if query.0.len() > FILTERS_MAX {
        return Err(VmsError::bad_request(format!("more than {FILTERS_MAX} query parameters")));
    }
    let other = |name: &str| !RESERVED.contains(&name) && served.iter().all(|field| field.name != name);
    for (name, value) in query.0.iter().filter(|(name, _)| other(name)) {
        let filter = Filter::parse(fields, name, value)?;
        objects.retain(|object| filter.matches(object));
    }
    if let Some(ordering) = query.get("ordering") {
        sort(&mut objects, fields, ordering)?;
    }
    let keep = query.fields();
    let chosen = |object| choose(object, keep.as_deref());
    let (page, size) = (query.positive("page")?, query.positive("page_size")?);
    if page.is_none() && size.is_none() {
        return Ok(Value::Array(objects.into_iter().map(chosen).collect()));
    }
    let (page, size) = (page.unwrap_or(1), size.unwrap_or(PAGE_SIZE).min(PAGE_SIZE_MAX));
    let count = objects.len();
    let first = (page - 1).saturating_mul(size);
    if first >= count && page > 1 {
        return Err(VmsError::not_found("Invalid page."));
    }
    let results: Vec<Value> = objects.into_iter().skip(first).take(size).map(chosen).collect();
    let link =
        |wanted: bool, page: usize| if wanted { json!(format!("{here}?{}", query.turned(page))) } else { json!(null) };
    Ok(json!({
        "count": count,
        "next": link(first + size < count, page + 1),
        "previous": link(page > 1, page.saturating_sub(1)),
        "results": results,
    }))
}

/// The named fields of one object.
pub fn one(query: &Query, object: Value) -> Value {
    choose(object, query.fields().as_deref())
}

fn choose(object: Value, keep: Option<&[&str]>) -> Value {
    match (object, keep) {
        (Value::Object(fields), Some(keep)) => {
            let kept: Map<String, Value> =
                fields.into_iter().filter(|(name, _)| keep.contains(&name.as_str())).collect();
            Value::Object(kept)
        }
        (object, _) => object,
    }
}

fn sort(objects: &mut [Value], fields: &[Field], ordering: &str) -> Result<(), VmsError> {
    // The last key first: each sort keeps the order of the ones before.
    for key in ordering.split(',').rev().map(str::trim).filter(|key| !key.is_empty()) {
        let (name, down) = key.strip_prefix('-').map_or((key, false), |name| (name, true));
        let path: Vec<&str> = name.split("__").collect();
        if kind_of(fields, &path).is_none() {
            return Err(VmsError::field("ordering", format!("There is no field {name}.")));
        }
        objects.sort_by(|one, two| {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            reach(one, &path, &mut left);
            reach(two, &path, &mut right);
            let order = rank(left.first().copied(), right.first().copied());
            if down { order.reverse() } else { order }
        });
    }
    Ok(())
}

fn rank(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => {
            left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal)
        }
        (left, right) => left.map(text_of).cmp(&right.map(text_of)),
    }
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
