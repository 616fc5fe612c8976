use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::NAMESPACE;

/// Elements inside one another; S3's own documents have at most five.
const DEPTH_MAX: usize = 12;
/// Bytes of one start tag with its attributes.
const TAG_BYTES_MAX: usize = 2048;

/// A document that is not well-formed, or says what its operation has no meaning for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The XML you provided was not well-formed or did not validate against our published schema")]
pub struct MalformedXml;

/// Walks one document from its root down, and asks its caller to know every element: no tree is built, so memory does not grow with the
/// document. Refuses DTDs, processing instructions, entities but XML's own five, other namespaces, text between elements,
/// and whatever follows the root. A namespace may be left out, as AWS allows.
pub struct XmlReader<'a> {
    inner: Reader<&'a [u8]>,
    depth: usize,
    /// The root's prefix: all elements have it, or none has one.
    prefix: Option<String>,
    /// An element that was both start and end (`<a/>`): its end is still to be told.
    empty: bool,
}

impl<'a> XmlReader<'a> {
    /// Enters the root, which must be named `root`.
    pub fn open(bytes: &'a [u8], root: &str) -> Result<Self, MalformedXml> {
        let text = str::from_utf8(bytes).map_err(|_| MalformedXml)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut inner = Reader::from_str(text);
        inner.config_mut().enable_all_checks(true);
        let mut reader = XmlReader { inner, depth: 0, prefix: None, empty: false };
        let mut first = true;
        loop {
            match reader.event()? {
                Event::Decl(declaration) if first => check_declaration(&declaration)?,
                Event::Text(text) if is_blank(&text) => {}
                Event::Comment(_) => {}
                Event::Start(tag) => {
                    reader.enter_root(&tag, root)?;
                    return Ok(reader);
                }
                Event::Empty(tag) => {
                    reader.enter_root(&tag, root)?;
                    reader.empty = true;
                    return Ok(reader);
                }
                _ => return Err(MalformedXml),
            }
            first = false;
        }
    }

    /// Enters the next child of the current element and gives its name; none leaves the current element, which has no more.
    pub fn child(&mut self) -> Result<Option<String>, MalformedXml> {
        if std::mem::take(&mut self.empty) {
            self.depth -= 1;
            return Ok(None);
        }
        loop {
            match self.event()? {
                Event::Text(text) if is_blank(&text) => {}
                Event::Comment(_) => {}
                Event::Start(tag) => return self.enter(&tag).map(Some),
                Event::Empty(tag) => {
                    let name = self.enter(&tag)?;
                    self.empty = true;
                    return Ok(Some(name));
                }
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(None);
                }
                _ => return Err(MalformedXml),
            }
        }
    }

    /// The text of the current element, which may have no children, and leaves it.
    pub fn text(&mut self) -> Result<String, MalformedXml> {
        let mut out = String::new();
        if std::mem::take(&mut self.empty) {
            self.depth -= 1;
            return Ok(out);
        }
        loop {
            match self.event()? {
                Event::Text(text) => out.push_str(&text.xml10_content()),
                Event::CData(text) => out.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => out.push(resolve(&reference)?),
                Event::Comment(_) => {}
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(out);
                }
                _ => return Err(MalformedXml),
            }
        }
    }

    /// The text of the current element as a value, blanks around it aside.
    pub fn value<T: std::str::FromStr>(&mut self) -> Result<T, MalformedXml> {
        self.text()?.trim().parse().map_err(|_| MalformedXml)
    }

    /// After the root has been left: nothing may follow.
    pub fn finish(mut self) -> Result<(), MalformedXml> {
        if self.depth != 0 || self.empty {
            return Err(MalformedXml);
        }
        loop {
            match self.event()? {
                Event::Text(text) if is_blank(&text) => {}
                Event::Comment(_) => {}
                Event::Eof => return Ok(()),
                _ => return Err(MalformedXml),
            }
        }
    }

    fn event(&mut self) -> Result<Event<'a>, MalformedXml> {
        self.inner.read_event().map_err(|_| MalformedXml)
    }

    fn enter_root(&mut self, tag: &BytesStart<'_>, root: &str) -> Result<(), MalformedXml> {
        let (_, prefix) = tag.name().decompose();
        self.prefix = prefix.map(|prefix| prefix.into_inner().to_owned());
        let binding = match &self.prefix {
            None => "xmlns".to_owned(),
            Some(prefix) => format!("xmlns:{prefix}"),
        };
        let bound = tag.attributes().flatten().find(|attribute| attribute.key.into_inner() == binding);
        // A prefix that is bound to nothing means nothing.
        if self.prefix.is_some() && bound.is_none() {
            return Err(MalformedXml);
        }
        if self.enter(tag)? == root { Ok(()) } else { Err(MalformedXml) }
    }

    fn enter(&mut self, tag: &BytesStart<'_>) -> Result<String, MalformedXml> {
        self.depth += 1;
        if self.depth > DEPTH_MAX || tag.len() > TAG_BYTES_MAX {
            return Err(MalformedXml);
        }
        let (local, prefix) = tag.name().decompose();
        if prefix.map(|prefix| prefix.into_inner()) != self.prefix.as_deref() {
            return Err(MalformedXml);
        }
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| MalformedXml)?;
            let key = attribute.key.into_inner();
            let ours = match (key.strip_prefix("xmlns:"), &self.prefix) {
                (Some(bound), Some(prefix)) => bound == prefix,
                (None, None) => key == "xmlns",
                _ => false,
            };
            let tolerated = key.starts_with("xmlns:") || key.starts_with("xsi:");
            if ours && !is_our_namespace(&attribute.value) || !ours && !tolerated {
                return Err(MalformedXml);
            }
        }
        Ok(local.into_inner().to_owned())
    }
}

fn is_our_namespace(uri: &str) -> bool {
    let uri = uri.trim_end_matches('/');
    uri.is_empty() || uri == NAMESPACE.trim_end_matches('/')
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), MalformedXml> {
    let encoding = declaration.encoding().transpose().map_err(|_| MalformedXml)?;
    match encoding.as_deref() {
        None => Ok(()),
        Some(name) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => Ok(()),
        Some(_) => Err(MalformedXml),
    }
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// XML's own five entities, and numbers. A document type would be needed for others, and is refused.
fn resolve(reference: &BytesRef<'_>) -> Result<char, MalformedXml> {
    match &**reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => reference.resolve_char_ref().ok().flatten().ok_or(MalformedXml),
    }
}

/// Fills a slot that an element may fill once.
pub fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), MalformedXml> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(MalformedXml),
    }
}
