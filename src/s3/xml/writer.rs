use std::fmt::{Display, Write};

use bytes::Bytes;

use super::NAMESPACE;

/// Writes one document into one buffer. Elements are closed in the order they were opened; names are our own.
pub struct XmlWriter {
    out: String,
    open: Vec<&'static str>,
}

impl XmlWriter {
    /// A document whose root is in S3's namespace.
    pub fn document(root: &'static str) -> Self {
        let mut xml = XmlWriter::bare();
        let _ = write!(xml.out, "<{root} xmlns=\"{NAMESPACE}\">");
        xml.open.push(root);
        xml
    }

    /// A document whose root is in a namespace of its own.
    pub fn in_namespace(root: &'static str, namespace: &str) -> Self {
        let mut xml = XmlWriter::bare();
        let _ = write!(xml.out, "<{root} xmlns=\"{namespace}\">");
        xml.open.push(root);
        xml
    }

    /// A document whose root has no namespace, as errors have it.
    pub fn plain(root: &'static str) -> Self {
        let mut xml = XmlWriter::bare();
        xml.open(root);
        xml
    }

    fn bare() -> Self {
        let mut out = String::with_capacity(1024);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        XmlWriter { out, open: Vec::with_capacity(4) }
    }

    pub fn open(&mut self, name: &'static str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        self.open.push(name);
    }

    /// An element of one of several types, as XML Schema instances have them.
    pub fn open_typed(&mut self, name: &'static str, kind: &str) {
        let schema = "http://www.w3.org/2001/XMLSchema-instance";
        let _ = write!(self.out, "<{name} xmlns:xsi=\"{schema}\" xsi:type=\"{kind}\">");
        self.open.push(name);
    }

    /// Closes the innermost element.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.end_tag(name);
        }
    }

    /// An element with text, escaped.
    pub fn text(&mut self, name: &str, value: &str) {
        self.start_tag(name);
        escape(&mut self.out, value);
        self.end_tag(name);
    }

    /// Text of the element that is open.
    pub fn content(&mut self, value: &str) {
        escape(&mut self.out, value);
    }

    /// An element with text, if there is any.
    pub fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// An element whose text needs no escaping: numbers, hexadecimal, base64, times.
    pub fn raw(&mut self, name: &str, value: impl Display) {
        self.start_tag(name);
        let _ = write!(self.out, "{value}");
        self.end_tag(name);
    }

    /// The same for what is text already, without the cost of formatting: listings have thousands of them.
    pub fn word(&mut self, name: &str, value: &str) {
        self.start_tag(name);
        self.out.push_str(value);
        self.end_tag(name);
    }

    /// Makes room for so many bytes more.
    pub fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    /// An `ETag` element, quoted as S3 does.
    pub fn etag(&mut self, value: impl Display) {
        let _ = write!(self.out, "<ETag>&quot;{value}&quot;</ETag>");
    }

    /// What has been written so far, in bytes.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Closes what is open.
    pub fn finish(mut self) -> Bytes {
        while !self.open.is_empty() {
            self.close();
        }
        Bytes::from(self.out)
    }

    fn start_tag(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    fn end_tag(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }
}

/// Escapes markup, and what a parser would change or refuse: a carriage return, and characters that XML 1.0 has not. The latter
/// become numeric references, as AWS sends them; `encoding-type=url` is the way to a listing that any parser takes.
fn escape(out: &mut String, text: &str) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\'')) {
        return out.push_str(text);
    }
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        let reference = match character {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '"' => "&quot;",
            '\'' => "&apos;",
            '\t' | '\n' => continue,
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => "",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        plain = at + character.len_utf8();
        if reference.is_empty() {
            let _ = write!(out, "&#x{:x};", u32::from(character));
        } else {
            out.push_str(reference);
        }
    }
    out.push_str(&text[plain..]);
}

/// Percent-encodes as S3 does for `encoding-type=url`: all but unreserved characters and `/`. A space becomes `%20`, which decoders of
/// forms and of paths read alike.
pub fn url_encode(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => out.push(char::from(byte)),
            byte => {
                out.push('%');
                out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                out.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    out
}
