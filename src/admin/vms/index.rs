//! Who belongs to what, worked out once for a whole list: asked object by object, a list would cost its square.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::face::reference;
use crate::identity::{Directory, Entity, Grants, Group, Id, Role, User};

/// Names of those who have a policy attached.
#[derive(Default)]
pub struct Holders {
    pub users: Vec<String>,
    pub groups: Vec<String>,
    pub roles: Vec<String>,
}

pub struct Index<'a> {
    pub directory: &'a Directory,
    uids: OnceLock<HashMap<String, &'a Arc<User>>>,
    members: OnceLock<HashMap<Id, Vec<Value>>>,
    holders: OnceLock<HashMap<Id, Holders>>,
}

impl<'a> Index<'a> {
    pub fn new(directory: &'a Directory) -> Self {
        Index { directory, uids: OnceLock::new(), members: OnceLock::new(), holders: OnceLock::new() }
    }

    /// Who a bucket's creator is here.
    pub fn creator(&self, id: &str) -> Option<&'a Arc<User>> {
        let uids = self.uids.get_or_init(|| {
            let users = self.directory.everywhere::<User>();
            users.map(|user| (user.creator_id(), user)).collect()
        });
        uids.get(id).copied().or_else(|| self.directory.get::<User>(id))
    }

    /// References to the users of a group.
    pub fn members(&self, group: &Group) -> &[Value] {
        let members = self.members.get_or_init(|| {
            let mut members: HashMap<Id, Vec<Value>> = HashMap::new();
            for user in self.directory.everywhere::<User>() {
                for group in self.directory.groups_of(user) {
                    members.entry(group.id.clone()).or_default().push(reference(user.number, &user.name));
                }
            }
            members
        });
        members.get(&group.id).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn holders(&self, policy: &Id) -> Option<&Holders> {
        let holders = self.holders.get_or_init(|| {
            let mut holders: HashMap<Id, Holders> = HashMap::new();
            let mut add = |grants: &Grants, name: &str, list: fn(&mut Holders) -> &mut Vec<String>| {
                for id in &grants.attached {
                    list(holders.entry(id.clone()).or_default()).push(name.to_owned());
                }
            };
            for user in self.directory.everywhere::<User>() {
                add(&user.grants, user.name(), |held| &mut held.users);
            }
            for group in self.directory.everywhere::<Group>() {
                add(&group.grants, group.name(), |held| &mut held.groups);
            }
            for role in self.directory.everywhere::<Role>() {
                add(&role.grants, role.name(), |held| &mut held.roles);
            }
            holders
        });
        holders.get(policy)
    }
}
