//! Public access: the switches that forbid it, and AWS's definition of a public policy.

use serde::{Deserialize, Serialize};

use crate::condition::{ArnPattern, Condition, Operands, Quantifier};
use crate::principal::{Principal, Principals};
use crate::statement::{Effect, Statement};
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

/// Keys whose fixed values say who, from where, or (AWS has it so) under which key: a statement narrowed by one is not public.
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
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
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

/// Only a condition that is false for a request without the key, and has fixed values alone.
fn narrows(condition: &Condition) -> bool {
    if condition.negated || condition.if_exists || condition.quantifier == Quantifier::All {
        return false;
    }
    if &*condition.key.name == "aws:sourceip" {
        return matches!(&condition.operands, Operands::Networks(list) if list.iter().all(Network::is_narrow));
    }
    if !NARROWING.contains(&&*condition.key.name) {
        return false;
    }
    match &condition.operands {
        Operands::Text(texts) | Operands::Folded(texts) => texts.iter().all(Text::is_fixed),
        Operands::Arns(patterns) => patterns.iter().all(ArnPattern::is_fixed),
        _ => false,
    }
}
