//! The condition keys that the engine answers itself, for every kind of caller.

use serde_json::json;
use tandem_policy::{Action, Bucket, Document, Entries, Kind, Policies, Request, Resource, evaluate};

use crate::case::{Who, caller, unique};

const HOME: &str = "111111111111";
const ABSENT: &str = "-";

const KEYS: [&str; 10] = [
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalType",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalServiceName",
    "aws:userid",
    "aws:username",
    "aws:PrincipalOrgID",
    "aws:PrincipalTag/TEAM",
    "s3:ResourceAccount",
];

fn who(kind: &'static str) -> Who {
    Who {
        kind,
        account: HOME,
        name: if kind == "session" { "worker" } else { "alice" },
        groups: Vec::new(),
        tags: vec![("team", "red")],
        organization: Some("o-one"),
        may_delete: false,
        provider: None,
    }
}

/// Whether a Deny under `condition` holds for the caller.
fn holds(kind: &'static str, condition: serde_json::Value) -> bool {
    let policy = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*", "Condition": condition
    } });
    let policy = Document::parse(policy.to_string().as_bytes(), Kind::Bucket { name: "bucket" }).expect("well formed");
    let bucket = Bucket { policy: Some(&policy), ..Bucket::of(HOME) };
    let policies = Policies { identity: &[], session: None, boundary: None, resource: Resource::Bucket(bucket) };
    // What a request says of the caller is not heard.
    let context = KEYS.iter().fold(Entries::new(), |entries, key| entries.with(key, ["forged"]));
    let caller = caller(&who(kind));
    let action = Action::of("s3:GetObject");
    let request = Request { caller: &caller, action, resource: "arn:aws:s3:::bucket/a", context: &context };
    evaluate(&policies, &request).is_explicit_deny()
}

#[test]
fn each_kind_of_caller_has_its_keys_and_no_request_can_forge_them() {
    let alice = unique("alice");
    let user =
        ["arn:aws:iam::111111111111:user/alice", HOME, "User", "false", ABSENT, &alice, "alice", "o-one", "red", HOME];
    let root =
        ["arn:aws:iam::111111111111:root", HOME, "Account", "false", ABSENT, HOME, ABSENT, "o-one", ABSENT, HOME];
    let id = "AROAWORKERAAAAAAAAAA:work";
    let role = "arn:aws:iam::111111111111:role/worker";
    let service = "logging.s3.amazonaws.com";
    let table = [
        ("iam", user),
        ("local", user),
        ("root", root),
        ("superuser", root),
        ("session", [role, HOME, "AssumedRole", "false", ABSENT, id, ABSENT, "o-one", "red", HOME]),
        ("service", [ABSENT, ABSENT, "Service", "true", service, service, ABSENT, ABSENT, ABSENT, HOME]),
        ("anonymous", [ABSENT, ABSENT, "Anonymous", "false", ABSENT, "anonymous", ABSENT, ABSENT, ABSENT, HOME]),
    ];
    for (kind, values) in table {
        for (key, value) in KEYS.iter().zip(values) {
            let condition = match value {
                ABSENT => json!({ "Null": { *key: "true" } }),
                value => json!({ "StringEquals": { *key: value } }),
            };
            assert!(holds(kind, condition), "{key} of {kind} is {value}");
        }
        let paths = json!({ "ForAnyValue:StringEquals": { "aws:PrincipalOrgPaths": "o-one/r-1/ou-2/" } });
        assert_eq!(holds(kind, paths), !["service", "anonymous"].contains(&kind), "{kind}");
    }
}
