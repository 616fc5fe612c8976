//! The first rows of a node, and the directory out of the rows that are there.

use std::sync::Arc;

use tandem_storage::change::{NodeWrite, WriteNodeRows};
use tandem_storage::record::Record;
use tandem_storage::types::Timestamp;
use tandem_storage::{Lane, Store};

use super::directory::{Directory, KeyCell, Shelved};
use super::error::OpenError;
use super::id::{AccountId, canonical_id, mint_lower};
use super::managed;
use super::record::{
    AccessKey, Account, ApiToken, Counters, Group, InstanceProfile, KeyOwner, Organization, Policy, Role, User,
};
use super::rows;
use super::seal::{Sealer, Unopened};
use crate::clock::Clock;

/// An organisation and its default account.
pub(super) fn first_directory(clock: &dyn Clock, now: Timestamp) -> (Directory, Vec<NodeWrite>) {
    let tail = mint_lower("", 4, clock);
    let organization =
        Organization { id: mint_lower("o-", 10, clock).into(), root: format!("r-{tail}").into(), units: Vec::new() };
    let counters = Counters { generation: 1, next_number: 2 };
    let account = Account {
        id: AccountId::DEFAULT,
        number: 1,
        name: "default".into(),
        email: None,
        canonical: canonical_id(&AccountId::DEFAULT.to_string()).into(),
        unit: None,
        created: now,
    };
    let row = |key: Vec<u8>, value| NodeWrite { key, value: Some(value), expected: Some(None) };
    let writes = vec![
        row(rows::COUNTERS.to_vec(), counters.encode()),
        row(rows::ORGANIZATION.to_vec(), organization.encode()),
        row(rows::account(account.id), account.encode()),
    ];
    let mut directory = Directory::new(organization, counters);
    managed::shelve(&mut directory);
    directory.accounts.insert(account.id, Arc::new(account));
    (directory, writes)
}

/// Reads every row; writes the first ones where there are none.
pub(super) async fn load(store: &Store, clock: &dyn Clock) -> Result<Directory, OpenError> {
    let all = store.node_rows(rows::PREFIX)?;
    if all.is_empty() {
        let now = clock.now();
        let (directory, writes) = first_directory(clock, now);
        let _ = store.commit(Lane::Client, now, WriteNodeRows(writes)).await?;
        return Ok(directory);
    }
    let missing = |what: &str| OpenError::Inconsistent(format!("the {what} row is missing"));
    let find = |key: &[u8]| all.iter().find(|(known, _)| known == key).map(|(_, value)| value);
    let organization = Organization::decode(find(rows::ORGANIZATION).ok_or_else(|| missing("organization"))?)?;
    let counters = Counters::decode(find(rows::COUNTERS).ok_or_else(|| missing("counters"))?)?;
    let mut directory = Directory::new(organization, counters);
    managed::shelve(&mut directory);
    for (key, value) in &all {
        let tail = key.strip_prefix(rows::PREFIX).unwrap_or_default();
        let kind = tail.split(|byte| *byte == b'/').next().unwrap_or_default();
        match kind {
            b"counters" | b"organization" => {}
            b"account" => {
                let account = Account::decode(value)?;
                directory.accounts.insert(account.id, Arc::new(account));
            }
            b"user" => shelve::<User>(&mut directory, value)?,
            b"group" => shelve::<Group>(&mut directory, value)?,
            b"role" => shelve::<Role>(&mut directory, value)?,
            b"policy" => {
                let policy = Policy::decode(value)?;
                if !policy.versions.iter().any(|version| version.number == policy.default) {
                    return Err(missing("default version's"));
                }
                shelve::<Policy>(&mut directory, value)?;
            }
            b"instance-profile" => shelve::<InstanceProfile>(&mut directory, value)?,
            b"key" => add_key(&mut directory, AccessKey::decode(value)?),
            b"token" => {
                let token = ApiToken::decode(value)?;
                directory.tokens.insert(token.number, Arc::new(token));
            }
            other => {
                let other = String::from_utf8_lossy(other).into_owned();
                return Err(OpenError::Inconsistent(format!("identity/{other} is not known to this build")));
            }
        }
    }
    Ok(directory)
}

fn shelve<E: Shelved>(directory: &mut Directory, value: &[u8]) -> Result<(), OpenError> {
    let entity = E::decode(value)?;
    if directory.find::<E>(entity.account(), entity.name()).is_some() {
        return Err(OpenError::Inconsistent(format!("two of kind {} are named {}", E::WHAT.word(), entity.name())));
    }
    directory.shelve(&Arc::new(entity));
    Ok(())
}

fn add_key(directory: &mut Directory, key: AccessKey) {
    directory.owned.insert((key.owner.clone(), key.access_key.clone()));
    directory.keys.insert(key.access_key.clone(), KeyCell::of(Arc::new(key)));
}

/// Opens every sealed secret once: a node without its keys says so at its start, not at somebody's request.
pub(super) fn check_secrets(directory: &Directory, sealer: &Sealer) -> Result<(), OpenError> {
    for key in directory.all_keys() {
        if let KeyOwner::User(id) = &key.owner
            && directory.get::<User>(id).is_none()
        {
            return Err(OpenError::Inconsistent(format!("access key {} is of nobody", key.access_key)));
        }
        let place = rows::key_place(&key.access_key, &key.owner);
        match sealer.open_sealed(&place, &key.secret) {
            Ok(_) => {}
            Err(Unopened::Damaged) => return Err(OpenError::Damaged(key.access_key.to_string())),
            Err(Unopened::UnknownKey) => {
                return Err(OpenError::UnknownKey {
                    access_key: key.access_key.to_string(),
                    key_id: hex::encode(key.secret.key_id),
                    path: sealer.path().into(),
                });
            }
        }
    }
    Ok(())
}
