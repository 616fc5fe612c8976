//! Accounts as S3's documents show them: canonical id and display name.

use std::borrow::Cow;

use tandem_policy::{Caller, Owner};

use super::known::KnownBucket;
use super::setting::StoredAcl;
use crate::identity::{AccountId, Entity as _, Snapshot, User, canonical_id};
use crate::s3::service::Service;

/// Owns what nobody else does; the administrator is its root.
pub const DEFAULT_ACCOUNT: &str = "000000000000";

/// The accounts that there are, as of one moment.
pub struct Owners(Snapshot);

impl Owners {
    pub fn of(service: &Service) -> Self {
        Owners(service.identities.directory())
    }

    /// An account by its twelve digits. One that this node does not know has its canonical id all the same: a bucket may come from
    /// another node, whose accounts are its own.
    pub fn account(&self, id: &str) -> Owner {
        let known = AccountId::parse(id).and_then(|id| self.0.account(id));
        match known {
            Some(account) => Owner { id: account.canonical.to_string(), display_name: account.name.clone() },
            None => Owner { id: canonical_id(id), display_name: id.to_owned() },
        }
    }

    /// Who made something, by the unique id that its row keeps: an account's root is shown as its account, a user by its ARN and name.
    /// Whom this node does not know is shown by the id.
    pub fn maker(&self, id: &str) -> Owner {
        if AccountId::parse(id).is_some() {
            return self.account(id);
        }
        let local = || {
            let (account, uid) = id.split_once(":uid:")?;
            self.0.local_user(AccountId::parse(account)?, uid.parse().ok()?)
        };
        match self.0.get::<User>(id).or_else(local) {
            Some(user) => Owner { id: user.arn(), display_name: user.name.clone() },
            None => Owner { id: id.to_owned(), display_name: id.to_owned() },
        }
    }

    pub fn of_bucket(&self, bucket: &KnownBucket) -> Owner {
        self.account(bucket.account())
    }

    /// The account of who asks; what nobody in particular writes is the bucket's owner's.
    pub fn of_caller<'a>(&self, caller: Option<&'a Caller>, bucket: &'a KnownBucket) -> &'a str {
        caller.and_then(Caller::account).map_or_else(|| bucket.account(), |account| account.id.as_str())
    }

    /// An account by its canonical id: the twelve digits and how it is shown.
    pub fn by_canonical(&self, id: &str) -> Option<(String, Owner)> {
        let account = self.0.account_by_canonical(id)?;
        Some((account.id.to_string(), Owner { id: id.to_owned(), display_name: account.name.clone() }))
    }

    pub fn by_email(&self, email: &str) -> Option<Owner> {
        let named = |known: &Option<String>| known.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email));
        let account = self.0.accounts().find(|account| named(&account.email))?;
        Some(Owner { id: account.canonical.to_string(), display_name: account.name.clone() })
    }
}

/// Who owns the objects of one bucket.
pub struct ObjectOwners {
    bucket: Owner,
    /// ACLs count, and say whose an object is.
    by_slot: bool,
}

impl ObjectOwners {
    pub fn of(service: &Service, bucket: &KnownBucket) -> Self {
        ObjectOwners { bucket: Owners::of(service).of_bucket(bucket), by_slot: bucket.ownership.acls_count() }
    }

    pub fn bucket(&self) -> &Owner {
        &self.bucket
    }

    /// The owner of an object with this ACL in its slot.
    pub fn of_slot(&self, slot: Option<&[u8]>) -> Cow<'_, Owner> {
        let stored = slot.filter(|_| self.by_slot).and_then(|slot| StoredAcl::decode(slot).ok());
        stored.map_or(Cow::Borrowed(&self.bucket), |stored| Cow::Owned(stored.acl.owner))
    }
}
