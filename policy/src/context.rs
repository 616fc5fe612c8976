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

    pub fn is_absent(&self) -> bool {
        matches!(self, Values::Absent | Values::Many([]))
    }
}

/// What the request says beyond caller, action and resource.
///
/// Keys come as [`crate::key`] lists them, in lower case; of a key with a name in it (`s3:existingobjecttag/Colour`) the
/// part before the slash is in lower case and the rest as the policy has it. An implementation computes what it is asked
/// for and keeps it, since most requests are asked for nothing. Keys about the caller and about who owns the resource
/// are answered by the engine and never asked here, so that no header can pose as one.
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
        let name = crate::key::normal(key);
        self.0.retain(|(held, _)| *held != name);
        self.0.push((name, values.into_iter().map(Into::into).collect()));
        self
    }
}

impl Context for Entries {
    fn get(&self, key: &str) -> Values<'_> {
        match self.0.iter().find(|(held, _)| held == key) {
            None => Values::Absent,
            Some((_, values)) => match values.as_slice() {
                [one] => Values::One(one),
                many => Values::Many(many),
            },
        }
    }
}
