use crate::key::{normal, same_name};

/// The values that a request has for one condition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values<'a> {
    /// The request has no such key.
    Absent,
    One(&'a str),
    /// A set; an empty one counts as absent, as AWS has it.
    Many(&'a [String]),
}

impl<'a> Values<'a> {
    pub fn from_option(value: Option<&'a str>) -> Values<'a> {
        value.map_or(Values::Absent, Values::One)
    }

    fn of(values: &'a [String]) -> Values<'a> {
        match values {
            [] => Values::Absent,
            [one] => Values::One(one),
            many => Values::Many(many),
        }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Values::Absent | Values::Many([]))
    }
}

/// What the request says beyond caller, action and resource.
///
/// Keys come in the form of [`crate::key::normal`], in lower case, with the name of a tag in them in lower case too: whoever
/// answers for tags looks them up in a [`TagSet`]. An implementation computes what it is asked for and keeps it, since most
/// requests are asked for nothing. It answers for the keys that [`crate::key::ALL`] says its face supplies. Keys about the
/// caller and about who owns the resource are answered by the engine and never asked here, so that no header can pose as one.
pub trait Context {
    fn get(&self, key: &str) -> Values<'_>;
}

/// A request about which nothing more is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Context for Nothing {
    fn get(&self, _key: &str) -> Values<'_> {
        Values::Absent
    }
}

/// A context written down as a list: for simulation and tests.
#[derive(Clone, Debug, Default)]
pub struct Entries(Vec<(String, Vec<String>)>);

impl Entries {
    pub fn new() -> Entries {
        Entries::default()
    }

    /// Sets `key`, in any case, to `values`.
    #[must_use]
    pub fn with(mut self, key: &str, values: impl IntoIterator<Item = impl Into<String>>) -> Entries {
        let name = normal(key);
        self.0.retain(|(held, _)| *held != name);
        self.0.push((name, values.into_iter().map(Into::into).collect()));
        self
    }
}

impl Context for Entries {
    fn get(&self, key: &str) -> Values<'_> {
        let found = self.0.iter().find(|(held, _)| held == key);
        found.map_or(Values::Absent, |(_, values)| Values::of(values))
    }
}

/// Tags as keys find them: by a name that has no case. Where several tags have names that differ in case alone, each of
/// their values counts, so that a Deny that speaks of one is not got round by another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSet(Vec<(String, Vec<String>)>);

impl TagSet {
    pub fn of<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> TagSet {
        let mut set: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in tags {
            match set.iter_mut().find(|(held, _)| same_name(held, name)) {
                Some((_, values)) => values.push(value.to_owned()),
                None => set.push((normal(name), vec![value.to_owned()])),
            }
        }
        TagSet(set)
    }

    /// The values of the tag that a key names.
    pub fn get(&self, name: &str) -> Values<'_> {
        let found = self.0.iter().find(|(held, _)| same_name(held, name));
        found.map_or(Values::Absent, |(_, values)| Values::of(values))
    }
}

#[cfg(test)]
mod tests {
    use super::{Context as _, Entries, TagSet, Values};

    #[test]
    fn tags_whose_names_differ_in_case_alone_are_all_found_under_each_of_them() {
        let tags = TagSet::of([("Team", "red"), ("x", "y"), ("team", "blue")]);
        let both = ["red".to_owned(), "blue".to_owned()];
        for name in ["team", "Team", "TEAM"] {
            assert_eq!(tags.get(name), Values::Many(&both));
        }
        assert_eq!((tags.get("X"), tags.get("z")), (Values::One("y"), Values::Absent));
        // The sign for kelvin is a letter k, and a capital E with an accent is a small one.
        let tags = TagSet::of([("\u{212a}ey", "a"), ("\u{c9}quipe", "b")]);
        assert_eq!((tags.get("key"), tags.get("\u{e9}quipe")), (Values::One("a"), Values::One("b")));
    }

    #[test]
    fn entries_are_found_whatever_the_case_of_the_name_in_them() {
        let entries = Entries::new().with("aws:RequestTag/Team", ["red"]);
        assert_eq!(entries.get(&crate::key::normal("AWS:requesttag/TEAM")), Values::One("red"));
    }
}
