//! Texts of a policy that are compared: with wildcards or without, with policy variables or without. The texts of one list
//! are one piece of memory: a policy of 20 KiB can have thousands of them, and ten thousand such policies may be stored.

use std::collections::HashMap;

use memchr::memchr;

use crate::key::Key;
use crate::malformed::Malformed;
use crate::pattern::{ANY, ONE, VARIABLE, matches, wild, wildcard};
use crate::scope::Scope;
use crate::steps::Steps;

/// Whether `*` and `?` are wildcards in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wildcards {
    Meant,
    Literal,
}

/// Whether `${...}` is a variable: not before version 2012-10-17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variables {
    Replaced,
    Literal,
}

/// What has to be done to compare a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Letter by letter.
    Exact = 0,
    /// `*`
    Any = 1,
    /// A pattern whose only wildcard is a star at its end.
    Prefix = 2,
    Pattern = 3,
    /// Variables are replaced first. Their values are literal, whatever is in them.
    Template = 4,
}

impl Class {
    fn of(bytes: &[u8]) -> Class {
        let wild = |byte: &u8| matches!(*byte, ANY | ONE);
        match bytes {
            bytes if memchr(VARIABLE, bytes).is_some() => Class::Template,
            [ANY] => Class::Any,
            [head @ .., ANY] if !head.iter().any(wild) => Class::Prefix,
            bytes if bytes.iter().any(wild) => Class::Pattern,
            _ => Class::Exact,
        }
    }

    fn from_byte(byte: u8) -> Class {
        match byte {
            0 => Class::Exact,
            1 => Class::Any,
            2 => Class::Prefix,
            3 => Class::Pattern,
            _ => Class::Template,
        }
    }
}

/// A list of texts: of each its class, its length in seven bits a byte, and its bytes as [`crate::pattern`] has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    packed: Box<[u8]>,
    variables: Option<Box<[Variable]>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    key: Key,
    default: Option<Box<str>>,
}

/// One text of a list.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    class: Class,
    bytes: &'a [u8],
    variables: &'a [Variable],
}

/// Bytes of a text with its variables replaced that fit on the stack; a longer one is the uncommon case that allocates.
const STACK: usize = 256;
const SEVEN_BITS: usize = 0x7F;
/// As many numbers as two bytes of seven bits have.
const VARIABLES_MAX: usize = 1 << 14;

impl Texts {
    pub(crate) fn parse<'w>(
        written: impl IntoIterator<Item = &'w str>,
        wildcards: Wildcards,
        variables: Variables,
    ) -> Result<Texts, Malformed> {
        let (mut packed, mut found) = (Vec::new(), Found::default());
        for text in written {
            let bytes = match variables {
                Variables::Replaced if text.contains("${") => found.template(text, wildcards)?,
                _ if wildcards == Wildcards::Meant => wild(text),
                _ => text.as_bytes().to_vec(),
            };
            packed.push(Class::of(&bytes) as u8);
            let mut length = bytes.len();
            while length > SEVEN_BITS {
                packed.push((length & SEVEN_BITS) as u8 | 0x80);
                length >>= 7;
            }
            packed.push(length as u8);
            packed.extend_from_slice(&bytes);
        }
        let variables = found.variables;
        Ok(Texts { packed: packed.into(), variables: (!variables.is_empty()).then(|| variables.into()) })
    }

    /// Lists without variables as one.
    pub(crate) fn joined<'t>(lists: impl Iterator<Item = &'t Texts>) -> Texts {
        Texts { packed: lists.flat_map(|list| list.packed.iter().copied()).collect(), variables: None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Text<'_>> {
        let mut rest = &*self.packed;
        std::iter::from_fn(move || {
            let (class, mut after) = rest.split_first()?;
            let (mut length, mut shift) = (0, 0);
            loop {
                let (byte, left) = after.split_first()?;
                (length, after) = (length | (usize::from(*byte) & SEVEN_BITS) << shift, left);
                if usize::from(*byte) <= SEVEN_BITS {
                    break;
                }
                shift += 7;
            }
            let (bytes, left) = after.split_at(length);
            rest = left;
            let variables = self.variables.as_deref().unwrap_or_default();
            Some(Text { class: Class::from_byte(*class), bytes, variables })
        })
    }

    /// Of a list without variables.
    pub(crate) fn any_plain_matches(&self, text: &str, steps: &Steps) -> bool {
        self.iter().any(|held| held.plain_matches(text, steps))
    }

    pub(crate) fn any_matches(&self, text: &str, scope: &Scope<'_>) -> bool {
        self.iter().any(|held| held.matches(text, scope))
    }

    /// Whether some text is `*` and no more.
    pub(crate) fn has_lone_star(&self) -> bool {
        self.iter().any(|text| text.class == Class::Any)
    }

    /// The keys of the variables.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.variables.iter().flatten().map(|variable| &variable.key)
    }

    /// The keys of variables that stand for nothing if the key has no value.
    pub(crate) fn keys_without_default(&self) -> impl Iterator<Item = &Key> {
        self.variables.iter().flatten().filter(|variable| variable.default.is_none()).map(|variable| &variable.key)
    }
}

impl<'a> Text<'a> {
    pub(crate) fn matches(self, text: &str, scope: &Scope<'_>) -> bool {
        if self.class != Class::Template {
            return self.plain_matches(text, scope.steps);
        }
        scope.steps.spend(1);
        // Most texts that do not match differ in what they begin with.
        let head = self.bytes.iter().take_while(|byte| **byte < VARIABLE).count();
        text.as_bytes().starts_with(&self.bytes[..head])
            && self.replaced(scope, |bytes| matches(bytes, text, scope.steps)) == Some(true)
    }

    fn plain_matches(self, text: &str, steps: &Steps) -> bool {
        match self.class {
            Class::Any => true,
            Class::Exact => {
                steps.spend(1 + text.len() / STACK);
                self.bytes == text.as_bytes()
            }
            Class::Prefix => {
                steps.spend(1 + text.len() / STACK);
                text.as_bytes().starts_with(&self.bytes[..self.bytes.len() - 1])
            }
            Class::Pattern | Class::Template => matches(self.bytes, text, steps),
        }
    }

    /// Equality without regard to case; the text was parsed with literal wildcards.
    pub(crate) fn equals_folded(self, text: &str, scope: &Scope<'_>) -> bool {
        scope.steps.spend(1 + text.len() / 4);
        let same = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|held| folded(held).eq(folded(text)));
        match self.class {
            Class::Template => self.replaced(scope, same) == Some(true),
            _ => same(self.bytes),
        }
    }

    /// Calls `use_bytes` with the text's bytes, its variables replaced; nothing if one has no value.
    pub(crate) fn replaced<T>(self, scope: &Scope<'_>, use_bytes: impl FnOnce(&[u8]) -> T) -> Option<T> {
        if self.class != Class::Template {
            return Some(use_bytes(self.bytes));
        }
        let mut length = 0;
        for part in self.parts() {
            length += part.value(scope)?.len();
        }
        scope.steps.spend(1 + length / 16);
        let mut stack = [0; STACK];
        let mut heap = Vec::new();
        let row: &mut [u8] = if length <= STACK {
            &mut stack[..length]
        } else {
            heap.resize(length, 0);
            &mut heap
        };
        let mut at = 0;
        for part in self.parts() {
            let value = part.value(scope)?;
            row.get_mut(at..at + value.len())?.copy_from_slice(value);
            at += value.len();
        }
        Some(use_bytes(&row[..at]))
    }

    fn parts(self) -> impl Iterator<Item = Part<'a>> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || match rest {
            [] => None,
            [VARIABLE, low, high, after @ ..] => {
                rest = after;
                self.variables.get(usize::from(*low) | usize::from(*high) << 7).map(Part::Variable)
            }
            literal => {
                let (literal, after) = literal.split_at(memchr(VARIABLE, literal).unwrap_or(literal.len()));
                rest = after;
                Some(Part::Literal(literal))
            }
        })
    }

    /// Whether it stands for one text only.
    pub(crate) fn is_fixed(self) -> bool {
        self.class == Class::Exact
    }

    pub(crate) fn is_template(self) -> bool {
        self.class == Class::Template
    }

    /// The bytes as they were compiled. Of a template they have variables in them.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Literal(&'a [u8]),
    Variable(&'a Variable),
}

impl<'a> Part<'a> {
    fn value<'s: 'v, 'v>(self, scope: &Scope<'s>) -> Option<&'v [u8]>
    where
        'a: 'v,
    {
        match self {
            Part::Literal(bytes) => Some(bytes),
            Part::Variable(variable) => {
                scope.variable(&variable.key).or(variable.default.as_deref()).map(str::as_bytes)
            }
        }
    }
}

/// The variables of a list, each once.
#[derive(Default)]
struct Found<'w> {
    variables: Vec<Variable>,
    numbers: HashMap<&'w str, usize>,
}

impl<'w> Found<'w> {
    fn template(&mut self, written: &'w str, wildcards: Wildcards) -> Result<Vec<u8>, Malformed> {
        let literal = |text: &str, out: &mut Vec<u8>| match wildcards {
            Wildcards::Meant => out.extend(text.bytes().map(wildcard)),
            Wildcards::Literal => out.extend_from_slice(text.as_bytes()),
        };
        let (mut out, mut rest) = (Vec::with_capacity(written.len()), written);
        while let Some(at) = rest.find("${") {
            literal(&rest[..at], &mut out);
            let inside = &rest[at + 2..];
            let end = inside.find('}').ok_or_else(|| malformed(written))?;
            match &inside[..end] {
                escaped @ ("*" | "?" | "$") => out.extend_from_slice(escaped.as_bytes()),
                name => {
                    let number = self.number(name).ok_or_else(|| malformed(written))?;
                    out.extend([VARIABLE, (number & SEVEN_BITS) as u8, (number >> 7) as u8]);
                }
            }
            rest = &inside[end + 1..];
        }
        literal(rest, &mut out);
        Ok(out)
    }

    fn number(&mut self, inside: &'w str) -> Option<usize> {
        if let Some(known) = self.numbers.get(inside) {
            return Some(*known);
        }
        let number = self.variables.len();
        if number >= VARIABLES_MAX {
            return None;
        }
        self.variables.push(variable(inside)?);
        self.numbers.insert(inside, number);
        Some(number)
    }
}

/// `aws:username` or `aws:PrincipalTag/team, 'nobody'`.
fn variable(inside: &str) -> Option<Variable> {
    let (name, default) = match inside.split_once(',') {
        None => (inside, None),
        Some((name, rest)) => (name, Some(rest.trim().strip_prefix('\'')?.strip_suffix('\'')?.into())),
    };
    let name = name.trim();
    let well_formed = !name.is_empty() && !name.contains(['$', '{', '*', '?']);
    well_formed.then(|| Variable { key: Key::of(name), default })
}

fn malformed(written: &str) -> Malformed {
    Malformed::new(format!("Invalid policy variable in {written}"))
}

/// Without regard to case: one comparison for values, and for the names of tags in keys.
pub(crate) fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}
