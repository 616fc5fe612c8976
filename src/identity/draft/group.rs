use std::sync::Arc;

use super::Draft;
use crate::identity::error::IdentityError;
use crate::identity::id::{AccountId, check_local_name, check_name, check_path};
use crate::identity::record::{Grants, Group, User};

/// A group to be made.
#[derive(Clone, Debug, Default)]
pub struct NewGroup {
    pub name: String,
    /// Empty: `/`.
    pub path: String,
    /// A local group: who has this gid is in it.
    pub gid: Option<u32>,
}

impl Draft<'_> {
    /// # Errors
    /// `EntityAlreadyExists` (the name, or the gid), `InvalidInput`, `LimitExceeded`, `NoSuchEntity` (the account).
    pub fn create_group(&mut self, account: AccountId, new: NewGroup) -> Result<Arc<Group>, IdentityError> {
        self.existing_account(account)?;
        let path = if new.path.is_empty() { "/".to_owned() } else { new.path };
        check_path(&path)?;
        check_group_name(&new.name, new.gid)?;
        self.check_gid(account, None, new.gid)?;
        let group = Group {
            id: self.mint("AGPA"),
            number: self.number(),
            account,
            name: new.name,
            path,
            created: self.now,
            grants: Grants::default(),
            gid: new.gid,
        };
        self.add(group)
    }

    /// Another name, path or gid; none: as it is.
    ///
    /// # Errors
    /// `NoSuchEntity`, `EntityAlreadyExists`, `InvalidInput`.
    pub fn update_group(
        &mut self,
        id: &str,
        name: Option<String>,
        path: Option<String>,
        gid: Option<u32>,
    ) -> Result<Arc<Group>, IdentityError> {
        let account = self.get::<Group>(id).ok_or_else(|| IdentityError::missing("group", id))?.account;
        self.check_gid(account, Some(id), gid)?;
        let edited = self.edit::<Group, ()>(id, |group| {
            group.gid = gid.or(group.gid);
            if let Some(name) = name {
                check_group_name(&name, group.gid)?;
                group.name = name;
            }
            if let Some(path) = path {
                check_path(&path)?;
                group.path = path;
            }
            Ok(())
        })?;
        Ok(edited.0)
    }

    /// A group that nobody was added to and that has no policies, as IAM demands it.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub fn delete_group(&mut self, id: &str) -> Result<(), IdentityError> {
        let group = Arc::clone(self.get::<Group>(id).ok_or_else(|| IdentityError::missing("group", id))?);
        if self.all::<User>(group.account).any(|user| user.groups.contains(&group.id)) {
            return Err(IdentityError::conflict("Cannot delete entity, must remove users from group first."));
        }
        if !group.grants.attached.is_empty() || !group.grants.inline.is_empty() {
            return Err(IdentityError::conflict("Cannot delete entity, must detach all policies first."));
        }
        self.take_away(&*group);
        Ok(())
    }

    /// A group with its policies and memberships.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn remove_group(&mut self, id: &str) -> Result<(), IdentityError> {
        let group = Arc::clone(self.get::<Group>(id).ok_or_else(|| IdentityError::missing("group", id))?);
        let members = self.all::<User>(group.account).filter(|user| user.groups.contains(&group.id));
        let members: Vec<_> = members.map(|user| user.id.clone()).collect();
        for user in members {
            self.remove_from_group(&user, id)?;
        }
        self.take_away(&*group);
        Ok(())
    }

    fn check_gid(&self, account: AccountId, id: Option<&str>, gid: Option<u32>) -> Result<(), IdentityError> {
        let Some(gid) = gid else { return Ok(()) };
        match self.group_of_gid(account, gid).filter(|other| Some(&*other.id) != id) {
            Some(other) => Err(IdentityError::exists("Group", format!("{} (gid {gid})", other.name))),
            None => Ok(()),
        }
    }
}

fn check_group_name(name: &str, gid: Option<u32>) -> Result<(), IdentityError> {
    match gid {
        Some(_) => check_local_name("group name", name),
        None => check_name("groupName", name, 128),
    }
}
