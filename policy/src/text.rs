//! Texts of a policy that are compared: with wildcards or without, with policy variables or without.

use crate::glob::{Glob, Token, tokens, tokens_match};
use crate::key::Key;
use crate::malformed::Malformed;
use crate::scope::Scope;

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Fixed(Glob),
    Template(Template),
}

/// A text with variables. Their values are literal, whatever is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// The literal that it begins with: most texts that do not match differ here.
    head: Box<str>,
    /// All of it, the head too.
    parts: Box<[Part]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Tokens(Box<[Token]>),
    Variable { key: Key, default: Option<Box<str>> },
}

/// Tokens after the head that fit on the stack; a longer text is the uncommon case that allocates.
const STACK: usize = 256;

impl Text {
    pub(crate) fn parse(written: &str, wildcards: Wildcards, variables: Variables) -> Result<Text, Malformed> {
        if variables == Variables::Literal || !written.contains("${") {
            return Ok(Text::Fixed(match wildcards {
                Wildcards::Meant => Glob::wild(written),
                Wildcards::Literal => Glob::literal(written),
            }));
        }
        let mut parts = Vec::new();
        let mut literal: Vec<Token> = Vec::new();
        let mut rest = written;
        while let Some(at) = rest.find("${") {
            push(&mut literal, &rest[..at], wildcards);
            let inside = &rest[at + 2..];
            let end = inside.find('}').ok_or_else(|| malformed(written))?;
            match &inside[..end] {
                escaped @ ("*" | "?" | "$") => literal.extend(escaped.bytes().map(Token::Byte)),
                name => {
                    parts.push(Part::Tokens(std::mem::take(&mut literal).into()));
                    parts.push(variable(name).ok_or_else(|| malformed(written))?);
                }
            }
            rest = &inside[end + 1..];
        }
        push(&mut literal, rest, wildcards);
        if parts.is_empty() {
            return Ok(Text::Fixed(Glob::of_tokens(literal)));
        }
        parts.push(Part::Tokens(literal.into()));
        Ok(Text::Template(Template::new(parts)))
    }

    pub(crate) fn matches(&self, text: &str, scope: &Scope<'_>) -> bool {
        match self {
            Text::Fixed(glob) => glob.matches(text),
            Text::Template(template) => {
                let Some(rest) = text.strip_prefix(&*template.head) else { return false };
                template.render(scope, template.head.len(), |tokens| tokens_match(tokens, rest, &mut || ()))
                    == Some(true)
            }
        }
    }

    /// Equality without regard to case; the text was parsed with literal wildcards.
    pub(crate) fn equals_folded(&self, text: &str, scope: &Scope<'_>) -> bool {
        match self {
            Text::Fixed(Glob::Exact(whole)) => folded(whole).eq(folded(text)),
            Text::Fixed(other) => other.matches(text),
            Text::Template(template) => template.render(scope, 0, |tokens| same_folded(tokens, text)) == Some(true),
        }
    }

    /// Calls `use_tokens` with the text's tokens, its variables replaced; nothing if one has no value.
    pub(crate) fn render<T>(&self, scope: &Scope<'_>, use_tokens: impl FnOnce(&[Token]) -> T) -> Option<T> {
        match self {
            Text::Template(template) => template.render(scope, 0, use_tokens),
            Text::Fixed(Glob::Tokens(tokens)) => Some(use_tokens(tokens)),
            Text::Fixed(Glob::Exact(text)) => Some(use_tokens(&text.bytes().map(Token::Byte).collect::<Vec<_>>())),
            Text::Fixed(_) => None,
        }
    }

    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self, Text::Fixed(glob) if !glob.is_wild())
    }
}

impl Template {
    /// `parts` begins with tokens, be they none.
    fn new(parts: Vec<Part>) -> Template {
        let first: &[Token] = match parts.first() {
            Some(Part::Tokens(tokens)) => tokens,
            _ => &[],
        };
        let bytes = first.iter().map_while(|token| match token {
            Token::Byte(byte) => Some(*byte),
            Token::One | Token::Any => None,
        });
        let head = String::from_utf8(bytes.collect()).unwrap_or_default();
        Template { head: head.into(), parts: parts.into() }
    }

    /// Calls `use_tokens` with the tokens after the first `skip`, which lie in the head.
    fn render<T>(&self, scope: &Scope<'_>, skip: usize, use_tokens: impl FnOnce(&[Token]) -> T) -> Option<T> {
        let mut length = 0;
        for part in &self.parts {
            length += match part {
                Part::Tokens(tokens) => tokens.len(),
                Part::Variable { key, default } => scope.variable(key).or(default.as_deref())?.len(),
            };
        }
        let length = length - skip;
        let mut stack = [Token::Any; STACK];
        let mut heap = Vec::new();
        let row: &mut [Token] = if length <= STACK {
            &mut stack[..length]
        } else {
            heap.resize(length, Token::Any);
            &mut heap
        };
        let mut at = 0;
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Tokens(tokens) => {
                    let tokens = if index == 0 { &tokens[skip..] } else { tokens };
                    row[at..at + tokens.len()].copy_from_slice(tokens);
                    at += tokens.len();
                }
                Part::Variable { key, default } => {
                    let value = scope.variable(key).or(default.as_deref())?;
                    for byte in value.bytes() {
                        *row.get_mut(at)? = Token::Byte(byte);
                        at += 1;
                    }
                }
            }
        }
        Some(use_tokens(&row[..at]))
    }
}

fn push(row: &mut Vec<Token>, text: &str, wildcards: Wildcards) {
    match wildcards {
        Wildcards::Meant => row.extend(tokens(text)),
        Wildcards::Literal => row.extend(text.bytes().map(Token::Byte)),
    }
}

/// `aws:username` or `aws:PrincipalTag/team, 'nobody'`.
fn variable(inside: &str) -> Option<Part> {
    let (name, default) = match inside.split_once(',') {
        None => (inside, None),
        Some((name, rest)) => (name, Some(rest.trim().strip_prefix('\'')?.strip_suffix('\'')?.into())),
    };
    let name = name.trim();
    let well_formed = !name.is_empty() && !name.contains(['$', '{', '*', '?']);
    well_formed.then(|| Part::Variable { key: Key::of(name), default })
}

fn malformed(written: &str) -> Malformed {
    Malformed::new(format!("Invalid policy variable in {written}"))
}

pub(crate) fn folded(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

fn same_folded(row: &[Token], text: &str) -> bool {
    let bytes: Vec<u8> = row
        .iter()
        .filter_map(|token| match token {
            Token::Byte(byte) => Some(*byte),
            Token::One | Token::Any => None,
        })
        .collect();
    std::str::from_utf8(&bytes).is_ok_and(|held| folded(held).eq(folded(text)))
}
