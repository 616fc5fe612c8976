use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::Json;
use crate::condition::{Condition, Operands, Order, Quantifier, boolean, is_arn_pattern};
use crate::key::{self, Key};
use crate::kind::Kind;
use crate::malformed::Malformed;
use crate::text::{Texts, Variables, Wildcards};
use crate::value::{Decimal, Moment, Network};

/// What an operator compares as.
#[derive(Clone, Copy)]
enum Family {
    Text(Wildcards),
    Folded,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Network,
    Arn,
    Null,
}

struct Operator {
    quantifier: Quantifier,
    family: Family,
    negated: bool,
    if_exists: bool,
}

/// Every operator: its name, what it compares as, and whether it is a negation.
const OPERATORS: &[(&str, Family, bool)] = &[
    ("StringEquals", Family::Text(Wildcards::Literal), false),
    ("StringNotEquals", Family::Text(Wildcards::Literal), true),
    ("StringEqualsIgnoreCase", Family::Folded, false),
    ("StringNotEqualsIgnoreCase", Family::Folded, true),
    ("StringLike", Family::Text(Wildcards::Meant), false),
    ("StringNotLike", Family::Text(Wildcards::Meant), true),
    ("NumericEquals", Family::Number(Order::Equal), false),
    ("NumericNotEquals", Family::Number(Order::Equal), true),
    ("NumericLessThan", Family::Number(Order::Less), false),
    ("NumericLessThanEquals", Family::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Family::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Family::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Family::Date(Order::Equal), false),
    ("DateNotEquals", Family::Date(Order::Equal), true),
    ("DateLessThan", Family::Date(Order::Less), false),
    ("DateLessThanEquals", Family::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Family::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Family::Date(Order::GreaterOrEqual), false),
    ("Bool", Family::Bool, false),
    ("BinaryEquals", Family::Binary, false),
    ("IpAddress", Family::Network, false),
    ("NotIpAddress", Family::Network, true),
    ("ArnEquals", Family::Arn, false),
    ("ArnLike", Family::Arn, false),
    ("ArnNotEquals", Family::Arn, true),
    ("ArnNotLike", Family::Arn, true),
    ("Null", Family::Null, false),
];

impl Operator {
    fn parse(written: &str) -> Option<Operator> {
        let (quantifier, rest) = match written.split_once(':') {
            None => (Quantifier::One, written),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(_) => return None,
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (_, family, negated) = OPERATORS.iter().find(|(known, ..)| *known == name)?;
        let sound = !(matches!(family, Family::Null) && (if_exists || quantifier != Quantifier::One));
        sound.then_some(Operator { quantifier, family: *family, negated: *negated, if_exists })
    }
}

pub(super) fn parse(value: &Json, kind: Kind<'_>, variables: Variables) -> Result<Vec<Condition>, Malformed> {
    let Json::Object(operators) = value else { return Err(Malformed::new("Condition must be an object")) };
    let mut conditions = Vec::new();
    for (written, keys) in operators {
        let operator =
            Operator::parse(written).ok_or_else(|| Malformed::new(format!("Invalid Condition type : {written}")))?;
        let Json::Object(keys) = keys else {
            return Err(Malformed::new(format!("Condition {written} must be an object")));
        };
        for (key, values) in keys {
            check_key(key, kind)?;
            let values: Result<Vec<String>, Malformed> = values.as_list().iter().map(scalar).collect();
            conditions.push(Condition {
                quantifier: operator.quantifier,
                negated: operator.negated,
                if_exists: operator.if_exists,
                key: Key::of(key),
                operands: operands(operator.family, written, &values?, variables)?,
            });
        }
    }
    Ok(conditions)
}

/// A bucket's policy may use only keys that are documented; IAM lets any key pass that names its service.
fn check_key(key: &str, kind: Kind<'_>) -> Result<(), Malformed> {
    match kind {
        Kind::Bucket { .. } if key::known(key).is_none() => {
            Err(Malformed::new(format!("Policy has an invalid condition key - {key}")))
        }
        _ if !key.contains(':') => {
            Err(Malformed::new("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."))
        }
        _ => Ok(()),
    }
}

fn scalar(value: &Json) -> Result<String, Malformed> {
    match value {
        Json::Text(text) | Json::Number(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        _ => Err(Malformed::new("Condition values must be strings, numbers or booleans")),
    }
}

fn operands(family: Family, operator: &str, values: &[String], variables: Variables) -> Result<Operands, Malformed> {
    let texts = |wildcards| Texts::parse(values.iter().map(String::as_str), wildcards, variables);
    let plain = |parsed: Option<_>| Ok(parsed);
    Ok(match family {
        Family::Text(wildcards) => Operands::Text(texts(wildcards)?),
        Family::Folded => Operands::Folded(texts(Wildcards::Literal)?),
        Family::Number(order) => {
            Operands::Numbers(order, each_once(all(operator, values, |value| Ok(Decimal::parse(value)))?))
        }
        Family::Date(order) => {
            Operands::Dates(order, each_once(all(operator, values, |value| Ok(Moment::parse(value)))?))
        }
        Family::Bool => Operands::Bools(each_once(all(operator, values, |value| plain(boolean(value)))?)),
        Family::Null => Operands::Null(each_once(all(operator, values, |value| plain(boolean(value)))?)),
        Family::Binary => {
            Operands::Binary(each_once(all(operator, values, |value| Ok(STANDARD.decode(value).ok().map(Into::into)))?))
        }
        Family::Network => Operands::Networks(all(operator, values, |value| Ok(Network::parse(value)))?),
        Family::Arn => {
            let template = |value: &str| variables == Variables::Replaced && value.contains("${");
            match values.iter().find(|value| !template(value) && !is_arn_pattern(value)) {
                Some(value) => return Err(invalid(operator, value)),
                None => Operands::Arns(texts(Wildcards::Meant)?),
            }
        }
    })
}

fn all<T>(
    operator: &str,
    values: &[String],
    parse: impl Fn(&str) -> Result<Option<T>, Malformed>,
) -> Result<Box<[T]>, Malformed> {
    let one = |value: &String| parse(value)?.ok_or_else(|| invalid(operator, value));
    values.iter().map(one).collect()
}

/// Any of them is enough, so that none is needed twice.
fn each_once<T: Ord>(values: Box<[T]>) -> Box<[T]> {
    let mut values = values.into_vec();
    values.sort_unstable();
    values.dedup();
    values.into()
}

fn invalid(operator: &str, value: &str) -> Malformed {
    Malformed::new(format!("Invalid value {value} for condition {operator}"))
}
