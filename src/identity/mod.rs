//! Who exists: the organisation, accounts, users, groups, roles, keys and the policies they have.
//!
//! *Architecture invariants:* secrets never implement `Debug` or `Display`, are compared in constant time, and are sealed in
//! their rows; a change is in force for the next look-up when its maker is told that it was made, and not before it is durable.

mod birth;
mod credential;
mod directory;
mod document;
mod draft;
mod error;
mod id;
pub mod limits;
mod managed;
mod record;
mod register;
mod rows;
mod seal;
mod session;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use tandem_storage::change::{OnlyIf, Refusal, WriteNodeRows};
use tandem_storage::{CommitError, Lane, Store};

pub use credential::{Credential, Standing, Subject, facts};
pub use directory::{Directory, Holder, Shelved, Uses};
pub use document::{IdentityDocument, SessionDocument, TrustDocument};
pub use draft::{Draft, NewAccount, NewGroup, NewKey, NewPolicy, NewProfile, NewRole, NewToken, NewUser, check_tag};
pub use error::{IdentityError, Kind, OpenError};
pub use id::{AccountId, Id, arn, canonical_id, check_name, parse_arn, root_arn};
pub use record::{
    AccessKey, Account, ApiToken, Entity, Grants, Group, InlinePolicy, InstanceProfile, KeyOwner, Local, Organization,
    Policy, PolicyVersion, Role, Tag, Unit, User,
};
pub use register::{Administrator, Register, Snapshot};
pub use session::{Issued, NewSession, SessionOf, TokenError};

use crate::clock::SharedClock;
use seal::Sealer;

/// The identities of a node: what [`Register`] tells, and changes of it. Cheap to clone.
#[derive(Clone)]
pub struct Identities {
    register: Arc<Register>,
    store: Store,
    clock: SharedClock,
    /// Changes go one by one.
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl std::ops::Deref for Identities {
    type Target = Register;

    fn deref(&self) -> &Register {
        &self.register
    }
}

/// Who makes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// A superuser, or the node's operator at the admin port.
    Superuser,
    Other,
}

/// The row of an account: a bucket is made for it only while it is there.
pub fn account_row(id: AccountId) -> Vec<u8> {
    rows::account(id)
}

impl Identities {
    /// Reads what the store has; a new store gets an organisation and its default account.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        store: Store,
        key_file: &Path,
        administrator: Administrator,
        clock: SharedClock,
    ) -> Result<Self, OpenError> {
        let directory = birth::load(&store, &*clock).await?;
        let sealer = Sealer::open(key_file, !directory.keys.is_empty(), &*clock)?;
        birth::check_secrets(&directory, &sealer)?;
        if directory.key(&administrator.access_key).is_some() {
            let reason = format!("access key {} is the administrator's and a user's", administrator.access_key);
            return Err(OpenError::Inconsistent(reason));
        }
        let register = Arc::new(Register::new(directory, administrator, sealer));
        Ok(Identities { register, store, clock, changing: Arc::default() })
    }

    /// What authentication needs.
    pub fn register(&self) -> Arc<Register> {
        Arc::clone(&self.register)
    }

    /// Makes one change in the name of the node. See [`change_and_tell`](Self::change_and_tell).
    ///
    /// # Errors
    /// As of [`change_and_tell`](Self::change_and_tell).
    pub async fn change<T>(
        &self,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, IdentityError>,
    ) -> Result<T, IdentityError> {
        self.change_and_tell(Author::Superuser, change, || {}).await
    }

    /// Makes one change of whatever `change` does to its draft: all of it, durably, or nothing. When this answers, the next
    /// look-up sees it. A change that is under way is finished even if nobody waits for it any more. `told` is called when the change is
    /// in force, also when nobody waits for it any more: whoever goes at once changes nothing in secret.
    ///
    /// This is the one place that guards superusers: whatever a change goes by, if it changes what a superuser is or may (itself, its keys,
    /// the groups it is in, the policies that they have), it is made for a superuser or not at all.
    ///
    /// # Errors
    /// What `change` returns; `SuperuserOnly`; `Commit`, when the store does not take it.
    pub async fn change_and_tell<T>(
        &self,
        author: Author,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, IdentityError>,
        told: impl FnOnce() + Send + 'static,
    ) -> Result<T, IdentityError> {
        let one = Arc::clone(&self.changing).lock_owned().await;
        let now = self.clock.now();
        let before = self.register.directory();
        let mut draft = Draft {
            directory: Directory::clone(&before),
            writes: Default::default(),
            conditions: Vec::new(),
            clock: &*self.clock,
            sealer: &self.register.sealer,
            reserved: &self.register.administrator.access_key,
            now,
        };
        let output = change(&mut draft)?;
        if author == Author::Other && before.of_superusers() != draft.directory.of_superusers() {
            return Err(IdentityError::SuperuserOnly);
        }
        if draft.writes.is_empty() {
            told();
            return Ok(output);
        }
        let still = std::mem::take(&mut draft.conditions);
        let (after, writes) = draft.finish(&before.counters);
        let pending = self.store.commit(Lane::Client, now, OnlyIf { still, change: WriteNodeRows(writes) });
        let register = Arc::clone(&self.register);
        // Apart from the caller, who may go away: what was committed must be published.
        let finished = tokio::spawn(async move {
            let committed = pending.await;
            if committed.is_ok() {
                register.publish(after);
                told();
            }
            drop(one);
            committed.map(|_| ())
        });
        match finished.await {
            Ok(Ok(())) => Ok(output),
            Ok(Err(CommitError::Refused(Refusal::Stale))) => Err(IdentityError::Concurrent),
            Ok(Err(CommitError::Refused(Refusal::OwnsBuckets))) => {
                Err(IdentityError::conflict("Cannot delete an account that owns buckets."))
            }
            Ok(Err(error)) => Err(IdentityError::Commit(error)),
            Err(broken) => Err(IdentityError::Commit(CommitError::Stopped(broken.to_string()))),
        }
    }
}
