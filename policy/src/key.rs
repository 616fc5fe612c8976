//! Condition keys: which there are, what their values are, and where they come from. Validation and the engine both read
//! this one table.

mod table;

pub use table::ALL;

/// What a key's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Text,
    Number,
    Date,
    Bool,
    Address,
    Arn,
}

/// Who answers for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The engine, from the caller.
    Caller,
    /// The engine, from what is asked for.
    Resource,
    /// [`crate::Context`].
    Request,
}

/// Which actions a service's key goes with. Keys of `aws:` go with all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub u32);

impl Group {
    /// Goes with every action.
    pub const EVERY: Group = Group(0);
    pub const EXISTING_TAG: Group = Group(1);
    pub const REQUEST_TAG: Group = Group(1 << 1);
    pub const LISTING: Group = Group(1 << 2);
    pub const VERSION: Group = Group(1 << 3);
    pub const ACL: Group = Group(1 << 4);
    pub const ENCRYPTION: Group = Group(1 << 5);
    pub const COPY: Group = Group(1 << 6);
    pub const STORAGE: Group = Group(1 << 7);
    pub const LOCK: Group = Group(1 << 8);
    pub const LOCATION: Group = Group(1 << 9);
    pub const OWNERSHIP: Group = Group(1 << 10);
    pub const CONDITIONAL: Group = Group(1 << 11);
    pub const REDIRECT: Group = Group(1 << 12);
    pub const REPLICATION: Group = Group(1 << 14);
    pub const ACCESS_POINT: Group = Group(1 << 15);
    /// Goes with actions of services other than S3.
    pub const OTHER: Group = Group(1 << 16);
    pub const JOB: Group = Group(1 << 17);

    #[must_use]
    pub const fn and(self, other: Group) -> Group {
        Group(self.0 | other.0)
    }

    pub const fn meets(self, other: Group) -> bool {
        other.0 == 0 || self.0 & other.0 != 0
    }
}

/// A condition key as AWS documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// As documented; a trailing slash or colon means that a name follows: `aws:PrincipalTag/`.
    pub name: &'static str,
    pub kind: Type,
    /// Whether a request may have several values.
    pub many: bool,
    pub origin: Origin,
    pub group: Group,
}

impl Known {
    pub(crate) const fn of(name: &'static str, kind: Type, origin: Origin, group: Group) -> Known {
        Known { name, kind, many: false, origin, group }
    }

    pub(crate) const fn several(self) -> Known {
        Known { many: true, ..self }
    }

    fn is_named(&self, key: &str) -> bool {
        let open = self.name.ends_with(['/', ':']);
        let named = key.get(..self.name.len()).is_some_and(|head| head.eq_ignore_ascii_case(self.name));
        named && (key.len() > self.name.len()) == open
    }
}

/// What is known of `key`, in any case.
pub fn known(key: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.is_named(key))
}

/// The form in which [`crate::Context`] is asked: lower case up to the slash, then as written.
pub fn normal(key: &str) -> String {
    match key.split_once('/') {
        Some((head, rest)) => format!("{}/{rest}", head.to_ascii_lowercase()),
        None => key.to_ascii_lowercase(),
    }
}

/// A key as a compiled policy has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: Box<str>,
    pub(crate) origin: Origin,
}

impl Key {
    pub(crate) fn of(written: &str) -> Key {
        let origin = known(written).map_or(Origin::Request, |known| known.origin);
        Key { name: normal(written).into(), origin }
    }
}
