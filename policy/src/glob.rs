//! Wildcards without backtracking blow-up.
//!
//! A pattern without `?` is cut at its stars into literals, each searched once: linear. One with `?`, or with policy
//! variables in it, is a row of tokens walked with one place to return to, the last star: at most text times pattern.

use memchr::memmem;

/// One step of a pattern. `Byte` is always literal, so that a variable's value can hold `*` and mean it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Byte(u8),
    /// `?`: one character, however many bytes it has.
    One,
    /// `*`
    Any,
}

/// A pattern made ready for many comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Glob {
    Any,
    Exact(Box<str>),
    Prefix(Box<str>),
    /// Literals between stars; `head` and `tail` are anchored and may be empty.
    Pieces {
        head: Box<str>,
        middle: Box<[Box<str>]>,
        tail: Box<str>,
    },
    Tokens(Box<[Token]>),
}

impl Glob {
    /// `*` and `?` are wildcards.
    pub(crate) fn wild(pattern: &str) -> Glob {
        if pattern.contains('?') {
            return Glob::Tokens(tokens(pattern).collect());
        }
        let pieces: Vec<&str> = pattern.split('*').collect();
        match pieces.as_slice() {
            [] => Glob::literal(""),
            [only] => Glob::literal(only),
            ["", ""] => Glob::Any,
            [head, ""] => Glob::Prefix((*head).into()),
            [head, middle @ .., tail] => Glob::Pieces {
                head: (*head).into(),
                middle: middle.iter().filter(|piece| !piece.is_empty()).map(|piece| (*piece).into()).collect(),
                tail: (*tail).into(),
            },
        }
    }

    pub(crate) fn literal(text: &str) -> Glob {
        Glob::Exact(text.into())
    }

    /// Of tokens in which every literal is one already.
    pub(crate) fn of_tokens(row: Vec<Token>) -> Glob {
        let bytes = row.iter().map(|token| match token {
            Token::Byte(byte) => Some(*byte),
            Token::One | Token::Any => None,
        });
        let literal = bytes.collect::<Option<Vec<u8>>>().and_then(|bytes| String::from_utf8(bytes).ok());
        literal.map_or_else(|| Glob::Tokens(row.into()), |text| Glob::Exact(text.into()))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Glob::Any => true,
            Glob::Exact(whole) => **whole == *text,
            Glob::Prefix(head) => text.starts_with(&**head),
            Glob::Pieces { head, middle, tail } => pieces_match(head, middle, tail, text),
            Glob::Tokens(tokens) => tokens_match(tokens, text, &mut || ()),
        }
    }

    /// Whether there is a wildcard in it.
    pub(crate) fn is_wild(&self) -> bool {
        !matches!(self, Glob::Exact(_))
    }
}

fn pieces_match(head: &str, middle: &[Box<str>], tail: &str, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(head) else { return false };
    let Some(rest) = rest.strip_suffix(tail) else { return false };
    let mut rest = rest.as_bytes();
    for piece in middle {
        match memmem::find(rest, piece.as_bytes()) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

/// The tokens of a text in which `*` and `?` are wildcards.
pub(crate) fn tokens(pattern: &str) -> impl Iterator<Item = Token> + '_ {
    pattern.bytes().map(|byte| match byte {
        b'*' => Token::Any,
        b'?' => Token::One,
        byte => Token::Byte(byte),
    })
}

/// Whether the whole of `text` matches; `step` is called for each comparison, so that a test can count them.
pub(crate) fn tokens_match(pattern: &[Token], text: &str, step: &mut impl FnMut()) -> bool {
    let text = text.as_bytes();
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        step();
        match pattern.get(at) {
            Some(Token::Any) => {
                at += 1;
                if at == pattern.len() {
                    return true;
                }
                star = Some((at, read));
                continue;
            }
            Some(Token::One) => {
                at += 1;
                read = next_character(text, read);
                continue;
            }
            Some(Token::Byte(byte)) if *byte == text[read] => {
                at += 1;
                read += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, from)) = star else { return false };
        let from = next_character(text, from);
        star = Some((after, from));
        (at, read) = (after, from);
    }
    pattern[at..].iter().all(|token| *token == Token::Any)
}

fn next_character(text: &[u8], from: usize) -> usize {
    let rest = &text[from + 1..];
    from + 1 + rest.iter().take_while(|byte| (**byte & 0xC0) == 0x80).count()
}

#[cfg(test)]
#[path = "glob/tests.rs"]
mod tests;
