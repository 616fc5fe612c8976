//! Actions: which there are, on what they act, and which condition keys go with them.
//!
//! A known action is a number, and what a statement's patterns cover is a set of bits worked out when it is parsed, so
//! that asking costs one load whatever the patterns are.

mod other;
mod s3;

use crate::glob::Glob;
use crate::key::Group;

/// On what an action acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// Nothing with an ARN of its own: the resource is `*`.
    pub const SERVICE: Level = Level(1);
    pub const BUCKET: Level = Level(2);
    pub const OBJECT: Level = Level(4);
    /// Access points, jobs, users, roles, keys.
    pub const OTHER: Level = Level(8);

    #[must_use]
    pub const fn and(self, other: Level) -> Level {
        Level(self.0 | other.0)
    }

    pub const fn meets(self, other: Level) -> bool {
        self.0 & other.0 != 0
    }
}

/// An action as AWS documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// `s3:GetObject`
    pub name: &'static str,
    pub level: Level,
    /// The groups of service keys that a request of this action can have.
    pub keys: Group,
}

const COUNT: usize = s3::ACTIONS.len() + other::ACTIONS.len();
const WORDS: usize = COUNT.div_ceil(64);

const fn at(index: usize) -> Known {
    if index < s3::ACTIONS.len() {
        s3::ACTIONS[index]
    } else {
        Known { name: other::ACTIONS[index - s3::ACTIONS.len()], level: Level::OTHER, keys: Group::OTHER }
    }
}

/// Every known action.
pub fn all() -> impl Iterator<Item = Known> {
    (0..COUNT).map(at)
}

/// What is asked to be done. Known actions compare as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action<'a> {
    name: &'a str,
    id: Option<u16>,
}

impl<'a> Action<'a> {
    /// The action of this name, in any case; one that the table does not know compares as text.
    pub fn of(name: &'a str) -> Action<'a> {
        Action { name, id: position(name) }
    }

    pub fn name(&self) -> &'a str {
        self.name
    }

    pub fn known(&self) -> Option<Known> {
        self.id.map(|id| at(usize::from(id)))
    }

    pub(crate) fn is(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.eq_ignore_ascii_case(self.name))
    }
}

impl Action<'static> {
    /// A known action as a constant: a name that the table does not have does not compile.
    pub const fn constant(name: &'static str) -> Action<'static> {
        let mut index = 0;
        while index < COUNT {
            if same(at(index).name.as_bytes(), name.as_bytes()) {
                return Action { name, id: Some(index as u16) };
            }
            index += 1;
        }
        panic!("no such action")
    }
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Both tables are in order of their names in lower case.
fn position(name: &str) -> Option<u16> {
    let order = |held: &str| {
        held.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(name.bytes().map(|b| b.to_ascii_lowercase()))
    };
    let found = match s3::ACTIONS.binary_search_by(|known| order(known.name)) {
        Ok(index) => Some(index),
        Err(_) => other::ACTIONS.binary_search_by(|held| order(held)).ok().map(|index| s3::ACTIONS.len() + index),
    };
    found.and_then(|index| u16::try_from(index).ok())
}

/// The actions that a statement's `Action` or `NotAction` covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActionSet {
    known: [u64; WORDS],
    /// Lower-case patterns, for actions that the table does not know.
    patterns: Box<[Glob]>,
    negated: bool,
}

impl ActionSet {
    /// `patterns` in lower case.
    pub(crate) fn new(patterns: impl Iterator<Item = Glob>, negated: bool) -> ActionSet {
        let patterns: Box<[Glob]> = patterns.collect();
        let mut known = [0; WORDS];
        let mut cover = |index: usize| known[index / 64] |= 1 << (index % 64);
        let mut lower = String::new();
        for pattern in &patterns {
            if let Glob::Exact(name) = pattern {
                position(name).into_iter().for_each(|id| cover(usize::from(id)));
                continue;
            }
            for (index, action) in all().enumerate() {
                lower.clear();
                lower.extend(action.name.chars().map(|letter| letter.to_ascii_lowercase()));
                if pattern.matches(&lower) {
                    cover(index);
                }
            }
        }
        if negated {
            known.iter_mut().for_each(|word| *word = !*word);
        }
        ActionSet { known, patterns, negated }
    }

    pub(crate) fn contains(&self, action: &Action<'_>) -> bool {
        match action.id {
            Some(id) => self.known[usize::from(id) / 64] >> (id % 64) & 1 == 1,
            None => {
                let name = action.name.to_ascii_lowercase();
                self.patterns.iter().any(|pattern| pattern.matches(&name)) != self.negated
            }
        }
    }

    /// The known actions in it.
    pub(crate) fn known(&self) -> impl Iterator<Item = Known> + '_ {
        all().enumerate().filter(|(index, _)| self.known[index / 64] >> (index % 64) & 1 == 1).map(|(_, action)| action)
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, ActionSet, all, position};
    use crate::glob::Glob;

    #[test]
    fn every_action_is_found_under_its_own_name_in_any_case() {
        for (index, action) in all().enumerate() {
            assert_eq!(position(action.name), Some(index as u16), "{}", action.name);
            assert_eq!(Action::of(&action.name.to_ascii_uppercase()).known(), Some(action));
        }
        assert_eq!(Action::of("s3:Nothing").known(), None);
        const GET: Action<'static> = Action::constant("s3:GetObject");
        assert_eq!(GET, Action::of("s3:GetObject"));
    }

    #[test]
    fn a_set_answers_for_actions_known_and_unknown() {
        let reads = ActionSet::new([Glob::wild("s3:get*"), Glob::wild("ec2:run?nstances")].into_iter(), false);
        assert!(reads.contains(&Action::of("s3:GetObject")));
        assert!(!reads.contains(&Action::of("s3:PutObject")));
        assert!(reads.contains(&Action::of("EC2:RunInstances")));
        let others = ActionSet::new([Glob::wild("s3:get*")].into_iter(), true);
        assert!(!others.contains(&Action::of("s3:GetObject")));
        assert!(others.contains(&Action::of("s3:PutObject")));
        assert!(others.contains(&Action::of("ec2:RunInstances")));
    }
}
