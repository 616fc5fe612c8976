//! Public access: the switches that forbid it, and AWS's definition of a public policy.

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::caller::Caller;
use crate::condition::{Condition, Operands, Quantifier, is_fixed_arn};
use crate::context::Nothing;
use crate::key::{Faces, Key, Origin};
use crate::principal::{Principal, Principals};
use crate::scope::Scope;
use crate::statement::{Effect, Statement};
use crate::steps::Steps;
use crate::text::Text;
use crate::value::Network;

/// A bucket's switches against public access, all off unless it has the setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// PUTs of public ACLs are refused.
    pub block_public_acls: bool,
    /// Public grants of ACLs do not count.
    pub ignore_public_acls: bool,
    /// PUTs of public policies are refused.
    pub block_public_policy: bool,
    /// While the policy is public, only the bucket's account and services get in.
    pub restrict_public_buckets: bool,
}

/// Keys whose fixed values say who or from where, by AWS's list: a statement narrowed by one is not public, if no request of
/// nobody can have the value. (`s3:x-amz-server-side-encryption-aws-kms-key-id` is on AWS's list, too. It is a header that
/// anybody can send, so it narrows nothing here.)
const NARROWING: &[&str] = &[
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:vpceaccount",
    "aws:vpceorgid",
    "aws:userid",
    "aws:username",
    "s3:dataaccesspointarn",
    "s3:dataaccesspointaccount",
];

pub(crate) fn is_public(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| {
        statement.effect == Effect::Allow
            && !names_fixed_principals(&statement.principals)
            && !statement.conditions.iter().any(narrows)
    })
}

fn names_fixed_principals(principals: &Principals) -> bool {
    match principals {
        Principals::Holder => true,
        Principals::Of(list) => !list.contains(&Principal::Everybody),
        Principals::Not(_) => false,
    }
}

/// Only a condition that is false for a request without the key, has fixed values alone, and holds for no request of nobody.
fn narrows(condition: &Condition) -> bool {
    if condition.negated || condition.if_exists || condition.quantifier == Quantifier::All {
        return false;
    }
    if &*condition.key.name == "aws:sourceip" {
        return matches!(&condition.operands, Operands::Networks(list) if Network::are_narrow(list));
    }
    let fixed = match &condition.operands {
        Operands::Text(texts) | Operands::Folded(texts) => texts.iter().all(Text::is_fixed),
        Operands::Arns(patterns) => patterns.iter().all(is_fixed_arn),
        _ => false,
    };
    fixed && NARROWING.contains(&&*condition.key.name) && !holds_for_nobody(condition)
}

/// Whether some request that nobody signed meets the condition. What such a request says of itself can be anything.
fn holds_for_nobody(condition: &Condition) -> bool {
    let is_said = |key: &Key| {
        let faces = key.known.map_or(Faces::ALL, |known| known.faces);
        key.origin() == Origin::Request && faces.contains(Faces::S3)
    };
    let steps = Steps::new(u32::MAX);
    let scope = Scope {
        caller: &Caller::Anonymous,
        action: &Action::constant("s3:GetObject"),
        account: "",
        bounded: false,
        context: &Nothing,
        steps: &steps,
    };
    is_said(&condition.key) || condition.holds(Effect::Allow, &scope)
}
