//! JSON text to compiled statements, refusing what AWS refuses in the words that AWS uses.

mod check;
mod condition;
mod json;
mod principal;
mod statement;

use json::Json;

use crate::kind::Kind;
use crate::malformed::Malformed;
use crate::statement::Statement;
use crate::text::Variables;

pub(crate) use check::of_new as check_new;

type Parsed = (Option<Box<str>>, Box<[Statement]>);

pub(crate) fn document(bytes: &[u8], kind: Kind<'_>) -> Result<Parsed, Malformed> {
    if bytes.len() > kind.bytes_max() {
        return Err(Malformed::new("Policy exceeds the maximum allowed document size."));
    }
    if bytes.first() != Some(&b'{') && (kind.has_principals() || bytes.trim_ascii_start().first() != Some(&b'{')) {
        return Err(Malformed::new("Policies must be valid JSON and the first byte must be '{'"));
    }
    let fields = match json::parse(bytes)? {
        Json::Object(fields) => fields,
        _ => return Err(Malformed::new("Policies must be valid JSON and the first byte must be '{'")),
    };
    let mut version = Variables::Literal;
    let mut id = None;
    let mut statements = None;
    for (name, value) in &fields {
        match name.as_str() {
            "Version" => version = variables(value)?,
            "Id" => id = Some(text(name, value)?.into()),
            "Statement" => statements = Some(value),
            other => return Err(Malformed::new(format!("Unknown field {other}"))),
        }
    }
    let list = statements.ok_or_else(|| Malformed::missing("Statement"))?.as_list();
    if list.is_empty() {
        return Err(Malformed::new("Could not parse the policy: Statement is empty!"));
    }
    let mut shared = statement::Shared::default();
    let parsed: Result<Box<[Statement]>, Malformed> =
        list.iter().map(|value| statement::parse(value, kind, version, &mut shared)).collect();
    let parsed = parsed?;
    check::unique_sids(&parsed)?;
    Ok((id, parsed))
}

/// Without a version a document is of 2008, where `${...}` is text.
fn variables(version: &Json) -> Result<Variables, Malformed> {
    match version {
        Json::Text(text) if text == "2012-10-17" => Ok(Variables::Replaced),
        Json::Text(text) if text == "2008-10-17" => Ok(Variables::Literal),
        _ => Err(Malformed::new("The policy must contain a valid version string")),
    }
}

fn text<'a>(field: &str, value: &'a Json) -> Result<&'a str, Malformed> {
    match value {
        Json::Text(text) => Ok(text),
        _ => Err(Malformed::new(format!("{field} must be a string"))),
    }
}

/// A string, or a list of strings.
fn texts<'a>(field: &str, value: &'a Json) -> Result<Vec<&'a str>, Malformed> {
    value.as_list().iter().map(|item| text(field, item)).collect()
}
