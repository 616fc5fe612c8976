//! `Principal` and `NotPrincipal`: whom a statement of a bucket, trust or key policy speaks to.

use crate::caller::Caller;

/// How closely a statement names the caller. A grant to the caller itself stands alone; one to all, or to a role, is
/// bounded by session policies and boundaries; one to the account only lets the account's own policies decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    Account,
    Wide,
    Itself,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    Everybody,
    /// An account, by number or as its root: everyone in it.
    Account(Box<str>),
    /// A user, a role, a session or a federated user, by ARN.
    Arn(Box<str>),
    /// A unique id, as AWS writes one whose ARN is gone.
    UniqueId(Box<str>),
    Canonical(Box<str>),
    Service(Box<str>),
    Federated(Box<str>),
    /// VAST's forms: a user or group of the account that owns the resource, by name.
    UserName(Box<str>),
    GroupName(Box<str>),
}

impl Principal {
    /// `account` owns the resource that the policy hangs on.
    pub(crate) fn meets(&self, caller: &Caller, account: &str) -> Option<Nearness> {
        let held = |met: bool, nearness| met.then_some(nearness);
        match self {
            Principal::Everybody => Some(Nearness::Wide),
            Principal::Account(id) => held(caller.account().is_some_and(|of| of.id == **id), Nearness::Account),
            Principal::Canonical(id) => {
                held(caller.account().is_some_and(|of| of.canonical_id == **id), Nearness::Account)
            }
            Principal::Arn(arn) => by_arn(arn, caller),
            Principal::UniqueId(id) => by_unique_id(id, caller),
            Principal::Service(name) => match caller {
                Caller::Service(service) => {
                    held(service.name == **name || service.names.iter().any(|of| **of == **name), Nearness::Itself)
                }
                _ => None,
            },
            Principal::Federated(provider) => match caller {
                Caller::Session(session) => {
                    held(session.federated_provider.as_deref() == Some(&**provider), Nearness::Wide)
                }
                _ => None,
            },
            Principal::UserName(name) => match caller {
                Caller::User(user) => held(user.account.id == account && user.name == **name, Nearness::Itself),
                _ => None,
            },
            Principal::GroupName(name) => match caller {
                Caller::User(user) => held(
                    user.account.id == account && user.groups.iter().any(|group| **group == **name),
                    Nearness::Wide,
                ),
                _ => None,
            },
        }
    }
}

fn by_arn(arn: &str, caller: &Caller) -> Option<Nearness> {
    match caller {
        Caller::User(user) => (user.arn == arn).then_some(Nearness::Itself),
        Caller::Session(session) if session.arn == arn => Some(Nearness::Itself),
        Caller::Session(session) => (session.role.arn == arn).then_some(Nearness::Wide),
        _ => None,
    }
}

fn by_unique_id(id: &str, caller: &Caller) -> Option<Nearness> {
    match caller {
        Caller::User(user) => (user.id == id).then_some(Nearness::Itself),
        Caller::Session(session) => (session.role.id == id).then_some(Nearness::Wide),
        _ => None,
    }
}

/// A statement's `Principal` or `NotPrincipal`, or that it has neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principals {
    /// An identity policy: whoever it hangs on.
    Holder,
    Of(Box<[Principal]>),
    /// Everyone but these.
    Not(Box<[Principal]>),
}

impl Principals {
    /// How closely the caller is named; none if it is not.
    pub(crate) fn meet(&self, caller: &Caller, account: &str) -> Option<Nearness> {
        match self {
            Principals::Holder => Some(Nearness::Itself),
            Principals::Of(list) => list.iter().filter_map(|principal| principal.meets(caller, account)).max(),
            Principals::Not(list) => {
                let named = list.iter().any(|principal| principal.meets(caller, account).is_some());
                (!named).then_some(Nearness::Wide)
            }
        }
    }
}
