//! What is refused, and in which words.

use serde_json::{Value, json};
use tandem_policy::{Document, Kind, Limit};

const BUCKET: Kind<'static> = Kind::Bucket { name: "bucket" };

fn refusal(text: &str, kind: Kind<'_>) -> String {
    match Document::parse(text.as_bytes(), kind) {
        Ok(_) => String::new(),
        Err(malformed) => malformed.message().to_owned(),
    }
}

/// A statement that is sound where `kind` says, with some of its members replaced; `null` removes one.
fn statement(kind: Kind<'_>, changes: &Value) -> Value {
    let mut statement = match kind {
        Kind::Bucket { .. } => {
            json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*" })
        }
        Kind::Identity | Kind::Session => json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" }),
        Kind::Trust => json!({ "Effect": "Allow", "Principal": { "AWS": "111111111111" }, "Action": "sts:AssumeRole" }),
        Kind::Key => {
            json!({ "Effect": "Allow", "Principal": { "AWS": "111111111111" }, "Action": "kms:*", "Resource": "*" })
        }
    };
    let fields = statement.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    statement
}

fn refused(kind: Kind<'_>, changes: Value) -> String {
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement(kind, &changes)] });
    refusal(&policy.to_string(), kind)
}

#[test]
fn sound_documents_of_every_kind_are_taken() {
    for kind in [BUCKET, Kind::Identity, Kind::Session, Kind::Trust, Kind::Key] {
        assert_eq!(refused(kind, json!({})), "", "{kind:?}");
        assert_eq!(
            refusal(&json!({ "Statement": statement(kind, &json!({})) }).to_string(), kind),
            "",
            "one, not in a list"
        );
    }
}

#[test]
fn the_walkthroughs_policy_is_taken() {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "allow-all-s3", "Effect": "Allow", "Principal": "*", "Action": "s3:*",
            "Resource": ["arn:aws:s3:::managed-by-b-policy", "arn:aws:s3:::managed-by-b-policy/*"]
        }]
    });
    let document = Document::parse(policy.to_string().as_bytes(), Kind::Bucket { name: "managed-by-b-policy" });
    let document = document.expect("well formed");
    assert!(document.is_public());
}

#[test]
fn what_is_no_policy_is_refused_by_name() {
    const FIRST: &str = "Policies must be valid JSON and the first byte must be '{'";
    const INVALID: &str = "This policy contains invalid Json";
    for (text, message) in [
        ("", FIRST),
        ("[]", FIRST),
        (" {}", FIRST),
        ("true", FIRST),
        ("{", INVALID),
        ("{\"Statement\": }", INVALID),
        ("{} x", INVALID),
        ("{\"a\": 1, \"a\": 2}", "Duplicate field a"),
        ("{}", "Missing required field Statement"),
        ("{\"Statement\": []}", "Could not parse the policy: Statement is empty!"),
        ("{\"Statement\": [1]}", "Statement must be an object"),
        ("{\"Statement\": [], \"Other\": 1}", "Unknown field Other"),
        ("{\"Version\": \"2020-01-01\", \"Statement\": []}", "The policy must contain a valid version string"),
        ("{\"Version\": 2012, \"Statement\": []}", "The policy must contain a valid version string"),
    ] {
        assert_eq!(refusal(text, BUCKET), message, "{text}");
    }
    assert_eq!(Document::parse(b"{\"Id\": \"\xff\"}", BUCKET).expect_err("not UTF-8").message(), INVALID);
    assert_eq!(refusal(" {\"Statement\": []}", Kind::Identity), "Could not parse the policy: Statement is empty!");
}

#[test]
fn missing_surplus_and_unknown_members_are_named() {
    for (kind, changes, message) in [
        (BUCKET, json!({ "Effect": null }), "Missing required field Effect"),
        (BUCKET, json!({ "Effect": "allow" }), "Invalid effect: allow"),
        (BUCKET, json!({ "Principal": null }), "Missing required field Principal"),
        (BUCKET, json!({ "Principal": [] }), "Invalid principal in policy"),
        (BUCKET, json!({ "Principal": { "AWS": [] } }), "Missing required field Principal cannot be empty!"),
        (BUCKET, json!({ "Action": null }), "Missing required field Action"),
        (BUCKET, json!({ "Action": [] }), "Missing required field Action"),
        (BUCKET, json!({ "Action": [1] }), "Action must be a string"),
        (BUCKET, json!({ "Resource": null }), "Missing required field Resource"),
        (BUCKET, json!({ "Resource": [] }), "Missing required field Resource"),
        (BUCKET, json!({ "NotAction": "s3:PutObject" }), "Statement must not contain both Action and NotAction"),
        (BUCKET, json!({ "NotResource": "*" }), "Statement must not contain both NotResource and Resource"),
        (BUCKET, json!({ "NotPrincipal": "*" }), "Statement must not contain both NotPrincipal and Principal"),
        (BUCKET, json!({ "Principal": null, "NotPrincipal": "*" }), "Allow with NotPrincipal is not allowed."),
        (BUCKET, json!({ "Colour": "red" }), "Unknown field Colour"),
        (BUCKET, json!({ "action": "s3:*" }), "Unknown field action"),
        (BUCKET, json!({ "Sid": 1 }), "Sid must be a string"),
        (Kind::Identity, json!({ "Principal": "*" }), "Policy document should not specify a principal."),
        (Kind::Identity, json!({ "Sid": "not-alphanumeric" }), "Statement IDs (SID) should be alpha-numeric"),
        (Kind::Trust, json!({ "Resource": "*" }), "Has prohibited field Resource"),
        (Kind::Trust, json!({ "Principal": null }), "Missing required field Principal"),
    ] {
        assert_eq!(refused(kind, changes.clone()), message, "{changes}");
    }
    assert_eq!(refused(BUCKET, json!({ "Principal": null, "NotPrincipal": "*", "Effect": "Deny" })), "");
}

#[test]
fn actions_have_to_exist_where_aws_checks_them() {
    const VENDOR: &str = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
    for (kind, action, message) in [
        (BUCKET, "s3:GetObjects", "Policy has invalid action"),
        (BUCKET, "s3:Fetch*", "Policy has invalid action"),
        (BUCKET, "GetObject", "Policy has invalid action"),
        (BUCKET, "ec2:RunInstances", "Policy has invalid action"),
        (BUCKET, "S3:getOBJECT", ""),
        (BUCKET, "*", ""),
        (BUCKET, "s3:Get*", ""),
        (BUCKET, "s3:ListBucket", "Action does not apply to any resource(s) in statement"),
        (BUCKET, "s3:ListAllMyBuckets", "Action does not apply to any resource(s) in statement"),
        (Kind::Identity, "s3:GetObjects", ""),
        (Kind::Identity, "ec2:RunInstances", ""),
        (Kind::Identity, "GetObject", VENDOR),
        (Kind::Identity, "s3:", VENDOR),
        (Kind::Identity, "s3:Get Object", VENDOR),
        (Kind::Trust, "s3:GetObject", "AssumeRole policy may only specify STS AssumeRole actions."),
        (Kind::Trust, "sts:TagSession", ""),
        (Kind::Key, "kms:Decrypt", ""),
        (Kind::Key, "s3:GetObject", "Policy has invalid action"),
    ] {
        assert_eq!(refused(kind, json!({ "Action": action })), message, "{action}");
    }
}

#[test]
fn a_buckets_policy_speaks_of_that_bucket() {
    for (resource, action, sound) in [
        ("arn:aws:s3:::bucket/*", "s3:GetObject", true),
        ("arn:aws:s3:::bucket", "s3:ListBucket", true),
        ("arn:aws:s3:::bucket*", "s3:GetObject", true),
        ("arn:aws:s3:::bucke?/a", "s3:GetObject", true),
        ("arn:aws:s3:::*", "s3:GetObject", true),
        ("arn:aws:s3:::*/*", "s3:GetObject", true),
        ("arn:aws:s3::*:bucket/*", "s3:GetObject", true),
        ("*", "s3:GetObject", true),
        ("arn:aws:s3:::bucket/${aws:username}/*", "s3:GetObject", true),
        ("arn:aws:s3:::other/*", "s3:GetObject", false),
        ("arn:aws:s3:::bucket2/*", "s3:GetObject", false),
        ("arn:aws:s3:::bucket2*", "s3:GetObject", false),
        ("arn:aws:s3:::Bucket/*", "s3:GetObject", false),
        ("arn:aws:sqs:::bucket/*", "s3:GetObject", false),
        ("bucket/*", "s3:GetObject", false),
        ("", "s3:GetObject", false),
        ("arn:aws:s3:::", "s3:GetObject", false),
    ] {
        let message = if sound { "" } else { "Policy has invalid resource" };
        assert_eq!(refused(BUCKET, json!({ "Resource": resource, "Action": action })), message, "{resource}");
    }
    assert_eq!(
        refused(BUCKET, json!({ "Resource": ["arn:aws:s3:::bucket/*", "arn:aws:s3:::other/*"] })),
        "Policy has invalid resource"
    );
    assert_eq!(
        refused(Kind::Identity, json!({ "Resource": "bucket/*" })),
        "Resource bucket/* must be in ARN format or \"*\"."
    );
    assert_eq!(
        refused(BUCKET, json!({ "Resource": "arn:aws:s3:::bucket" })),
        "Action does not apply to any resource(s) in statement"
    );
    let mixed = json!({ "Action": ["s3:GetObject", "s3:ListBucket"] });
    assert_eq!(refused(BUCKET, mixed), "Action does not apply to any resource(s) in statement");
}

#[test]
fn principals_are_whole_names() {
    const INVALID: &str = "Invalid principal in policy";
    for (principal, message) in [
        (json!({ "AWS": "arn:aws:iam::111111111111:user/a/b" }), ""),
        (json!({ "AWS": "arn:aws:sts::111111111111:assumed-role/role/session" }), ""),
        (json!({ "AWS": "arn:aws:sts::111111111111:federated-user/x" }), ""),
        (json!({ "AWS": "AIDAJQABLZS4A3QDU576Q" }), ""),
        (json!({ "CanonicalUser": "A".repeat(64) }), ""),
        (json!({ "Service": ["logging.s3.amazonaws.com"] }), ""),
        (json!({ "Federated": "cognito-identity.amazonaws.com" }), ""),
        (json!({ "User": "alice", "Group": ["staff"] }), ""),
        (json!("alice"), INVALID),
        (json!({ "AWS": "alice" }), INVALID),
        (json!({ "AWS": "1111" }), INVALID),
        (json!({ "AWS": "arn:aws:iam::111111111111:user/*" }), INVALID),
        (json!({ "AWS": "arn:aws:iam::*:root" }), INVALID),
        (json!({ "AWS": "arn:aws:iam::111111111111:group/staff" }), INVALID),
        (json!({ "AWS": "arn:aws:s3:::bucket" }), INVALID),
        (json!({ "CanonicalUser": "short" }), INVALID),
        (json!({ "Nobody": "x" }), INVALID),
        (json!({}), INVALID),
    ] {
        assert_eq!(refused(BUCKET, json!({ "Principal": principal })), message, "{principal}");
    }
}

#[test]
fn conditions_name_operators_keys_and_values_that_exist() {
    const APPLY: &str = "Conditions do not apply to combination of actions and resources in statement";
    for (condition, message) in [
        (json!({ "StringEquals": { "aws:Referer": "x" } }), ""),
        (json!({ "StringLikeIfExists": { "aws:Referer": "x" } }), ""),
        (json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": ["x"] } }), ""),
        (json!({ "StringEquals": { "s3:ExistingObjectTag/x": "y" } }), ""),
        (json!({ "StringEqual": { "aws:Referer": "x" } }), "Invalid Condition type : StringEqual"),
        (json!({ "ForEach:StringEquals": { "aws:Referer": "x" } }), "Invalid Condition type : ForEach:StringEquals"),
        (json!({ "NullIfExists": { "aws:Referer": "true" } }), "Invalid Condition type : NullIfExists"),
        (json!({ "StringEquals": { "aws:Nothing": "x" } }), "Policy has an invalid condition key - aws:Nothing"),
        (
            json!({ "StringEquals": { "s3:ExistingObjectTag/": "x" } }),
            "Policy has an invalid condition key - s3:ExistingObjectTag/",
        ),
        (json!({ "StringEquals": { "s3:prefix": "x" } }), APPLY),
        (json!({ "StringEquals": { "s3:x-amz-acl": "x" } }), APPLY),
        (json!({ "NumericEquals": { "s3:signatureAge": "soon" } }), "Invalid value soon for condition NumericEquals"),
        (json!({ "DateLessThan": { "aws:CurrentTime": "soon" } }), "Invalid value soon for condition DateLessThan"),
        (
            json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/33" } }),
            "Invalid value 10.0.0.0/33 for condition IpAddress",
        ),
        (json!({ "Bool": { "aws:SecureTransport": "maybe" } }), "Invalid value maybe for condition Bool"),
        (json!({ "ArnLike": { "aws:SourceArn": "arn:aws" } }), "Invalid value arn:aws for condition ArnLike"),
        (
            json!({ "StringEquals": { "aws:Referer": { "x": 1 } } }),
            "Condition values must be strings, numbers or booleans",
        ),
        (json!({ "StringEquals": { "aws:Referer": "${aws:username" } }), "Invalid policy variable in ${aws:username"),
        (json!({ "StringEquals": { "aws:Referer": "${}" } }), "Invalid policy variable in ${}"),
        (json!({ "StringEquals": "x" }), "Condition StringEquals must be an object"),
        (json!("x"), "Condition must be an object"),
    ] {
        assert_eq!(refused(BUCKET, json!({ "Condition": condition })), message, "{condition}");
    }
    let listing = json!({
        "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket", "Condition": { "StringEquals": { "s3:prefix": "x" } }
    });
    assert_eq!(refused(BUCKET, listing), "");
    let anything = json!({ "Condition": { "StringEquals": { "ec2:Region": "x" } } });
    assert_eq!(refused(Kind::Identity, anything), "", "IAM lets keys of other services pass");
}

#[test]
fn a_buckets_policy_may_ask_for_what_aws_documents_with_an_action() {
    const ANY: &[&str] = &[
        "aws:SourceVpce aws:SourceVpc aws:SecureTransport aws:PrincipalOrgID aws:PrincipalOrgPaths aws:PrincipalTag/team",
        "aws:SourceArn aws:SourceAccount aws:SourceOrgID aws:CalledVia aws:CalledViaFirst aws:CalledViaLast",
        "aws:ViaAWSService aws:ViaAWSMCPService aws:CalledViaAWSMCP aws:RequestedRegion aws:ResourceTag/team",
        "aws:MultiFactorAuthPresent aws:MultiFactorAuthAge aws:userid aws:username aws:VpcSourceIp aws:ResourceOrgID",
        "s3:authType s3:signatureAge s3:signatureversion s3:TlsVersion s3:x-amz-content-sha256 s3:ResourceAccount",
        "s3:DataAccessPointArn s3:DataAccessPointAccount s3:AccessPointNetworkOrigin",
    ];
    const ACL: &str = "s3:x-amz-acl s3:x-amz-grant-read s3:x-amz-grant-write-acp s3:x-amz-grant-full-control";
    let taken = |action: &str, keys: &str| {
        let resource = ["s3:ListBucket", "s3:ListBucketVersions", "s3:PutBucketAcl"].contains(&action);
        let resource = if resource { "arn:aws:s3:::bucket" } else { "arn:aws:s3:::bucket/*" };
        for key in keys.split(' ') {
            let condition = json!({ "Null": { key: "false" } });
            let changes = json!({ "Action": action, "Resource": resource, "Condition": condition });
            assert_eq!(refused(BUCKET, changes), "", "{action} with {key}");
        }
    };
    for (action, keys) in [
        ("s3:ListBucket", "s3:prefix s3:delimiter s3:max-keys"),
        ("s3:ListBucketVersions", "s3:prefix s3:delimiter s3:max-keys"),
        ("s3:PutBucketAcl", ACL),
        ("s3:GetObject", "s3:ExistingObjectTag/team s3:if-match s3:if-none-match"),
        ("s3:GetObjectVersion", "s3:ExistingObjectTag/team s3:VersionId"),
        ("s3:DeleteObject", "s3:if-match"),
        ("s3:DeleteObjectVersion", "s3:VersionId"),
        ("s3:PutObject", ACL),
        (
            "s3:PutObject",
            "s3:RequestObjectTag/team s3:RequestObjectTagKeys s3:x-amz-copy-source s3:x-amz-metadata-directive",
        ),
        ("s3:PutObject", "s3:x-amz-server-side-encryption s3:x-amz-server-side-encryption-aws-kms-key-id"),
        ("s3:PutObject", "s3:x-amz-server-side-encryption-customer-algorithm s3:x-amz-storage-class s3:if-none-match"),
        ("s3:PutObject", "s3:object-lock-mode s3:object-lock-retain-until-date s3:object-lock-legal-hold"),
        (
            "s3:PutObject",
            "s3:object-lock-remaining-retention-days s3:x-amz-website-redirect-location s3:ObjectCreationOperation",
        ),
        ("s3:PutObjectAcl", ACL),
        ("s3:PutObjectAcl", "s3:ExistingObjectTag/team s3:x-amz-storage-class"),
        ("s3:PutObjectTagging", "s3:ExistingObjectTag/team s3:RequestObjectTag/team s3:RequestObjectTagKeys"),
        ("s3:PutObjectVersionTagging", "s3:RequestObjectTag/team s3:VersionId"),
        ("s3:PutObjectRetention", "s3:object-lock-mode s3:object-lock-remaining-retention-days"),
        ("s3:PutObjectLegalHold", "s3:object-lock-legal-hold"),
        ("s3:ReplicateObject", "s3:x-amz-server-side-encryption s3:x-amz-server-side-encryption-aws-kms-key-id"),
    ] {
        taken(action, keys);
        ANY.iter().for_each(|keys| taken(action, keys));
    }
}

#[test]
fn sids_come_once() {
    for kind in [BUCKET, Kind::Identity] {
        let twice = statement(kind, &json!({ "Sid": "one" }));
        let policy = json!({ "Version": "2012-10-17", "Statement": [twice.clone(), twice] });
        assert_eq!(refusal(&policy.to_string(), kind), "Statement IDs (SID) in a single policy must be unique.");
        let unnamed = statement(kind, &json!({ "Sid": "" }));
        assert_eq!(refusal(&json!({ "Statement": [unnamed.clone(), unnamed] }).to_string(), kind), "");
    }
}

#[test]
fn a_buckets_policy_has_at_most_twenty_kibibytes() {
    let of = |length: usize| {
        let text = json!({ "Id": "", "Statement": [statement(BUCKET, &json!({}))] }).to_string();
        text.replace("\"Id\":\"\"", &format!("\"Id\":\"{}\"", "x".repeat(length - text.len())))
    };
    assert_eq!(of(Limit::BUCKET).len(), 20_480);
    assert_eq!(refusal(&of(Limit::BUCKET), BUCKET), "");
    assert_eq!(refusal(&of(Limit::BUCKET + 1), BUCKET), "Policy exceeds the maximum allowed document size.");
}

/// What AWS answers to `"Resource": "*"` on a bucket (noobaa/noobaa-core#10058): the policy of a bucket names that bucket.
#[test]
fn a_new_policy_of_a_bucket_names_its_resources_by_arn() {
    let accepted = |field: &str, resource: Value| {
        let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:*", field: resource });
        let policy = json!({ "Statement": statement }).to_string();
        assert!(
            Document::parse(policy.as_bytes(), BUCKET).is_ok() || resource.to_string().contains("other"),
            "{resource}"
        );
        Document::accept(policy.as_bytes(), BUCKET).map_err(|fault| fault.message().to_owned())
    };
    let invalid = Err("Policy has invalid resource".to_owned());
    for field in ["Resource", "NotResource"] {
        assert_eq!(accepted(field, json!("*")).map(drop), invalid);
        assert_eq!(accepted(field, json!(["arn:aws:s3:::bucket/*", "*"])).map(drop), invalid);
        assert_eq!(accepted(field, json!("arn:aws:s3:::other/*")).map(drop), invalid);
        for arn in ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*", "arn:aws:s3:::b*", "arn:aws:s3:::*"] {
            assert!(accepted(field, json!(arn)).is_ok(), "{arn}");
        }
    }
    let identity = json!({ "Statement": { "Effect": "Allow", "Action": "s3:*", "Resource": "*" } }).to_string();
    assert!(Document::accept(identity.as_bytes(), Kind::Identity).is_ok());
}

/// IAM User Guide, NotPrincipal: "You cannot use it in an IAM role trust policy." A stored one is still read.
#[test]
fn a_new_trust_policy_has_no_not_principal() {
    let policy = json!({ "Statement": { "Effect": "Deny", "NotPrincipal": { "AWS": "111111111111" }, "Action": "sts:AssumeRole" } });
    let policy = policy.to_string();
    assert!(Document::parse(policy.as_bytes(), Kind::Trust).is_ok());
    let refused = Document::accept(policy.as_bytes(), Kind::Trust).expect_err("refused");
    assert_eq!(refused.message(), "Has prohibited field NotPrincipal");
}
