//! Keys of the rows `identity/...`: the node's own, covered by no protected path.

use super::error::Kind;
use super::id::AccountId;
use super::record::KeyOwner;

pub const PREFIX: &[u8] = b"identity/";
pub const COUNTERS: &[u8] = b"identity/counters";
pub const ORGANIZATION: &[u8] = b"identity/organization";

pub fn account(id: AccountId) -> Vec<u8> {
    format!("identity/account/{id}").into_bytes()
}

pub fn entity(kind: Kind, id: &str) -> Vec<u8> {
    format!("identity/{}/{id}", kind.word()).into_bytes()
}

pub fn key(access_key: &str) -> Vec<u8> {
    format!("identity/key/{access_key}").into_bytes()
}

pub fn token(number: u64) -> Vec<u8> {
    format!("identity/token/{number:020}").into_bytes()
}

/// Where a sealed secret belongs: moved to another key or another owner, it does not open.
pub fn key_place(access_key: &str, owner: &KeyOwner) -> Vec<u8> {
    let owner = match owner {
        KeyOwner::Root(account) => format!("root {account}"),
        KeyOwner::User(id) => format!("user {id}"),
    };
    format!("identity/key/{access_key} of {owner}").into_bytes()
}
