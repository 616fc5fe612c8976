//! AWS's definition of a public policy, and what the switches do about it.

use serde_json::{Value, json};
use tandem_policy::{Document, Kind};

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
    assert!(!is_public(json!({ "Principal": "*", "Action": "s3:PutObject", "Condition": key })));
}
