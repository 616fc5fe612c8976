//! S3's listing rules over any ordered scan: prefix, delimiter, where to start, how many, and where the next page begins.
//!
//! *Architecture invariant:* pure. It sees keys and opaque rows; objects, versions and uploads are listed by the same rules.

use crate::store::Visit;

/// Where a page begins. Keys are ordered by their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    #[default]
    Beginning,
    /// With this key's own rows: the caller's `admits` drops those that an earlier page had (version and upload markers).
    AtKey(String),
    /// After this key.
    AfterKey(String),
    /// After every key that begins so: a common prefix was the last entry of the page before.
    AfterPrefix(String),
}

impl Start {
    /// What `marker` and `key-marker` mean: a marker under a common prefix stands behind the whole prefix, so that a page that ended with
    /// the common prefix is followed by what comes after it.
    pub fn marker(marker: &str, prefix: &str, delimiter: Option<&str>) -> Start {
        match common_prefix(marker, prefix, delimiter) {
            _ if marker.is_empty() => Start::Beginning,
            Some(group) => Start::AfterPrefix(group.to_owned()),
            None => Start::AfterKey(marker.to_owned()),
        }
    }

    /// A place as text, for a continuation token. [`from_token`](Self::from_token) reads it back.
    pub fn to_token(&self) -> String {
        match self {
            Start::Beginning => "b".to_owned(),
            Start::AtKey(key) => format!("a{key}"),
            Start::AfterKey(key) => format!("k{key}"),
            Start::AfterPrefix(prefix) => format!("p{prefix}"),
        }
    }

    /// None: not a token that [`to_token`](Self::to_token) makes.
    pub fn from_token(token: &str) -> Option<Start> {
        let rest = token.get(1..)?.to_owned();
        match token.as_bytes().first()? {
            b'b' if rest.is_empty() => Some(Start::Beginning),
            b'a' => Some(Start::AtKey(rest)),
            b'k' => Some(Start::AfterKey(rest)),
            b'p' => Some(Start::AfterPrefix(rest)),
            _ => None,
        }
    }

    /// The key or common prefix itself, as `NextMarker` and `NextKeyMarker` show it.
    pub fn name(&self) -> &str {
        match self {
            Start::Beginning => "",
            Start::AtKey(name) | Start::AfterKey(name) | Start::AfterPrefix(name) => name,
        }
    }

    /// The first bytes at which an entry of this page can stand.
    fn first_bytes(&self) -> Vec<u8> {
        match self {
            Start::Beginning => Vec::new(),
            Start::AtKey(key) => key.clone().into_bytes(),
            Start::AfterKey(key) => {
                let mut bytes = key.clone().into_bytes();
                bytes.push(0);
                bytes
            }
            Start::AfterPrefix(prefix) => behind(prefix),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Listing<'a> {
    pub prefix: &'a str,
    /// An empty one is none.
    pub delimiter: Option<&'a str>,
    pub start: Start,
    /// Entries a page, common prefixes included. None at all are "not truncated", as S3 answers.
    pub max_entries: usize,
}

/// One page. Rows and common prefixes are each in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<R> {
    pub rows: Vec<(String, R)>,
    pub common_prefixes: Vec<String>,
    /// Where the next page begins; none: this was the last. `AfterKey` means the last entry was the last of `rows`; a listing
    /// with several rows a key goes on from there by its own second marker, with [`Start::AtKey`].
    pub next: Option<Start>,
}

impl<R> Page<R> {
    pub fn is_truncated(&self) -> bool {
        self.next.is_some()
    }

    fn len(&self) -> usize {
        self.rows.len() + self.common_prefixes.len()
    }
}

impl Listing<'_> {
    /// Fills a page. `scan(from, visit)` visits rows in key order from the bytes `from` on (inclusive) and obeys each [`Visit`];
    /// `admits` says which rows are entries at all (delete markers are none of an object listing, and make no common prefix).
    ///
    /// # Errors
    /// Whatever `scan` fails with.
    pub fn page<R, E>(
        &self,
        mut admits: impl FnMut(&str, &R) -> bool,
        scan: impl FnOnce(&[u8], &mut dyn FnMut(&str, R) -> Visit) -> Result<(), E>,
    ) -> Result<Page<R>, E> {
        let mut page = Page { rows: Vec::new(), common_prefixes: Vec::new(), next: None };
        if self.max_entries == 0 {
            return Ok(page);
        }
        let from = self.start.first_bytes().max(self.prefix.as_bytes().to_vec());
        let mut last = Start::Beginning;
        scan(&from, &mut |key, row| {
            if !key.starts_with(self.prefix) {
                return Visit::Stop;
            }
            if !admits(key, &row) {
                return Visit::Next;
            }
            if page.len() == self.max_entries {
                page.next = Some(last.clone());
                return Visit::Stop;
            }
            match common_prefix(key, self.prefix, self.delimiter) {
                Some(group) => {
                    page.common_prefixes.push(group.to_owned());
                    last = Start::AfterPrefix(group.to_owned());
                    Visit::Seek(behind(group))
                }
                None => {
                    page.rows.push((key.to_owned(), row));
                    last = Start::AfterKey(key.to_owned());
                    Visit::Next
                }
            }
        })?;
        Ok(page)
    }
}

/// The group that `key` is rolled up into: up to and with the first delimiter behind the prefix.
fn common_prefix<'key>(key: &'key str, prefix: &str, delimiter: Option<&str>) -> Option<&'key str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let at = key.strip_prefix(prefix)?.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

/// The first bytes after everything that begins with `prefix`. UTF-8 has no byte 0xff, so the last byte can always grow.
fn behind(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last += 1;
    }
    bytes
}

#[cfg(test)]
mod tests;
