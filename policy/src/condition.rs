//! One line of a `Condition`: an operator, a key, and the values to compare with.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::context::Values;
use crate::glob::{Glob, Token, tokens_match};
use crate::key::Key;
use crate::scope::Scope;
use crate::text::Text;
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
    Text(Box<[Text]>),
    /// StringEqualsIgnoreCase
    Folded(Box<[Text]>),
    Numbers(Order, Box<[Decimal]>),
    Dates(Order, Box<[Moment]>),
    Bools(Box<[bool]>),
    Binary(Box<[Box<[u8]>]>),
    Networks(Box<[Network]>),
    Arns(Box<[ArnPattern]>),
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
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
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
    fn meet(&self, value: &str, scope: &Scope<'_>) -> bool {
        match self {
            Operands::Text(texts) => texts.iter().any(|text| text.matches(value, scope)),
            Operands::Folded(texts) => texts.iter().any(|text| text.equals_folded(value, scope)),
            Operands::Numbers(order, wanted) => {
                Decimal::parse(value).is_some_and(|found| wanted.iter().any(|wanted| order.holds(found, *wanted)))
            }
            Operands::Dates(order, wanted) => {
                Moment::parse(value).is_some_and(|found| wanted.iter().any(|wanted| order.holds(found, *wanted)))
            }
            Operands::Bools(wanted) => boolean(value).is_some_and(|found| wanted.contains(&found)),
            Operands::Binary(wanted) => {
                STANDARD.decode(value).is_ok_and(|found| wanted.iter().any(|wanted| **wanted == *found))
            }
            Operands::Networks(wanted) => {
                address(value).is_some_and(|found: IpAddr| wanted.iter().any(|network| network.contains(found)))
            }
            Operands::Arns(patterns) => patterns.iter().any(|pattern| pattern.matches(value, scope)),
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

/// An ARN in a condition: each of its six parts is matched by itself, so that a wildcard stays within its part. A lone
/// `*` matches every ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    Every,
    Parts(Box<[Glob; 6]>),
    Template(Text),
}

const ARN_PARTS: usize = 6;

impl ArnPattern {
    /// Of a text without variables; none if it does not have six parts.
    pub(crate) fn fixed(written: &str) -> Option<ArnPattern> {
        if written == "*" {
            return Some(ArnPattern::Every);
        }
        let parts: Vec<Glob> = written.splitn(ARN_PARTS, ':').map(Glob::wild).collect();
        let parts: Box<[Glob; ARN_PARTS]> = parts.into_boxed_slice().try_into().ok()?;
        Some(ArnPattern::Parts(parts))
    }

    /// Whether it matches one ARN only. Of an access point the account is enough.
    pub(crate) fn is_fixed(&self) -> bool {
        match self {
            ArnPattern::Every | ArnPattern::Template(_) => false,
            ArnPattern::Parts(parts) => {
                let [_, _, service, _, account, _] = &**parts;
                let access_point =
                    *service == Glob::literal("s3") && !account.is_wild() && *account != Glob::literal("");
                access_point || parts.iter().all(|part| !part.is_wild())
            }
        }
    }

    fn matches(&self, value: &str, scope: &Scope<'_>) -> bool {
        if value.splitn(ARN_PARTS, ':').count() < ARN_PARTS {
            return false;
        }
        match self {
            ArnPattern::Every => true,
            ArnPattern::Parts(parts) => {
                parts.iter().zip(value.splitn(ARN_PARTS, ':')).all(|(glob, part)| glob.matches(part))
            }
            ArnPattern::Template(text) => text.render(scope, |tokens| parts_match(tokens, value)) == Some(true),
        }
    }
}

fn parts_match(tokens: &[Token], value: &str) -> bool {
    let parts = || tokens.splitn(ARN_PARTS, |token| *token == Token::Byte(b':'));
    parts().count() == ARN_PARTS
        && parts().zip(value.splitn(ARN_PARTS, ':')).all(|(pattern, part)| tokens_match(pattern, part, &mut || ()))
}
