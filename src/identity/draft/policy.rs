use std::sync::Arc;

use super::role::check_description;
use super::{Draft, changeable, put_inline, tag, within};
use crate::identity::directory::Holder;
use crate::identity::document::IdentityDocument;
use crate::identity::error::IdentityError;
use crate::identity::id::{AccountId, Id, check_local_name, check_name, check_path};
use crate::identity::limits;
use crate::identity::record::{Grants, Group, InlinePolicy, Policy, PolicyVersion, Role, Tag, User};

/// A managed policy to be made.
#[derive(Clone, Debug)]
pub struct NewPolicy {
    pub name: String,
    /// Empty: `/`.
    pub path: String,
    pub description: String,
    pub document: IdentityDocument,
    pub tags: Vec<Tag>,
    pub enabled: bool,
    /// Named by the admin port, whose alphabet for names is wider.
    pub local: bool,
}

impl NewPolicy {
    pub fn of(name: &str, document: IdentityDocument) -> Self {
        NewPolicy {
            name: name.into(),
            path: String::new(),
            description: String::new(),
            document,
            tags: Vec::new(),
            enabled: true,
            local: false,
        }
    }
}

impl Draft<'_> {
    /// # Errors
    /// `EntityAlreadyExists`, `InvalidInput`, `LimitExceeded`, `NoSuchEntity` (the account).
    pub fn create_policy(&mut self, account: AccountId, new: NewPolicy) -> Result<Arc<Policy>, IdentityError> {
        self.existing_account(account)?;
        let path = if new.path.is_empty() { "/".to_owned() } else { new.path };
        check_path(&path)?;
        match new.local {
            true => check_local_name("policy name", &new.name)?,
            false => check_name("policyName", &new.name, 128)?,
        }
        check_description(&new.description)?;
        let mut tags = Vec::new();
        tag(&mut tags, &new.tags)?;
        let policy = Policy {
            id: self.mint("ANPA"),
            number: self.number(),
            account,
            name: new.name,
            path,
            description: new.description,
            created: self.now,
            updated: self.now,
            tags,
            enabled: new.enabled,
            versions: vec![PolicyVersion { number: 1, created: self.now, document: new.document }],
            default: 1,
            next: 2,
        };
        self.add(policy)
    }

    /// A further version, in force at once if `default`.
    ///
    /// # Errors
    /// `NoSuchEntity`, `LimitExceeded` (five versions).
    pub fn create_version(
        &mut self,
        id: &str,
        document: IdentityDocument,
        default: bool,
    ) -> Result<PolicyVersion, IdentityError> {
        let now = self.now;
        let edited = self.edit::<Policy, PolicyVersion>(id, |policy| {
            if policy.versions.len() >= limits::POLICY_VERSIONS {
                return Err(IdentityError::limit(
                    "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
                ));
            }
            let version = PolicyVersion { number: policy.next, created: now, document };
            policy.next += 1;
            policy.updated = now;
            if default {
                policy.default = version.number;
            }
            policy.versions.push(version.clone());
            Ok(version)
        })?;
        Ok(edited.1)
    }

    /// Puts another document in force; the oldest version that is not goes if there are five.
    ///
    /// # Errors
    /// `NoSuchEntity`.
    pub fn replace_document(&mut self, id: &str, document: IdentityDocument) -> Result<Arc<Policy>, IdentityError> {
        let policy = self.get::<Policy>(id).ok_or_else(|| IdentityError::missing("policy", id))?;
        if policy.in_force().document == document {
            return Ok(Arc::clone(policy));
        }
        let default = policy.default;
        if policy.versions.len() >= limits::POLICY_VERSIONS
            && let Some(oldest) = policy.versions.iter().find(|version| version.number != default)
        {
            let oldest = oldest.number;
            self.delete_version(id, oldest)?;
        }
        self.create_version(id, document, true)?;
        let policy = self.get::<Policy>(id).ok_or_else(|| IdentityError::missing("policy", id))?;
        Ok(Arc::clone(policy))
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn set_default_version(&mut self, id: &str, number: u32) -> Result<(), IdentityError> {
        let now = self.now;
        self.edit::<Policy, ()>(id, |policy| {
            existing_version(policy, number)?;
            (policy.default, policy.updated) = (number, now);
            Ok(())
        })
        .map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict` for the version in force.
    pub fn delete_version(&mut self, id: &str, number: u32) -> Result<(), IdentityError> {
        self.edit::<Policy, ()>(id, |policy| {
            existing_version(policy, number)?;
            if policy.default == number {
                return Err(IdentityError::conflict("Cannot delete the default version of a policy."));
            }
            policy.versions.retain(|version| version.number != number);
            Ok(())
        })
        .map(|_| ())
    }

    /// Renames a policy, or puts it in and out of force.
    ///
    /// # Errors
    /// `NoSuchEntity`, `EntityAlreadyExists`, `InvalidInput`.
    pub fn update_policy(
        &mut self,
        id: &str,
        name: Option<String>,
        enabled: Option<bool>,
    ) -> Result<Arc<Policy>, IdentityError> {
        let now = self.now;
        let edited = self.edit::<Policy, ()>(id, |policy| {
            if let Some(name) = name {
                check_local_name("policy name", &name)?;
                policy.name = name;
            }
            policy.enabled = enabled.unwrap_or(policy.enabled);
            policy.updated = now;
            Ok(())
        })?;
        Ok(edited.0)
    }

    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
    pub fn tag_policy(&mut self, id: &str, tags: &[Tag]) -> Result<(), IdentityError> {
        self.edit::<Policy, ()>(id, |policy| tag(&mut policy.tags, tags)).map(|_| ())
    }

    /// # Errors
    /// `NoSuchEntity`.
    pub fn untag_policy(&mut self, id: &str, keys: &[String]) -> Result<(), IdentityError> {
        self.amend::<Policy>(id, |policy| policy.tags.retain(|tag| !keys.contains(&tag.key))).map(|_| ())
    }

    /// A policy that nobody has attached and that has one version, as IAM demands it.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict`.
    pub fn delete_policy(&mut self, id: &str) -> Result<(), IdentityError> {
        let policy = Arc::clone(self.get::<Policy>(id).ok_or_else(|| IdentityError::missing("policy", id))?);
        changeable(&*policy)?;
        if !self.holders_of(policy.account, id).is_empty() || self.bounded_by(policy.account, id) > 0 {
            return Err(IdentityError::conflict("Cannot delete a policy attached to entities."));
        }
        if policy.versions.len() > 1 {
            return Err(IdentityError::conflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
            ));
        }
        self.take_away(&*policy);
        Ok(())
    }

    /// A policy with its versions and attachments. What it bounds keeps it.
    ///
    /// # Errors
    /// `NoSuchEntity`, `DeleteConflict` while it bounds somebody.
    pub fn remove_policy(&mut self, id: &str) -> Result<(), IdentityError> {
        let policy = Arc::clone(self.get::<Policy>(id).ok_or_else(|| IdentityError::missing("policy", id))?);
        changeable(&*policy)?;
        if self.bounded_by(policy.account, id) > 0 {
            return Err(IdentityError::conflict("Cannot delete a policy that is a permissions boundary."));
        }
        for holder in self.holders_of(policy.account, id) {
            self.detach(&holder, id)?;
        }
        self.take_away(&*policy);
        Ok(())
    }

    /// Puts an inline policy in force, or replaces it.
    ///
    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`, `LimitExceeded`.
    pub fn put_inline_policy(
        &mut self,
        holder: &Holder,
        name: &str,
        document: IdentityDocument,
    ) -> Result<(), IdentityError> {
        check_name("policyName", name, 128)?;
        let policy = InlinePolicy { name: name.into(), document };
        self.edit_grants(holder, |grants| put_inline(grants, policy))
    }

    /// # Errors
    /// `NoSuchEntity`: the holder, or its policy.
    pub fn delete_inline_policy(&mut self, holder: &Holder, name: &str) -> Result<(), IdentityError> {
        self.edit_grants(holder, |grants| {
            let before = grants.inline.len();
            grants.inline.retain(|inline| inline.name != name);
            match grants.inline.len() == before {
                true => Err(IdentityError::missing("policy", name)),
                false => Ok(()),
            }
        })
    }

    /// Attaching twice changes nothing.
    ///
    /// # Errors
    /// `NoSuchEntity`, `InvalidInput` (another account's policy), `LimitExceeded`.
    pub fn attach(&mut self, holder: &Holder, policy: &str) -> Result<(), IdentityError> {
        let policy = Arc::clone(self.get::<Policy>(policy).ok_or_else(|| IdentityError::missing("policy", policy))?);
        let account = self.account_of(holder)?;
        Draft::check_same_account(account, &*policy)?;
        self.edit_grants(holder, |grants| {
            if !grants.attached.contains(&policy.id) {
                grants.attached.push(policy.id.clone());
            }
            within(grants.attached.len(), limits::ATTACHED, "PoliciesPerUser")
        })
    }

    /// # Errors
    /// `NoSuchEntity`: the holder, or the attachment.
    pub fn detach(&mut self, holder: &Holder, policy: &str) -> Result<(), IdentityError> {
        self.edit_grants(holder, |grants| {
            let before = grants.attached.len();
            grants.attached.retain(|id| &**id != policy);
            match grants.attached.len() == before {
                true => Err(IdentityError::missing("attached policy", policy)),
                false => Ok(()),
            }
        })
    }

    /// Exactly these policies, no others.
    ///
    /// # Errors
    /// As of [`attach`](Self::attach).
    pub fn set_attached(&mut self, holder: &Holder, policies: &[Id]) -> Result<(), IdentityError> {
        self.edit_grants(holder, |grants| {
            grants.attached.clear();
            Ok(())
        })?;
        policies.iter().try_for_each(|policy| self.attach(holder, policy))
    }

    /// Bounds a user or a role; none: no more.
    ///
    /// # Errors
    /// `NoSuchEntity`, `InvalidInput`.
    pub fn set_boundary(&mut self, holder: &Holder, policy: Option<Id>) -> Result<(), IdentityError> {
        self.check_boundary(self.account_of(holder)?, policy.as_ref())?;
        match holder {
            Holder::User(id) => self.amend::<User>(id, |user| user.boundary = policy).map(|_| ()),
            Holder::Role(id) => self.amend::<Role>(id, |role| role.boundary = policy).map(|_| ()),
            Holder::Group(_) => Err(IdentityError::invalid("Groups have no permissions boundary.")),
        }
    }

    fn account_of(&self, holder: &Holder) -> Result<AccountId, IdentityError> {
        let (found, kind, id) = match holder {
            Holder::User(id) => (self.get::<User>(id).map(|user| user.account), "user", id),
            Holder::Group(id) => (self.get::<Group>(id).map(|group| group.account), "group", id),
            Holder::Role(id) => (self.get::<Role>(id).map(|role| role.account), "role", id),
        };
        found.ok_or_else(|| IdentityError::missing(kind, &**id))
    }

    fn edit_grants(
        &mut self,
        holder: &Holder,
        edit: impl FnOnce(&mut Grants) -> Result<(), IdentityError>,
    ) -> Result<(), IdentityError> {
        match holder {
            Holder::User(id) => self.edit::<User, ()>(id, |user| edit(&mut user.grants)).map(|_| ()),
            Holder::Group(id) => self.edit::<Group, ()>(id, |group| edit(&mut group.grants)).map(|_| ()),
            Holder::Role(id) => self.edit::<Role, ()>(id, |role| edit(&mut role.grants)).map(|_| ()),
        }
    }
}

fn existing_version(policy: &Policy, number: u32) -> Result<(), IdentityError> {
    let known = policy.versions.iter().any(|version| version.number == number);
    if known { Ok(()) } else { Err(IdentityError::missing("policy version", format!("v{number}"))) }
}
