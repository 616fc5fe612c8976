//! The framing of one chunked body: sizes, extensions, data and trailers. Pure.
//!
//! *Architecture invariant:* what is taken here is a part of what the HTTP library takes, so both see the same end.
//! Each line ends with exactly CR LF, and every limit is below the library's.

use super::field::field;

/// Digits of a chunk's size: more do not fit 64 bits, and leading zeros would have no end.
const DIGITS_MAX: u8 = 16;
/// Bytes of extensions in all of a body's chunks, the semicolons without. The HTTP library takes 16 KiB.
const EXTENSIONS_MAX: usize = 8 * 1024;
/// Bytes of all trailers with their line ends, and how many there may be. The HTTP library takes 16 KiB and 100.
const TRAILERS_MAX: usize = 8 * 1024;
const TRAILER_LINES_MAX: usize = 64;
/// Trailers that would say something about where the message ends, or where it goes.
const FRAMING: [&[u8]; 5] = [b"content-length", b"transfer-encoding", b"host", b"trailer", b"connection"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        size: u64,
        digits: u8,
    },
    Extension {
        size: u64,
    },
    /// The line feed of a size line.
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    /// The line end after a chunk's data.
    DataCr,
    DataLf,
    Trailers,
}

/// Follows one body.
#[derive(Debug)]
pub struct Chunks {
    state: State,
    extensions: usize,
    /// The present trailer line, as far as it has come.
    line: Vec<u8>,
    trailers: usize,
    lines: usize,
}

/// What bytes of a body did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// All of them belong to the body, and it goes on.
    More,
    /// So many belong to it, and it is at its end.
    End(usize),
}

impl Chunks {
    pub fn new() -> Self {
        Chunks { state: START, extensions: 0, line: Vec::new(), trailers: 0, lines: 0 }
    }

    /// Looks at bytes as they come in.
    ///
    /// # Errors
    /// What is wrong, and how many of `bytes` came before the one that shows it.
    pub fn observe(&mut self, bytes: &[u8]) -> Result<Seen, (usize, &'static str)> {
        let mut at = 0;
        while at < bytes.len() {
            if let State::Data { left } = &mut self.state {
                let taken = usize::try_from(*left).map_or(bytes.len() - at, |left| left.min(bytes.len() - at));
                *left -= taken as u64;
                at += taken;
                if *left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let end = self.step(bytes[at]).map_err(|reason| (at, reason))?;
            at += 1;
            if end {
                return Ok(Seen::End(at));
            }
        }
        Ok(Seen::More)
    }

    /// Whether `byte` ends the body.
    fn step(&mut self, byte: u8) -> Result<bool, &'static str> {
        self.state = match (self.state, byte) {
            (State::Size { size, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == DIGITS_MAX {
                    return Err("a chunk's size has too many digits");
                }
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                State::Size { size: (size << 4) | u64::from(digit), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return Err("a chunk has no size"),
            (State::Size { size, .. }, b';') => State::Extension { size },
            (State::Size { size, .. } | State::Extension { size }, b'\r') => State::SizeEnd { size },
            (State::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extensions += 1;
                if self.extensions > EXTENSIONS_MAX {
                    return Err("the chunks have too long extensions");
                }
                State::Extension { size }
            }
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailers,
            (State::SizeEnd { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => START,
            (State::Trailers, _) => return self.trailer(byte),
            (State::DataCr | State::DataLf, _) => return Err("a chunk's data do not end with CR LF"),
            _ => return Err("a chunk's size line is not SIZE CR LF"),
        };
        Ok(false)
    }

    fn trailer(&mut self, byte: u8) -> Result<bool, &'static str> {
        self.trailers += 1;
        if self.trailers > TRAILERS_MAX {
            return Err("the trailers are too long");
        }
        // The line feed of a line without its carriage return must not be taken for its end by anybody.
        let ended = match (self.line.last(), byte) {
            (Some(b'\r'), b'\n') => true,
            (Some(b'\r'), _) | (_, b'\n') => return Err("a trailer does not end with CR LF"),
            _ => false,
        };
        if !ended {
            self.line.push(byte);
            return Ok(false);
        }
        self.line.pop();
        if self.line.is_empty() {
            return Ok(true);
        }
        self.lines += 1;
        let (name, _) = field(&self.line)?;
        if FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            return Err("a trailer says what only a header may say");
        }
        if self.lines > TRAILER_LINES_MAX {
            return Err("there are too many trailers");
        }
        self.line.clear();
        Ok(false)
    }
}

const START: State = State::Size { size: 0, digits: 0 };

#[cfg(test)]
mod tests {
    use super::{Chunks, Seen};

    fn observe(text: &str) -> Result<Seen, (usize, &'static str)> {
        Chunks::new().observe(text.as_bytes())
    }

    #[test]
    fn a_body_ends_after_its_trailers() {
        for text in ["0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "A;x=\"y\";z\r\n0123456789\r\n00\r\na: b\r\nc:\r\n\r\n"] {
            assert_eq!(observe(&format!("{text}GET /")), Ok(Seen::End(text.len())), "{text:?}");
            for at in 0..text.len() {
                let mut chunks = Chunks::new();
                assert_eq!(chunks.observe(&text.as_bytes()[..at]), Ok(Seen::More));
                assert_eq!(chunks.observe(&text.as_bytes()[at..]), Ok(Seen::End(text.len() - at)), "{text:?} at {at}");
            }
        }
    }

    /// Each with the number of bytes that may pass.
    #[test]
    fn whatever_is_not_exactly_cr_lf_is_refused() {
        for (text, good) in [
            ("\r\n", 0),
            (";x\r\n", 0),
            ("+5\r\n", 0),
            ("0x5\r\n", 1),
            ("5\n", 1),
            ("5 \r\n", 1),
            ("5\t\r\n", 1),
            ("5\r\r\n", 2),
            ("5\rx", 2),
            ("5;x\n", 3),
            ("5;x\rx", 4),
            ("5;\0\r\n", 2),
            ("5;\x7f\r\n", 2),
            ("1\r\nxx\r\n", 4),
            ("1\r\nx\n", 4),
            ("1\r\nx\rx", 5),
            ("1\r\nx\r\n\r\n", 6),
            ("0\n\n", 1),
            ("0\r\n\n", 3),
            ("0\r\n\r\r\n", 4),
            ("0\r\n\rx", 4),
            ("0\r\na: b\n\r\n", 7),
            ("0\r\na: b\n\n", 7),
            ("0\r\na: b\r\n\n", 9),
            ("0\r\na: b\rc\r\n", 8),
            ("00000000000000000", 16),
            ("fffffffffffffffff", 16),
        ] {
            assert_eq!(observe(text).map_err(|(at, _)| at), Err(good), "{text:?}");
        }
        for line in ["no colon", ": x", " a: b", "a : b", "a: \0", "a: b\u{b}", "Content-Length: 5", "HOST: a"] {
            assert!(observe(&format!("0\r\n{line}\r\n\r\n")).is_err(), "{line:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_have_an_end() {
        let long = |count: usize| "y".repeat(count);
        assert!(observe(&format!("1;{}\r\n", long(8192))).is_ok());
        assert!(observe(&format!("1;{}\r\n", long(8193))).is_err());
        assert!(observe(&format!("1;{}\r\nx\r\n1;{}\r\n", long(5000), long(5000))).is_err());
        assert!(observe(&format!("0\r\na: {}\r\n\r\n", long(8185))).is_ok());
        assert!(observe(&format!("0\r\na: {}\r\n\r\n", long(8186))).is_err());
        assert!(observe(&format!("0\r\n{}\r\n", "a:\r\n".repeat(64))).is_ok());
        assert!(observe(&format!("0\r\n{}\r\n", "a:\r\n".repeat(65))).is_err());
    }
}
