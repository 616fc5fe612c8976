//! Condition keys: which there are, what their values are, and where they come from. Validation and the engine both read
//! this one table, and so does the test that walks the faces.

mod table;

pub use table::ALL;

use crate::action::Action;
use crate::text::folded;

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

/// Which faces supply a key: they know whether a request has it, and with what value. The caller's and the resource's keys
/// are the engine's own, and so of every face. What explains and simulates decisions takes the keys of its question, and of
/// the others only the engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faces(u8);

impl Faces {
    pub const NONE: Faces = Faces(0);
    /// S3's requests signed by header, and not signed.
    pub const S3: Faces = Faces(1);
    /// S3's requests signed in their query.
    pub const PRESIGNED: Faces = Faces(1 << 1);
    pub const IAM: Faces = Faces(1 << 2);
    pub const STS: Faces = Faces(1 << 3);
    pub const ALL: Faces = Faces::S3.and(Faces::PRESIGNED).and(Faces::IAM).and(Faces::STS);

    #[must_use]
    pub const fn and(self, other: Faces) -> Faces {
        Faces(self.0 | other.0)
    }

    pub const fn contains(self, other: Faces) -> bool {
        self.0 & other.0 == other.0
    }

    /// The face at which an action is asked for. Both of S3's know the same keys.
    pub(crate) fn of_action(action: &str) -> Faces {
        let service = service(action);
        let faces = [("s3", Faces::S3), ("iam", Faces::IAM), ("sts", Faces::STS)];
        faces.iter().find(|(name, _)| name.eq_ignore_ascii_case(service)).map_or(Faces::NONE, |(_, face)| *face)
    }
}

/// What stands before the colon: `s3`.
fn service(name: &str) -> &str {
    name.split(':').next().unwrap_or_default()
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
    pub faces: Faces,
}

impl Known {
    pub(crate) const fn of(name: &'static str, kind: Type, origin: Origin, group: Group, faces: Faces) -> Known {
        Known { name, kind, many: false, origin, group, faces }
    }

    pub(crate) const fn several(self) -> Known {
        Known { many: true, ..self }
    }

    /// Whether a name follows.
    pub fn is_open(&self) -> bool {
        self.name.ends_with(['/', ':'])
    }

    fn is_named(&self, key: &str) -> bool {
        let named = key.get(..self.name.len()).is_some_and(|head| head.eq_ignore_ascii_case(self.name));
        named && (key.len() > self.name.len()) == self.is_open()
    }
}

/// What is known of `key`, in any case.
pub fn known(key: &str) -> Option<&'static Known> {
    ALL.iter().find(|known| known.is_named(key))
}

/// The form in which keys are compared and [`crate::Context`] is asked: without regard to case, the names of tags in them
/// too, as AWS has it. Every context compares keys in this form, and in no other.
pub fn normal(key: &str) -> String {
    folded(key).collect()
}

/// Whether two names of tags are one: in keys they have no case.
pub fn same_name(left: &str, right: &str) -> bool {
    folded(left).eq(folded(right))
}

/// A key as a compiled policy has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// In its normal form.
    pub(crate) name: Box<str>,
    pub(crate) known: Option<&'static Known>,
}

impl Key {
    pub(crate) fn of(written: &str) -> Key {
        Key { name: normal(written).into(), known: known(written) }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.known.map_or(Origin::Request, |known| known.origin)
    }

    /// Whether a request for `action` may have the key without the server knowing of it. Keys of services other than the
    /// action's, and those that do not go with it, are in no such request, as AWS documents.
    pub(crate) fn is_unsupplied(&self, action: &Action<'_>) -> bool {
        if self.known.is_some_and(|known| known.faces == Faces::ALL) {
            return false;
        }
        let (of_key, of_action) = (service(&self.name), service(action.name()));
        if of_key != "aws" && !of_key.eq_ignore_ascii_case(of_action) {
            return false;
        }
        let face = Faces::of_action(of_action);
        match (self.known, action.known()) {
            (Some(known), _) if known.faces.contains(face) => false,
            (Some(known), Some(action)) if of_key == "s3" => action.keys.meets(known.group),
            _ => true,
        }
    }

    /// Whether each object that one request names may have another value.
    pub(crate) fn is_of_object(&self) -> bool {
        *self.name == *"s3:versionid" || self.name.starts_with("s3:existingobjecttag/")
    }
}
