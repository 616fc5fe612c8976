//! Conditions, line by line.

use serde_json::Value;

use super::{Symbol, known, like, symbols, untold, untold_variable, words};
use crate::case::Case;

pub(super) fn conditions(case: &Case, statement: &Value, replaced: bool) -> bool {
    let Some(block) = statement.get("Condition") else { return true };
    block.as_object().expect("an object").iter().all(|(operator, keys)| {
        keys.as_object().expect("an object").iter().all(|(key, wanted)| {
            let wanted = words(wanted);
            // Ours: a Deny that asks for what the server cannot tell holds, whatever the operator.
            let blind = untold(case, key)
                || (speaks_text(operator) && wanted.iter().any(|word| untold_variable(case, word, replaced)));
            (statement["Effect"] == "Deny" && blind) || holds(case, operator, key, &wanted, replaced)
        })
    })
}

/// Whether variables mean anything in what the operator compares with.
fn speaks_text(operator: &str) -> bool {
    operator.contains("String") || operator.contains("Arn")
}

fn holds(case: &Case, operator: &str, key: &str, wanted: &[String], replaced: bool) -> bool {
    let found = known(case, key);
    if operator == "Null" {
        return wanted.iter().any(|word| (word == "true") == found.is_none());
    }
    let (set, rest) = operator.split_once(':').unwrap_or(("", operator));
    let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
    let positive = name.replace("Not", "");
    let negated = positive != name;
    let Some(found) = found else {
        return if_exists || set == "ForAllValues" || (set.is_empty() && negated);
    };
    let one = |value: &String| wanted.iter().any(|word| compare(case, &positive, value, word, replaced)) != negated;
    match set {
        "ForAllValues" => found.iter().all(one),
        "ForAnyValue" => found.iter().any(one),
        _ if negated => found.iter().all(one),
        _ => found.iter().any(one),
    }
}

fn compare(case: &Case, operator: &str, value: &str, wanted: &str, replaced: bool) -> bool {
    let row = |wild| symbols(case, wanted, replaced, wild);
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    match operator {
        "StringEquals" => row(false).is_some_and(|row| like(&row, &letters(value))),
        "StringLike" => row(true).is_some_and(|row| like(&row, &letters(value))),
        "StringEqualsIgnoreCase" => row(false).is_some_and(|row| {
            let text: String =
                row.iter().map(|symbol| if let Symbol::Letter(letter) = symbol { *letter } else { ' ' }).collect();
            text.to_lowercase() == value.to_lowercase()
        }),
        "ArnEquals" | "ArnLike" => row(true).is_some_and(|row| arn(&row, value)),
        "Bool" => {
            value.to_lowercase() == wanted.to_lowercase() && ["true", "false"].contains(&value.to_lowercase().as_str())
        }
        "BinaryEquals" => value == wanted && plausible_base64(value),
        "IpAddress" => within(value, wanted),
        "DateEquals" | "DateLessThan" | "DateLessThanEquals" | "DateGreaterThan" | "DateGreaterThanEquals" => {
            ordered(operator, seconds(value), seconds(wanted))
        }
        _ => ordered(operator, value.parse().ok(), wanted.parse().ok()),
    }
}

fn ordered(operator: &str, found: Option<f64>, wanted: Option<f64>) -> bool {
    let (Some(found), Some(wanted)) = (found, wanted) else { return false };
    match operator.trim_start_matches("Numeric").trim_start_matches("Date") {
        "Equals" => found == wanted,
        "LessThan" => found < wanted,
        "LessThanEquals" => found <= wanted,
        "GreaterThan" => found > wanted,
        "GreaterThanEquals" => found >= wanted,
        other => panic!("no such operator: {other}"),
    }
}

fn arn(pattern: &[Symbol], value: &str) -> bool {
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    if parts.len() < 6 {
        return false;
    }
    if pattern == [Symbol::Any] {
        return true;
    }
    let patterns: Vec<&[Symbol]> = pattern.splitn(6, |symbol| *symbol == Symbol::Letter(':')).collect();
    patterns.len() == 6 && (0..6).all(|at| like(patterns[at], &parts[at].chars().collect::<Vec<_>>()))
}

fn plausible_base64(text: &str) -> bool {
    text.len().is_multiple_of(4) && text.trim_end_matches('=').chars().all(|letter| letter.is_ascii_alphanumeric())
}

/// Only the forms that the generator writes: days of January 2024 at midnight in UTC, and seconds.
fn seconds(text: &str) -> Option<f64> {
    match text.strip_prefix("2024-01-") {
        Some(rest) => {
            let day: f64 = rest.strip_suffix("T00:00:00Z").unwrap_or(rest).parse().ok()?;
            Some(1_704_067_200.0 + (day - 1.0) * 86_400.0)
        }
        None => text.parse().ok().filter(|_| text.len() != 4),
    }
}

fn bits(text: &str) -> Option<String> {
    if let Some(mapped) = text.strip_prefix("::ffff:") {
        return bits(mapped);
    }
    if text.contains(':') {
        let (head, tail) = text.split_once("::").unwrap_or((text, ""));
        let group = |part: &str| u16::from_str_radix(part, 16).ok().map(|number| format!("{number:016b}"));
        let groups = |part: &str| -> Option<Vec<String>> {
            if part.is_empty() { Some(Vec::new()) } else { part.split(':').map(group).collect() }
        };
        let (head, tail) = (groups(head)?, groups(tail)?);
        let zeros = 8_usize.checked_sub(head.len() + tail.len())?;
        return Some(format!("{}{}{}", head.concat(), "0".repeat(16 * zeros), tail.concat()));
    }
    let octets: Option<Vec<String>> =
        text.split('.').map(|part| part.parse::<u8>().ok().map(|number| format!("{number:08b}"))).collect();
    octets.filter(|octets| octets.len() == 4).map(|octets| octets.concat())
}

fn within(address: &str, network: &str) -> bool {
    let (first, length) = network.split_once('/').unwrap_or((network, ""));
    let (Some(found), Some(first)) = (bits(address), bits(first)) else { return false };
    let mapped = if network.starts_with("::ffff:") { 96 } else { 0 };
    let length = length.parse::<usize>().map_or(first.len(), |length| length - mapped);
    found.len() == first.len() && found[..length] == first[..length]
}
