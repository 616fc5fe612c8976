use std::sync::Arc;

use super::{Draft, tag};
use crate::identity::document::TrustDocument;
use crate::identity::error::IdentityError;
use crate::identity::id::{AccountId, Id, check_name, check_path};
use crate::identity::limits;
use crate::identity::record::{Grants, Role, Tag};

/// A role to be made.
#[derive(Clone, Debug)]
pub struct NewRole {
    pub name: String,
    /// Empty: `/`.
    pub path: String,
    pub description: String,
    pub trust: TrustDocument,
    /// None: an hour.
    pub max_session_seconds: Option<u32>,
    pub tags: Vec<Tag>,
    pub boundary: Option<Id>,
}

const HOUR: u32 = 3_600;

impl Draft<'_> {
    /// # Errors
    /// `EntityAlreadyExists`, `InvalidInput`, `LimitExceeded`, `NoSuchEntity` (the account, the boundary).
    pub fn create_role(&mut self, account: AccountId, new: NewRole) -> Result<Arc<Role>, IdentityError> {
        self.existing_account(account)?;
        let path = if new.path.is_empty() { "/".to_owned() } else { new.path };
        check_path(&path)?;
        check_name("roleName", &new.name, 64)?;
        check_description(&new.description)?;
        let max_session_seconds = new.max_session_seconds.unwrap_or(HOUR);
        check_duration(max_session_seconds)?;
        self.check_boundary(account, new.boundary.as_ref())?;
        let mut tags = Vec::new();
        tag(&mut tags, &new.tags)?;
        let role = Role {
            id: self.mint("AROA"),
            number: self.number(),
            account,
            name: new.name,
            path,
            description: new.description,
            created: self.now,
            tags,
            trust: new.trust,
            max_session_seconds,
            grants: Grants::default(),
            boundary: new.boundary,
        };
        self.add(role)
    }

    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`.
    pub fn update_role(
        &mut self,
        id: &str,
        description: Option<String>,
        max_session_seconds: Option<u32>,
    ) -> Result<(), IdentityError> {
        self.edit::<Role, ()>(id, |role| {
            if let Some(description) = description {
                check_description(&description)?;
                role.description = description;
            }
            if let Some(seconds) = max_session_seconds {
                check_duration(seconds)?;
                role.max_session_seconds = seconds;
            }
            Ok(())
        })
        .map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`, `LimitExceeded`.
    pub fn set_trust(&mut self, id: &str, trust: TrustDocument) -> Result<(), IdentityError> {
        self.edit::<Role, ()>(id, |role| {
            role.trust = trust;
            Ok(())
        })
        .map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
    pub fn tag_role(&mut self, id: &str, tags: &[Tag]) -> Result<(), IdentityError> {
        self.edit::<Role, ()>(id, |role| tag(&mut role.tags, tags)).map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn untag_role(&mut self, id: &str, keys: &[String]) -> Result<(), IdentityError> {
        self.amend::<Role>(id, |role| role.tags.retain(|tag| !keys.contains(&tag.key))).map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict` while it has policies or is in an instance profile.
    pub fn delete_role(&mut self, id: &str) -> Result<(), IdentityError> {
        let role = Arc::clone(self.get::<Role>(id).ok_or_else(|| IdentityError::missing("role", id))?);
        if self.profiles_of(&role).next().is_some() {
            return Err(IdentityError::conflict(
                "Cannot delete entity, must remove roles from instance profile first.",
            ));
        }
        if !role.grants.attached.is_empty() {
            return Err(IdentityError::conflict("Cannot delete entity, must detach all policies first."));
        }
        if !role.grants.inline.is_empty() {
            return Err(IdentityError::conflict("Cannot delete entity, must delete policies first."));
        }
        self.take_away(&*role);
        Ok(())
    }
}

pub(super) fn check_description(text: &str) -> Result<(), IdentityError> {
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().count() <= limits::DESCRIPTION && !text.chars().any(control) {
        return Ok(());
    }
    Err(IdentityError::invalid("A description has at most 1000 printable characters."))
}

fn check_duration(seconds: u32) -> Result<(), IdentityError> {
    if (HOUR..=12 * HOUR).contains(&seconds) {
        return Ok(());
    }
    Err(IdentityError::invalid("MaxSessionDuration must be between 3600 and 43200 seconds."))
}
