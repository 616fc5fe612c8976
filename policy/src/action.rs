//! Actions: which there are, on what they act, and which condition keys go with them.
//!
//! A known action is a number, and what a statement's patterns cover is a set of bits worked out when it is parsed, so
//! that asking costs one load whatever the patterns are.

mod other;
mod s3;

use std::sync::Arc;

use crate::key::Group;
use crate::malformed::Malformed;
use crate::steps::Steps;
use crate::text::{Texts, Variables, Wildcards};

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

/// The names of the known actions in lower case, made once for a document that has a pattern.
#[derive(Default)]
pub(crate) struct LowerNames(Vec<String>);

impl LowerNames {
    /// The places of the actions that begin with `head`: both tables are in order.
    fn beginning_with(&mut self, head: &str) -> impl Iterator<Item = (usize, &str)> {
        if self.0.is_empty() {
            self.0 = all().map(|action| action.name.to_ascii_lowercase()).collect();
        }
        let (of_s3, others) = self.0.split_at(s3::ACTIONS.len());
        [(0, of_s3), (s3::ACTIONS.len(), others)].into_iter().flat_map(move |(base, names)| {
            let first = names.partition_point(|name| name.as_str() < head);
            let fitting = names[first..].iter().take_while(|name| name.starts_with(head)).count();
            names[first..first + fitting].iter().enumerate().map(move |(at, name)| (base + first + at, name.as_str()))
        })
    }
}

/// The actions that a statement's `Action` or `NotAction` covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActionSet {
    known: [u64; WORDS],
    /// Lower-case names and patterns that may cover actions which the table does not know.
    others: Texts,
    negated: bool,
}

impl ActionSet {
    /// What one name or pattern covers, which is in lower case.
    pub(crate) fn named(name: &str, lower: &mut LowerNames) -> Result<ActionSet, Malformed> {
        let mut known = [0_u64; WORDS];
        let mut cover = |index: usize| known[index / 64] |= 1 << (index % 64);
        let pattern = Texts::parse([name], Wildcards::Meant, Variables::Literal)?;
        let others = match (name.find(['*', '?']), position(name)) {
            (None, Some(id)) => {
                cover(usize::from(id));
                Texts::default()
            }
            (None, None) => pattern,
            (Some(wild), _) => {
                let steps = Steps::new(u32::MAX);
                let fitting = lower.beginning_with(&name[..wild]);
                fitting.filter(|(_, held)| pattern.any_plain_matches(held, &steps)).for_each(|(index, _)| cover(index));
                pattern
            }
        };
        Ok(ActionSet { known, others, negated: false })
    }

    /// What any of `sets` covers; or, `negated`, what none does.
    pub(crate) fn of_all(sets: &[Arc<ActionSet>], negated: bool) -> ActionSet {
        let mut known = [0_u64; WORDS];
        for set in sets {
            known.iter_mut().zip(&set.known).for_each(|(word, more)| *word |= more);
        }
        if negated {
            known.iter_mut().for_each(|word| *word = !*word);
        }
        ActionSet { known, others: Texts::joined(sets.iter().map(|set| &set.others)), negated }
    }

    pub(crate) fn contains(&self, action: &Action<'_>, steps: &Steps) -> bool {
        match action.id {
            Some(id) => self.known[usize::from(id) / 64] >> (id % 64) & 1 == 1,
            None => {
                let name = action.name.to_ascii_lowercase();
                self.others.any_plain_matches(&name, steps) != self.negated
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
    use std::sync::Arc;

    use super::{Action, ActionSet, LowerNames, all, position};
    use crate::steps::Steps;

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
        let set = |names: &[&str], negated| {
            let mut lower = LowerNames::default();
            let each = names.iter().map(|name| Arc::new(ActionSet::named(name, &mut lower).expect("a name")));
            ActionSet::of_all(&each.collect::<Vec<_>>(), negated)
        };
        let covers = |set: &ActionSet, name: &str| set.contains(&Action::of(name), &Steps::default());
        let reads = set(&["s3:get*", "ec2:run?nstances"], false);
        assert!(covers(&reads, "s3:GetObject") && covers(&reads, "EC2:RunInstances"));
        assert!(!covers(&reads, "s3:PutObject"));
        let others = set(&["s3:get*"], true);
        assert!(!covers(&others, "s3:GetObject"));
        assert!(covers(&others, "s3:PutObject") && covers(&others, "ec2:RunInstances"));
    }
}
