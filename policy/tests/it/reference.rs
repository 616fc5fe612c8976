//! The other evaluator: reads the raw JSON at every question, knows nothing of the engine, and is as plain as it can be.

mod compare;

use serde_json::Value;

use crate::case::{Case, canonical, role_id, unique};
use compare::conditions;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allowed,
    Denied,
    Default,
}

/// 0 not at all, 1 as an account, 2 as one of many, 3 itself.
type Level = u8;

const OF_OBJECTS_OWNER: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectAcl",
    "s3:PutObjectAcl",
    "s3:GetObjectTagging",
    "s3:PutObjectTagging",
];

pub fn decide(case: &Case) -> Outcome {
    let kind = case.who.kind;
    let root = kind == "root" || kind == "superuser";
    let policy_action =
        ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"].contains(&case.action.as_str());
    let at_home = has_account(case) && case.who.account == case.bucket_account;

    let own = say(case, &case.identity);
    let session = case.session.as_ref().map(|list| say(case, list));
    let boundary = case.boundary.as_ref().map(|one| say(case, std::slice::from_ref(one)));
    let policy = case.policy.as_ref().map_or((false, 0), |one| say(case, std::slice::from_ref(one)));
    let shielded = root && policy_action && (kind == "superuser" || at_home);
    let denied =
        own.0 || session.is_some_and(|said| said.0) || boundary.is_some_and(|said| said.0) || (policy.0 && !shielded);
    if denied {
        return Outcome::Denied;
    }
    let policy = if policy.0 { 0 } else { policy.1 };
    let bounds = session.is_none_or(|said| said.1 > 0) && boundary.is_none_or(|said| said.1 > 0);
    if allowed(case, root || (own.1 > 0 && bounds), bounds, policy) { Outcome::Allowed } else { Outcome::Default }
}

fn has_account(case: &Case) -> bool {
    !["anonymous", "service"].contains(&case.who.kind)
}

fn allowed(case: &Case, own: bool, bounds: bool, policy: Level) -> bool {
    let action = case.action.as_str();
    if ["superuser", "local-superuser"].contains(&case.who.kind) {
        return true;
    }
    let acls = case.ownership != "BucketOwnerEnforced";
    let foreign = acls
        && case.object_owner.is_some_and(|owner| owner != case.bucket_account)
        && OF_OBJECTS_OWNER.contains(&action);
    let at_home = has_account(case) && case.who.account == case.bucket_account;
    if case.who.kind == "local" {
        let mine = at_home && case.creator == Some(case.who.name);
        if mine && !foreign {
            return action != "s3:DeleteBucket" || case.who.may_delete;
        }
        if !mine && ["s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketAcl"].contains(&action) {
            return false;
        }
    }
    if !at_home && ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"].contains(&action) {
        return false;
    }
    let level = (if foreign { 0 } else { policy }).max(if acls { listed(case) } else { 0 });
    let owner = if foreign { case.object_owner.expect("it is foreign") } else { case.bucket_account };
    if has_account(case) && case.who.account == owner {
        return own || level == 3 || (level == 2 && bounds);
    }
    let shut = case.restrict && !at_home && case.who.kind != "service" && case.policy.as_ref().is_some_and(public);
    level > 0 && (own || !has_account(case)) && !shut
}

fn listed(case: &Case) -> Level {
    let action = case.action.as_str();
    let of_bucket: &[(&str, &str)] = &[
        ("READ", "s3:ListBucket"),
        ("READ", "s3:ListBucketVersions"),
        ("WRITE", "s3:PutObject"),
        ("WRITE", "s3:DeleteObject"),
        ("READ_ACP", "s3:GetBucketAcl"),
        ("WRITE_ACP", "s3:PutBucketAcl"),
    ];
    let of_object: &[(&str, &str)] = &[
        ("READ", "s3:GetObject"),
        ("READ", "s3:GetObjectVersion"),
        ("READ_ACP", "s3:GetObjectAcl"),
        ("WRITE_ACP", "s3:PutObjectAcl"),
    ];
    let owns = has_account(case) && case.object_owner == Some(case.who.account);
    let mut best = 0;
    for (grants, table) in [(&case.acl, of_bucket), (&case.object_acl, of_object)] {
        for (to, permission) in grants {
            let covers =
                table.iter().any(|(p, a)| *a == action && (*p == *permission || *permission == "FULL_CONTROL"));
            let everybody = ["AllUsers", "AuthenticatedUsers"].contains(to);
            if !covers || (everybody && case.ignore_public_acls) || (action == "s3:DeleteObject" && !owns) {
                continue;
            }
            best = best.max(match *to {
                "AllUsers" => 2,
                "AuthenticatedUsers" if has_account(case) => 1,
                account if has_account(case) && account == case.who.account => 1,
                _ => 0,
            });
        }
    }
    best
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn words(value: &Value) -> Vec<String> {
    list(value)
        .iter()
        .map(|item| match item {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
        .collect()
}

/// Whether some statement denies, and how closely the best allowing one names the caller.
fn say(case: &Case, documents: &[Value]) -> (bool, Level) {
    let (mut denies, mut allows) = (false, 0);
    for document in documents {
        let replaced = document["Version"] == "2012-10-17";
        for statement in list(&document["Statement"]) {
            let level = speaks(case, statement, replaced);
            if statement["Effect"] == "Deny" {
                denies |= level > 0;
            } else {
                allows = allows.max(level);
            }
        }
    }
    (denies, allows)
}

fn speaks(case: &Case, statement: &Value, replaced: bool) -> Level {
    let covers = |field: &str, test: &dyn Fn(&str) -> bool| -> Option<bool> {
        statement.get(field).map(|value| words(value).iter().any(|word| test(word)))
    };
    let of_action = |pattern: &str| {
        let pattern: Vec<Symbol> = pattern.to_lowercase().chars().map(Symbol::written).collect();
        like(&pattern, &case.action.to_lowercase().chars().collect::<Vec<_>>())
    };
    let action = covers("Action", &of_action).unwrap_or_else(|| !covers("NotAction", &of_action).expect("one of them"));
    let of_resource = |pattern: &str| {
        symbols(case, pattern, replaced, true).is_some_and(|row| like(&row, &case.resource.chars().collect::<Vec<_>>()))
    };
    let resource =
        covers("Resource", &of_resource).unwrap_or_else(|| !covers("NotResource", &of_resource).expect("one of them"));
    // Ours, docs/access.md "What policies can ask about": where a Deny names its resource by what nobody can tell.
    let blind = statement["Effect"] == "Deny"
        && covers("Resource", &|word| untold_variable(case, word, replaced))
            .or_else(|| covers("NotResource", &|word| untold_variable(case, word, replaced)))
            .expect("one of them");
    let resource = resource || blind;
    if !action || !resource || !conditions(case, statement, replaced) {
        return 0;
    }
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(value), _) => named(case, value),
        // [AWS-NOT]: "Using it with Effect Allow is not supported": it gives nobody anything.
        (_, Some(_)) if statement["Effect"] != "Deny" => 0,
        (_, Some(value)) => {
            if spared(case, value) {
                0
            } else {
                2
            }
        }
        (None, None) => 3,
    }
}

/// Whether a Deny with this `NotPrincipal` leaves the caller alone. The rules and where they are from:
///
/// - [AWS-NOT] IAM User Guide, "AWS JSON policy elements: NotPrincipal" (reference_policies_elements_notprincipal).
/// - [AWS-OLD] the same page as of 2023 with its two examples (awsdocs/iam-user-guide).
/// - [AWS-PRI] IAM User Guide, "AWS JSON policy elements: Principal" (reference_policies_elements_principal).
/// - [SEEN] measured on AWS: with the root ARN alone an administrator's user is denied and root is not (question
///   53884456 on Stack Overflow); with the role's ARN alone its sessions are denied, until session, role and root
///   are all named (japan-d2/secure-stack-template-aws#34).
fn spared(case: &Case, value: &Value) -> bool {
    let who = &case.who;
    let user = ["iam", "local", "local-superuser"].contains(&who.kind);
    // [AWS-NOT]: a Deny with NotPrincipal denies every principal that has a permissions boundary, whatever it names.
    // IAM principals with a boundary are users and roles.
    if case.boundary.is_some() && (user || who.kind == "session") {
        return false;
    }
    // [AWS-PRI]: `*` and {"AWS": "*"} are everybody, those without a signature too. So everybody is left out.
    if value == "*" || value.get("AWS").is_some_and(|names| words(names).iter().any(|name| name == "*")) {
        return true;
    }
    let names = |kind: &str| value.get(kind).map(words).unwrap_or_default();
    let has = |kind: &str, name: &str| names(kind).iter().any(|held| held == name);
    let aws =
        |text: &str| has("AWS", &format!("arn:aws:{}", text.replace("ID", who.account).replace("NAME", who.name)));
    // [AWS-PRI]: an account is its root ARN, its twelve digits, or (S3) its canonical id.
    let account = aws("iam::ID:root") || has("AWS", who.account) || has("CanonicalUser", &canonical(who.account));
    // Ours: User and Group are names within the bucket's account, so they say the account as well.
    let of_group = names("Group").iter().any(|group| who.groups.contains(&group.as_str()));
    let short = user && who.account == case.bucket_account && (has("User", who.name) || of_group);
    match who.kind {
        // [SEEN]: the root ARN leaves out the root user, who is nobody besides.
        "root" | "superuser" => account,
        // [AWS-NOT]: "you must also specify the account ARN of the not-denied principal"; [AWS-OLD] example 1. One
        // caller is several principals at once, and each of them must be named. [AWS-PRI]: a unique id names a user.
        _ if user => short || (account && (aws("iam::ID:user/NAME") || has("AWS", &unique(who.name)))),
        // [AWS-NOT]: "the account first, then the role, and then the assumed-role user"; [AWS-OLD] example 2; [SEEN].
        // [AWS-PRI]: a session by federation is named by its provider, too.
        "session" => {
            let session = aws("sts::ID:assumed-role/NAME/work")
                || who.provider.is_some_and(|provider| has("Federated", provider));
            // [AWS-PRI]: "the ARN transforms to the role unique principal ID".
            account && (aws("iam::ID:role/NAME") || has("AWS", &role_id(who.name))) && session
        }
        // [AWS-NOT]: a service is a principal of its own.
        "service" => has("Service", "logging.s3.amazonaws.com"),
        // Nobody in particular has no name.
        _ => false,
    }
}

fn named(case: &Case, value: &Value) -> Level {
    if value == "*" {
        return 2;
    }
    let who = &case.who;
    let user = ["iam", "local", "local-superuser"].contains(&who.kind);
    let arn = |text: &str| format!("arn:aws:{}", text.replace("ID", who.account).replace("NAME", who.name));
    let mut best = 0;
    for (kind, names) in value.as_object().expect("an object") {
        for name in words(names) {
            let account = has_account(case) && (name == who.account || name == arn("iam::ID:root"));
            best = best.max(match kind.as_str() {
                "AWS" if name == "*" => 2,
                "AWS" if account => 1,
                "AWS" if user && (name == arn("iam::ID:user/NAME") || name == unique(who.name)) => 3,
                "AWS" if who.kind == "session" && name == arn("sts::ID:assumed-role/NAME/work") => 3,
                "AWS" if who.kind == "session" && name == arn("iam::ID:role/NAME") => 2,
                "AWS" if who.kind == "session" && name == role_id(who.name) => 2,
                "CanonicalUser" if has_account(case) && name == canonical(who.account) => 1,
                "Service" if who.kind == "service" && name == "logging.s3.amazonaws.com" => 3,
                // [AWS-PRI], "Web identity session principals": "allow or deny access based on the provider".
                "Federated" if who.kind == "session" && who.provider == Some(name.as_str()) => 2,
                "User" if user && who.account == case.bucket_account && name == who.name => 3,
                "Group" if user && who.account == case.bucket_account && who.groups.contains(&name.as_str()) => 2,
                _ => 0,
            });
        }
    }
    best
}

/// One place of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Symbol {
    Letter(char),
    One,
    Any,
}

impl Symbol {
    fn written(letter: char) -> Symbol {
        match letter {
            '*' => Symbol::Any,
            '?' => Symbol::One,
            other => Symbol::Letter(other),
        }
    }
}

fn like(pattern: &[Symbol], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Symbol::Any, rest)) => (0..=text.len()).any(|from| like(rest, &text[from..])),
        Some((Symbol::One, rest)) => !text.is_empty() && like(rest, &text[1..]),
        Some((Symbol::Letter(letter), rest)) => text.first() == Some(letter) && like(rest, &text[1..]),
    }
}

/// A text with its variables replaced; nothing when one has no value.
fn symbols(case: &Case, text: &str, replaced: bool, wild: bool) -> Option<Vec<Symbol>> {
    let symbol = |letter: char| if wild { Symbol::written(letter) } else { Symbol::Letter(letter) };
    let mut row = Vec::new();
    let mut left = text;
    while !left.is_empty() {
        if replaced && left.starts_with("${") {
            let end = left.find('}').expect("generated texts are closed");
            let inside = &left[2..end];
            left = &left[end + 1..];
            let value = match inside.split_once(',') {
                _ if ["*", "?", "$"].contains(&inside) => inside.to_owned(),
                None => single(case, inside)?,
                Some((name, default)) => {
                    single(case, name).unwrap_or_else(|| default.trim().trim_matches('\'').to_owned())
                }
            };
            row.extend(value.chars().map(Symbol::Letter));
        } else {
            let letter = left.chars().next().expect("not empty");
            row.push(symbol(letter));
            left = &left[letter.len_utf8()..];
        }
    }
    Some(row)
}

/// Ours, docs/access.md "What policies can ask about": whether a request may have the key and the server cannot tell. Of
/// the keys that the generator writes no request here has these.
fn untold(case: &Case, key: &str) -> bool {
    ["aws:sourcearn", "aws:sourcevpce"].contains(&key.to_lowercase().as_str()) && known(case, key).is_none()
}

/// The same of a variable in a text, if it has no default.
fn untold_variable(case: &Case, text: &str, replaced: bool) -> bool {
    let variables = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    replaced && variables.map(|(name, _)| name).any(|name| !name.contains(',') && untold(case, name))
}

fn single(case: &Case, key: &str) -> Option<String> {
    let values = known(case, key)?;
    (values.len() == 1).then(|| values[0].clone())
}

/// The request's values of a key.
fn known(case: &Case, key: &str) -> Option<Vec<String>> {
    let who = &case.who;
    let user = ["iam", "local", "local-superuser"].contains(&who.kind);
    let lower = key.to_lowercase();
    if let Some(tag) = lower.strip_prefix("aws:principaltag/") {
        let found = who.tags.iter().find(|(name, _)| name.to_lowercase() == tag);
        return found.filter(|_| user || who.kind == "session").map(|(_, value)| vec![(*value).to_owned()]);
    }
    let one = |text: String| Some(vec![text]);
    match lower.as_str() {
        "aws:username" => user.then(|| vec![who.name.to_owned()]),
        "aws:principalaccount" => has_account(case).then(|| vec![who.account.to_owned()]),
        "aws:resourceaccount" => one(case.bucket_account.to_owned()),
        "aws:principalorgid" => who.organization.filter(|_| has_account(case)).map(|id| vec![id.to_owned()]),
        "aws:principalorgpaths" => who
            .organization
            .filter(|_| has_account(case))
            .map(|id| vec![format!("{id}/r-1/ou-1/"), format!("{id}/r-1/ou-2/")]),
        "aws:userid" => one(match who.kind {
            "anonymous" => "anonymous".to_owned(),
            "service" => "logging.s3.amazonaws.com".to_owned(),
            "session" => format!("{}:work", role_id(who.name)),
            _ if user => unique(who.name),
            _ => who.account.to_owned(),
        }),
        "aws:principalarn" => match who.kind {
            "anonymous" | "service" => None,
            "session" => one(format!("arn:aws:iam::{}:role/{}", who.account, who.name)),
            _ if user => one(format!("arn:aws:iam::{}:user/{}", who.account, who.name)),
            _ => one(format!("arn:aws:iam::{}:root", who.account)),
        },
        "aws:federatedprovider" => who.provider.filter(|_| who.kind == "session").map(|name| vec![name.to_owned()]),
        // IAM User Guide, "Tags for AWS resources": names of keys have no case, those of tags in them neither.
        _ => case.context.get(&lower).filter(|values| !values.is_empty()).cloned(),
    }
}

/// Some Allow speaks to everybody, with no condition that names who or from where.
pub fn public(document: &Value) -> bool {
    let replaced = document["Version"] == "2012-10-17";
    list(&document["Statement"]).iter().any(|statement| {
        let everybody = match &statement["Principal"] {
            Value::Object(kinds) => kinds.values().flat_map(words).any(|name| name == "*"),
            other => other == "*",
        };
        let narrow = statement.get("Condition").and_then(Value::as_object).is_some_and(|block| {
            block.iter().any(|(operator, keys)| {
                keys.as_object()
                    .expect("an object")
                    .iter()
                    .any(|(key, wanted)| narrows(operator, key, &words(wanted), replaced))
            })
        });
        statement["Effect"] == "Allow" && everybody && !narrow
    })
}

fn narrows(operator: &str, key: &str, wanted: &[String], replaced: bool) -> bool {
    let name = operator.trim_start_matches("ForAnyValue:");
    let key = key.to_lowercase();
    // An escaped sign is one letter; what is left of `${` then is a variable, if the version has them.
    let plain =
        |word: &String| ["${*}", "${?}", "${$}"].iter().fold(word.clone(), |word, sign| word.replace(sign, "."));
    let plain = |word: &String| if replaced { plain(word) } else { word.clone() };
    let constant = |word: &String| !(replaced && plain(word).contains("${"));
    let fixed = |word: &String| constant(word) && !plain(word).contains(['*', '?']);
    match key.as_str() {
        // S3 User Guide, "The meaning of public": IPv4 no broader than /8, IPv6 than /32, RFC 1918 aside. Ours: together.
        "aws:sourceip" => {
            let wide = |word: &String| -> f64 {
                let (first, length) = word.split_once('/').unwrap_or((word, "128"));
                let length: i32 = length.parse().expect("a length");
                let mapped = first.starts_with("::ffff:");
                match (first.contains(':') && !mapped, word.starts_with("10.") && length >= 8) {
                    (_, true) => 0.0,
                    (true, _) => 2_f64.powi(32 - length),
                    (false, _) => 2_f64.powi(8 - if mapped { length - 96 } else { length.min(32) }),
                }
            };
            let (six, four): (Vec<&String>, Vec<&String>) =
                wanted.iter().partition(|word| word.contains(':') && !word.starts_with("::ffff:"));
            let narrow = |words: Vec<&String>| words.into_iter().map(wide).sum::<f64>() <= 1.0;
            name == "IpAddress" && narrow(six) && narrow(four)
        }
        "aws:principalarn"
        | "aws:principalaccount"
        | "aws:principalorgid"
        | "aws:principalorgpaths"
        | "aws:sourcearn"
        | "aws:sourceaccount"
        | "aws:sourceowner"
        | "aws:sourcevpc"
        | "aws:sourcevpce"
        | "aws:userid"
        | "aws:username" => {
            // The caller that nobody signed for is called anonymous: a condition that lets him in narrows nothing.
            let nobody = |word: &String| match name {
                "StringEqualsIgnoreCase" => plain(word).to_lowercase() == "anonymous",
                _ => plain(word) == "anonymous",
            };
            ["StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"].contains(&name)
                && !(key == "aws:userid" && !name.starts_with("Arn") && wanted.iter().any(nobody))
                && wanted.iter().all(|word| if name.starts_with("StringEquals") { constant(word) } else { fixed(word) })
        }
        _ => false,
    }
}
