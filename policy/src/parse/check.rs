//! What must hold between the elements of a statement, beyond each being well formed.

use std::collections::HashSet;
use std::sync::Arc;

use crate::action::{ActionSet, Level};
use crate::condition::Condition;
use crate::key;
use crate::kind::Kind;
use crate::malformed::Malformed;
use crate::pattern;
use crate::principal::Principals;
use crate::statement::{Resources, Statement};
use crate::steps::Steps;

pub(super) fn unique_sids(statements: &[Statement]) -> Result<(), Malformed> {
    let mut seen = HashSet::new();
    for sid in statements.iter().filter_map(|statement| statement.sid.as_deref()) {
        if !seen.insert(sid) {
            return Err(Malformed::new("Statement IDs (SID) in a single policy must be unique."));
        }
    }
    Ok(())
}

/// IAM wants letters and digits; a bucket's Sid may be anything.
pub(super) fn sid(sid: Option<&str>, kind: Kind<'_>) -> Result<(), Malformed> {
    let plain = sid.is_none_or(|sid| sid.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if plain || matches!(kind, Kind::Bucket { .. } | Kind::Key) {
        return Ok(());
    }
    Err(Malformed::new("Statement IDs (SID) should be alpha-numeric"))
}

/// `name` in lower case, and the known actions that it covers.
pub(super) fn action(name: &str, covered: &ActionSet, kind: Kind<'_>) -> Result<(), Malformed> {
    let vendor = name.split_once(':').map(|(vendor, _)| vendor);
    let of = |service: &str| name == "*" || vendor == Some(service);
    match kind {
        Kind::Bucket { .. } if of("s3") && covered.known().next().is_some() => Ok(()),
        Kind::Key if of("kms") && covered.known().next().is_some() => Ok(()),
        Kind::Bucket { .. } | Kind::Key => Err(Malformed::new("Policy has invalid action")),
        Kind::Trust if vendor == Some("sts") && covered.known().next().is_some() => Ok(()),
        Kind::Trust => Err(Malformed::new("AssumeRole policy may only specify STS AssumeRole actions.")),
        Kind::Identity | Kind::Session => {
            let sound = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*?-_".contains(&byte))
            };
            match name.split_once(':') {
                Some((vendor, action)) if sound(vendor) && sound(action) => Ok(()),
                None if name == "*" => Ok(()),
                _ => Err(Malformed::new("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")),
            }
        }
    }
}

pub(super) fn resource(written: &str, kind: Kind<'_>) -> Result<(), Malformed> {
    match kind {
        Kind::Bucket { name } if written == "*" || in_bucket(written, name) => Ok(()),
        Kind::Bucket { .. } => Err(Malformed::new("Policy has invalid resource")),
        Kind::Identity | Kind::Session if written == "*" || written.starts_with("arn:") => Ok(()),
        Kind::Identity | Kind::Session => {
            Err(Malformed::new(format!("Resource {written} must be in ARN format or \"*\".")))
        }
        Kind::Key | Kind::Trust if !written.is_empty() => Ok(()),
        Kind::Key | Kind::Trust => Err(Malformed::new("Policy has invalid resource")),
    }
}

/// What is asked of a document that somebody sends, and not of one that is stored: older builds took it.
pub(crate) fn of_new(statements: &[Statement], kind: Kind<'_>) -> Result<(), Malformed> {
    for statement in statements {
        match (kind, &statement.resources, &statement.principals) {
            // A bucket's policy speaks of that bucket, and says so: `*` is no ARN of it.
            (Kind::Bucket { .. }, Resources::Of(texts) | Resources::Not(texts), _) if texts.has_lone_star() => {
                return Err(Malformed::new("Policy has invalid resource"));
            }
            (Kind::Trust, _, Principals::Not(_)) => return Err(Malformed::new("Has prohibited field NotPrincipal")),
            _ => {}
        }
    }
    Ok(())
}

/// The part of an S3 ARN that names bucket and object.
fn inside(written: &str) -> Option<&str> {
    let mut parts = written.splitn(6, ':');
    let mut next = || parts.next();
    let (arn, partition, service, region, account, rest) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let empty = |part: &str| part.is_empty() || part == "*";
    let sound = arn == "arn" && partition.starts_with("aws") && service == "s3" && empty(region) && empty(account);
    sound.then_some(rest)
}

/// Whether the pattern can speak of the bucket or of something in it.
fn in_bucket(written: &str, bucket: &str) -> bool {
    let Some(rest) = inside(written) else { return false };
    let name = rest.split('/').next().unwrap_or_default();
    match open_at(name) {
        // What follows a star or a variable may be anything, a slash too.
        Some(at) => bucket.starts_with(&name[..at]),
        None => pattern::matches(&pattern::wild(name), bucket, &Steps::new(u32::MAX)),
    }
}

fn open_at(text: &str) -> Option<usize> {
    [text.find('*'), text.find("${")].into_iter().flatten().min()
}

/// The levels that a pattern of a bucket policy can reach.
fn levels(written: &str) -> Level {
    let rest = inside(written).unwrap_or(written);
    match (rest.contains('/'), open_at(rest)) {
        (true, _) => Level::OBJECT,
        (false, None) => Level::BUCKET,
        (false, Some(_)) => Level::BUCKET.and(Level::OBJECT),
    }
}

/// Each action pattern must cover some action that acts on what some resource pattern reaches.
pub(super) fn actions_meet_resources(named: &[Arc<ActionSet>], resources: &[&str]) -> Result<(), Malformed> {
    let reached = resources.iter().map(|resource| levels(resource)).reduce(Level::and);
    let applies = |level: Level| reached.is_some_and(|reached| level.meets(reached));
    if named.iter().all(|set| set.known().any(|action| applies(action.level))) {
        return Ok(());
    }
    Err(Malformed::new("Action does not apply to any resource(s) in statement"))
}

/// A service's key must go with one of the statement's actions.
pub(super) fn conditions_meet_actions(conditions: &[Condition], actions: &ActionSet) -> Result<(), Malformed> {
    for condition in conditions {
        let Some(known) = key::known(&condition.key.name) else { continue };
        let applies = actions
            .known()
            .filter(|action| action.name.starts_with("s3:"))
            .any(|action| action.keys.meets(known.group));
        if !applies {
            return Err(Malformed::new("Conditions do not apply to combination of actions and resources in statement"));
        }
    }
    Ok(())
}
