//! Everything that exists, in memory, as of one change. Published whole; a look-up takes no lock and asks no store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use super::credential::Credential;
use super::error::{IdentityError, Kind};
use super::id::{AccountId, Id, parse_arn};
use super::record::{
    AccessKey, Account, ApiToken, Counters, Entity, Group, InstanceProfile, KeyOwner, Organization, Policy, Role, Unit,
    User,
};

/// A key, and what it stands for: worked out at its first use after a change, and forgotten with the next one.
pub(super) struct KeyCell {
    pub row: Arc<AccessKey>,
    pub resolved: OnceLock<Arc<Credential>>,
}

impl KeyCell {
    pub fn of(row: Arc<AccessKey>) -> Self {
        KeyCell { row, resolved: OnceLock::new() }
    }
}

impl Clone for KeyCell {
    /// Without what was worked out: it was of another directory.
    fn clone(&self) -> Self {
        KeyCell::of(Arc::clone(&self.row))
    }
}

/// The entities of one kind.
pub(super) type Shelf<E> = BTreeMap<Id, Arc<E>>;

#[derive(Clone)]
pub struct Directory {
    pub(super) organization: Arc<Organization>,
    pub(super) accounts: BTreeMap<AccountId, Arc<Account>>,
    pub(super) users: Shelf<User>,
    pub(super) groups: Shelf<Group>,
    pub(super) roles: Shelf<Role>,
    pub(super) policies: Shelf<Policy>,
    pub(super) profiles: Shelf<InstanceProfile>,
    /// Bytes of the policies of each account, as they were sent.
    pub(super) policy_bytes: BTreeMap<AccountId, usize>,
    /// Names in lower case, as they are unique; in the order of listings.
    pub(super) names: BTreeMap<(AccountId, Kind, Id), Id>,
    /// Local users by uid, and local groups by gid.
    pub(super) uids: Numeric,
    pub(super) gids: Numeric,
    pub(super) keys: HashMap<Id, KeyCell>,
    pub(super) owned: BTreeSet<(KeyOwner, Id)>,
    pub(super) tokens: BTreeMap<u64, Arc<ApiToken>>,
    pub(super) counters: Counters,
}

/// Who has a uid, or a gid, in an account.
pub(super) type Numeric = HashMap<(AccountId, u32), Id>;

/// An entity that has a shelf.
pub trait Shelved: Entity {
    #[doc(hidden)]
    fn shelf(directory: &Directory) -> &Shelf<Self>;
    #[doc(hidden)]
    fn shelf_mut(directory: &mut Directory) -> &mut Shelf<Self>;

    /// Its numeric id, and the index of those; none for kinds that have none.
    #[doc(hidden)]
    fn numeric<'a>(&self, _directory: &'a mut Directory) -> Option<(u32, &'a mut Numeric)> {
        None
    }
}

/// The name as it is unique.
pub(super) fn name_of<E: Entity>(entity: &E) -> (AccountId, Kind, Id) {
    (entity.account(), E::WHAT, entity.name().to_ascii_lowercase().into())
}

macro_rules! shelves {
    ($($type:ty, $field:ident $(, $numeric:item)?;)*) => {
        $(impl Shelved for $type {
            $($numeric)?

            fn shelf(directory: &Directory) -> &Shelf<Self> {
                &directory.$field
            }

            fn shelf_mut(directory: &mut Directory) -> &mut Shelf<Self> {
                &mut directory.$field
            }
        })*
    };
}
shelves! {
    User, users, fn numeric<'a>(&self, directory: &'a mut Directory) -> Option<(u32, &'a mut Numeric)> {
        self.local.as_ref().and_then(|local| local.uid).map(|uid| (uid, &mut directory.uids))
    };
    Group, groups, fn numeric<'a>(&self, directory: &'a mut Directory) -> Option<(u32, &'a mut Numeric)> {
        self.gid.map(|gid| (gid, &mut directory.gids))
    };
    Role, roles;
    Policy, policies;
    InstanceProfile, profiles;
}

/// Whose policies are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    User(Id),
    Group(Id),
    Role(Id),
}

/// How often a managed policy is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Users, groups and roles that have it attached.
    pub attached: usize,
    /// Users and roles that it bounds.
    pub bounds: usize,
}

/// One of what makes a superuser what it is. Compared by the row, not by what is in it: a row that is written anew is a change.
#[derive(Clone, Copy)]
pub(super) enum OfSuperuser<'a> {
    User(&'a Arc<User>),
    Key(&'a Arc<AccessKey>),
    Group(&'a Arc<Group>),
    Policy(&'a Arc<Policy>),
}

impl PartialEq for OfSuperuser<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (OfSuperuser::User(one), OfSuperuser::User(two)) => Arc::ptr_eq(one, two),
            (OfSuperuser::Key(one), OfSuperuser::Key(two)) => Arc::ptr_eq(one, two),
            (OfSuperuser::Group(one), OfSuperuser::Group(two)) => Arc::ptr_eq(one, two),
            (OfSuperuser::Policy(one), OfSuperuser::Policy(two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }
}

impl Directory {
    pub(super) fn new(organization: Organization, counters: Counters) -> Self {
        Directory {
            organization: Arc::new(organization),
            accounts: BTreeMap::new(),
            users: Shelf::new(),
            groups: Shelf::new(),
            roles: Shelf::new(),
            policies: Shelf::new(),
            profiles: Shelf::new(),
            policy_bytes: BTreeMap::new(),
            names: BTreeMap::new(),
            uids: HashMap::new(),
            gids: HashMap::new(),
            keys: HashMap::new(),
            owned: BTreeSet::new(),
            tokens: BTreeMap::new(),
            counters,
        }
    }

    pub fn organization(&self) -> &Arc<Organization> {
        &self.organization
    }

    pub fn generation(&self) -> u64 {
        self.counters.generation
    }

    pub fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }

    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    pub fn account_numbered(&self, number: u64) -> Option<&Arc<Account>> {
        self.accounts.values().find(|account| account.number == number)
    }

    pub fn account_by_canonical(&self, canonical: &str) -> Option<&Arc<Account>> {
        self.accounts.values().find(|account| &*account.canonical == canonical)
    }

    pub fn unit(&self, id: &str) -> Option<&Unit> {
        self.organization.units.iter().find(|unit| &*unit.id == id)
    }

    /// `o-.../r-.../ou-.../`: where an account hangs in the organisation, as `aws:PrincipalOrgPaths` has it.
    pub fn organization_path(&self, account: AccountId) -> String {
        let mut ids = Vec::new();
        let mut next = self.accounts.get(&account).and_then(|account| account.unit.clone());
        while let Some(unit) = next.as_ref().and_then(|id| self.unit(id)).filter(|_| ids.len() < 64) {
            ids.push(unit.id.clone());
            next.clone_from(&unit.parent);
        }
        let mut path = format!("{}/{}/", self.organization.id, self.organization.root);
        for id in ids.iter().rev() {
            path.push_str(id);
            path.push('/');
        }
        path
    }

    /// Puts an entity on its shelf, and into the indexes; what was there under its id leaves both.
    pub(super) fn shelve<E: Shelved>(&mut self, entity: &Arc<E>) {
        self.unshelve::<E>(entity.id());
        self.names.insert(name_of(&**entity), entity.id().clone());
        if let Some((number, index)) = entity.numeric(self) {
            index.insert((entity.account(), number), entity.id().clone());
        }
        *self.policy_bytes.entry(entity.account()).or_default() += entity.policy_bytes();
        E::shelf_mut(self).insert(entity.id().clone(), Arc::clone(entity));
    }

    pub(super) fn unshelve<E: Shelved>(&mut self, id: &str) {
        let Some(entity) = E::shelf_mut(self).remove(id) else { return };
        self.names.remove(&name_of(&*entity));
        if let Some(bytes) = self.policy_bytes.get_mut(&entity.account()) {
            *bytes = bytes.saturating_sub(entity.policy_bytes());
        }
        if let Some((number, index)) = entity.numeric(self) {
            index.remove(&(entity.account(), number));
        }
    }

    pub fn get<E: Shelved>(&self, id: &str) -> Option<&Arc<E>> {
        E::shelf(self).get(id)
    }

    pub fn find<E: Shelved>(&self, account: AccountId, name: &str) -> Option<&Arc<E>> {
        let id = self.names.get(&(account, E::WHAT, name.to_ascii_lowercase().into()))?;
        E::shelf(self).get(id)
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn named<E: Shelved>(&self, account: AccountId, name: &str) -> Result<&Arc<E>, IdentityError> {
        self.find::<E>(account, name).ok_or_else(|| IdentityError::missing(E::WHAT.word(), name))
    }

    /// # Errors
    /// `NoSuchEntity`, also when the path is another.
    pub fn by_arn<E: Shelved>(&self, arn: &str) -> Result<&Arc<E>, IdentityError> {
        let missing = || IdentityError::missing(E::WHAT.word(), arn);
        let (account, kind, path, name) = parse_arn(arn).ok_or_else(missing)?;
        let found = self.find::<E>(account, name).filter(|found| kind == E::WHAT && found.path() == path);
        found.filter(|found| found.name() == name).ok_or_else(missing)
    }

    /// By its integer id.
    pub fn numbered<E: Shelved>(&self, number: u64) -> Option<&Arc<E>> {
        E::shelf(self).values().find(|entity| entity.number() == number)
    }

    /// Those of an account, in the order of their names.
    pub fn all<E: Shelved>(&self, account: AccountId) -> impl Iterator<Item = &Arc<E>> {
        self.named_after::<E>(account, "")
    }

    /// Those of an account whose names come after `marker`.
    pub fn named_after<E: Shelved>(&self, account: AccountId, marker: &str) -> impl Iterator<Item = &Arc<E>> {
        let from = (account, E::WHAT, Id::from(marker.to_ascii_lowercase()));
        self.names
            .range((Bound::Excluded(from), Bound::Unbounded))
            .take_while(move |((of, kind, _), _)| *of == account && *kind == E::WHAT)
            .filter_map(|(_, id)| E::shelf(self).get(id))
    }

    /// Those of all accounts.
    pub fn everywhere<E: Shelved>(&self) -> impl Iterator<Item = &Arc<E>> {
        E::shelf(self).values()
    }

    pub fn local_user(&self, account: AccountId, uid: u32) -> Option<&Arc<User>> {
        self.users.get(self.uids.get(&(account, uid))?)
    }

    /// The groups a user is in: those it was added to, and, for a local user, those whose gid it has.
    pub fn groups_of<'a>(&'a self, user: &'a User) -> impl Iterator<Item = &'a Arc<Group>> {
        let added = user.groups.iter().filter_map(|id| self.groups.get(id));
        let gids = user.local.iter().flat_map(|local| local.leading_gid.iter().chain(&local.gids));
        let by_gid = gids.filter_map(|gid| self.group_of_gid(user.account, *gid));
        let by_gid = by_gid.filter(|group| !user.groups.contains(&group.id));
        let mut seen = BTreeSet::new();
        added.chain(by_gid).filter(move |group| seen.insert(group.id.clone()))
    }

    pub fn group_of_gid(&self, account: AccountId, gid: u32) -> Option<&Arc<Group>> {
        self.groups.get(self.gids.get(&(account, gid))?)
    }

    /// The users that are in a group.
    pub fn members<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Arc<User>> {
        self.all::<User>(group.account).filter(|user| self.groups_of(user).any(|of| of.id == group.id))
    }

    /// Who of an account has a managed policy attached.
    pub fn holders_of(&self, account: AccountId, policy: &str) -> Vec<Holder> {
        let holds = |grants: &super::record::Grants| grants.attached.iter().any(|id| &**id == policy);
        let users = self.all::<User>(account).filter(|user| holds(&user.grants));
        let users = users.map(|user| Holder::User(user.id.clone()));
        let groups = self.all::<Group>(account).filter(|group| holds(&group.grants));
        let roles = self.all::<Role>(account).filter(|role| holds(&role.grants));
        let roles = roles.map(|role| Holder::Role(role.id.clone()));
        users.chain(groups.map(|group| Holder::Group(group.id.clone()))).chain(roles).collect()
    }

    /// How many users and roles of an account a managed policy bounds.
    pub fn bounded_by(&self, account: AccountId, policy: &str) -> usize {
        let bounds = |boundary: &Option<Id>| boundary.as_deref() == Some(policy);
        let users = self.all::<User>(account).filter(|user| bounds(&user.boundary)).count();
        users + self.all::<Role>(account).filter(|role| bounds(&role.boundary)).count()
    }

    /// How often each managed policy is attached in an account, and how many it bounds there.
    pub fn uses_of_policies(&self, account: AccountId) -> HashMap<Id, Uses> {
        let mut uses: HashMap<Id, Uses> = HashMap::new();
        let mut count = |grants: &super::record::Grants, boundary: Option<&Id>| {
            grants.attached.iter().for_each(|id| uses.entry(id.clone()).or_default().attached += 1);
            boundary.into_iter().for_each(|id| uses.entry(id.clone()).or_default().bounds += 1);
        };
        self.all::<User>(account).for_each(|user| count(&user.grants, user.boundary.as_ref()));
        self.all::<Group>(account).for_each(|group| count(&group.grants, None));
        self.all::<Role>(account).for_each(|role| count(&role.grants, role.boundary.as_ref()));
        uses
    }

    /// The instance profiles that a role is in.
    pub fn profiles_of(&self, role: &Role) -> impl Iterator<Item = &Arc<InstanceProfile>> {
        self.all::<InstanceProfile>(role.account).filter(|profile| profile.role.as_ref() == Some(&role.id))
    }

    /// Bytes of the policies of an account, as they were sent; and of all accounts.
    pub fn policy_bytes(&self, account: AccountId) -> (usize, usize) {
        let own = self.policy_bytes.iter().filter(|(of, _)| **of != AccountId::AWS);
        (self.policy_bytes.get(&account).copied().unwrap_or_default(), own.map(|(_, bytes)| bytes).sum())
    }

    /// Everything that says who a superuser of the node is and what it may: whoever changes one of these changes a superuser.
    pub(super) fn of_superusers(&self) -> Vec<OfSuperuser<'_>> {
        let mut all = Vec::new();
        for user in self.users.values().filter(|user| user.is_superuser()) {
            all.push(OfSuperuser::User(user));
            let owner = KeyOwner::User(user.id.clone());
            all.extend(self.owned_from(&owner).filter_map(|key| self.key(key)).map(OfSuperuser::Key));
            let groups: Vec<&Arc<Group>> = self.groups_of(user).collect();
            let attached = user.grants.attached.iter().chain(groups.iter().flat_map(|group| &group.grants.attached));
            let policies = attached.chain(&user.boundary).filter_map(|id| self.policies.get(id));
            all.extend(policies.map(OfSuperuser::Policy));
            all.extend(groups.into_iter().map(OfSuperuser::Group));
        }
        all
    }

    fn owned_from(&self, owner: &KeyOwner) -> impl Iterator<Item = &Id> {
        let from = (owner.clone(), Id::from(""));
        let owner = owner.clone();
        self.owned.range(from..).take_while(move |(of, _)| *of == owner).map(|(_, access_key)| access_key)
    }

    pub fn key(&self, access_key: &str) -> Option<&Arc<AccessKey>> {
        self.keys.get(access_key).map(|cell| &cell.row)
    }

    /// The keys of a user or an account's root, in the order of their names.
    pub fn keys_of<'a>(&'a self, owner: &'a KeyOwner) -> impl Iterator<Item = &'a Arc<AccessKey>> {
        let from = (owner.clone(), Id::from(""));
        let owned = self.owned.range(from..).take_while(move |(of, _)| of == owner);
        owned.filter_map(|(_, access_key)| self.key(access_key))
    }

    pub fn all_keys(&self) -> impl Iterator<Item = &Arc<AccessKey>> {
        self.owned.iter().filter_map(|(_, access_key)| self.key(access_key))
    }

    pub fn tokens(&self) -> impl Iterator<Item = &Arc<ApiToken>> {
        self.tokens.values()
    }

    pub fn token(&self, number: u64) -> Option<&Arc<ApiToken>> {
        self.tokens.get(&number)
    }
}
