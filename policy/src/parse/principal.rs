use super::json::Json;
use super::texts;
use crate::malformed::Malformed;
use crate::principal::Principal;

/// `"*"`, or an object of kinds of principal.
pub(super) fn parse(value: &Json) -> Result<Box<[Principal]>, Malformed> {
    let kinds = match value {
        Json::Text(text) if text == "*" => return Ok([Principal::Everybody].into()),
        Json::Object(kinds) if !kinds.is_empty() => kinds,
        Json::Text(text) if text.is_empty() => {
            return Err(Malformed::new("Missing required field Principal cannot be empty!"));
        }
        _ => return Err(invalid()),
    };
    let mut found = Vec::new();
    for (kind, named) in kinds {
        let named = texts("Principal", named).map_err(|_| invalid())?;
        if named.is_empty() {
            return Err(Malformed::new("Missing required field Principal cannot be empty!"));
        }
        for name in named {
            found.push(one(kind, name).ok_or_else(invalid)?);
        }
    }
    Ok(found.into())
}

fn invalid() -> Malformed {
    Malformed::new("Invalid principal in policy")
}

fn one(kind: &str, name: &str) -> Option<Principal> {
    let name_of_service = |name: &str| {
        name.contains('.')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
    };
    match kind {
        "AWS" => aws(name),
        "CanonicalUser" => {
            let sound = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            sound.then(|| Principal::Canonical(name.to_ascii_lowercase().into()))
        }
        "Service" => name_of_service(name).then(|| Principal::Service(name.into())),
        "Federated" => (!name.is_empty() && !name.contains('*')).then(|| Principal::Federated(name.into())),
        // The other server's documents say `{"User": "*"}` for everybody too.
        "User" if name == "*" => Some(Principal::Everybody),
        "User" => is_name(name).then(|| Principal::UserName(name.into())),
        "Group" => is_name(name).then(|| Principal::GroupName(name.into())),
        _ => None,
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['*', '?'])
}

fn is_account(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn aws(name: &str) -> Option<Principal> {
    if name == "*" {
        return Some(Principal::Everybody);
    }
    if is_account(name) {
        return Some(Principal::Account(name.into()));
    }
    let unique = ["AIDA", "AROA"].iter().any(|prefix| name.starts_with(prefix));
    if unique && name.len() >= 16 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
        return Some(Principal::UniqueId(name.into()));
    }
    let mut parts = name.splitn(6, ':');
    let mut next = || parts.next();
    let (arn, partition, service, region, account, resource) = (next()?, next()?, next()?, next()?, next()?, next()?);
    let sound = arn == "arn"
        && (partition == "aws" || partition.starts_with("aws-"))
        && region.is_empty()
        && is_account(account)
        && !resource.contains(['*', '?']);
    if !sound {
        return None;
    }
    if service == "iam" && resource == "root" {
        return Some(Principal::Account(account.into()));
    }
    let (kind, rest) = resource.split_once('/')?;
    let complete = !rest.is_empty() && !rest.ends_with('/');
    let known = match (service, kind) {
        ("iam", "user" | "role") => complete,
        ("sts", "assumed-role") => complete && rest.contains('/'),
        ("sts", "federated-user") => complete,
        _ => false,
    };
    known.then(|| Principal::Arn(name.into()))
}
