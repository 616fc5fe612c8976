//! AWS's definition of a public policy, and what the switches do about it.

use serde_json::{Value, json};
use tandem_policy::key::{ALL, Faces, Origin};
use tandem_policy::{Action, Bucket, Caller, Document, Entries, Kind, Policies, Request, Resource, evaluate};

fn is_public(statement: Value) -> bool {
    let mut statement = statement;
    let fields = statement.as_object_mut().expect("an object");
    fields.entry("Effect").or_insert(json!("Allow"));
    fields.entry("Action").or_insert(json!("s3:GetObject"));
    fields.insert("Resource".to_owned(), json!("arn:aws:s3:::bucket/*"));
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
    Document::parse(policy.to_string().as_bytes(), Kind::Bucket { name: "bucket" }).expect("well formed").is_public()
}

#[test]
fn a_policy_is_public_unless_fixed_values_narrow_every_allow() {
    assert!(is_public(json!({ "Principal": "*" })));
    assert!(is_public(json!({ "Principal": { "AWS": ["111111111111", "*"] } })));
    assert!(!is_public(json!({ "Principal": "*", "Effect": "Deny" })));
    assert!(!is_public(json!({ "Principal": { "AWS": "arn:aws:iam::111111111111:root" } })));
    assert!(!is_public(json!({ "Principal": { "Service": "logging.s3.amazonaws.com" } })));
    assert!(!is_public(json!({ "Principal": { "User": "alice" } })));
    for (condition, public) in [
        (json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/32" } }), false),
        (json!({ "IpAddress": { "aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/1"] } }), true),
        (json!({ "NotIpAddress": { "aws:SourceIp": "203.0.113.0/24" } }), true),
        (json!({ "IpAddressIfExists": { "aws:SourceIp": "203.0.113.0/24" } }), true),
        (json!({ "StringEquals": { "aws:PrincipalOrgID": "o-one" } }), false),
        (json!({ "StringLike": { "aws:PrincipalOrgID": "o-*" } }), true),
        (json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-one" } }), true),
        (json!({ "StringEquals": { "aws:SourceVpc": "vpc-91237329" } }), false),
        (json!({ "StringLike": { "aws:SourceVpc": "vpc-*" } }), true),
        (json!({ "StringEquals": { "aws:SourceVpc": "${aws:username}" } }), true),
        (json!({ "ArnLike": { "aws:SourceArn": "arn:aws:s3:::logs" } }), false),
        (json!({ "ArnLike": { "aws:SourceArn": "arn:aws:s3:::*" } }), true),
        (json!({ "ArnLike": { "s3:DataAccessPointArn": "arn:aws:s3:us-east-1:111111111111:accesspoint/*" } }), false),
        (json!({ "ForAnyValue:StringEquals": { "aws:PrincipalOrgPaths": "o-one/r-1/" } }), false),
        (json!({ "ForAllValues:StringEquals": { "aws:PrincipalOrgPaths": "o-one/r-1/" } }), true),
        (json!({ "StringEquals": { "aws:Referer": "http://example.com/" } }), true),
        (json!({ "Bool": { "aws:SecureTransport": "true" } }), true),
    ] {
        assert_eq!(is_public(json!({ "Principal": "*", "Condition": condition })), public, "{condition}");
    }
    let key = json!({ "StringEquals": { "s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:us-east-1:111111111111:key/one" } });
    // A header that anybody can send, though AWS's list has it.
    assert!(is_public(json!({ "Principal": "*", "Action": "s3:PutObject", "Condition": key })));
}

/// The switches promise that nobody in particular gets in: whatever operator a policy uses, and whatever a request that
/// nobody signed says of itself.
#[test]
fn no_policy_that_lets_nobody_in_counts_as_private() {
    let operators = [
        "StringEquals",
        "StringEqualsIgnoreCase",
        "StringLike",
        "ForAnyValue:StringEquals",
        "ForAnyValue:StringEqualsIgnoreCase",
        "ForAnyValue:StringLike",
        "ForAllValues:StringEquals",
        "StringEqualsIfExists",
        "StringNotEquals",
        "ArnEquals",
        "ArnLike",
        "Bool",
        "Null",
    ];
    let values = ["anonymous", "Anonymous", "ANONYMOUS", "false", "true", "arn:aws:s3:::a", "111111111111", ""];
    let (mut private, mut let_in) = (0, 0);
    for known in ALL {
        let key = if known.is_open() { format!("{}a", known.name) } else { known.name.to_owned() };
        for (operator, value) in operators.iter().flat_map(|operator| values.map(|value| (*operator, value))) {
            let policy = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": "*",
                "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*", "Condition": { operator: { key.as_str(): value } } } });
            let kind = Kind::Bucket { name: "bucket" };
            let Ok(document) = Document::parse(policy.to_string().as_bytes(), kind) else { continue };
            if document.is_public() {
                continue;
            }
            private += 1;
            let said = known.faces.contains(Faces::S3) && known.origin == Origin::Request;
            let context = if said { Entries::new().with(&key, [value]) } else { Entries::new() };
            let bucket = Bucket { policy: Some(&document), ..Bucket::of("111111111111") };
            let policies =
                Policies { identity: &[], session: None, boundary: None, resource: Resource::Bucket(bucket) };
            for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] {
                let request = Request {
                    caller: &Caller::Anonymous,
                    action: Action::of(action),
                    resource: "arn:aws:s3:::bucket/k",
                    context: &context,
                };
                let allowed = evaluate(&policies, &request).allowed;
                let_in += usize::from(allowed);
                assert!(!allowed, "{operator} {key} {value}: {action} of nobody");
            }
        }
    }
    assert_eq!(let_in, 0);
    assert!(private > 300, "{private} statements count as private");
}

#[test]
fn a_user_id_that_nobody_has_too_narrows_nothing() {
    for (operator, value, public) in [
        ("StringEquals", "anonymous", true),
        ("StringEqualsIgnoreCase", "Anonymous", true),
        ("ForAnyValue:StringEquals", "anonymous", true),
        ("StringLike", "anonymous", true),
        ("StringEquals", "Anonymous", false),
        ("StringEquals", "AIDAALICEAAAAAAAAAAA", false),
    ] {
        let condition = json!({ operator: { "aws:userid": value } });
        assert_eq!(is_public(json!({ "Principal": "*", "Condition": condition })), public, "{operator} {value}");
    }
    let several = json!({ "StringEquals": { "aws:userid": ["AIDAALICEAAAAAAAAAAA", "anonymous"] } });
    assert!(is_public(json!({ "Principal": "*", "Condition": several })));
}

#[test]
fn many_narrow_ranges_of_addresses_together_are_wide() {
    let ranges: Vec<String> = (0..=255).map(|first| format!("{first}.0.0.0/8")).collect();
    let public = |ranges: &[String]| {
        is_public(json!({ "Principal": "*", "Condition": { "IpAddress": { "aws:SourceIp": ranges } } }))
    };
    assert!(public(&ranges));
    assert!(!public(&ranges[203..204]));
    let private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "203.0.113.0/24"].map(str::to_owned);
    assert!(!public(&private), "private ranges count as none");
}
