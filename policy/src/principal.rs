//! `Principal` and `NotPrincipal`: whom a statement of a bucket, trust or key policy speaks to.

use crate::caller::{Account, Caller};

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

/// The principals that one caller is at once: its account, the role it has assumed, and itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts(u8);

impl Parts {
    const NONE: Parts = Parts(0);
    const ACCOUNT: Parts = Parts(1);
    const ROLE: Parts = Parts(2);
    const ITSELF: Parts = Parts(4);
    const ALL: Parts = Parts(7);

    const fn and(self, other: Parts) -> Parts {
        Parts(self.0 | other.0)
    }

    const fn contains(self, other: Parts) -> bool {
        self.0 & other.0 == other.0
    }

    /// All that this caller is.
    fn of(caller: &Caller) -> Parts {
        match caller {
            Caller::Root(_) => Parts::ACCOUNT,
            Caller::User(_) => Parts::ACCOUNT.and(Parts::ITSELF),
            Caller::Session(_) => Parts::ALL,
            Caller::Service(_) | Caller::Anonymous => Parts::ITSELF,
        }
    }
}

/// What a principal names of a caller.
#[derive(Clone, Copy)]
struct Named {
    nearness: Nearness,
    parts: Parts,
}

impl Named {
    const ACCOUNT: Named = Named { nearness: Nearness::Account, parts: Parts::ACCOUNT };
    const ROLE: Named = Named { nearness: Nearness::Wide, parts: Parts::ROLE };
    const ITSELF: Named = Named { nearness: Nearness::Itself, parts: Parts::ITSELF };
}

impl Principal {
    /// `account` owns the resource that the policy hangs on.
    fn meets(&self, caller: &Caller, account: &str) -> Option<Named> {
        let of_account = |met: &dyn Fn(&Account) -> bool| caller.account().is_some_and(met).then_some(Named::ACCOUNT);
        match self {
            Principal::Everybody => Some(Named { nearness: Nearness::Wide, parts: Parts::ALL }),
            Principal::Account(id) => of_account(&|of| of.id == **id),
            Principal::Canonical(id) => of_account(&|of| of.canonical_id == **id),
            Principal::Arn(arn) => by_arn(arn, caller),
            Principal::UniqueId(id) => by_unique_id(id, caller),
            Principal::Service(name) => {
                let Caller::Service(service) = caller else { return None };
                let met = service.name == **name || service.names.iter().any(|of| **of == **name);
                met.then_some(Named::ITSELF)
            }
            Principal::Federated(provider) => {
                let Caller::Session(session) = caller else { return None };
                let met = session.federated_provider.as_deref() == Some(&**provider);
                met.then_some(Named { nearness: Nearness::Wide, parts: Parts::ITSELF })
            }
            Principal::UserName(_) | Principal::GroupName(_) => self.by_name(caller, account),
        }
    }

    /// Names within the resource's account say the account as well.
    fn by_name(&self, caller: &Caller, account: &str) -> Option<Named> {
        let Caller::User(user) = caller else { return None };
        let nearness = match self {
            Principal::UserName(name) => (user.name == **name).then_some(Nearness::Itself),
            Principal::GroupName(name) => user.groups.iter().any(|group| **group == **name).then_some(Nearness::Wide),
            _ => None,
        };
        let nearness = nearness.filter(|_| user.account.id == account)?;
        Some(Named { nearness, parts: Parts::ACCOUNT.and(Parts::ITSELF) })
    }
}

fn by_arn(arn: &str, caller: &Caller) -> Option<Named> {
    match caller {
        Caller::User(user) => (user.arn == arn).then_some(Named::ITSELF),
        Caller::Session(session) if session.arn == arn => Some(Named::ITSELF),
        Caller::Session(session) => (session.role.arn == arn).then_some(Named::ROLE),
        _ => None,
    }
}

fn by_unique_id(id: &str, caller: &Caller) -> Option<Named> {
    match caller {
        Caller::User(user) => (user.id == id).then_some(Named::ITSELF),
        Caller::Session(session) => (session.role.id == id).then_some(Named::ROLE),
        _ => None,
    }
}

/// A statement's `Principal` or `NotPrincipal`, or that it has neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principals {
    /// An identity policy: whoever it hangs on.
    Holder,
    Of(Box<[Principal]>),
    /// Everyone but these, and everyone who has a permissions boundary.
    Not(Box<[Principal]>),
}

impl Principals {
    pub(crate) fn len(&self) -> usize {
        match self {
            Principals::Holder => 0,
            Principals::Of(list) | Principals::Not(list) => list.len(),
        }
    }

    /// How closely the caller is named; none if it is not. `bounded`: the caller has a permissions boundary.
    pub(crate) fn meet(&self, caller: &Caller, account: &str, bounded: bool) -> Option<Nearness> {
        match self {
            Principals::Holder => Some(Nearness::Itself),
            Principals::Of(list) => {
                list.iter().filter_map(|principal| principal.meets(caller, account)).map(|named| named.nearness).max()
            }
            Principals::Not(list) => (bounded || !spares(list, caller, account)).then_some(Nearness::Wide),
        }
    }
}

/// Whether `NotPrincipal` leaves the caller out: one caller is several principals, and each of them must be named. An
/// account alone leaves out its root only, and a role alone none of its sessions.
fn spares(list: &[Principal], caller: &Caller, account: &str) -> bool {
    let named = list.iter().filter_map(|principal| principal.meets(caller, account));
    named.fold(Parts::NONE, |parts, named| parts.and(named.parts)).contains(Parts::of(caller))
}
