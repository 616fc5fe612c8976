use std::sync::Arc;

use super::{Draft, tag, within};
use crate::identity::error::IdentityError;
use crate::identity::id::{AccountId, Id, check_local_name, check_name, check_path};
use crate::identity::limits;
use crate::identity::record::{Grants, Group, KeyOwner, Local, Policy, Tag, User};

/// A user to be made.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    pub name: String,
    /// Empty: `/`.
    pub path: String,
    pub tags: Vec<Tag>,
    pub boundary: Option<Id>,
    /// None: an IAM user.
    pub local: Option<Local>,
}

impl Draft<'_> {
    /// # Errors
    /// `EntityAlreadyExists` (the name, or the uid), `InvalidInput`, `LimitExceeded`, `NoSuchEntity` (the account, the boundary).
    pub fn create_user(&mut self, account: AccountId, new: NewUser) -> Result<Arc<User>, IdentityError> {
        self.existing_account(account)?;
        let path = if new.path.is_empty() { "/".to_owned() } else { new.path };
        check_path(&path)?;
        check_user_name(&new.name, new.local.as_ref())?;
        self.check_local(account, None, new.local.as_ref())?;
        self.check_boundary(account, new.boundary.as_ref())?;
        let mut tags = Vec::new();
        tag(&mut tags, &new.tags)?;
        let user = User {
            id: self.mint("AIDA"),
            number: self.number(),
            account,
            name: new.name,
            path,
            created: self.now,
            tags,
            grants: Grants::default(),
            boundary: new.boundary,
            groups: Vec::new(),
            local: new.local,
        };
        self.add(user)
    }

    /// Another name, another path; none: as it is.
    ///
    /// # Errors
    /// `NoSuchEntity`, `EntityAlreadyExists`, `InvalidInput`.
    pub fn update_user(
        &mut self,
        id: &str,
        name: Option<String>,
        path: Option<String>,
    ) -> Result<Arc<User>, IdentityError> {
        let edited = self.edit::<User, ()>(id, |user| {
            if let Some(name) = name {
                check_user_name(&name, user.local.as_ref())?;
                user.name = name;
            }
            if let Some(path) = path {
                check_path(&path)?;
                user.path = path;
            }
            Ok(())
        })?;
        Ok(edited.0)
    }

    /// Sets what makes a user local, or an IAM user of it.
    ///
    /// # Errors
    /// `NoSuchEntity`, `EntityAlreadyExists` (the uid), `InvalidInput`.
    pub fn set_local(&mut self, id: &str, local: Option<Local>) -> Result<Arc<User>, IdentityError> {
        let user = Arc::clone(self.get::<User>(id).ok_or_else(|| IdentityError::missing("user", id))?);
        self.check_local(user.account, Some(id), local.as_ref())?;
        check_user_name(&user.name, local.as_ref())?;
        self.amend::<User>(id, |user| user.local = local)
    }

    /// A user that has nothing any more, as IAM demands it.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub fn delete_user(&mut self, id: &str) -> Result<(), IdentityError> {
        let user = Arc::clone(self.get::<User>(id).ok_or_else(|| IdentityError::missing("user", id))?);
        let owner = KeyOwner::User(user.id.clone());
        if self.keys_of(&owner).next().is_some() {
            return Err(IdentityError::conflict("Cannot delete entity, must delete access keys first."));
        }
        if !user.grants.attached.is_empty() {
            return Err(IdentityError::conflict("Cannot delete entity, must detach all policies first."));
        }
        if !user.grants.inline.is_empty() {
            return Err(IdentityError::conflict("Cannot delete entity, must delete policies first."));
        }
        if !user.groups.is_empty() {
            return Err(IdentityError::conflict("Cannot delete entity, must remove users from group first."));
        }
        self.take_away(&*user);
        Ok(())
    }

    /// A user with all it has: its keys end, its policies and memberships go with it.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn remove_user(&mut self, id: &str) -> Result<(), IdentityError> {
        let user = Arc::clone(self.get::<User>(id).ok_or_else(|| IdentityError::missing("user", id))?);
        self.delete_keys(&KeyOwner::User(user.id.clone()));
        self.take_away(&*user);
        Ok(())
    }

    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
    pub fn tag_user(&mut self, id: &str, tags: &[Tag]) -> Result<(), IdentityError> {
        self.edit::<User, ()>(id, |user| tag(&mut user.tags, tags)).map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn untag_user(&mut self, id: &str, keys: &[String]) -> Result<(), IdentityError> {
        self.amend::<User>(id, |user| user.tags.retain(|tag| !keys.contains(&tag.key))).map(|_| ())
    }

    /// Adding twice changes nothing.
    ///
    /// # Errors
    /// `NoSuchEntity`, `InvalidInput` (another account's group), `LimitExceeded`.
    pub fn add_to_group(&mut self, user: &str, group: &str) -> Result<(), IdentityError> {
        let group = Arc::clone(self.get::<Group>(group).ok_or_else(|| IdentityError::missing("group", group))?);
        self.edit::<User, ()>(user, |user| {
            Draft::check_same_account(user.account, &*group)?;
            if !user.groups.contains(&group.id) {
                user.groups.push(group.id.clone());
            }
            within(user.groups.len(), limits::GROUPS_PER_USER, "GroupsPerUser")
        })
        .map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`: the user, or its membership.
    pub fn remove_from_group(&mut self, user: &str, group: &str) -> Result<(), IdentityError> {
        self.edit::<User, ()>(user, |user| {
            let before = user.groups.len();
            user.groups.retain(|id| &**id != group);
            if user.groups.len() == before {
                return Err(IdentityError::missing("membership of user", &*user.name));
            }
            Ok(())
        })
        .map(|_| ())
    }

    fn check_local(&self, account: AccountId, id: Option<&str>, local: Option<&Local>) -> Result<(), IdentityError> {
        let Some(local) = local else { return Ok(()) };
        within(local.gids.len(), limits::GIDS, "gids")?;
        if let Some(uid) = local.uid
            && let Some(other) = self.local_user(account, uid).filter(|other| Some(&*other.id) != id)
        {
            return Err(IdentityError::exists("User", format!("{} (uid {uid})", other.name)));
        }
        Ok(())
    }

    /// # Errors
    /// `NoSuchEntity`, `InvalidInput` (another account's policy).
    pub(super) fn check_boundary(&self, account: AccountId, boundary: Option<&Id>) -> Result<(), IdentityError> {
        let Some(id) = boundary else { return Ok(()) };
        let policy = self.get::<Policy>(id).ok_or_else(|| IdentityError::missing("policy", &**id))?;
        Draft::check_same_account(account, &**policy)
    }
}

fn check_user_name(name: &str, local: Option<&Local>) -> Result<(), IdentityError> {
    match local {
        Some(_) => check_local_name("user name", name),
        None => check_name("userName", name, 64),
    }
}
