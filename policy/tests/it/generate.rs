//! Cases in which allows, denials and neither all come often: few names, few values, broad patterns.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::case::{BUCKET, Case, Who, canonical, role_id, unique};
use crate::random::Random;

const HOME: &str = "111111111111";
const AWAY: &str = "222222222222";
const PROVIDER: &str = "accounts.example.com";
const ACCOUNTS: &[&str] = &[HOME, HOME, AWAY];

/// (operator family, key, values that requests have, values that policies want besides)
struct Subject {
    family: &'static str,
    key: &'static str,
    found: &'static [&'static str],
    wanted: &'static [&'static str],
    many: bool,
}

const fn subject(
    family: &'static str,
    key: &'static str,
    found: &'static [&'static str],
    wanted: &'static [&'static str],
) -> Subject {
    Subject { family, key, found, wanted, many: false }
}

/// Keys that the engine answers have no `found`.
const SUBJECTS: &[Subject] = &[
    subject("String", "aws:username", &[], &["alice", "bob", "Alice", "al*", "?ob", "*", "${aws:username}", "${*}"]),
    subject("String", "aws:PrincipalTag/team", &[], &["red", "blue", "r*", "${aws:RequestTag/team, 'red'}"]),
    subject("String", "AWS:userId", &[], &["anonymous", "AIDA*", "AROA*:work", HOME]),
    subject("String", "aws:PrincipalAccount", &[], &[HOME, AWAY, "1*", "${aws:ResourceAccount}"]),
    subject("String", "aws:ResourceAccount", &[], &[HOME, AWAY]),
    subject("String", "aws:PrincipalOrgID", &[], &["o-one", "o-two", "o-*"]),
    Subject {
        family: "String",
        key: "aws:PrincipalOrgPaths",
        found: &[],
        wanted: &["o-one/*", "o-one/r-1/ou-1/", "o-one/r-1/ou-2/"],
        many: true,
    },
    subject(
        "String",
        "aws:Referer",
        &["http://a/", "http://b/x", "HTTP://A/", "a*b", "\u{e9}t\u{e9}"],
        &["http://*", "http://?/", "a${*}b", "a*b", "\u{c9}T?", "${aws:Referer}"],
    ),
    subject(
        "String",
        "s3:prefix",
        &["home/alice/", "home/", "a/"],
        &[
            "home/${aws:username}/",
            "home/*",
            "home/${aws:username, 'nobody'}/",
            "${aws:PrincipalTag/team}/*",
            "${aws:SourceVpce}/*",
            "${aws:SourceVpce, 'home'}/*",
        ],
    ),
    subject(
        "String",
        "s3:ExistingObjectTag/Class",
        &["secret", "public"],
        &["secret", "publi?", "${aws:PrincipalTag/team}"],
    ),
    Subject {
        family: "String",
        key: "aws:TagKeys",
        found: &["a", "b", "c"],
        wanted: &["a", "b", "?", "[*]"],
        many: true,
    },
    subject("Numeric", "s3:max-keys", &["5", "10", "10.5", "many"], &["10", "1", "100", "-3", "10.50"]),
    subject("Numeric", "s3:signatureAge", &["600000", "0", "1"], &["600000", "1"]),
    subject(
        "Date",
        "aws:CurrentTime",
        &["2024-01-10T00:00:00Z", "2024-01-20T00:00:00Z", "1704844800"],
        &["2024-01-10", "2024-01-15T00:00:00Z", "2024-01-20"],
    ),
    subject("Date", "aws:TokenIssueTime", &["2024-01-02T00:00:00Z", "soon"], &["2024-01-02", "1704240000"]),
    subject("Bool", "aws:SecureTransport", &["true", "false", "TRUE"], &["true", "false"]),
    subject("Bool", "aws:MultiFactorAuthPresent", &["true", "yes"], &["true", "false"]),
    subject(
        "Ip",
        "aws:SourceIp",
        &["10.1.2.3", "203.0.113.7", "2001:db8::7", "::ffff:10.1.2.3", "nowhere"],
        &[
            "10.0.0.0/8",
            "203.0.113.0/24",
            "203.0.113.7",
            "0.0.0.0/0",
            "2001:db8::/32",
            "::/0",
            "10.1.2.3/31",
            "::ffff:10.1.0.0/112",
        ],
    ),
    subject(
        "Arn",
        "aws:PrincipalArn",
        &[],
        &[
            "arn:aws:iam::111111111111:user/alice",
            "arn:aws:iam::111111111111:*",
            "arn:aws:iam::*:role/worker",
            "arn:aws:*:user/bob",
            "*",
            "arn:aws:iam::${aws:PrincipalAccount}:user/*",
            "arn:aws:iam::1?1111111111:root",
        ],
    ),
    subject(
        "Arn",
        "aws:SourceArn",
        &["arn:aws:s3:::logs", "arn:aws:s3:::logs:x", "logs"],
        &["arn:aws:s3:::logs", "arn:aws:s3:::*", "arn:*:s3:::l??s", "arn:aws:s3:*:logs", "arn:aws:s3:::${aws:Referer}"],
    ),
    subject("String", "aws:SourceVpce", &[], &["vpce-1", "vpce-*"]),
    subject("Binary", "aws:UserAgent", &["aGVsbG8=", "d29ybGQ=", "?"], &["aGVsbG8=", "d29ybGQ="]),
];

fn operator(random: &mut Random, family: &str) -> String {
    let names: &[&str] = match family {
        "String" => &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringLike",
            "StringNotLike",
        ],
        "Numeric" => &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        "Date" => &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        "Bool" => &["Bool"],
        "Binary" => &["BinaryEquals"],
        "Ip" => &["IpAddress", "NotIpAddress"],
        _ => &["ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"],
    };
    let name = random.pick(names);
    let set = match random.below(8) {
        0 => "ForAllValues:",
        1 => "ForAnyValue:",
        _ => "",
    };
    format!("{set}{name}{}", if random.chance(20) { "IfExists" } else { "" })
}

fn condition(random: &mut Random) -> Value {
    let mut block = Map::new();
    for _ in 0..1 + random.below(2) {
        let subject = random.pick(SUBJECTS);
        if random.chance(8) {
            block.insert("Null".to_owned(), json!({ subject.key: *random.pick(&["true", "false"]) }));
            continue;
        }
        // Now and then a key is compared as what it is not.
        let like = if random.chance(10) { random.pick(SUBJECTS) } else { subject };
        let valid =
            |word: &&&str| like.family == "String" || !["many", "soon", "nowhere", "yes", "?", "logs"].contains(*word);
        let pool: Vec<&str> = like.wanted.iter().chain(like.found.iter().filter(valid)).copied().collect();
        let pool: Vec<&str> = if like.family == "Bool" { vec!["true", "false"] } else { pool };
        let wanted = random.some(&pool, 3);
        let wanted = if wanted.len() == 1 { json!(wanted[0]) } else { json!(wanted) };
        block.insert(operator(random, like.family), json!({ subject.key: wanted }));
    }
    Value::Object(block)
}

const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:ListBucket",
    "s3:GetBucketPolicy",
    "s3:PutBucketPolicy",
    "s3:DeleteBucket",
    "s3:GetObjectAcl",
    "s3:PutBucketAcl",
    "s3:GetObjectTagging",
];

const PATTERNS: &[&str] = &[
    "s3:*",
    "*",
    "s3:Get*",
    "s3:GetObject",
    "S3:getobject",
    "s3:PutObject",
    "s3:?etObject",
    "s3:*Bucket*",
    "s3:ListBucket",
    "s3:DeleteObject",
    "s3:*Object*",
    "s3:PutBucketPolicy",
];

fn resources() -> Vec<String> {
    let inside = ["", "/a/x", "/home/alice/f", "/home/bob/f", "/home/*/f", "/a:b/x", "/\u{e9}"];
    inside.iter().map(|rest| format!("arn:aws:s3:::{BUCKET}{rest}")).collect()
}

const RESOURCE_PATTERNS: &[&str] = &[
    "*",
    "arn:aws:s3:::bucket*",
    "arn:aws:s3:::bucket",
    "arn:aws:s3:::bucket/*",
    "arn:aws:s3:::bucket/*",
    "arn:aws:s3:::bucket/a/*",
    "arn:aws:s3:::bucket/home/${aws:username}/*",
    "arn:aws:s3:::bucket/home/${*}/f",
    "arn:aws:s3:::bucket/?*:b/?",
    "arn:aws:s3:::bucket/?",
    "arn:aws:s3:::b*t/home/${aws:PrincipalTag/team, 'bob'}/f",
    "arn:aws:s3::*:bucket/*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::bucket/*a*/*l*f",
    "arn:aws:s3:::bucket/home/${aws:userid}/*",
    "arn:aws:s3:::bucket/home/${aws:sourcearn}/*",
];

fn principal(random: &mut Random) -> Value {
    let account = random.word(ACCOUNTS);
    let name = random.word(&["alice", "bob"]);
    match random.below(17) {
        0..=4 => json!("*"),
        5 => json!({ "AWS": "*" }),
        6 => json!({ "AWS": account }),
        7 => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        8 => json!({ "AWS": [format!("arn:aws:iam::{account}:user/{name}"), account] }),
        9 => json!({ "AWS": format!("arn:aws:iam::{account}:user/{name}") }),
        10 => json!({ "AWS": format!("arn:aws:iam::{account}:role/worker") }),
        11 => json!({ "AWS": format!("arn:aws:sts::{account}:assumed-role/worker/work") }),
        12 => json!({ "CanonicalUser": canonical(account) }),
        13 => json!({ "Service": "logging.s3.amazonaws.com", "AWS": unique(name) }),
        14 => json!({ "User": [name, "alice"] }),
        15 => json!({ "Federated": [PROVIDER, "www.example.com"] }),
        _ => json!({ "Group": "staff" }),
    }
}

/// One caller is several principals at once: what is left out names all of them, or some, and others besides.
fn not_principal(random: &mut Random) -> Value {
    if random.chance(25) {
        return principal(random);
    }
    let account = random.word(ACCOUNTS);
    let name = random.word(&["alice", "bob"]);
    let root = format!("arn:aws:iam::{account}:root");
    let user = format!("arn:aws:iam::{account}:user/{name}");
    let role = format!("arn:aws:iam::{account}:role/worker");
    let session = format!("arn:aws:sts::{account}:assumed-role/worker/work");
    let mut names = match random.below(6) {
        0 => vec![user, root],
        1 => vec![unique(name), account.to_owned()],
        2 => vec![session, role, root],
        3 => vec![session, role_id("worker"), root],
        4 => vec![user, session, role, root],
        _ => vec![root, format!("arn:aws:sts::{account}:federated-user/{name}")],
    };
    if random.chance(30) {
        names.remove(random.below(names.len()));
    }
    let mut value = json!({ "AWS": names });
    match random.below(5) {
        0 => value["Federated"] = json!(PROVIDER),
        1 => value["CanonicalUser"] = json!(canonical(account)),
        2 => value["Service"] = json!("logging.s3.amazonaws.com"),
        _ => {}
    }
    value
}

fn statement(random: &mut Random, with_principal: bool, deny_percent: usize) -> Value {
    let mut statement = Map::new();
    let deny = random.chance(deny_percent);
    statement.insert("Effect".to_owned(), json!(if deny { "Deny" } else { "Allow" }));
    if with_principal {
        if deny && random.chance(40) {
            statement.insert("NotPrincipal".to_owned(), not_principal(random));
        } else {
            statement.insert("Principal".to_owned(), principal(random));
        }
    }
    let action = if random.chance(12) { "NotAction" } else { "Action" };
    statement.insert(action.to_owned(), json!(random.some(PATTERNS, 2)));
    let resource = if random.chance(12) { "NotResource" } else { "Resource" };
    statement.insert(resource.to_owned(), json!(random.some(RESOURCE_PATTERNS, 2)));
    if random.chance(45) {
        statement.insert("Condition".to_owned(), condition(random));
    }
    Value::Object(statement)
}

pub fn document(random: &mut Random, with_principal: bool) -> Value {
    let deny_percent = *random.pick(&[0, 25, 50]);
    let count = 1 + random.below(3);
    let statements: Vec<Value> = (0..count).map(|_| statement(random, with_principal, deny_percent)).collect();
    let statements = if statements.len() == 1 && random.chance(50) { statements[0].clone() } else { json!(statements) };
    match random.below(10) {
        0 => json!({ "Version": "2008-10-17", "Statement": statements }),
        1 => json!({ "Statement": statements }),
        _ => json!({ "Version": "2012-10-17", "Id": "generated", "Statement": statements }),
    }
}

fn grants(random: &mut Random) -> Vec<(&'static str, &'static str)> {
    let to = ["AllUsers", "AuthenticatedUsers", HOME, AWAY];
    let permissions = ["READ", "READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"];
    (0..random.below(3)).map(|_| (*random.pick(&to), *random.pick(&permissions))).collect()
}

fn who(random: &mut Random) -> Who {
    let kinds = [
        "anonymous",
        "root",
        "superuser",
        "iam",
        "iam",
        "iam",
        "iam",
        "local",
        "local",
        "local-superuser",
        "session",
        "session",
        "service",
    ];
    let kind = *random.pick(&kinds);
    let groups: &[&[&str]] = &[&[], &["staff"], &["guests"]];
    let tags: &[&[(&str, &str)]] =
        &[&[], &[("team", "red")], &[("Team", "blue"), ("x", "y")], &[("team", "*")], &[("team", "a?ice")]];
    Who {
        kind,
        account: random.word(ACCOUNTS),
        name: if kind == "session" { "worker" } else { random.word(&["alice", "bob"]) },
        groups: random.pick(groups).to_vec(),
        tags: random.pick(tags).to_vec(),
        organization: *random.pick(&[None, Some("o-one"), Some("o-two")]),
        may_delete: random.chance(50),
        provider: *random.pick(&[None, Some(PROVIDER)]),
    }
}

/// Who asks for what, put to documents that stay.
pub fn ask_again(random: &mut Random, case: &mut Case) {
    case.who = who(random);
    case.action = (*random.pick(ACTIONS)).to_owned();
    case.resource = random.pick(&resources()).clone();
    let mut context = BTreeMap::new();
    for subject in SUBJECTS.iter().filter(|subject| !subject.found.is_empty()) {
        if random.chance(55) {
            let most = if subject.many { 3 } else { 1 };
            let values = random.some(subject.found, most).into_iter().map(str::to_owned).collect();
            context.insert(tandem_policy::key::normal(subject.key), values);
        }
    }
    case.context = context;
    case.creator = *random.pick(&[None, Some("alice"), Some("bob")]);
    case.object_owner = *random.pick(&[None, Some(HOME), Some(AWAY)]);
}

pub fn case(random: &mut Random) -> Case {
    let mut case = Case {
        who: who(random),
        action: String::new(),
        resource: String::new(),
        context: BTreeMap::new(),
        identity: (0..random.below(3)).map(|_| document(random, false)).collect(),
        session: random.chance(25).then(|| vec![document(random, false)]),
        boundary: random.chance(15).then(|| document(random, false)),
        bucket_account: HOME,
        creator: None,
        policy: random.chance(75).then(|| document(random, true)),
        ownership: random.word(&["BucketOwnerEnforced", "ObjectWriter", "BucketOwnerPreferred"]),
        ignore_public_acls: random.chance(30),
        restrict: random.chance(30),
        acl: grants(random),
        object_owner: None,
        object_acl: grants(random),
    };
    ask_again(random, &mut case);
    case
}
