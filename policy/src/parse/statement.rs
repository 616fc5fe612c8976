use super::json::Json;
use super::{check, condition, principal, text, texts};
use crate::action::ActionSet;
use crate::glob::Glob;
use crate::kind::Kind;
use crate::malformed::Malformed;
use crate::principal::Principals;
use crate::statement::{Effect, Resources, Statement};
use crate::text::{Text, Variables, Wildcards};

/// A statement's members, as they come. The pairs that exclude each other share a place.
#[derive(Default)]
struct Members<'a> {
    sid: Option<&'a str>,
    effect: Option<&'a Json>,
    principal: Option<(&'a str, &'a Json)>,
    action: Option<(&'a str, &'a Json)>,
    resource: Option<(&'a str, &'a Json)>,
    condition: Option<&'a Json>,
}

impl<'a> Members<'a> {
    fn of(value: &'a Json) -> Result<Members<'a>, Malformed> {
        let Json::Object(fields) = value else { return Err(Malformed::new("Statement must be an object")) };
        let mut members = Members::default();
        for (name, value) in fields {
            let pair = match name.as_str() {
                "Sid" => {
                    members.sid = Some(text(name, value)?);
                    continue;
                }
                "Effect" => {
                    members.effect = Some(value);
                    continue;
                }
                "Condition" => {
                    members.condition = Some(value);
                    continue;
                }
                "Principal" | "NotPrincipal" => &mut members.principal,
                "Action" | "NotAction" => &mut members.action,
                "Resource" | "NotResource" => &mut members.resource,
                other => return Err(Malformed::new(format!("Unknown field {other}"))),
            };
            if let Some((other, _)) = pair.replace((name, value)) {
                return Err(Malformed::new(format!("Statement must not contain both {other} and {name}")));
            }
        }
        Ok(members)
    }
}

pub(super) fn parse(value: &Json, kind: Kind<'_>, variables: Variables) -> Result<Statement, Malformed> {
    let members = Members::of(value)?;
    let effect = effect(members.effect.ok_or_else(|| Malformed::missing("Effect"))?)?;
    let principals = principals(members.principal, effect, kind)?;
    let (field, value) = members.action.ok_or_else(|| Malformed::missing("Action"))?;
    let written = texts(field, value)?;
    let (actions, named) = actions(field, &written, kind)?;
    let resources = resources(members.resource, kind, variables)?;
    if let (Kind::Bucket { .. }, Resources::Of(_), false) = (kind, &resources, field.starts_with("Not")) {
        check::actions_meet_resources(
            &named,
            &texts("Resource", members.resource.map_or(&Json::Null, |(_, value)| value))?,
        )?;
    }
    let conditions = match members.condition {
        Some(value) => condition::parse(value, kind, variables)?,
        None => Vec::new(),
    };
    if matches!(kind, Kind::Bucket { .. }) {
        check::conditions_meet_actions(&conditions, &actions)?;
    }
    let sid = members.sid.filter(|sid| !sid.is_empty());
    check::sid(sid, kind)?;
    Ok(Statement { sid: sid.map(Into::into), effect, principals, actions, resources, conditions: conditions.into() })
}

fn effect(value: &Json) -> Result<Effect, Malformed> {
    match value {
        Json::Text(text) if text == "Allow" => Ok(Effect::Allow),
        Json::Text(text) if text == "Deny" => Ok(Effect::Deny),
        Json::Text(text) => Err(Malformed::new(format!("Invalid effect: {text}"))),
        _ => Err(Malformed::new("Effect must be a string")),
    }
}

fn principals(member: Option<(&str, &Json)>, effect: Effect, kind: Kind<'_>) -> Result<Principals, Malformed> {
    match (member, kind.has_principals()) {
        (None, false) => Ok(Principals::Holder),
        (None, true) => Err(Malformed::missing("Principal")),
        (Some(_), false) => Err(Malformed::new("Policy document should not specify a principal.")),
        (Some(("Principal", value)), true) => Ok(Principals::Of(principal::parse(value)?)),
        (Some((_, value)), true) => match effect {
            Effect::Allow => Err(Malformed::new("Allow with NotPrincipal is not allowed.")),
            Effect::Deny => Ok(Principals::Not(principal::parse(value)?)),
        },
    }
}

/// The set of them all, and one for each pattern.
fn actions(field: &str, written: &[&str], kind: Kind<'_>) -> Result<(ActionSet, Vec<ActionSet>), Malformed> {
    if written.is_empty() {
        return Err(Malformed::missing(field));
    }
    let lower: Vec<String> = written.iter().map(|name| name.to_ascii_lowercase()).collect();
    let glob = |name: &String| Glob::wild(name);
    let mut named = Vec::with_capacity(lower.len());
    for name in &lower {
        let set = ActionSet::new(std::iter::once(glob(name)), false);
        check::action(name, &set, kind)?;
        named.push(set);
    }
    Ok((ActionSet::new(lower.iter().map(glob), field.starts_with("Not")), named))
}

fn resources(member: Option<(&str, &Json)>, kind: Kind<'_>, variables: Variables) -> Result<Resources, Malformed> {
    let (field, value) = match (member, kind) {
        (None, Kind::Trust) => return Ok(Resources::Itself),
        (Some((field, _)), Kind::Trust) => return Err(Malformed::new(format!("Has prohibited field {field}"))),
        (None, _) => return Err(Malformed::missing("Resource")),
        (Some(member), _) => member,
    };
    let written = texts(field, value)?;
    if written.is_empty() {
        return Err(Malformed::missing(field));
    }
    for resource in &written {
        check::resource(resource, kind)?;
    }
    let patterns: Result<Box<[Text]>, Malformed> =
        written.iter().map(|resource| Text::parse(resource, Wildcards::Meant, variables)).collect();
    Ok(if field == "Resource" { Resources::Of(patterns?) } else { Resources::Not(patterns?) })
}
