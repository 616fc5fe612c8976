use super::{Policies, Resource};
use crate::acl::{On, Permission};
use crate::action::Action;
use crate::caller::{Caller, UserKind};
use crate::document::Document;
use crate::statement::Effect;
use crate::steps::Steps;

/// Whether some request of `caller` for `action` may be allowed, whatever it is on within the resource and under whatever conditions: a bound from
/// above, for who must know before there is a request to decide. What [`evaluate`](super::evaluate) allows is always possible; denials are not
/// looked at.
pub fn is_possible(policies: &Policies<'_>, caller: &Caller, action: &Action<'_>) -> bool {
    if caller.is_superuser() || is_guarded(&policies.resource) || has_by_right(policies, caller) {
        return true;
    }
    let steps = Steps::default();
    let allows = |document| allows(document, caller, policies.resource.account(), action, &steps);
    let account = policies.resource.account();
    let own = matches!(caller, Caller::Root(_)) || policies.identity.iter().any(|attached| allows(&attached.document));
    let (granted, acls) = match &policies.resource {
        Resource::Bucket(bucket) => {
            let policy = bucket.policy.is_some_and(allows);
            let acls = bucket.ownership.acls_count();
            // What the ACL of an object says is not known here.
            let listed =
                acls && (bucket.acl.is_some_and(|acl| acl.allows(caller, action, On::Bucket)) || of_objects(action));
            (policy || listed, acls)
        }
        Resource::Account(_) | Resource::Guarded { .. } => (false, false),
    };
    match caller {
        Caller::Anonymous | Caller::Service(_) => granted,
        // Where ACLs count, an object may be of the caller's account, which then decides alone.
        _ if acls || caller.account().is_some_and(|held| held.id == account) => own || granted,
        _ => own && granted,
    }
}

fn is_guarded(resource: &Resource<'_>) -> bool {
    matches!(resource, Resource::Guarded { .. })
}

/// A local user's own bucket, and what local users may do without a policy.
fn has_by_right(policies: &Policies<'_>, caller: &Caller) -> bool {
    let Caller::User(user) = caller else { return false };
    let UserKind::Local { .. } = user.kind else { return false };
    match policies.resource {
        Resource::Bucket(bucket) => bucket.creator == Some(user.id.as_str()) && user.account.id == bucket.account,
        Resource::Account(_) | Resource::Guarded { .. } => true,
    }
}

/// Whether a statement allows the action to the caller under some condition. `NotPrincipal` counts as naming everybody, which is no less than it does.
fn allows(document: &Document, caller: &Caller, account: &str, action: &Action<'_>, steps: &Steps) -> bool {
    document.statements.iter().any(|statement| {
        statement.effect == Effect::Allow
            && statement.actions.contains(action, steps)
            && statement.principals.meet(caller, account, true).is_some()
    })
}

/// Whether an object's ACL can grant the action.
fn of_objects(action: &Action<'_>) -> bool {
    Permission::FullControl.covers(action, On::Object)
}
