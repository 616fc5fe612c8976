//! Every operator on every type of key, as AWS documents them.

use serde_json::{Value, json};
use tandem_policy::{Action, Caller, Entries, Policies, Request, Resource, evaluate};

use crate::case::{Who, attached, caller};

const ACCOUNT: &str = "111111111111";
const KEY: &str = "test:value";

fn alice() -> Caller {
    caller(&Who {
        kind: "iam",
        account: ACCOUNT,
        name: "alice",
        groups: Vec::new(),
        tags: vec![("team", "red"), ("odd", "a*?${b}/"), ("star", "*"), ("mark", "a?c")],
        organization: Some("o-one"),
        may_delete: false,
        provider: None,
    })
}

/// Whether an Allow under this condition allows.
fn allows(version: &str, condition: &Value, context: &Entries) -> bool {
    let policy = json!({
        "Version": version,
        "Statement": { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Condition": condition }
    });
    let identity = [attached(&policy).unwrap_or_else(|error| panic!("{error}: {policy}"))];
    let policies =
        Policies { identity: &identity, session: None, boundary: None, resource: Resource::Account(ACCOUNT) };
    let resource = "arn:aws:s3:::bucket/key";
    evaluate(&policies, &Request { caller: &alice(), action: Action::of("s3:GetObject"), resource, context }).allowed
}

fn with(values: &[&str]) -> Entries {
    Entries::new().with(KEY, values.iter().copied())
}

fn holds(operator: &str, wanted: &Value, context: &Entries) -> bool {
    allows("2012-10-17", &json!({ operator: { KEY: wanted } }), context)
}

/// Values of each type, for comparing an operator with keys that are not of its own.
const TYPES: &[(&str, &str)] = &[
    ("text", "plain"),
    ("number", "42"),
    ("date", "2019-07-01T12:00:00Z"),
    ("bool", "true"),
    ("address", "198.51.100.7"),
    ("arn", "arn:aws:sns:eu-west-1:123456789012:topic"),
];

/// operator, its wanted values, values that match, values that do not (before negation); the last column says which of
/// [`TYPES`] match.
struct Row {
    operator: &'static str,
    negation: Option<&'static str>,
    wanted: Value,
    matching: &'static [&'static str],
    other: &'static [&'static str],
    types: &'static [&'static str],
}

fn row(
    (operator, negation): (&'static str, Option<&'static str>),
    wanted: Value,
    matching: &'static [&'static str],
    other: &'static [&'static str],
    types: &'static [&'static str],
) -> Row {
    Row { operator, negation, wanted, matching, other, types }
}

fn strings() -> Vec<Row> {
    vec![
        row(
            ("StringEquals", Some("StringNotEquals")),
            json!(["Ann", "Bob", "42"]),
            &["Ann", "Bob"],
            &["ann", "Ann ", "An*"],
            &["number"],
        ),
        row(("StringEquals", Some("StringNotEquals")), json!("a*?c"), &["a*?c"], &["abbc"], &[]),
        row(("StringEquals", Some("StringNotEquals")), json!(true), &["true"], &["True"], &["bool"]),
        row(
            ("StringEqualsIgnoreCase", Some("StringNotEqualsIgnoreCase")),
            json!(["aNN", "\u{c9}t\u{e9}", "TRUE"]),
            &["Ann", "ANN", "\u{e9}T\u{c9}"],
            &["Anna", "An*"],
            &["bool"],
        ),
        row(
            ("StringLike", Some("StringNotLike")),
            json!(["A*n", "?ob", "198.*"]),
            &["An", "Allen", "Bob", "\u{f6}ob"],
            &["an", "Ann2", "ob", "BBob"],
            &["address"],
        ),
        row(("StringLike", Some("StringNotLike")), json!("a${*}b${?}"), &["a*b?"], &["axbx", "a*bx"], &[]),
        row(
            ("StringLike", Some("StringNotLike")),
            json!("*"),
            &["", "anything"],
            &[],
            &["text", "number", "date", "bool", "address", "arn"],
        ),
    ]
}

fn numbers_and_dates() -> Vec<Row> {
    vec![
        row(
            ("NumericEquals", Some("NumericNotEquals")),
            json!([42, "7.5"]),
            &["42", "42.0", "7.50"],
            &["41", "7.51", "forty", ""],
            &["number"],
        ),
        row(("NumericLessThan", None), json!("42"), &["41", "-42", "41.999"], &["42", "43", "x"], &[]),
        row(("NumericLessThanEquals", None), json!("42"), &["41", "42"], &["42.001", "x"], &["number"]),
        row(("NumericGreaterThan", None), json!("41"), &["42", "41.5"], &["41", "-50", "x"], &["number"]),
        row(("NumericGreaterThanEquals", None), json!("42"), &["42", "43"], &["41.999", "x"], &["number"]),
        row(
            ("DateEquals", Some("DateNotEquals")),
            json!("2019-07-01T12:00:00Z"),
            &["2019-07-01T12:00:00Z", "2019-07-01T14:00:00+02:00", "1561982400"],
            &["2019-07-01T12:00:01Z", "2019-07-01", "noon"],
            &["date"],
        ),
        row(
            ("DateLessThan", None),
            json!("2019-07-02"),
            &["2019-07-01T23:59:59Z", "0"],
            &["2019-07-02", "noon"],
            &["number", "date"],
        ),
        row(
            ("DateLessThanEquals", None),
            json!("2019-07-02"),
            &["2019-07-02T00:00:00Z"],
            &["2019-07-02T00:00:01Z"],
            &["number", "date"],
        ),
        row(
            ("DateGreaterThan", None),
            json!("2019-06-30"),
            &["2019-06-30T00:00:01Z"],
            &["2019-06-30", "noon"],
            &["date"],
        ),
        row(
            ("DateGreaterThanEquals", None),
            json!("1561982400"),
            &["2019-07-01T12:00:00Z"],
            &["2019-07-01T11:59:59Z"],
            &["date"],
        ),
    ]
}

fn the_rest() -> Vec<Row> {
    vec![
        row(("Bool", None), json!("true"), &["true", "True"], &["false", "1", "yes", ""], &["bool"]),
        row(("Bool", None), json!(false), &["false"], &["true", "no"], &[]),
        row(
            ("BinaryEquals", None),
            json!("QmluYXJ5VmFsdWVJbkJhc2U2NA=="),
            &["QmluYXJ5VmFsdWVJbkJhc2U2NA=="],
            &["QmluYXJ5", "!"],
            &[],
        ),
        row(
            ("IpAddress", Some("NotIpAddress")),
            json!(["198.51.100.0/24", "2001:db8:1234:5678::/64", "203.0.113.9"]),
            &["198.51.100.255", "2001:DB8:1234:5678::1", "203.0.113.9", "::ffff:198.51.100.1"],
            &[
                "198.51.101.0",
                "2001:db8:1234:5679::1",
                "203.0.113.8",
                "198.51.100",
                "198.51.100.0/24",
                "::198.51.100.1",
            ],
            &["address"],
        ),
        row(
            ("ArnEquals", Some("ArnNotEquals")),
            json!("arn:aws:sns:*:123456789012:t?pic"),
            &["arn:aws:sns:eu-west-1:123456789012:topic", "arn:aws:sns::123456789012:tipic"],
            &["arn:aws:sns:a:b:123456789012:topic", "arn:aws:sqs:eu-west-1:123456789012:topic", "topic"],
            &["arn"],
        ),
        row(
            ("ArnLike", Some("ArnNotLike")),
            json!(["arn:aws:iam::*:role/*", "arn:aws:s3:::b"]),
            &["arn:aws:iam::1:role/a/b:c", "arn:aws:s3:::b"],
            &["arn:aws:iam::1:user/a", "arn:aws:s3:::bb", "arn:aws:iam"],
            &[],
        ),
        row(("ArnLike", Some("ArnNotLike")), json!("*"), &["arn:aws:s3:::b"], &["not an arn"], &["arn"]),
    ]
}

fn check(row: &Row, operator: &str, negated: bool) {
    let wanted = &row.wanted;
    let says = |operator: &str, values: &[&str]| holds(operator, wanted, &with(values));
    let all = row.matching.iter().map(|value| (*value, true)).chain(row.other.iter().map(|value| (*value, false)));
    let types = TYPES.iter().map(|(name, value)| (*value, row.types.contains(name)));
    for (value, matches) in all.chain(types) {
        for form in ["{}", "{}IfExists", "ForAnyValue:{}", "ForAllValues:{}"] {
            let form = form.replace("{}", operator);
            assert_eq!(says(&form, &[value]), matches != negated, "{form} {wanted} of {value:?}");
        }
    }
    let nothing = Entries::new();
    for absent in [&nothing, &with(&[])] {
        assert_eq!(holds(operator, wanted, absent), negated, "{operator} without the key");
        assert!(holds(&format!("{operator}IfExists"), wanted, absent));
        assert!(holds(&format!("ForAllValues:{operator}"), wanted, absent));
        assert!(!holds(&format!("ForAnyValue:{operator}"), wanted, absent), "{operator}");
        assert!(holds(&format!("ForAnyValue:{operator}IfExists"), wanted, absent));
    }
    let (Some(matching), Some(other)) = (row.matching.first(), row.other.first()) else { return };
    let mixed = [*matching, *other];
    assert!(says(&format!("ForAnyValue:{operator}"), &mixed), "one of two {operator}");
    assert!(!says(&format!("ForAllValues:{operator}"), &mixed), "not both {operator}");
    assert_eq!(says(operator, &mixed), !negated, "{operator} unqualified");
    let both = if negated { [*other, *other] } else { [*matching, *matching] };
    assert!(says(&format!("ForAllValues:{operator}"), &both));
    let neither = if negated { [*matching, *matching] } else { [*other, *other] };
    assert!(!says(&format!("ForAnyValue:{operator}"), &neither));
}

#[test]
fn every_operator_on_every_type_of_key() {
    for row in strings().iter().chain(&numbers_and_dates()).chain(&the_rest()) {
        check(row, row.operator, false);
        if let Some(negation) = row.negation {
            check(row, negation, true);
        }
    }
}

#[test]
fn null_asks_whether_a_key_is_there() {
    for (wanted, context, expected) in [
        (json!("true"), Entries::new(), true),
        (json!(true), with(&[]), true),
        (json!("true"), with(&["x"]), false),
        (json!("false"), with(&["x"]), true),
        (json!("false"), with(&["x", "y"]), true),
        (json!(false), Entries::new(), false),
        (json!(["true", "false"]), Entries::new(), true),
    ] {
        assert_eq!(holds("Null", &wanted, &context), expected, "{wanted}");
    }
}

#[test]
fn an_empty_list_of_values_matches_nothing() {
    assert!(!holds("StringEquals", &json!([]), &with(&["x"])));
    assert!(holds("StringNotEquals", &json!([]), &with(&["x"])));
}

#[test]
fn all_lines_of_a_condition_have_to_hold() {
    let both = json!({ "StringEquals": { KEY: "x", "test:other": "y" }, "Bool": { "test:flag": "true" } });
    let full = with(&["x"]).with("test:other", ["y"]).with("test:flag", ["true"]);
    assert!(allows("2012-10-17", &both, &full));
    for missing in [KEY, "test:other", "test:flag"] {
        assert!(!allows("2012-10-17", &both, &full.clone().with(missing, ["z"])), "{missing}");
    }
}

/// IAM User Guide, "Tags for AWS resources": a condition on `TagKey1` matches a tag whose key is `TagKey1` or `tagkey1`.
#[test]
fn names_of_keys_and_of_the_tags_in_them_are_of_any_case() {
    let context = Entries::new()
        .with("S3:ExistingObjectTag/Class", ["secret"])
        .with("AWS:referer", ["here"])
        .with("aws:RequestTag/Team", ["admins"])
        .with("iam:ResourceTag/\u{c9}quipe", ["une"]);
    for (key, value) in [
        ("aws:REFERER", "here"),
        ("s3:existingobjecttag/Class", "secret"),
        ("s3:ExistingObjectTag/class", "secret"),
        ("aws:PrincipalTag/TEAM", "red"),
        ("aws:RequestTag/team", "admins"),
        ("AWS:REQUESTTAG/TEAM", "admins"),
        ("iam:ResourceTag/\u{e9}quipe", "une"),
    ] {
        assert!(allows("2012-10-17", &json!({ "StringEquals": { key: value } }), &context), "{key}");
        assert!(!allows("2012-10-17", &json!({ "StringNotEquals": { key: value } }), &context), "{key}");
        let variable = json!({ "StringEquals": { KEY: format!("${{{key}}}") } });
        assert!(allows("2012-10-17", &variable, &context.clone().with(KEY, [value])), "{key} as a variable");
    }
}

#[test]
fn variables_stand_for_values_and_never_for_wildcards() {
    let entries = |value: &str| with(&[value]);
    let cases = [
        ("StringEquals", "${aws:username}", "alice", true),
        ("StringEquals", "${ aws:username }", "alice", true),
        ("StringLike", "home/${aws:username}/*", "home/alice/f", true),
        ("StringLike", "home/${aws:username}/*", "home/bob/f", false),
        ("StringEquals", "${aws:PrincipalTag/team}", "red", true),
        ("StringEquals", "${aws:PrincipalTag/none, 'blue'}", "blue", true),
        ("StringEquals", "${aws:PrincipalTag/team, 'blue'}", "red", true),
        ("StringEquals", "${aws:PrincipalTag/none}", "", false),
        ("StringNotEquals", "${aws:PrincipalTag/none}", "x", true),
        ("StringLike", "${aws:PrincipalTag/odd}*", "a*?${b}/x", true),
        ("StringLike", "${aws:PrincipalTag/odd}*", "abc${b}/x", false),
        ("StringLike", "home/${aws:PrincipalTag/star}/*", "home/bob/f", false),
        ("StringLike", "home/${aws:PrincipalTag/star}/*", "home/*/f", true),
        ("StringLike", "${aws:PrincipalTag/mark}*", "abcd", false),
        ("StringLike", "${aws:PrincipalTag/mark}*", "a?cd", true),
        ("ArnLike", "arn:aws:iam::1:user/${aws:PrincipalTag/star}", "arn:aws:iam::1:user/x", false),
        ("StringEquals", "${aws:PrincipalOrgPaths}", "o-one/r-1/ou-1/", false),
        ("StringEqualsIgnoreCase", "${aws:username}!", "ALICE!", true),
        ("StringEquals", "${$}{aws:username}", "${aws:username}", true),
        ("ArnLike", "arn:aws:iam::${aws:PrincipalAccount}:user/*", "arn:aws:iam::111111111111:user/x", true),
        ("ArnLike", "arn:aws:iam::${aws:PrincipalAccount}:user/*", "arn:aws:iam::222222222222:user/x", false),
        ("ArnEquals", "arn:aws:iam::1:user/${*}", "arn:aws:iam::1:user/*", true),
        ("ArnEquals", "arn:aws:iam::1:user/${*}", "arn:aws:iam::1:user/x", false),
    ];
    for (operator, wanted, found, expected) in cases {
        assert_eq!(holds(operator, &json!(wanted), &entries(found)), expected, "{operator} {wanted} of {found}");
    }
    let old =
        |wanted: &str, found: &str| allows("2008-10-17", &json!({ "StringEquals": { KEY: wanted } }), &entries(found));
    assert!(old("${aws:username}", "${aws:username}"), "before 2012 it is text");
    assert!(!old("${aws:username}", "alice"));
}

#[test]
fn a_long_value_of_a_variable_is_compared_whole() {
    let long = "x".repeat(2_000);
    let context = with(&[&format!("{long}/f")]).with("aws:RequestTag/a", [long.as_str()]);
    assert!(holds("StringLike", &json!("${aws:RequestTag/a}/?"), &context));
    assert!(!holds("StringLike", &json!("${aws:RequestTag/a}?/?"), &context));
}
