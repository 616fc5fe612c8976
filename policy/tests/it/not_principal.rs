//! `NotPrincipal` with Deny, form by form, as AWS's guide has it. The rules' sources stand at the naive evaluator, which
//! answers each question here, too.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::case::{Case, Compiled, Who, canonical, unique};
use crate::reference::{Outcome, decide};

const HOME: &str = "111111111111";
const AWAY: &str = "222222222222";
const ROOT: &str = "arn:aws:iam::111111111111:root";
const ALICE: &str = "arn:aws:iam::111111111111:user/alice";
const BOB: &str = "arn:aws:iam::111111111111:user/bob";
const ROLE: &str = "arn:aws:iam::111111111111:role/worker";
const SESSION: &str = "arn:aws:sts::111111111111:assumed-role/worker/work";
const PROVIDER: &str = "accounts.example.com";

fn who(kind: &'static str, account: &'static str) -> Who {
    Who {
        kind,
        account,
        name: if kind == "session" { "worker" } else { "alice" },
        groups: vec!["staff"],
        tags: Vec::new(),
        organization: None,
        may_delete: false,
        provider: Some(PROVIDER),
    }
}

/// One who may do everything, asked of a bucket whose policy allows everybody and denies all but `spared`.
fn case(who: Who, spared: &Value) -> Case {
    let own = json!({ "Statement": { "Effect": "Allow", "Action": "s3:*", "Resource": "*" } });
    let all = ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"];
    Case {
        who,
        action: "s3:GetObject".to_owned(),
        resource: "arn:aws:s3:::bucket/a".to_owned(),
        context: BTreeMap::new(),
        identity: vec![own],
        session: None,
        boundary: None,
        bucket_account: HOME,
        creator: None,
        policy: Some(json!({ "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": all },
            { "Effect": "Deny", "NotPrincipal": spared, "Action": "s3:*", "Resource": all },
        ] })),
        ownership: "BucketOwnerEnforced",
        ignore_public_acls: false,
        restrict: false,
        acl: Vec::new(),
        object_owner: None,
        object_acl: Vec::new(),
    }
}

fn allowed(case: &Case) -> bool {
    let engine = Compiled::of(case).expect("well formed").ask(case, |decision| decision.allowed);
    assert_eq!(decide(case) == Outcome::Allowed, engine, "both evaluators agree: {case:#?}");
    engine
}

/// (what is left out, who of the home account then is allowed)
fn table() -> Vec<(Value, &'static [&'static str])> {
    vec![
        // The form that AWS tells people to write: the user and the account.
        (json!({ "AWS": [ALICE, ROOT] }), &["iam", "local", "root"]),
        (json!({ "AWS": [ALICE, HOME] }), &["iam", "local", "root"]),
        (json!({ "AWS": ALICE, "CanonicalUser": canonical(HOME) }), &["iam", "local", "root"]),
        (json!({ "AWS": [unique("alice"), ROOT] }), &["iam", "local", "root"]),
        (json!({ "AWS": [BOB, ROOT] }), &["root"]),
        // A part of a caller's principals is not the caller.
        (json!({ "AWS": ROOT }), &["root"]),
        (json!({ "AWS": HOME }), &["root"]),
        (json!({ "CanonicalUser": canonical(HOME) }), &["root"]),
        (json!({ "AWS": ALICE }), &[]),
        (json!({ "AWS": [ALICE, AWAY] }), &[]),
        // A session is its account, its role and itself.
        (json!({ "AWS": [SESSION, ROLE, ROOT] }), &["root", "session"]),
        (json!({ "AWS": [SESSION, ROLE, HOME] }), &["root", "session"]),
        (json!({ "AWS": [ROLE, ROOT] }), &["root"]),
        (json!({ "AWS": [SESSION, ROOT] }), &["root"]),
        (json!({ "AWS": [SESSION, ROLE] }), &[]),
        (json!({ "AWS": ROLE }), &[]),
        (json!({ "AWS": ["arn:aws:sts::111111111111:assumed-role/worker/other", ROLE, ROOT] }), &["root"]),
        // Federated: the provider says the session; a federated user of GetFederationToken is nobody here.
        (json!({ "AWS": [ROLE, ROOT], "Federated": PROVIDER }), &["root", "session"]),
        (json!({ "AWS": [ROLE, ROOT], "Federated": "www.example.com" }), &["root"]),
        (json!({ "Federated": PROVIDER }), &[]),
        (json!({ "AWS": [ROOT, "arn:aws:sts::111111111111:federated-user/alice"] }), &["root"]),
        (json!({ "Service": "logging.s3.amazonaws.com" }), &["service"]),
        // Names within the bucket's account.
        (json!({ "User": "alice" }), &["iam", "local"]),
        (json!({ "Group": "staff" }), &["iam", "local"]),
        (json!("*"), &["iam", "local", "root", "session", "service", "anonymous"]),
        (json!({ "AWS": "*" }), &["iam", "local", "root", "session", "service", "anonymous"]),
    ]
}

#[test]
fn a_deny_with_not_principal_spares_only_whose_principals_are_all_named() {
    for (spared, wanted) in table() {
        for kind in ["iam", "local", "root", "session", "service", "anonymous"] {
            let case = case(who(kind, HOME), &spared);
            assert_eq!(allowed(&case), wanted.contains(&kind), "{kind} under {spared}");
        }
    }
}

#[test]
fn a_deny_with_not_principal_holds_for_another_user_of_the_account_that_is_named() {
    let other = Who { name: "bob", ..who("iam", HOME) };
    assert!(!allowed(&case(other, &json!({ "AWS": [ALICE, ROOT] }))));
    for kind in ["iam", "session", "root"] {
        assert!(!allowed(&case(who(kind, AWAY), &json!({ "AWS": [ALICE, SESSION, ROLE, ROOT] }))), "{kind}");
    }
}

#[test]
fn a_deny_with_not_principal_holds_for_whoever_has_a_permissions_boundary() {
    let all = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    for (kind, spared) in [
        ("iam", json!({ "AWS": [ALICE, ROOT] })),
        ("session", json!({ "AWS": [SESSION, ROLE, ROOT] })),
        ("iam", json!("*")),
    ] {
        let free = case(who(kind, HOME), &spared);
        assert!(allowed(&free), "{kind}");
        assert!(!allowed(&Case { boundary: Some(all.clone()), ..free }), "{kind} under {spared}");
    }
}
