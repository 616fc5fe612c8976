//! Decisions one by one: both sides, bounds, ownership, ACLs, and why.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_policy::{Action, Document, Kind, Nothing, Policies, Request, Resource, evaluate, explain};

use crate::case::{Case, Compiled, Who, attached, caller};

const HOME: &str = "111111111111";
const AWAY: &str = "222222222222";

fn who(kind: &'static str, account: &'static str) -> Who {
    Who {
        kind,
        account,
        name: if kind == "session" { "worker" } else { "alice" },
        groups: vec!["staff"],
        tags: Vec::new(),
        organization: None,
        may_delete: false,
        provider: None,
    }
}

fn get(kind: &'static str, account: &'static str) -> Case {
    Case {
        who: who(kind, account),
        action: "s3:GetObject".to_owned(),
        resource: "arn:aws:s3:::bucket/a".to_owned(),
        context: BTreeMap::new(),
        identity: Vec::new(),
        session: None,
        boundary: None,
        bucket_account: HOME,
        creator: None,
        policy: None,
        ownership: "BucketOwnerEnforced",
        ignore_public_acls: false,
        restrict: false,
        acl: Vec::new(),
        object_owner: None,
        object_acl: Vec::new(),
    }
}

fn own(effect: &str, action: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": { "Sid": "own", "Effect": effect, "Action": action, "Resource": "*" } })
}

fn grant(principal: Value) -> Value {
    on_bucket("Allow", principal, "s3:*")
}

fn on_bucket(effect: &str, principal: Value, action: &str) -> Value {
    json!({ "Statement": { "Sid": "b", "Effect": effect, "Principal": principal, "Action": action, "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"] } })
}

/// Whether it is allowed, and why.
fn why(case: &Case) -> (bool, String) {
    let compiled = Compiled::of(case).expect("well formed");
    compiled.ask(case, |decision| (decision.allowed, decision.why.to_string()))
}

fn assert_why(case: &Case, allowed: bool, reason: &str) {
    assert_eq!(why(case), (allowed, reason.to_owned()), "{case:#?}");
}

#[test]
fn within_an_account_either_side_is_enough() {
    assert_why(&get("iam", HOME), false, "default deny: nothing allows it");
    let identity = vec![own("Allow", "s3:GetObject")];
    assert_why(
        &Case { identity: identity.clone(), ..get("iam", HOME) },
        true,
        "identity policy p, statement 0 (Sid own)",
    );
    let policy = Some(grant(json!({ "AWS": "arn:aws:iam::111111111111:user/alice" })));
    assert_why(&Case { policy: policy.clone(), ..get("iam", HOME) }, true, "bucket policy, statement 0 (Sid b)");
    let denied = vec![own("Deny", "s3:Get*")];
    assert_why(
        &Case { identity: denied, policy, ..get("iam", HOME) },
        false,
        "identity policy p, statement 0 (Sid own)",
    );
    let policy = Some(on_bucket("Deny", json!("*"), "s3:GetObject"));
    assert_why(&Case { identity, policy, ..get("iam", HOME) }, false, "bucket policy, statement 0 (Sid b)");
}

#[test]
fn a_grant_to_the_own_account_lets_its_policies_decide() {
    let policy = Some(grant(json!({ "AWS": HOME })));
    assert!(!why(&Case { policy: policy.clone(), ..get("iam", HOME) }).0);
    assert!(why(&Case { policy, identity: vec![own("Allow", "s3:*")], ..get("iam", HOME) }).0);
    let both = Some(grant(json!({ "AWS": [HOME, "arn:aws:iam::111111111111:user/alice"] })));
    assert!(why(&Case { policy: both, ..get("iam", HOME) }).0, "the closest name counts");
}

#[test]
fn across_accounts_both_sides_must_allow() {
    let policy = Some(grant(json!({ "AWS": AWAY })));
    let identity = vec![own("Allow", "s3:*")];
    assert_why(
        &Case { policy: policy.clone(), ..get("iam", AWAY) },
        false,
        "default deny: no identity policy of the caller allows it",
    );
    assert_why(
        &Case { identity: identity.clone(), ..get("iam", AWAY) },
        false,
        "default deny: the owning account does not allow it",
    );
    assert_why(
        &Case { policy: policy.clone(), identity, ..get("iam", AWAY) },
        true,
        "bucket policy, statement 0 (Sid b)",
    );
    assert!(why(&Case { policy, ..get("root", AWAY) }).0, "a root needs no policy of its own");
    assert!(!why(&get("root", AWAY)).0);
    assert_why(&get("root", HOME), true, "account root");
}

#[test]
fn nobody_signed_needs_a_grant_to_everybody() {
    assert!(!why(&get("anonymous", HOME)).0);
    assert!(why(&Case { policy: Some(grant(json!("*"))), ..get("anonymous", HOME) }).0);
    assert!(why(&Case { policy: Some(grant(json!({ "AWS": "*" }))), ..get("anonymous", HOME) }).0);
    assert!(!why(&Case { policy: Some(grant(json!({ "AWS": HOME }))), ..get("anonymous", HOME) }).0);
}

#[test]
fn session_policies_narrow_all_but_grants_to_the_session_itself() {
    let narrow = Some(vec![own("Allow", "s3:PutObject")]);
    let wide = Some(vec![own("Allow", "s3:*")]);
    let identity = vec![own("Allow", "s3:*")];
    let base = Case { identity, ..get("session", HOME) };
    assert!(why(&base).0);
    assert!(why(&Case { session: wide, ..base.clone() }).0);
    let bounded = Case { session: narrow, ..base };
    assert_why(&bounded, false, "default deny: the session policies do not allow it");
    for (principal, allowed) in [
        (json!({ "AWS": "arn:aws:iam::111111111111:role/worker" }), false),
        (json!("*"), false),
        (json!({ "AWS": "arn:aws:sts::111111111111:assumed-role/worker/work" }), true),
        (json!({ "AWS": "arn:aws:sts::111111111111:assumed-role/worker/other" }), false),
    ] {
        assert_eq!(why(&Case { policy: Some(grant(principal.clone())), ..bounded.clone() }).0, allowed, "{principal}");
    }
    let empty = Case { session: Some(Vec::new()), ..bounded };
    assert!(!why(&empty).0, "passed policies that allow nothing allow nothing");
    let denying = Case { session: Some(vec![own("Deny", "*")]), ..empty };
    assert_why(&denying, false, "session policy p, statement 0 (Sid own)");
}

#[test]
fn a_boundary_narrows_the_callers_side() {
    let base =
        Case { identity: vec![own("Allow", "s3:*")], boundary: Some(own("Allow", "s3:PutObject")), ..get("iam", HOME) };
    assert_why(&base, false, "default deny: the permissions boundary does not allow it");
    assert!(why(&Case { action: "s3:PutObject".to_owned(), ..base.clone() }).0);
    let itself = Some(grant(json!({ "AWS": "arn:aws:iam::111111111111:user/alice" })));
    assert!(why(&Case { policy: itself, ..base }).0, "a grant to the user itself stands alone");
}

#[test]
fn nobody_locks_himself_out_of_the_policy() {
    let policy = Some(on_bucket("Deny", json!("*"), "s3:*"));
    for (kind, account) in [("root", HOME), ("superuser", AWAY)] {
        let case = Case { policy: policy.clone(), ..get(kind, account) };
        assert!(!why(&case).0, "{kind}");
        for action in ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"] {
            assert!(
                why(&Case { action: action.to_owned(), resource: "arn:aws:s3:::bucket".to_owned(), ..case.clone() }).0
            );
        }
    }
    assert_why(&get("superuser", AWAY), true, "superuser");
}

#[test]
fn only_the_owners_side_touches_the_policy() {
    let put = |kind, account| Case {
        action: "s3:PutBucketPolicy".to_owned(),
        resource: "arn:aws:s3:::bucket".to_owned(),
        policy: Some(grant(json!("*"))),
        identity: vec![own("Allow", "s3:*")],
        ..get(kind, account)
    };
    assert!(why(&put("iam", HOME)).0);
    assert_why(&put("iam", AWAY), false, "default deny: only the bucket's owner may");
    assert_why(&put("anonymous", HOME), false, "default deny: only the bucket's owner may");
    assert_why(&put("local", HOME), false, "default deny: only the bucket's owner may");
    assert_why(&Case { creator: Some("alice"), ..put("local", HOME) }, true, "own bucket");
    assert!(why(&put("local-superuser", HOME)).0);
}

#[test]
fn a_local_user_needs_no_policy_for_what_it_made() {
    let mine = Case { creator: Some("alice"), ..get("local", HOME) };
    assert_why(&mine, true, "own bucket");
    assert!(!why(&Case { creator: Some("bob"), ..get("local", HOME) }).0);
    assert!(!why(&Case { creator: Some("alice"), ..get("iam", HOME) }).0, "an IAM user has what policies give");
    let denied = Some(on_bucket("Deny", json!({ "User": "alice" }), "s3:GetObject"));
    assert!(!why(&Case { policy: denied, ..mine.clone() }).0, "unless it is denied");
    let delete = Case { action: "s3:DeleteBucket".to_owned(), resource: "arn:aws:s3:::bucket".to_owned(), ..mine };
    assert_why(&delete, false, "default deny: the user may not delete buckets");
    assert!(why(&Case { who: Who { may_delete: true, ..delete.who.clone() }, ..delete }).0);
    for (principal, allowed) in
        [(json!({ "User": "alice" }), true), (json!({ "Group": "staff" }), true), (json!({ "Group": "x" }), false)]
    {
        assert_eq!(why(&Case { policy: Some(grant(principal)), ..get("local", HOME) }).0, allowed);
    }
    assert!(!why(&Case { policy: Some(grant(json!({ "User": "alice" }))), ..get("local", AWAY) }).0, "of this account");
}

#[test]
fn making_and_listing_buckets_is_asked_of_the_account() {
    let ask = |who: &Who, action: &str, identity: &[Value]| {
        let identity: Vec<_> = identity.iter().map(|policy| attached(policy).expect("well formed")).collect();
        let policies =
            Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(HOME) };
        let resource = if action == "s3:CreateBucket" { "arn:aws:s3:::new" } else { "*" };
        let request = Request { caller: &caller(who), action: Action::of(action), resource, context: &Nothing };
        let decision = evaluate(&policies, &request);
        (decision.allowed, decision.why.to_string())
    };
    let maker = Who { may_delete: true, ..who("local", HOME) };
    assert_eq!(ask(&maker, "s3:CreateBucket", &[]), (true, "own bucket".to_owned()));
    let denied = "default deny: the user may not create buckets".to_owned();
    assert_eq!(ask(&who("local", HOME), "s3:CreateBucket", &[own("Allow", "s3:*")]), (false, denied));
    assert!(!ask(&maker, "s3:CreateBucket", &[own("Deny", "s3:*")]).0);
    assert_eq!(ask(&who("local", HOME), "s3:ListAllMyBuckets", &[]), (true, "own bucket".to_owned()), "its own");
    let listed = (true, "identity policy p, statement 0 (Sid own)".to_owned());
    assert_eq!(ask(&who("local", HOME), "s3:ListAllMyBuckets", &[own("Allow", "s3:List*")]), listed, "all");
    assert!(!ask(&who("iam", HOME), "s3:ListAllMyBuckets", &[]).0);
    assert!(!ask(&who("anonymous", HOME), "s3:ListAllMyBuckets", &[]).0);
    assert!(ask(&who("root", HOME), "iam:CreateUser", &[]).0);
    assert!(!ask(&who("root", AWAY), "iam:CreateUser", &[]).0);
}

#[test]
fn acls_are_grants_where_they_count() {
    let public = |ownership| Case { object_acl: vec![("AllUsers", "READ")], ownership, ..get("anonymous", HOME) };
    assert_why(&public("ObjectWriter"), true, "object ACL");
    assert!(!why(&public("BucketOwnerEnforced")).0);
    assert!(!why(&Case { ignore_public_acls: true, ..public("ObjectWriter") }).0);
    let shared = Case { object_acl: vec![(AWAY, "READ")], ownership: "ObjectWriter", ..get("root", AWAY) };
    assert!(why(&shared).0);
    assert!(!why(&Case { action: "s3:GetObjectAcl".to_owned(), ..shared.clone() }).0);
    let user = Case { who: who("iam", AWAY), ..shared };
    assert!(!why(&user).0, "the grant is to the account");
    assert!(why(&Case { identity: vec![own("Allow", "s3:*")], ..user }).0);
    let write = Case {
        action: "s3:PutObject".to_owned(),
        acl: vec![(AWAY, "WRITE")],
        ownership: "ObjectWriter",
        ..get("root", AWAY)
    };
    assert_why(&write, true, "bucket ACL");
    let delete = Case { action: "s3:DeleteObject".to_owned(), ..write };
    assert!(!why(&delete).0, "what others own");
    assert!(why(&Case { object_owner: Some(AWAY), ..delete }).0, "what it owns itself");
}

#[test]
fn an_object_of_another_account_is_that_accounts() {
    let foreign = |kind, account| Case { object_owner: Some(AWAY), ownership: "ObjectWriter", ..get(kind, account) };
    assert!(!why(&foreign("root", HOME)).0, "the bucket's owner has to be granted it");
    assert!(why(&foreign("root", AWAY)).0);
    assert!(
        !why(&Case { policy: Some(grant(json!("*"))), ..foreign("anonymous", HOME) }).0,
        "the bucket's policy does not give it"
    );
    assert!(why(&Case { object_acl: vec![(HOME, "FULL_CONTROL")], ..foreign("root", HOME) }).0);
    assert!(why(&Case { ownership: "BucketOwnerEnforced", ..foreign("root", HOME) }).0);
    assert!(
        why(&Case { action: "s3:DeleteObject".to_owned(), ..foreign("root", HOME) }).0,
        "deleting stays the bucket owner's"
    );
    let denied = Some(on_bucket("Deny", json!("*"), "s3:GetObject"));
    assert!(!why(&Case { policy: denied, ..foreign("root", AWAY) }).0, "a Deny counts");
}

#[test]
fn restricting_a_public_bucket_keeps_other_accounts_out() {
    let case = |kind, account| Case {
        policy: Some(grant(json!("*"))),
        restrict: true,
        identity: vec![own("Allow", "s3:*")],
        ..get(kind, account)
    };
    assert_why(&case("anonymous", HOME), false, "default deny: RestrictPublicBuckets keeps other accounts out");
    assert!(!why(&case("iam", AWAY)).0);
    assert!(why(&Case { identity: Vec::new(), ..case("iam", HOME) }).0, "within the account the policy counts");
    assert!(why(&case("service", HOME)).0);
    let named = Some(grant(json!({ "AWS": AWAY })));
    assert!(why(&Case { policy: named, ..case("iam", AWAY) }).0, "a policy that is not public is not restricted");
}

#[test]
fn a_trust_policy_has_to_let_the_caller_in() {
    let ask = |who: &Who, principal: Value, identity: &[Value]| {
        let identity: Vec<_> = identity.iter().map(|policy| attached(policy).expect("well formed")).collect();
        let trust = json!({ "Statement": { "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" } });
        let policy = Document::parse(trust.to_string().as_bytes(), Kind::Trust).expect("well formed");
        let resource = Resource::Guarded { account: HOME, policy: &policy };
        let policies = Policies { identity: &identity, session: None, boundary: None, resource };
        let resource = "arn:aws:iam::111111111111:role/worker";
        let request =
            Request { caller: &caller(who), action: Action::of("sts:AssumeRole"), resource, context: &Nothing };
        evaluate(&policies, &request).allowed
    };
    let may = [own("Allow", "sts:AssumeRole")];
    assert!(ask(&who("iam", HOME), json!({ "AWS": "arn:aws:iam::111111111111:user/alice" }), &[]));
    assert!(!ask(&who("iam", HOME), json!({ "AWS": HOME }), &[]), "the account only lets its policies decide");
    assert!(ask(&who("iam", HOME), json!({ "AWS": HOME }), &may));
    assert!(!ask(&who("iam", HOME), json!({ "AWS": AWAY }), &may), "an identity policy alone is not enough");
    assert!(!ask(&who("iam", AWAY), json!({ "AWS": AWAY }), &[]));
    assert!(ask(&who("iam", AWAY), json!({ "AWS": AWAY }), &may));
}

#[test]
fn everything_that_speaks_of_a_request_is_explained() {
    let identity = [
        attached(&own("Allow", "s3:*")).expect("well formed"),
        attached(&own("Deny", "s3:GetObject")).expect("well formed"),
    ];
    let policies = Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(HOME) };
    let caller = caller(&who("iam", HOME));
    let request = |action| Request {
        caller: &caller,
        action: Action::of(action),
        resource: "arn:aws:s3:::bucket/a",
        context: &Nothing,
    };
    assert_eq!(explain(&policies, &request("s3:GetObject")).len(), 2);
    assert_eq!(explain(&policies, &request("s3:PutObject")).len(), 1);
}
