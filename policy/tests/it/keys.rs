//! The table of condition keys, and what becomes of a key that nobody supplies.

use serde_json::json;
use tandem_policy::key::{ALL, Faces, Origin, known};
use tandem_policy::{Action, Caller, Entries, Nothing, Policies, Request, Resource, evaluate};

use crate::case::{Who, attached, caller};

const ACCOUNT: &str = "111111111111";

fn alice() -> Caller {
    caller(&Who {
        kind: "iam",
        account: ACCOUNT,
        name: "alice",
        groups: Vec::new(),
        tags: Vec::new(),
        organization: None,
        may_delete: false,
        provider: None,
    })
}

/// Whether `action` is allowed to who is allowed everything, but for a Deny under `condition`.
fn allowed(action: &str, condition: &serde_json::Value, resource: &str, context: &Entries) -> bool {
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "*", "Resource": "*" },
        { "Effect": "Deny", "Action": "*", "Resource": resource, "Condition": condition },
    ] });
    let identity = [attached(&policy).unwrap_or_else(|error| panic!("{error}: {policy}"))];
    let policies =
        Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(ACCOUNT) };
    let request = Request { caller: &alice(), action: Action::of(action), resource: "arn:aws:s3:::bucket/k", context };
    evaluate(&policies, &request).allowed
}

const OPERATORS: &[&str] =
    &["StringEquals", "StringLike", "ForAnyValue:StringEquals", "ForAllValues:StringEquals", "StringNotEquals", "Null"];

#[test]
fn a_deny_that_asks_for_a_key_that_its_face_cannot_supply_denies() {
    for key in ALL.iter().filter(|key| key.name.starts_with("aws:") && key.faces == Faces::NONE) {
        for action in ["s3:GetObject", "iam:GetUser", "sts:AssumeRole"] {
            for operator in OPERATORS {
                let value = if *operator == "Null" { "false" } else { "x" };
                let condition = json!({ *operator: { key.name: value } });
                assert!(!allowed(action, &condition, "*", &Entries::new()), "{action}: {condition}");
            }
            let told = Entries::new().with(key.name, ["y"]);
            assert!(allowed(action, &json!({ "StringEquals": { key.name: "x" } }), "*", &told), "told, it is compared");
        }
    }
}

#[test]
fn a_deny_by_a_global_key_that_no_table_knows_denies() {
    for action in ["s3:GetObject", "iam:GetUser", "sts:AssumeRole"] {
        let condition = json!({ "StringEquals": { "aws:NoSuchKey": "x" } });
        assert!(!allowed(action, &condition, "*", &Entries::new()), "{action}");
    }
    let own = json!({ "StringEquals": { "s3:NoSuchKey": "x" } });
    assert!(!allowed("s3:GetObject", &own, "*", &Entries::new()));
    assert!(allowed("iam:GetUser", &own, "*", &Entries::new()), "S3's keys are in S3's requests");
}

#[test]
fn a_key_that_its_face_supplies_is_absent_where_the_request_has_none() {
    for (action, key) in [
        ("s3:GetObject", "aws:TokenIssueTime"),
        ("s3:ListBucket", "s3:prefix"),
        ("s3:PutObject", "s3:x-amz-acl"),
        ("iam:CreateUser", "iam:PermissionsBoundary"),
        ("sts:AssumeRole", "sts:ExternalId"),
        ("iam:GetUser", "aws:Referer"),
        // Batch jobs have it, and a read is none.
        ("s3:GetObject", "s3:RequestJobOperation"),
        ("s3:GetObject", "kms:ViaService"),
        ("iam:GetUser", "lambda:SourceFunctionArn"),
    ] {
        let condition = json!({ "StringEquals": { key: "x" } });
        assert!(allowed(action, &condition, "*", &Entries::new()), "{action} and {key}");
    }
}

#[test]
fn a_deny_by_a_variable_that_nobody_supplies_denies() {
    let by_variable = json!({ "StringEquals": { "aws:Referer": "${aws:SourceVpce}" } });
    assert!(!allowed("s3:GetObject", &by_variable, "*", &Entries::new()));
    let defaulted = json!({ "StringEquals": { "aws:Referer": "${aws:SourceVpce, 'none'}" } });
    assert!(allowed("s3:GetObject", &defaulted, "*", &Entries::new()));
    let always = json!({ "StringEquals": { "aws:PrincipalAccount": ACCOUNT } });
    let resource = "arn:aws:s3:::bucket/${aws:SourceVpce}/*";
    assert!(!allowed("s3:GetObject", &always, resource, &Entries::new()));
    let told = Entries::new().with("aws:SourceVpce", ["vpce-1"]);
    assert!(allowed("s3:GetObject", &always, resource, &told));
}

#[test]
fn for_an_allow_a_key_that_nobody_supplies_is_absent() {
    let allow = |condition: serde_json::Value| {
        let policy =
            json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition } });
        let identity = [attached(&policy).expect("well formed")];
        let policies =
            Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(ACCOUNT) };
        let action = Action::of("s3:GetObject");
        let request = Request { caller: &alice(), action, resource: "arn:aws:s3:::bucket/k", context: &Nothing };
        evaluate(&policies, &request).allowed
    };
    assert!(!allow(json!({ "StringEquals": { "aws:SourceVpce": "vpce-1" } })));
    assert!(allow(json!({ "StringNotEquals": { "aws:SourceVpce": "vpce-1" } })));
}

#[test]
fn every_key_is_found_under_its_own_name_and_answered_by_somebody() {
    for key in ALL {
        let name = if key.is_open() { format!("{}Name", key.name) } else { key.name.to_owned() };
        assert_eq!(known(&name.to_uppercase()), Some(key), "{name}");
        assert!(key.origin == Origin::Request || key.faces == Faces::ALL, "{name}: the engine answers at every face");
        assert_eq!(key.faces.contains(Faces::S3), key.faces.contains(Faces::PRESIGNED), "{name}: S3's faces are one");
    }
}

/// The table as the page has it: the keys of each combination of faces, wrapped.
fn as_page() -> String {
    let other = |name: &str| !["aws:", "s3:", "iam:", "sts:"].iter().any(|service| name.starts_with(service));
    let rows: [(&str, Box<dyn Fn(&tandem_policy::key::Known) -> bool>); 6] = [
        ("Every face supplies", Box::new(|key| key.faces == Faces::ALL)),
        (
            "S3's requests, signed by header or in the query",
            Box::new(|key| key.faces == Faces::S3.and(Faces::PRESIGNED)),
        ),
        ("IAM's", Box::new(|key| key.faces == Faces::IAM)),
        ("STS's", Box::new(|key| key.faces == Faces::STS)),
        ("IAM's and STS's", Box::new(|key| key.faces == Faces::IAM.and(Faces::STS))),
        ("No face can supply", Box::new(move |key| key.faces == Faces::NONE && !other(key.name))),
    ];
    let mut page = String::new();
    for (title, is_of) in &rows {
        let mut line = format!("- {title}:");
        let names: Vec<String> = ALL.iter().filter(|key| is_of(key)).map(|key| format!("`{}`", key.name)).collect();
        for (at, name) in names.iter().enumerate() {
            let name = if at + 1 == names.len() { format!("{name}.") } else { format!("{name},") };
            if line.len() + 1 + name.len() > 120 {
                page.push_str(&line);
                page.push('\n');
                line = "  ".to_owned() + &name;
            } else {
                line = format!("{line} {name}");
            }
        }
        page.push_str(&line);
        page.push('\n');
    }
    page
}

/// `docs/access.md` says of each key which face supplies it.
#[test]
fn the_page_says_which_face_supplies_which_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/access.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let table = as_page();
    assert!(page.contains(&table), "docs/access.md, \"Condition keys\" is not the table:\n{table}");
    for key in ALL {
        let other =
            ["kms:", "ec2:", "glue:", "lambda:", "ssm:", "identitystore:"].iter().any(|of| key.name.starts_with(of));
        assert!(other || table.contains(&format!("`{}`", key.name)), "{} is in no row", key.name);
        assert!(!other || key.faces == Faces::NONE, "{}", key.name);
    }
}
