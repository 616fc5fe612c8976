//! One line of a `Condition`: an operator, a key, and the values to compare with.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::context::Values;
use crate::key::Key;
use crate::pattern::{ANY, matches};
use crate::scope::Scope;
use crate::statement::Effect;
use crate::steps::Steps;
use crate::text::{Text, Texts};
use crate::value::{Decimal, Moment, Network, address};

/// How the values of a key with several are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// Unqualified: one value is enough, and for a negated operator none may.
    One,
    Any,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: Ord>(self, found: T, wanted: T) -> bool {
        match self {
            Order::Equal => found == wanted,
            Order::Less => found < wanted,
            Order::LessOrEqual => found <= wanted,
            Order::Greater => found > wanted,
            Order::GreaterOrEqual => found >= wanted,
        }
    }
}

/// What the key's values are compared with; any of them is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operands {
    /// StringEquals and StringLike: wildcards or not is in the text.
    Text(Texts),
    /// StringEqualsIgnoreCase
    Folded(Texts),
    Numbers(Order, Box<[Decimal]>),
    Dates(Order, Box<[Moment]>),
    Bools(Box<[bool]>),
    Binary(Box<[Box<[u8]>]>),
    Networks(Box<[Network]>),
    Arns(Texts),
    /// Whether the key has to be absent.
    Null(Box<[bool]>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) quantifier: Quantifier,
    pub(crate) negated: bool,
    pub(crate) if_exists: bool,
    pub(crate) key: Key,
    pub(crate) operands: Operands,
}

impl Condition {
    /// Whether it holds for a statement of this effect. A Deny that asks for a key of which nobody here can tell whether the
    /// request has it holds, whatever its operator: a Deny that cannot be judged is not passed over. For an Allow such a key
    /// is absent.
    pub(crate) fn holds(&self, effect: Effect, scope: &Scope<'_>) -> bool {
        let untold =
            || scope.cannot_tell(&self.key) || self.operands.keys_without_default().any(|key| scope.cannot_tell(key));
        self.holds_as_told(scope) || (effect == Effect::Deny && untold())
    }

    /// Whether each object that one request names may get another answer.
    pub(crate) fn is_of_object(&self) -> bool {
        self.key.is_of_object() || self.operands.keys().any(Key::is_of_object)
    }

    fn holds_as_told(&self, scope: &Scope<'_>) -> bool {
        let values = scope.get(&self.key);
        if let Operands::Null(absent) = &self.operands {
            return absent.contains(&values.is_absent());
        }
        match values {
            Values::Absent | Values::Many([]) => self.holds_for_nothing(),
            Values::One(value) => self.holds_for(value, scope),
            Values::Many(values) => {
                let mut each = values.iter().map(|value| self.holds_for(value, scope));
                match (self.quantifier, self.negated) {
                    (Quantifier::All, _) | (Quantifier::One, true) => each.all(|held| held),
                    (Quantifier::Any, _) | (Quantifier::One, false) => each.any(|held| held),
                }
            }
        }
    }

    /// The key has no value: `...IfExists` and ForAllValues hold, and so does a plain negation.
    fn holds_for_nothing(&self) -> bool {
        self.if_exists
            || match self.quantifier {
                Quantifier::All => true,
                Quantifier::Any => false,
                Quantifier::One => self.negated,
            }
    }

    fn holds_for(&self, value: &str, scope: &Scope<'_>) -> bool {
        self.operands.meet(value, scope) != self.negated
    }
}

impl Operands {
    fn texts(&self) -> Option<&Texts> {
        match self {
            Operands::Text(texts) | Operands::Folded(texts) | Operands::Arns(texts) => Some(texts),
            _ => None,
        }
    }

    /// The keys of the variables in them.
    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.texts().into_iter().flat_map(Texts::keys)
    }

    fn keys_without_default(&self) -> impl Iterator<Item = &Key> {
        self.texts().into_iter().flat_map(Texts::keys_without_default)
    }

    fn meet(&self, value: &str, scope: &Scope<'_>) -> bool {
        let among = |count: usize| scope.steps.spend(1 + count);
        match self {
            Operands::Text(texts) => texts.any_matches(value, scope),
            Operands::Folded(texts) => texts.iter().any(|text| text.equals_folded(value, scope)),
            Operands::Arns(patterns) => arns_match(patterns, value, scope),
            Operands::Numbers(order, wanted) => {
                among(wanted.len());
                Decimal::parse(value).is_some_and(|found| wanted.iter().any(|wanted| order.holds(found, *wanted)))
            }
            Operands::Dates(order, wanted) => {
                among(wanted.len());
                Moment::parse(value).is_some_and(|found| wanted.iter().any(|wanted| order.holds(found, *wanted)))
            }
            Operands::Bools(wanted) => boolean(value).is_some_and(|found| wanted.contains(&found)),
            Operands::Binary(wanted) => {
                among(wanted.len() + value.len());
                STANDARD.decode(value).is_ok_and(|found| wanted.iter().any(|wanted| **wanted == *found))
            }
            Operands::Networks(wanted) => {
                among(wanted.len());
                address(value).is_some_and(|found: IpAddr| wanted.iter().any(|network| network.contains(found)))
            }
            Operands::Null(_) => false,
        }
    }
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

const ARN_PARTS: usize = 6;

/// Whether a text can be a pattern of ARNs: a lone `*`, or six parts, in some of which variables may stand for more.
pub(crate) fn is_arn_pattern(written: &str) -> bool {
    written == "*" || written.splitn(ARN_PARTS, ':').count() == ARN_PARTS
}

/// Whether a pattern matches one ARN only. Of an access point the account is enough.
pub(crate) fn is_fixed_arn(pattern: Text<'_>) -> bool {
    if pattern.is_template() || pattern.bytes() == [ANY] {
        return false;
    }
    let plain = |part: &[u8]| part.is_ascii() || std::str::from_utf8(part).is_ok();
    let parts: Vec<&[u8]> = pattern.bytes().splitn(ARN_PARTS, |byte| *byte == b':').collect();
    match parts.as_slice() {
        [_, _, b"s3", _, account, _] if !account.is_empty() && plain(account) => true,
        parts => parts.len() == ARN_PARTS && parts.iter().all(|part| plain(part)),
    }
}

/// Each of an ARN's six parts is matched by itself, so that a wildcard stays within its part. A lone `*` matches every ARN.
fn arns_match(patterns: &Texts, value: &str, scope: &Scope<'_>) -> bool {
    if value.splitn(ARN_PARTS, ':').count() < ARN_PARTS {
        return false;
    }
    patterns.iter().any(|pattern| match pattern.is_fixed() {
        true => pattern.matches(value, scope),
        false => pattern.replaced(scope, |bytes| arn_matches(bytes, value, scope.steps)) == Some(true),
    })
}

fn arn_matches(pattern: &[u8], value: &str, steps: &Steps) -> bool {
    if pattern == [ANY] {
        return true;
    }
    let mut parts = pattern.splitn(ARN_PARTS, |byte| *byte == b':');
    let each = value.splitn(ARN_PARTS, ':').all(|part| parts.next().is_some_and(|held| matches(held, part, steps)));
    each && parts.next().is_none()
}
