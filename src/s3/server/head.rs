//! A strict reader's eye on what a connection brings: request heads and the framing of bodies are checked before the
//! HTTP library sees them. Ambiguous framing is how requests are smuggled past a proxy, so none is let through. Pure.
//!
//! *Architecture invariant:* what passes here is a part of what the HTTP library takes, and both see each request end
//! at the same byte. `tests/framing.rs` feeds both and compares.

use super::chunks::{Chunks, Seen};
use super::field::{field, is_token};

/// The longest request line, in bytes: a key of 1,024 bytes, percent-encoded, and a presigned URL's session token fit.
const LINE_MAX: usize = 8 * 1024;
/// The longest header section, in bytes, as on AWS.
const SECTION_MAX: usize = 8 * 1024;
/// The longest head, in bytes.
pub const HEAD_MAX: usize = LINE_MAX + SECTION_MAX;
const HEADERS_MAX: usize = 100;
/// The longest body that a head may announce, in bytes.
const LENGTH_MAX: u64 = i64::MAX as u64;

/// Why a connection is not listened to any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The head is not what HTTP/1.1 says, or may be read in two ways.
    Malformed(&'static str),
    HeadTooLarge,
    /// The head did not come in time.
    HeadTooSlow,
    /// The body is not framed as HTTP/1.1 says. Its request has an answer, or gets one from its handler.
    Unframed(&'static str),
    /// The body stopped coming, or nobody reads it. Its request has an answer, or gets one from its handler.
    BodyStopped,
    /// Nothing came for long; no answer is owed.
    Idle,
}

impl Violation {
    /// Whether requests that came whole before it may still be answered.
    pub fn is_between_requests(self) -> bool {
        !matches!(self, Violation::Unframed(_) | Violation::BodyStopped)
    }
}

/// What the next bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Between requests.
    Idle,
    /// A head has begun.
    Head,
    Body,
}

/// How the body after a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunked,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunks),
}

/// Follows one connection.
#[derive(Debug)]
pub struct HeadScanner {
    state: State,
    /// A head that came in more than one piece, as far as it has come.
    partial: Vec<u8>,
    heads: u64,
}

impl HeadScanner {
    pub fn new() -> Self {
        HeadScanner { state: State::Head, partial: Vec::new(), heads: 0 }
    }

    pub fn phase(&self) -> Phase {
        match self.state {
            State::Head if self.partial.is_empty() => Phase::Idle,
            State::Head => Phase::Head,
            _ => Phase::Body,
        }
    }

    /// Complete heads so far.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Looks at bytes as they come in.
    ///
    /// # Errors
    /// A violation, and how many of `bytes` may pass: those before the head that has it, or before the byte of a body's
    /// framing.
    pub fn observe(&mut self, bytes: &[u8]) -> Result<(), (usize, Violation)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match &mut self.state {
                State::Head => self.observe_head(rest).map_err(|violation| (at, violation))?,
                State::Length(left) => {
                    let taken = clamp(*left, rest.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::Head;
                    }
                    taken
                }
                State::Chunked(chunks) => {
                    let seen =
                        chunks.observe(rest).map_err(|(good, reason)| (at + good, Violation::Unframed(reason)))?;
                    match seen {
                        Seen::More => rest.len(),
                        Seen::End(taken) => {
                            self.state = State::Head;
                            taken
                        }
                    }
                }
            };
        }
        Ok(())
    }

    fn observe_head(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let before = self.partial.len();
        let found = if before == 0 {
            parse(bytes)?
        } else {
            let room = (LINE_MAX + SECTION_MAX + 1).saturating_sub(before).min(bytes.len());
            self.partial.extend_from_slice(&bytes[..room]);
            parse(&self.partial)?
        };
        match found {
            Some((length, body)) => {
                self.partial = Vec::new();
                self.heads += 1;
                self.state = match body {
                    Body::Length(0) => State::Head,
                    Body::Length(length) => State::Length(length),
                    Body::Chunked => State::Chunked(Chunks::new()),
                };
                Ok(length - before)
            }
            None => {
                if before == 0 {
                    self.partial.extend_from_slice(bytes);
                }
                Ok(bytes.len())
            }
        }
    }
}

fn clamp(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}

/// The length of the head at the start of `bytes` and its body's framing; none: it is not complete.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Body)>, Violation> {
    let mut head = Head::default();
    let mut at = 0;
    // The end of what may be long now: the request line, then all headers together.
    let mut limit = LINE_MAX;
    loop {
        let Some(end) = memchr::memchr(b'\n', &bytes[at..]) else {
            return if bytes.len() > limit { Err(Violation::HeadTooLarge) } else { Ok(None) };
        };
        if at + end + 1 > limit {
            return Err(Violation::HeadTooLarge);
        }
        let line = bytes[at..at + end]
            .strip_suffix(b"\r")
            .ok_or(Violation::Malformed("a line of the head does not end with CR LF"))?;
        at += end + 1;
        match (line.is_empty(), head.lines) {
            // Old clients send one line end too many after a body.
            (true, 0) if at <= 4 => continue,
            (true, 0) => return Err(Violation::Malformed("the request line is missing")),
            (true, _) => return head.body().map(|body| Some((at, body))),
            (false, 0) => {
                head.request_line(line)?;
                limit = at + SECTION_MAX;
            }
            (false, _) => head.header(line)?,
        }
        head.lines += 1;
    }
}

/// What a head has said so far about framing.
#[derive(Default)]
struct Head {
    lines: usize,
    old: bool,
    hosts: u32,
    length: Option<u64>,
    chunked: bool,
}

impl Head {
    fn request_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let malformed = Violation::Malformed("the request line is not METHOD TARGET VERSION");
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed);
        };
        let plain = target.first() == Some(&b'/')
            && target.iter().all(|byte| {
                byte.is_ascii_graphic()
                    && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#')
            });
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(malformed);
        }
        // The usual characters parse; anything else is left to the library that will parse it. It would cut off a
        // fragment, so that what is signed and what is asked for differ.
        if target.is_empty() || target.contains(&b'#') || (!plain && http::Uri::try_from(target).is_err()) {
            return Err(Violation::Malformed("the request target is not a URI"));
        }
        self.old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Violation::Malformed("the version is neither HTTP/1.1 nor HTTP/1.0")),
        };
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Violation> {
        if self.lines > HEADERS_MAX {
            return Err(Violation::HeadTooLarge);
        }
        let (name, value) = field(line).map_err(Violation::Malformed)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts += 1,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
                let length = length.filter(|length| *length <= LENGTH_MAX);
                let length = length.ok_or(Violation::Malformed("Content-Length is not a number"))?;
                if self.length.replace(length).is_some() {
                    return Err(Violation::Malformed("Content-Length comes twice"));
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Violation::Malformed("Transfer-Encoding is not just chunked"));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn body(&self) -> Result<Body, Violation> {
        match (self.hosts, self.old) {
            (1, _) | (0, true) => {}
            (0, false) => return Err(Violation::Malformed("the Host header is missing")),
            _ => return Err(Violation::Malformed("the Host header comes twice")),
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Violation::Malformed("Content-Length and Transfer-Encoding are both there")),
            (true, None) if self.old => Err(Violation::Malformed("HTTP/1.0 has no Transfer-Encoding")),
            (true, None) => Ok(Body::Chunked),
            (false, length) => Ok(Body::Length(length.unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HeadScanner, Phase, Violation};

    const GET: &str = "GET /b/k?x=%20 HTTP/1.1\r\nHost: a\r\n\r\n";

    fn observe(text: &str) -> Result<u64, (usize, Violation)> {
        let mut scanner = HeadScanner::new();
        scanner.observe(text.as_bytes())?;
        assert_eq!(scanner.phase(), Phase::Idle, "{text}");
        Ok(scanner.heads())
    }

    #[test]
    fn requests_are_followed_through_their_bodies() {
        let put = "PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";
        let chunked =
            "PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=y\r\nGET /\r\n0\r\na: b\r\n\r\n";
        assert_eq!(observe(&format!("{GET}{put}{chunked}\r\n{GET}")), Ok(4));
        assert_eq!(observe("GET /b/\u{e9} HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\n\r\n"), Ok(1));
    }

    #[test]
    fn every_split_sees_the_same() {
        let text = format!(
            "{GET}PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n{GET}"
        );
        for at in 0..text.len() {
            let mut scanner = HeadScanner::new();
            assert_eq!(scanner.observe(&text.as_bytes()[..at]), Ok(()));
            assert_eq!(scanner.observe(&text.as_bytes()[at..]), Ok(()));
            assert_eq!((scanner.heads(), scanner.phase()), (3, Phase::Idle), "split at {at}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5,5",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 99999999999999999999",
            "Content-Length: 9223372036854775808",
            "Content-Length: 5\u{c}",
            "Content-Length:",
            "Content-Length : 5",
            "Host: b",
            "X: a\n Y: b",
            "X: a\r\n folded",
            "X: a\0b",
            "X: a\rb",
            "no colon",
            ": no name",
        ] {
            let text = format!("{GET}GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
            let refused = observe(&text);
            assert!(matches!(refused, Err((at, Violation::Malformed(_))) if at == GET.len()), "{headers}: {refused:?}");
        }
        for line in [
            "GET /",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 x",
            "GET / HTTP/2.0",
            "G(T / HTTP/1.1",
            "GET /a\"<\u{1} HTTP/1.1",
            "GET http:// HTTP/1.1",
            "GET a:b:c HTTP/1.1",
            "GET /b/k#x HTTP/1.1",
            "GET /b/k?x#y HTTP/1.1",
            "GET # HTTP/1.1",
            "GET http://a/b#x HTTP/1.1",
            "GET /b/\u{7f} HTTP/1.1",
            "GET /b/a b HTTP/1.1",
            "GET b/k HTTP/1.1",
            "",
        ] {
            let refused = observe(&format!("{line}\r\n\r\n\r\nHost: a\r\n\r\n"));
            assert!(matches!(refused, Err((0, Violation::Malformed(_)))), "{line}: {refused:?}");
        }
        assert!(observe("GET / HTTP/1.1\r\n\r\n").is_err());
        assert!(observe("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert_eq!(observe("GET / HTTP/1.0\r\n\r\n"), Ok(1));
    }

    #[test]
    fn a_request_line_and_its_headers_are_at_most_eight_kibibytes_each() {
        let head = |target: usize, value: usize| {
            format!("GET /{} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(target), "x".repeat(value))
        };
        assert_eq!(observe(&head(8192 - 16, 8192 - 16)), Ok(1));
        assert_eq!(observe(&head(0, 8192 - 15)), Err((0, Violation::HeadTooLarge)));
        assert_eq!(observe(&head(8192 - 15, 0)), Err((0, Violation::HeadTooLarge)));
        for begin in ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nX: "] {
            let mut scanner = HeadScanner::new();
            assert_eq!(scanner.observe(begin.as_bytes()), Ok(()));
            let endless = std::iter::repeat_n(b"x", 9000).find_map(|byte| scanner.observe(byte).err());
            assert_eq!(endless, Some((0, Violation::HeadTooLarge)), "{begin}");
        }
        let (whole, mut scanner) = (head(8000, 8000), HeadScanner::new());
        assert_eq!(whole.as_bytes().chunks(100).try_for_each(|bytes| scanner.observe(bytes)), Ok(()));
        assert_eq!(scanner.heads(), 1);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(120));
        assert_eq!(observe(&many), Err((0, Violation::HeadTooLarge)));
    }
}
