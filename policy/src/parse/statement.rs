use std::collections::HashMap;
use std::sync::Arc;

use super::json::Json;
use super::{check, condition, principal, text, texts};
use crate::action::{ActionSet, LowerNames};
use crate::kind::Kind;
use crate::malformed::Malformed;
use crate::principal::Principals;
use crate::statement::{Effect, Resources, Statement};
use crate::text::{Texts, Variables, Wildcards};

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

/// What the statements of one document share.
#[derive(Default)]
pub(super) struct Shared {
    lower: LowerNames,
    /// By the names as they are written, in lower case and in order.
    sets: HashMap<(Vec<String>, bool), Arc<ActionSet>>,
}

impl Shared {
    /// What one name or pattern covers.
    fn named(&mut self, name: &str) -> Result<Arc<ActionSet>, Malformed> {
        let written = (vec![name.to_owned()], false);
        if let Some(known) = self.sets.get(&written) {
            return Ok(Arc::clone(known));
        }
        let set = Arc::new(ActionSet::named(name, &mut self.lower)?);
        self.sets.insert(written, Arc::clone(&set));
        Ok(set)
    }

    fn all(&mut self, names: Vec<String>, named: &[Arc<ActionSet>], negated: bool) -> Arc<ActionSet> {
        let set = self.sets.entry((names, negated)).or_insert_with(|| Arc::new(ActionSet::of_all(named, negated)));
        Arc::clone(set)
    }
}

pub(super) fn parse(
    value: &Json,
    kind: Kind<'_>,
    variables: Variables,
    shared: &mut Shared,
) -> Result<Statement, Malformed> {
    let members = Members::of(value)?;
    let effect = effect(members.effect.ok_or_else(|| Malformed::missing("Effect"))?)?;
    let principals = principals(members.principal, effect, kind)?;
    let (field, value) = members.action.ok_or_else(|| Malformed::missing("Action"))?;
    let written = texts(field, value)?;
    let (actions, named) = actions(field, &written, kind, shared)?;
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

/// The set of them all, and one for each name or pattern.
fn actions(
    field: &str,
    written: &[&str],
    kind: Kind<'_>,
    shared: &mut Shared,
) -> Result<(Arc<ActionSet>, Vec<Arc<ActionSet>>), Malformed> {
    if written.is_empty() {
        return Err(Malformed::missing(field));
    }
    let mut names: Vec<String> = written.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    let mut named = Vec::with_capacity(names.len());
    for name in &names {
        let set = shared.named(name)?;
        check::action(name, &set, kind)?;
        named.push(set);
    }
    Ok((shared.all(names, &named, field.starts_with("Not")), named))
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
    let patterns = Texts::parse(written, Wildcards::Meant, variables)?;
    Ok(if field == "Resource" { Resources::Of(patterns) } else { Resources::Not(patterns) })
}
