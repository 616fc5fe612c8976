use std::sync::Arc;

use super::{Draft, tag};
use crate::identity::error::IdentityError;
use crate::identity::id::{AccountId, check_name, check_path};
use crate::identity::record::{InstanceProfile, Role, Tag};

/// An instance profile to be made.
#[derive(Clone, Debug, Default)]
pub struct NewProfile {
    pub name: String,
    /// Empty: `/`.
    pub path: String,
    pub tags: Vec<Tag>,
}

impl Draft<'_> {
    /// # Errors
    /// `EntityAlreadyExists`, `InvalidInput`, `LimitExceeded`, `NoSuchEntity` (the account).
    pub fn create_profile(
        &mut self,
        account: AccountId,
        new: NewProfile,
    ) -> Result<Arc<InstanceProfile>, IdentityError> {
        self.existing_account(account)?;
        let path = if new.path.is_empty() { "/".to_owned() } else { new.path };
        check_path(&path)?;
        check_name("instanceProfileName", &new.name, 128)?;
        let mut tags = Vec::new();
        tag(&mut tags, &new.tags)?;
        let profile = InstanceProfile {
            id: self.mint("AIPA"),
            number: self.number(),
            account,
            name: new.name,
            path,
            created: self.now,
            tags,
            role: None,
        };
        self.add(profile)
    }

    /// # Errors
    /// `NoSuchEntity`, `InvalidInput` (another account's role), `LimitExceeded`: there is a role in it.
    pub fn add_role_to_profile(&mut self, profile: &str, role: &str) -> Result<(), IdentityError> {
        let role = Arc::clone(self.get::<Role>(role).ok_or_else(|| IdentityError::missing("role", role))?);
        self.edit::<InstanceProfile, ()>(profile, |profile| {
            Draft::check_same_account(profile.account, &*role)?;
            if profile.role.is_some() {
                return Err(IdentityError::limit("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"));
            }
            profile.role = Some(role.id.clone());
            Ok(())
        })
        .map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`: the profile, or the role in it.
    pub fn remove_role_from_profile(&mut self, profile: &str, role: &Role) -> Result<(), IdentityError> {
        self.edit::<InstanceProfile, ()>(profile, |profile| {
            if profile.role.as_ref() != Some(&role.id) {
                return Err(IdentityError::missing("role", &*role.name));
            }
            profile.role = None;
            Ok(())
        })
        .map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict` while there is a role in it.
    pub fn delete_profile(&mut self, id: &str) -> Result<(), IdentityError> {
        let missing = || IdentityError::missing("instance-profile", id);
        let profile = Arc::clone(self.get::<InstanceProfile>(id).ok_or_else(missing)?);
        if profile.role.is_some() {
            return Err(IdentityError::conflict(
                "Cannot delete entity, must remove roles from instance profile first.",
            ));
        }
        self.take_away(&*profile);
        Ok(())
    }

    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
    pub fn tag_profile(&mut self, id: &str, tags: &[Tag]) -> Result<(), IdentityError> {
        self.edit::<InstanceProfile, ()>(id, |profile| tag(&mut profile.tags, tags)).map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn untag_profile(&mut self, id: &str, keys: &[String]) -> Result<(), IdentityError> {
        self.amend::<InstanceProfile>(id, |profile| profile.tags.retain(|tag| !keys.contains(&tag.key))).map(|_| ())
    }
}
