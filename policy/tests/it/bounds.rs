//! What a decision may cost: steps are counted, and whoever runs out of them is denied and told so.

use serde_json::json;
use tandem_policy::{
    Action, Attached, Bucket, Caller, Document, Entries, Kind, Policies, Reason, Request, Resource, Source, Steps,
    evaluate, evaluate_within,
};

use crate::case::{Who, attached, caller};

const ACCOUNT: &str = "111111111111";

fn who(kind: &'static str) -> Caller {
    caller(&Who {
        kind,
        account: ACCOUNT,
        name: "alice",
        groups: Vec::new(),
        tags: Vec::new(),
        organization: None,
        may_delete: false,
        provider: None,
    })
}

/// Patterns that were dear to a matcher that goes back to its last star.
fn hostile(bytes: usize) -> Vec<String> {
    vec![
        format!("*{}b*", "a?".repeat(bytes / 2)),
        format!("*{}b", "a?*".repeat(bytes / 3)),
        format!("{}b", "*a?".repeat(bytes / 3)),
        format!("{}b", "a*".repeat(bytes / 2)),
    ]
}

/// Steps of one decision by an anonymous caller whose User-Agent a bucket policy compares with `pattern`.
fn steps_of_agent(pattern: &str, agent: &str) -> (bool, u32) {
    let policy = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::bucket/*", "Condition": { "StringLike": { "aws:UserAgent": pattern } } } });
    let document =
        Document::parse(policy.to_string().as_bytes(), Kind::Bucket { name: "bucket" }).expect("well formed");
    let bucket = Bucket { policy: Some(&document), ..Bucket::of(ACCOUNT) };
    let policies = Policies { identity: &[], session: None, boundary: None, resource: Resource::Bucket(bucket) };
    let context = Entries::new().with("aws:UserAgent", [agent]);
    let request = Request {
        caller: &Caller::Anonymous,
        action: Action::constant("s3:GetObject"),
        resource: "arn:aws:s3:::bucket/k",
        context: &context,
    };
    let steps = Steps::default();
    (evaluate_within(&policies, &request, &steps).allowed, steps.taken())
}

#[test]
fn a_policy_of_20_kib_and_a_header_of_8_kib_take_a_bounded_number_of_steps() {
    let agent = "a".repeat(8_000);
    for pattern in hostile(20_000) {
        let (allowed, steps) = steps_of_agent(&pattern, &agent);
        assert!(!allowed);
        // 20,000 places in words of 64, for each of the 8,000 bytes, is the worst of them.
        assert!(steps <= 8_001 * 313 + 60_000, "{steps} steps for {pattern:.12}");
    }
    for pattern in hostile(500) {
        let (_, steps) = steps_of_agent(&pattern, &agent);
        assert!(steps <= 80_000, "{steps} steps for {pattern:.12}");
    }
}

#[test]
fn the_steps_of_a_decision_are_those_of_all_its_policies_and_who_runs_out_is_denied() {
    let pattern = format!("*{}b*", "a?".repeat(9_500));
    let policy =
        json!({ "Statement": { "Effect": "Deny", "Action": "s3:*", "Resource": format!("arn:aws:s3:::{pattern}") } });
    let allow = json!({ "Statement": { "Effect": "Allow", "Action": "*", "Resource": "*" } });
    let mut identity: Vec<Attached> = vec![attached(&allow).expect("well formed")];
    let caller = who("iam");
    let resource = format!("arn:aws:s3:::bucket/{}", "a".repeat(1_000));
    let request = Request {
        caller: &caller,
        action: Action::constant("s3:GetObject"),
        resource: &resource,
        context: &Entries::new(),
    };
    let decide = |identity: &[Attached]| {
        let policies = Policies { identity, session: None, boundary: None, resource: Resource::Account(ACCOUNT) };
        let steps = Steps::default();
        let decision = evaluate_within(&policies, &request, &steps);
        (decision.allowed, decision.why.source == Source::Default(Reason::TooManySteps), steps.taken())
    };
    assert!(decide(&identity).0);
    for _ in 0..20 {
        identity.push(attached(&policy).expect("well formed"));
    }
    let (allowed, out_of_steps, taken) = decide(&identity);
    assert!(!allowed && out_of_steps, "a Deny that was not compared to its end is not passed over");
    assert_eq!(taken, Steps::ONE_REQUEST);
    let policies =
        Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(ACCOUNT) };
    let why = evaluate(&policies, &request).why.to_string();
    assert_eq!(why, "default deny: comparing the policies with the request takes more steps than a request may take");
    // A Deny that is found before the steps run out is the reason.
    let deny = json!({ "Statement": { "Effect": "Deny", "Action": "s3:*", "Resource": "*" } });
    identity.insert(1, attached(&deny).expect("well formed"));
    let policies =
        Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(ACCOUNT) };
    assert!(evaluate(&policies, &request).is_explicit_deny());
}

#[test]
fn a_policy_that_takes_too_many_steps_can_be_replaced() {
    let condition = json!({ "StringLike": { "aws:UserAgent": format!("*{}b*", "a?".repeat(9_900)) } });
    let policy = json!({ "Statement": { "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"], "Condition": condition } });
    let document =
        Document::parse(policy.to_string().as_bytes(), Kind::Bucket { name: "bucket" }).expect("well formed");
    let bucket = Bucket { policy: Some(&document), ..Bucket::of(ACCOUNT) };
    let policies = Policies { identity: &[], session: None, boundary: None, resource: Resource::Bucket(bucket) };
    let context = Entries::new().with("aws:UserAgent", ["a".repeat(8_000)]);
    let ask = |kind, action| {
        let caller = who(kind);
        let request =
            Request { caller: &caller, action: Action::of(action), resource: "arn:aws:s3:::bucket", context: &context };
        evaluate(&policies, &request).allowed
    };
    for kind in ["root", "superuser"] {
        assert!(!ask(kind, "s3:ListBucket"), "{kind}");
        assert!(ask(kind, "s3:PutBucketPolicy") && ask(kind, "s3:DeleteBucketPolicy"), "{kind}");
    }
    assert!(!ask("local-superuser", "s3:ListBucket"));
}

#[test]
fn the_usual_decision_takes_few_steps() {
    let statements: Vec<_> = (0..40)
        .map(|at| {
            json!({ "Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"],
                "Resource": [format!("arn:aws:s3:::bucket/team-{at}/*"), "arn:aws:s3:::bucket/home/${aws:username}/*"],
                "Condition": { "IpAddress": { "aws:SourceIp": ["10.0.0.0/8", "192.0.2.0/24"] } } })
        })
        .collect();
    let identity = [attached(&json!({ "Version": "2012-10-17", "Statement": statements })).expect("well formed")];
    let policies =
        Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(ACCOUNT) };
    let context = Entries::new().with("aws:SourceIp", ["203.0.113.1"]);
    let caller = who("iam");
    let request = Request {
        caller: &caller,
        action: Action::constant("s3:GetObject"),
        resource: "arn:aws:s3:::bucket/home/alice/2026/report.txt",
        context: &context,
    };
    let steps = Steps::default();
    assert!(!evaluate_within(&policies, &request, &steps).allowed);
    assert!(steps.taken() < 1_000, "{} steps", steps.taken());
}
