//! What a decision allocates, counted.

use std::alloc::System;
use std::sync::Arc;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tandem_policy::{
    Account, Action, Attached, Bucket, Caller, Document, Entries, Kind, Policies, Request, Resource, User, UserKind,
    evaluate,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BUCKET_POLICY: &str = r#"{ "Version": "2012-10-17", "Statement": [
    { "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/secret/*",
      "Condition": { "StringNotEquals": { "aws:PrincipalTag/team": "red" } } },
    { "Effect": "Allow", "Principal": { "AWS": "111111111111" }, "Action": "s3:Get*", "Resource": "arn:aws:s3:::bucket/*",
      "Condition": { "IpAddress": { "aws:SourceIp": "10.0.0.0/8" }, "DateLessThan": { "aws:CurrentTime": "2030-01-01" },
                     "NumericLessThan": { "s3:signatureAge": "600000" }, "Bool": { "aws:SecureTransport": "true" },
                     "ArnLike": { "aws:PrincipalArn": "arn:aws:iam::*:user/*" },
                     "StringEqualsIgnoreCase": { "aws:username": "ALICE" } } } ] }"#;

const IDENTITY_POLICY: &str = r#"{ "Version": "2012-10-17", "Statement": [
    { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::bucket/home/${aws:username}/*" },
    { "Effect": "Allow", "Action": "s3:List*", "Resource": "*", "Condition": { "StringLike": { "s3:prefix": "home/${aws:username}/*" } } } ] }"#;

#[test]
fn a_decision_allocates_nothing() {
    let user = User {
        account: Account { id: "111111111111".to_owned(), canonical_id: "1".repeat(64), organization: None },
        arn: "arn:aws:iam::111111111111:user/alice".to_owned(),
        id: "AIDAALICE".to_owned(),
        name: "alice".to_owned(),
        path: "/".to_owned(),
        tags: Vec::new(),
        groups: Vec::new(),
        kind: UserKind::Iam,
    };
    let caller = Caller::User(Arc::new(user));
    let policy = Document::parse(BUCKET_POLICY.as_bytes(), Kind::Bucket { name: "bucket" }).expect("well formed");
    let identity = Document::parse(IDENTITY_POLICY.as_bytes(), Kind::Identity).expect("well formed");
    let identity = [Attached { name: "home".into(), document: Arc::new(identity) }];
    let context = Entries::new()
        .with("aws:SourceIp", ["10.1.2.3"])
        .with("aws:CurrentTime", ["2026-01-01T00:00:00Z"])
        .with("s3:signatureAge", ["1000"])
        .with("aws:SecureTransport", ["true"])
        .with("s3:prefix", ["home/alice/x"]);
    let bucket = Bucket { policy: Some(&policy), ..Bucket::of("111111111111") };
    let policies = Policies { identity: &identity, session: None, boundary: None, resource: Resource::Bucket(bucket) };
    let region = Region::new(ALLOCATOR);
    let mut allowed = 0;
    for (action, resource) in [
        ("s3:GetObject", "arn:aws:s3:::bucket/home/alice/f"),
        ("s3:GetObject", "arn:aws:s3:::bucket/secret/f"),
        ("s3:ListBucket", "arn:aws:s3:::bucket"),
        ("s3:DeleteObject", "arn:aws:s3:::bucket/home/alice/f"),
    ] {
        let request = Request { caller: &caller, action: Action::of(action), resource, context: &context };
        allowed += usize::from(evaluate(&policies, &request).allowed);
    }
    let change = region.change();
    assert_eq!(allowed, 2);
    assert_eq!((change.allocations, change.reallocations), (0, 0), "four decisions: {change:?}");
}
