//! Patterns as bytes: UTF-8 text, in which three bytes that UTF-8 never has stand for what is no letter. So a variable's
//! value can hold `*` and mean it, and a list of patterns is one piece of memory.
//!
//! No pattern is walked twice over the same text. What stands before the first star and after the last is compared in place.
//! Between, each piece is searched once, from where the one before it ended: by two-way search if it is plain text, else by
//! Shift-And, which moves 64 places of the pattern in one step. The steps are at most text + pattern for pieces of up to 64
//! bytes, and text times pieces of 64 bytes for longer ones that have a `?`.

use memchr::{memchr, memmem, memrchr};

use crate::steps::Steps;

/// `*`
pub(crate) const ANY: u8 = 0xFE;
/// `?`: one character, however many bytes it has.
pub(crate) const ONE: u8 = 0xFF;
/// Begins a variable: two bytes follow, of seven bits each, with its number.
pub(crate) const VARIABLE: u8 = 0xFD;

/// Bytes that plain comparisons and searches look at in one step.
const BYTES_A_STEP: usize = 16;
/// Places that Shift-And moves in one step.
const PLACES: usize = 64;
/// Places that are looked at in one step when a row is made.
const PLACES_A_STEP: usize = 2;

/// The pattern of a text in which `*` and `?` are wildcards.
pub(crate) fn wild(written: &str) -> Vec<u8> {
    written.bytes().map(wildcard).collect()
}

pub(crate) fn wildcard(byte: u8) -> u8 {
    match byte {
        b'*' => ANY,
        b'?' => ONE,
        byte => byte,
    }
}

/// Whether the whole of `text` matches. Variables are replaced already.
pub(crate) fn matches(pattern: &[u8], text: &str, steps: &Steps) -> bool {
    let text = text.as_bytes();
    steps.spend(1 + pattern.len().min(text.len()) / BYTES_A_STEP);
    let (Some(first), Some(last)) = (memchr(ANY, pattern), memrchr(ANY, pattern)) else {
        return from_start(pattern, text, steps) == Some(text.len());
    };
    let Some(head) = from_start(&pattern[..first], text, steps) else { return false };
    let Some(tail) = from_end(&pattern[last + 1..], text, steps) else { return false };
    if head > tail {
        return false;
    }
    let mut rest = &text[head..tail];
    for piece in pattern[first..last].split(|byte| *byte == ANY).filter(|piece| !piece.is_empty()) {
        match end_of_first(piece, rest, steps) {
            Some(end) => rest = &rest[end..],
            None => return false,
        }
    }
    true
}

/// Where `piece`, which has no star, ends if `text` begins with it.
fn from_start(piece: &[u8], text: &[u8], steps: &Steps) -> Option<usize> {
    if memchr(ONE, piece).is_none() {
        return text.starts_with(piece).then_some(piece.len());
    }
    let mut at = 0;
    for (index, wanted) in piece.iter().enumerate() {
        let found = *text.get(at)?;
        at = match *wanted {
            ONE => boundary(text, at + 1),
            byte if byte == found => at + 1,
            _ => {
                steps.spend(index);
                return None;
            }
        };
    }
    steps.spend(piece.len());
    Some(at)
}

/// Where `piece` begins if `text` ends with it.
fn from_end(piece: &[u8], text: &[u8], steps: &Steps) -> Option<usize> {
    if memchr(ONE, piece).is_none() {
        return text.ends_with(piece).then(|| text.len() - piece.len());
    }
    let mut at = text.len();
    for (index, wanted) in piece.iter().rev().enumerate() {
        at = at.checked_sub(1)?;
        match *wanted {
            ONE => {
                while is_inside(text[at]) {
                    at = at.checked_sub(1)?;
                }
            }
            byte if byte == text[at] => {}
            _ => {
                steps.spend(index);
                return None;
            }
        }
    }
    steps.spend(piece.len());
    Some(at)
}

/// Where the first place in `text` that matches `piece` ends. Of places that match, the first leaves most to what follows.
fn end_of_first(piece: &[u8], text: &[u8], steps: &Steps) -> Option<usize> {
    if memchr(ONE, piece).is_none() {
        let found = memmem::find(text, piece).map(|at| at + piece.len());
        steps.spend(1 + (piece.len() + found.unwrap_or(text.len())) / BYTES_A_STEP);
        return found;
    }
    match piece.len() {
        0..=PLACES => short(piece, text, steps),
        _ => Long::of(piece, steps).search(piece, text, steps),
    }
}

/// Shift-And over one word: bit `i` is set while the text so far ends with the first `i + 1` places of the piece.
fn short(piece: &[u8], text: &[u8], steps: &Steps) -> Option<usize> {
    let (mut places, mut ones) = ([0_u64; 256], 0_u64);
    for (index, byte) in piece.iter().enumerate() {
        match *byte {
            ONE => ones |= 1 << index,
            byte => places[usize::from(byte)] |= 1 << index,
        }
    }
    steps.spend(piece.len());
    let whole = 1_u64 << (piece.len() - 1);
    let mut state = 0_u64;
    for (at, byte) in text.iter().enumerate() {
        let literal = places[usize::from(*byte)];
        state = match is_inside(*byte) {
            // A `?` stays until its character ends.
            true => ((state << 1) & literal) | (state & ones),
            false => ((state << 1) | 1) & (literal | ones),
        };
        if state & whole != 0 {
            steps.spend(at + 1);
            return Some(boundary(text, at + 1));
        }
    }
    steps.spend(text.len());
    None
}

/// The same over several words. Rows for the bytes of the text are made as they come.
struct Long {
    words: usize,
    ones: Vec<u64>,
    rows: Vec<u64>,
    row_of: [Option<u16>; 256],
}

impl Long {
    fn of(piece: &[u8], steps: &Steps) -> Long {
        steps.spend(piece.len() / PLACES_A_STEP);
        let mut long =
            Long { words: piece.len().div_ceil(PLACES), ones: Vec::new(), rows: Vec::new(), row_of: [None; 256] };
        long.ones = long.row(piece, ONE);
        long
    }

    /// The places at which the piece has `byte`.
    fn row(&self, piece: &[u8], byte: u8) -> Vec<u64> {
        let mut row = vec![0; self.words];
        for (index, _) in piece.iter().enumerate().filter(|(_, held)| **held == byte) {
            row[index / PLACES] |= 1 << (index % PLACES);
        }
        row
    }

    fn search(mut self, piece: &[u8], text: &[u8], steps: &Steps) -> Option<usize> {
        let whole = 1_u64 << ((piece.len() - 1) % PLACES);
        let mut state = vec![0_u64; self.words];
        for (at, byte) in text.iter().enumerate() {
            let known = self.row_of[usize::from(*byte)];
            let cost = if known.is_some() { self.words } else { self.words + piece.len() / PLACES_A_STEP };
            if !steps.spend(cost) {
                return None;
            }
            let row = known.map_or(self.rows.len() / self.words, usize::from);
            if known.is_none() {
                let fresh = self.row(piece, *byte);
                self.rows.extend(fresh);
                self.row_of[usize::from(*byte)] = u16::try_from(row).ok();
            }
            let literal = &self.rows[row * self.words..(row + 1) * self.words];
            advance(&mut state, literal, &self.ones, is_inside(*byte));
            if state.last().is_some_and(|last| last & whole != 0) {
                return Some(boundary(text, at + 1));
            }
        }
        None
    }
}

fn advance(state: &mut [u64], literal: &[u64], ones: &[u64], inside: bool) {
    let mut carry = u64::from(!inside);
    for ((word, literal), ones) in state.iter_mut().zip(literal).zip(ones) {
        let held = *word;
        let moved = (held << 1) | carry;
        carry = held >> (PLACES - 1);
        *word = match inside {
            true => (moved & literal) | (held & ones),
            false => moved & (literal | ones),
        };
    }
}

/// Whether the byte is of a character that began before it.
fn is_inside(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// The end of the character that `from` is in.
fn boundary(text: &[u8], from: usize) -> usize {
    from + text[from..].iter().take_while(|byte| is_inside(**byte)).count()
}

#[cfg(test)]
#[path = "pattern/tests.rs"]
mod tests;
