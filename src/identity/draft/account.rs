use std::sync::Arc;

use tandem_storage::change::Seen;

use super::{Draft, within};
use crate::identity::error::IdentityError;
use crate::identity::id::{AccountId, Id, canonical_id, mint_lower};
use crate::identity::limits;
use crate::identity::record::{Account, Entity, Group, InstanceProfile, KeyOwner, Policy, Role, Unit, User};
use crate::identity::rows;

/// An account to be made.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// None: a random one.
    pub id: Option<AccountId>,
    pub name: String,
    pub email: Option<String>,
    /// None: below the organisation's root.
    pub unit: Option<Id>,
}

/// Printable, without what markup or a terminal takes for its own.
fn check_display(what: &str, text: &str) -> Result<(), IdentityError> {
    let sane = !text.trim().is_empty() && text.chars().count() <= 128 && !text.chars().any(char::is_control);
    if sane { Ok(()) } else { Err(IdentityError::invalid(format!("{what}: 1 to 128 printable characters"))) }
}

fn check_email(email: &str) -> Result<(), IdentityError> {
    let (local, domain) = email.split_once('@').unwrap_or_default();
    let sane =
        !local.is_empty() && !domain.is_empty() && email.len() <= 254 && email.bytes().all(|b| b.is_ascii_graphic());
    if sane { Ok(()) } else { Err(IdentityError::invalid("an e-mail address is NAME@DOMAIN")) }
}

impl Draft<'_> {
    /// # Errors
    /// `EntityAlreadyExists` for a known id, name or e-mail address; `InvalidInput`, `LimitExceeded`, `NoSuchEntity` (the unit).
    pub fn create_account(&mut self, new: NewAccount) -> Result<Arc<Account>, IdentityError> {
        check_display("account name", &new.name)?;
        if let Some(email) = &new.email {
            check_email(email)?;
        }
        if let Some(unit) = &new.unit {
            self.unit(unit).ok_or_else(|| IdentityError::missing("organizational unit", &**unit))?;
        }
        within(self.directory.accounts.len() + 1, limits::ACCOUNTS, "Accounts")?;
        let id = match new.id {
            Some(id) => id,
            None => (0..64)
                .map(|_| AccountId::mint(self.clock))
                .find(|id| self.account(*id).is_none())
                .expect("a few of so many ids are taken"),
        };
        let taken = |known: &&Arc<Account>| {
            known.id == id || known.name == new.name || (known.email.is_some() && known.email == new.email)
        };
        if self.accounts().find(taken).is_some() {
            return Err(IdentityError::exists("account", format!("{id} ({})", new.name)));
        }
        let account = Account {
            id,
            number: self.number(),
            name: new.name,
            email: new.email,
            canonical: canonical_id(&id.to_string()).into(),
            unit: new.unit,
            created: self.now,
        };
        Ok(self.put_account(account))
    }

    /// Renames an account, or moves it to a unit (`Some(None)`: below the root).
    ///
    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`, `EntityAlreadyExists`.
    pub fn update_account(
        &mut self,
        id: AccountId,
        name: Option<String>,
        unit: Option<Option<Id>>,
    ) -> Result<Arc<Account>, IdentityError> {
        let known = self.account(id).ok_or_else(|| IdentityError::missing("account", id.to_string()))?;
        let mut account = Account::clone(known);
        if let Some(name) = name {
            check_display("account name", &name)?;
            if self.accounts().any(|other| other.id != id && other.name == name) {
                return Err(IdentityError::exists("account", name));
            }
            account.name = name;
        }
        if let Some(unit) = unit {
            if let Some(unit) = &unit {
                self.unit(unit).ok_or_else(|| IdentityError::missing("organizational unit", &**unit))?;
            }
            account.unit = unit;
        }
        Ok(self.put_account(account))
    }

    /// An account without identities and without buckets. That it owns no bucket shows when the change is made, and nobody makes one
    /// afterwards.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub fn delete_account(&mut self, id: AccountId) -> Result<(), IdentityError> {
        self.account(id).ok_or_else(|| IdentityError::missing("account", id.to_string()))?;
        if id == AccountId::DEFAULT {
            return Err(IdentityError::conflict("The default account cannot be deleted."));
        }
        let keeps = self.all::<User>(id).next().is_some()
            || self.all::<Group>(id).next().is_some()
            || self.all::<Role>(id).next().is_some()
            || self.all::<Policy>(id).next().is_some()
            || self.all::<InstanceProfile>(id).next().is_some();
        if keeps {
            return Err(IdentityError::conflict("Cannot delete an account that has users, groups, roles or policies."));
        }
        self.conditions.push(Seen::NoBucketOf(id.to_string()));
        self.delete_keys(&KeyOwner::Root(id));
        self.directory.accounts.remove(&id);
        self.write::<Account>(rows::account(id), None);
        Ok(())
    }

    fn put_account(&mut self, account: Account) -> Arc<Account> {
        let account = Arc::new(account);
        self.write(rows::account(account.id), Some(&*account));
        self.directory.accounts.insert(account.id, Arc::clone(&account));
        account
    }

    /// A new organisational unit; `parent` none: below the root.
    ///
    /// # Errors
    /// `InvalidInput`, `NoSuchEntity` (the parent), `EntityAlreadyExists`, `LimitExceeded`.
    pub fn create_unit(&mut self, name: &str, parent: Option<Id>) -> Result<Unit, IdentityError> {
        check_display("unit name", name)?;
        within(self.organization().units.len() + 1, limits::UNITS, "OrganizationalUnits")?;
        let mut depth = 1;
        let mut above = parent.clone();
        while let Some(id) = above {
            let unit = self.unit(&id).ok_or_else(|| IdentityError::missing("organizational unit", &*id))?;
            above = unit.parent.clone();
            depth += 1;
        }
        within(depth, limits::UNIT_DEPTH, "OrganizationalUnitDepth")?;
        if self.organization().units.iter().any(|unit| unit.parent == parent && unit.name == name) {
            return Err(IdentityError::exists("organizational unit", name));
        }
        let tail = self.organization().root.trim_start_matches("r-").to_owned();
        let unit = Unit { id: mint_lower(&format!("ou-{tail}-"), 8, self.clock).into(), name: name.into(), parent };
        let mut organization = self.organization().as_ref().clone();
        organization.units.push(unit.clone());
        self.put_organization(organization);
        Ok(unit)
    }

    /// # Errors
    /// `NoSuchEntity`; `DeleteConflict` while accounts or units hang below it.
    pub fn delete_unit(&mut self, id: &str) -> Result<(), IdentityError> {
        self.unit(id).ok_or_else(|| IdentityError::missing("organizational unit", id))?;
        let below = self.organization().units.iter().any(|unit| unit.parent.as_deref() == Some(id))
            || self.accounts().any(|account| account.unit.as_deref() == Some(id));
        if below {
            return Err(IdentityError::conflict("Cannot delete an organizational unit that is not empty."));
        }
        let mut organization = self.organization().as_ref().clone();
        organization.units.retain(|unit| &*unit.id != id);
        self.put_organization(organization);
        Ok(())
    }

    fn put_organization(&mut self, organization: crate::identity::record::Organization) {
        self.write(rows::ORGANIZATION.to_vec(), Some(&organization));
        self.directory.organization = Arc::new(organization);
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub(super) fn existing_account(&self, id: AccountId) -> Result<(), IdentityError> {
        self.account(id).map(|_| ()).ok_or_else(|| IdentityError::missing("account", id.to_string()))
    }

    /// The id of an entity of an account.
    pub(super) fn check_same_account<E: Entity>(account: AccountId, entity: &E) -> Result<(), IdentityError> {
        if entity.account() == account || entity.account() == AccountId::AWS {
            return Ok(());
        }
        Err(IdentityError::invalid(format!("The {} is of another account.", E::WHAT.word())))
    }
}
