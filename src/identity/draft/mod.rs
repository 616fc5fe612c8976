//! A change of identities in the making: reads what is, and what it has changed itself; becomes one commit, or nothing.

mod account;
mod group;
mod key;
mod policy;
mod profile;
mod role;
mod token;
mod user;

use std::collections::BTreeMap;
use std::sync::Arc;

use tandem_policy::key::same_name;
use tandem_storage::change::{NodeWrite, Seen};
use tandem_storage::record::Record;
use tandem_storage::types::Timestamp;

pub use account::NewAccount;
pub use group::NewGroup;
pub use key::NewKey;
pub use policy::NewPolicy;
pub use profile::NewProfile;
pub use role::NewRole;
pub use token::NewToken;
pub(in crate::identity) use token::hash_of;
pub use user::NewUser;

use super::directory::{Directory, Shelved};
use super::error::{IdentityError, Kind};
use super::id::{AccountId, Id};
use super::limits;
use super::record::{Entity, Grants, Tag};
use super::rows;
use super::seal::Sealer;
use crate::clock::Clock;

/// See the module. Made by [`Identities::change`](super::Identities::change).
pub struct Draft<'a> {
    pub(super) directory: Directory,
    pub(super) writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// What must hold when the change is made.
    pub(super) conditions: Vec<Seen>,
    pub(super) clock: &'a dyn Clock,
    pub(super) sealer: &'a Sealer,
    /// The administrator's access key, which no other may equal.
    pub(super) reserved: &'a str,
    pub(super) now: Timestamp,
}

impl std::ops::Deref for Draft<'_> {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.directory
    }
}

impl Draft<'_> {
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The next integer id.
    fn number(&mut self) -> u64 {
        let number = self.directory.counters.next_number;
        self.directory.counters.next_number += 1;
        number
    }

    fn mint(&self, prefix: &str) -> Id {
        super::id::mint(prefix, 17, self.clock).into()
    }

    fn write<R: Record>(&mut self, key: Vec<u8>, record: Option<&R>) {
        self.writes.insert(key, record.map(Record::encode));
    }

    /// Puts a new entity on its shelf.
    ///
    /// # Errors
    /// `EntityAlreadyExists`, `LimitExceeded`.
    fn add<E: Shelved>(&mut self, entity: E) -> Result<Arc<E>, IdentityError> {
        if self.find::<E>(entity.account(), entity.name()).is_some() {
            return Err(IdentityError::exists(title(E::WHAT), entity.name()));
        }
        let quota = limits::quota(E::WHAT);
        within(self.all::<E>(entity.account()).count() + 1, quota.of_account, quota.name)?;
        within_node(E::shelf(&self.directory).len() + 1, quota.of_node, quota.name)?;
        self.put_within(entity)
    }

    /// Puts an entity in the place of what has its id, if there is room for its policies.
    ///
    /// # Errors
    /// `LimitExceeded`.
    fn put_within<E: Shelved>(&mut self, entity: E) -> Result<Arc<E>, IdentityError> {
        let (before, after) =
            (self.get::<E>(entity.id()).map_or(0, |known| known.policy_bytes()), entity.policy_bytes());
        if let Some(more) = after.checked_sub(before).filter(|more| *more > 0) {
            let (of_account, of_node) = self.policy_bytes(entity.account());
            within(of_account + more, limits::POLICY_BYTES_OF_ACCOUNT, "PolicyBytesPerAccount")?;
            within_node(of_node + more, limits::POLICY_BYTES_OF_NODE, "PolicyBytes")?;
        }
        Ok(self.put(entity))
    }

    /// Puts an entity in the place of what has its id. Its name is free, or its own.
    fn put<E: Shelved>(&mut self, entity: E) -> Arc<E> {
        let entity = Arc::new(entity);
        self.write(rows::entity(E::WHAT, entity.id()), Some(&*entity));
        self.directory.shelve(&entity);
        entity
    }

    /// Replaces an entity by what `edit` makes of it. A new name must be free.
    fn edit<E: Shelved, T>(
        &mut self,
        id: &str,
        edit: impl FnOnce(&mut E) -> Result<T, IdentityError>,
    ) -> Result<(Arc<E>, T), IdentityError> {
        let before = Arc::clone(self.get::<E>(id).ok_or_else(|| IdentityError::missing(E::WHAT.word(), id))?);
        changeable(&*before)?;
        let mut after = E::clone(&before);
        let output = edit(&mut after)?;
        if self.find::<E>(after.account(), after.name()).is_some_and(|other| other.id() != before.id()) {
            return Err(IdentityError::exists(title(E::WHAT), after.name()));
        }
        Ok((self.put_within(after)?, output))
    }

    /// The same for what cannot be refused, keeps the name and keeps no more policies.
    fn amend<E: Shelved>(&mut self, id: &str, amend: impl FnOnce(&mut E)) -> Result<Arc<E>, IdentityError> {
        let known = self.get::<E>(id).ok_or_else(|| IdentityError::missing(E::WHAT.word(), id))?;
        changeable(&**known)?;
        let mut entity = E::clone(known);
        amend(&mut entity);
        Ok(self.put(entity))
    }

    fn take_away<E: Shelved>(&mut self, entity: &E) {
        self.directory.unshelve::<E>(entity.id());
        self.write::<E>(rows::entity(E::WHAT, entity.id()), None);
    }

    /// The rows of this change, the counter that orders changes among them.
    pub(super) fn finish(mut self, before: &super::record::Counters) -> (Directory, Vec<NodeWrite>) {
        self.directory.counters.generation += 1;
        let counters = self.directory.counters;
        let mut writes = vec![NodeWrite {
            key: rows::COUNTERS.to_vec(),
            value: Some(counters.encode()),
            expected: Some(Some(before.encode())),
        }];
        let rest = self.writes.into_iter().map(|(key, value)| NodeWrite { key, value, expected: None });
        writes.extend(rest);
        (self.directory, writes)
    }
}

/// # Errors
/// `InvalidInput` for what is AWS's.
fn changeable<E: Entity>(entity: &E) -> Result<(), IdentityError> {
    match entity.account() {
        AccountId::AWS => Err(IdentityError::invalid("AWS-managed policies cannot be changed.")),
        _ => Ok(()),
    }
}

/// As it begins a message.
fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "User",
        Kind::Group => "Group",
        Kind::Role => "Role",
        Kind::Policy => "A policy",
        Kind::InstanceProfile => "Instance Profile",
    }
}

fn within(count: usize, most: usize, quota: &str) -> Result<(), IdentityError> {
    if count <= most {
        return Ok(());
    }
    Err(IdentityError::limit(format!("Cannot exceed quota for {quota}: {most}")))
}

/// The same for all accounts together.
fn within_node(count: usize, most: usize, quota: &str) -> Result<(), IdentityError> {
    if count <= most {
        return Ok(());
    }
    Err(IdentityError::limit(format!("The node has no room for more: {quota}, at most {most} in all accounts")))
}

/// Adds tags, or replaces those of the same key: without regard to case, as policies find them.
fn tag(tags: &mut Vec<Tag>, fresh: &[Tag]) -> Result<(), IdentityError> {
    within(fresh.len(), limits::TAGS, "TagsPerResource")?;
    for (at, Tag { key, value }) in fresh.iter().enumerate() {
        check_tag(key, value)?;
        if fresh[..at].iter().any(|earlier| same_name(&earlier.key, key)) {
            return Err(IdentityError::invalid(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        let tag = Tag { key: key.clone(), value: value.clone() };
        match tags.iter_mut().find(|known| same_name(&known.key, key)) {
            Some(known) => *known = tag,
            None => tags.push(tag),
        }
    }
    within(tags.len(), limits::TAGS, "TagsPerResource")
}

/// AWS's alphabet for tags of identities: letters, digits, spaces and `_.:/=+-@`.
pub fn check_tag(key: &str, value: &str) -> Result<(), IdentityError> {
    let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
    let reserved = key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"));
    let long = key.chars().count() > 128 || value.chars().count() > 256;
    if key.is_empty() || long || reserved || !plain(key) || !plain(value) {
        return Err(IdentityError::invalid(
            "Tags have keys of 1 to 128 and values of up to 256 letters, digits, spaces and _.:/=+-@, and no key begins with aws:",
        ));
    }
    Ok(())
}

/// Sorts an inline policy into its place.
fn put_inline(grants: &mut Grants, policy: super::record::InlinePolicy) -> Result<(), IdentityError> {
    match grants.inline.binary_search_by(|known| known.name.cmp(&policy.name)) {
        Ok(at) => grants.inline[at] = policy,
        Err(at) => grants.inline.insert(at, policy),
    }
    within(grants.inline.len(), limits::INLINE, "InlinePolicies")?;
    let bytes = grants.inline.iter().map(|inline| inline.document.text().len()).sum();
    within(bytes, limits::INLINE_BYTES, "InlinePolicySize")
}
