//! A published evaluator, asked where its language and ours are the same: single identity policies of version 2012-10-17,
//! wildcards within the last part of an ARN, values of the type that the operator has, no ArnEquals with wildcards.

use iam_rs::{Arn, Context, ContextValue, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policy};
use serde_json::{Map, Value, json};
use tandem_policy::{Action, Caller, Entries, Policies, Request, Resource, evaluate};

use crate::case::{Who, attached, caller};
use crate::random::Random;

const ACCOUNT: &str = "111111111111";

struct Subject {
    key: &'static str,
    operators: &'static [&'static str],
    found: &'static [&'static str],
    wanted: &'static [&'static str],
}

const SUBJECTS: &[Subject] = &[
    Subject {
        key: "aws:Referer",
        operators: &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        found: &["http://a/", "HTTP://a/", "http://b/x"],
        wanted: &["http://a/", "http://*", "http://?/", "http://b/x"],
    },
    Subject {
        key: "s3:max-keys",
        operators: &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        found: &["5", "10", "100"],
        wanted: &["10", "50", "5"],
    },
    Subject {
        key: "aws:CurrentTime",
        operators: &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        found: &["2024-01-10T00:00:00Z", "2024-01-20T00:00:00Z"],
        wanted: &["2024-01-10T00:00:00Z", "2024-01-15T00:00:00Z"],
    },
    Subject {
        key: "aws:SourceIp",
        operators: &["IpAddress", "NotIpAddress"],
        found: &["10.1.2.3", "203.0.113.7", "2001:db8::7"],
        wanted: &["10.0.0.0/8", "203.0.113.7/32", "2001:db8::/32", "0.0.0.0/0"],
    },
    Subject {
        key: "lambda:SourceFunctionArn",
        operators: &["ArnLike", "ArnNotLike"],
        found: &["arn:aws:s3:::logs", "arn:aws:s3:::data"],
        wanted: &["arn:aws:s3:::logs", "arn:aws:s3:::*", "arn:aws:s3:::d?ta"],
    },
];

const ACTIONS: &[&str] = &["s3:GetObject", "s3:PutObject", "s3:ListBucket"];
const RESOURCES: &[&str] = &["arn:aws:s3:::bucket/a", "arn:aws:s3:::bucket/b/c", "arn:aws:s3:::bucket"];

fn statement(random: &mut Random) -> Value {
    let mut statement = Map::new();
    statement.insert("Effect".to_owned(), json!(if random.chance(30) { "Deny" } else { "Allow" }));
    let action = if random.chance(20) { "NotAction" } else { "Action" };
    statement.insert(action.to_owned(), json!(random.some(&["s3:*", "s3:Get*", "s3:PutObject", "s3:ListBucket"], 2)));
    let resource = if random.chance(20) { "NotResource" } else { "Resource" };
    let patterns = ["arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket", "arn:aws:s3:::bucket/?", "arn:aws:s3:::*"];
    statement.insert(resource.to_owned(), json!(random.some(&patterns, 2)));
    if random.chance(60) {
        let subject = random.pick(SUBJECTS);
        let suffix = if random.chance(25) { "IfExists" } else { "" };
        let operator = format!("{}{suffix}", random.pick(subject.operators));
        statement.insert("Condition".to_owned(), json!({ operator: { subject.key: random.some(subject.wanted, 2) } }));
    }
    Value::Object(statement)
}

fn theirs(policy: &Value, caller: &Caller, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
    let policy: IAMPolicy = serde_json::from_value(policy.clone()).expect("their parser takes it");
    let mut held = Context::new();
    for (key, value) in context {
        let value = match *key {
            "s3:max-keys" => ContextValue::Number(value.parse().expect("a number")),
            _ => ContextValue::String((*value).to_owned()),
        };
        held.data.insert((*key).to_owned(), value);
    }
    let arn = caller.arn().expect("a user").to_owned();
    let request = IAMRequest::new_with_context(
        Principal::Aws(PrincipalId::String(arn)),
        action,
        Arn::parse(resource).expect("an ARN"),
        held,
    );
    evaluate_policy(&policy, &request).expect("it evaluates") == iam_rs::Decision::Allow
}

#[test]
fn a_published_evaluator_decides_the_same_where_the_languages_overlap() {
    let mut random = Random::new(11);
    let who = Who {
        kind: "iam",
        account: ACCOUNT,
        name: "alice",
        groups: Vec::new(),
        tags: Vec::new(),
        organization: None,
        may_delete: false,
        provider: None,
    };
    let caller = caller(&who);
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..6_000 {
        let statements: Vec<Value> = (0..1 + random.below(3)).map(|_| statement(&mut random)).collect();
        let policy = json!({ "Version": "2012-10-17", "Statement": statements });
        let identity = [attached(&policy).expect("well formed")];
        let (action, resource) = (*random.pick(ACTIONS), *random.pick(RESOURCES));
        let mut context: Vec<(&str, &str)> = Vec::new();
        for subject in SUBJECTS {
            if random.chance(70) {
                context.push((subject.key, *random.pick(subject.found)));
            }
        }
        let entries = context.iter().fold(Entries::new(), |entries, (key, value)| entries.with(key, [*value]));
        let policies =
            Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(ACCOUNT) };
        let request = Request { caller: &caller, action: Action::of(action), resource, context: &entries };
        let ours = evaluate(&policies, &request).allowed;
        assert_eq!(
            ours,
            theirs(&policy, &caller, action, resource, &context),
            "{action} on {resource} with {context:?}\n{policy:#}"
        );
        if ours { allowed += 1 } else { denied += 1 }
    }
    assert!(allowed > 600 && denied > 600, "{allowed} allowed, {denied} denied");
}
