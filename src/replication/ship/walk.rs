//! What a transfer brings, row by row, always in the same order, so that a resumed one counts as the first did. Blocking; memory is a page.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use tandem_storage::meta::delta::{DeltaEntry, DeltaPage, DeltaPosition};
use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{BlobKind, CorruptRecord, Digest, ObjectRow, PartRow, Record, RowKey, Scope, Total};
use tandem_storage::types::{Body, ContentHash, Seq};
use tandem_storage::{ReadError, Store};
use tokio::sync::mpsc;

use super::super::message::{HASHES_MAX, ROWS_BYTES, ROWS_MAX, ShownRow, Wanted, WireRow};
use super::ShipError;

/// Rows that belong into one message, and the blobs that they need.
#[derive(Debug)]
pub(super) struct Page {
    pub first: u64,
    pub rows: Vec<WireRow>,
    pub wanted: Vec<Wanted>,
}

/// Against what the state at `to` is told.
pub(super) enum Against {
    /// What changed since a snapshot that the peer shows; its digest.
    Base { at: Seq, digest: Digest },
    /// The peer shows nothing.
    Nothing,
    /// Everything that the peer shows, in key order, as it says it page by page. Ends with an empty page.
    Shown(mpsc::Receiver<Vec<ShownRow>>),
}

/// The end of a walk.
#[derive(Debug)]
pub(super) struct Walked {
    pub rows: u64,
    pub digest: Digest,
    /// What the named rows add up to: for a delta the new values less the old ones, else all rows at `to`. It rests on nothing that is
    /// stored with either point, so it can be compared with that.
    pub total: Total,
}

/// A page of what differs between two points, to be read.
pub(crate) struct PageOf<'a> {
    pub scope: &'a Scope,
    /// Absent: everything at `to`.
    pub base: Option<Seq>,
    pub to: Seq,
    pub from: Option<DeltaPosition>,
    pub limit: usize,
}

/// How a walk reads its pages. A node has the store's own way; tests put walks with mistakes in its place.
pub(crate) type ReadPage = Arc<dyn Fn(&Store, PageOf<'_>) -> Result<DeltaPage, ReadError> + Send + Sync>;

/// As the store reads them.
pub(crate) fn stored_pages() -> ReadPage {
    Arc::new(|store, PageOf { scope, base, to, from, limit }| store.delta(scope, base, to, from, limit))
}

pub(super) struct Walk {
    pub store: Store,
    pub read: ReadPage,
    pub scope: Scope,
    pub to: Seq,
    pub against: Against,
    /// Rows that the peer has already: they are walked for the digest, and not sent.
    pub skip: u64,
    pub pages: mpsc::Sender<Page>,
}

/// Rows the store hands over at a time.
const STEP: usize = 512;

impl Walk {
    /// Walks to the end, or until nobody takes pages any more.
    pub(super) fn run(self) -> Result<Walked, ShipError> {
        let Walk { store, read, scope, to, against, skip, pages } = self;
        let mut packer = Packer { pages, next: 0, skip, page: Page::empty(0), bytes: 0 };
        let rows = Rows { store: &store, read: &read, scope: &scope, to };
        let count = match against {
            Against::Base { at, digest } => {
                let mut count = Count { digest: LtHash::of(&digest), total: Total::default() };
                rows.each(Some(at), |entry| {
                    count.change(&entry);
                    packer.row(&entry.key, entry.new)
                })?;
                count
            }
            Against::Nothing => {
                let mut count = Count::default();
                rows.each(None, |entry| {
                    count.change(&entry);
                    packer.row(&entry.key, entry.new)
                })?;
                count
            }
            Against::Shown(pages) => compare(&rows, pages, &mut packer)?,
        };
        let rows = packer.end()?;
        Ok(Walked { rows, digest: count.digest.digest(), total: count.total })
    }
}

/// What is walked.
struct Rows<'a> {
    store: &'a Store,
    read: &'a ReadPage,
    scope: &'a Scope,
    to: Seq,
}

impl Rows<'_> {
    /// Calls `visit` for every row that travels.
    fn each(
        &self,
        base: Option<Seq>,
        mut visit: impl FnMut(DeltaEntry) -> Result<(), ShipError>,
    ) -> Result<(), ShipError> {
        let mut from: Option<DeltaPosition> = None;
        loop {
            let page = PageOf { scope: self.scope, base, to: self.to, from: from.take(), limit: STEP };
            let page = (self.read)(self.store, page)?;
            for entry in page.entries {
                if LtHash::counts(&entry.key) {
                    visit(entry)?;
                }
            }
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// What a walk has named so far. The digest begins with that of the base, the total with nothing.
struct Count {
    digest: LtHash,
    total: Total,
}

impl Default for Count {
    fn default() -> Self {
        Count { digest: LtHash::empty(), total: Total::default() }
    }
}

impl Count {
    fn change(&mut self, entry: &DeltaEntry) {
        let key = entry.key.encode();
        if let Some(old) = &entry.old {
            self.digest.remove(&key, old);
            self.total.remove_row(&key, old);
        }
        if let Some(new) = &entry.new {
            self.digest.add(&key, new);
            self.total.add_row(&key, new);
        }
    }
}

/// Merges what is shown with what is at `to`, both in key order: only rows that differ travel, and what is shown and not at `to` is deleted.
fn compare(rows: &Rows<'_>, pages: mpsc::Receiver<Vec<ShownRow>>, packer: &mut Packer) -> Result<Count, ShipError> {
    let mut count = Count::default();
    let mut shown = Shown { pages, rows: VecDeque::new(), ended: false };
    rows.each(None, |entry| {
        count.change(&entry);
        let key = entry.key.encode();
        while let Some(head) = shown.peek()? {
            match head.key.cmp(&key) {
                Ordering::Less => {
                    let gone = head.key.clone();
                    shown.rows.pop_front();
                    packer.row(&decode_key(&gone)?, None)?;
                }
                Ordering::Equal => {
                    let same = entry.new.as_ref().is_some_and(|new| ContentHash::of(new) == head.hash);
                    shown.rows.pop_front();
                    return if same { Ok(()) } else { packer.row(&entry.key, entry.new) };
                }
                Ordering::Greater => break,
            }
        }
        packer.row(&entry.key, entry.new)
    })?;
    while let Some(head) = shown.peek()? {
        let gone = decode_key(&head.key)?;
        shown.rows.pop_front();
        packer.row(&gone, None)?;
    }
    Ok(count)
}

fn decode_key(key: &[u8]) -> Result<RowKey, ShipError> {
    RowKey::decode(key).map_err(|_| ShipError::Protocol)
}

struct Shown {
    pages: mpsc::Receiver<Vec<ShownRow>>,
    rows: VecDeque<ShownRow>,
    ended: bool,
}

impl Shown {
    fn peek(&mut self) -> Result<Option<&ShownRow>, ShipError> {
        if self.rows.is_empty() && !self.ended {
            let page = self.pages.blocking_recv().ok_or(ShipError::Stopped)?;
            self.ended = page.is_empty();
            self.rows.extend(page);
        }
        Ok(self.rows.front())
    }
}

impl Page {
    fn empty(first: u64) -> Self {
        Page { first, rows: Vec::new(), wanted: Vec::new() }
    }
}

/// Packs rows into messages by count and bytes.
struct Packer {
    pages: mpsc::Sender<Page>,
    next: u64,
    skip: u64,
    page: Page,
    bytes: usize,
}

impl Packer {
    fn row(&mut self, key: &RowKey, value: Option<Vec<u8>>) -> Result<(), ShipError> {
        self.next += 1;
        if self.next <= self.skip {
            self.page.first = self.next;
            return Ok(());
        }
        if let Some(value) = &value {
            self.page.wanted.extend(wanted(key, value).map_err(ReadError::from)?);
        }
        let row = WireRow { key: key.encode(), value };
        self.bytes += row.key.len() + row.value.as_ref().map_or(0, Vec::len) + 8;
        self.page.rows.push(row);
        let full = self.page.rows.len() >= ROWS_MAX || self.page.wanted.len() + 2 > HASHES_MAX;
        if full || self.bytes >= ROWS_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ShipError> {
        let page = std::mem::replace(&mut self.page, Page::empty(self.next));
        self.bytes = 0;
        self.pages.blocking_send(page).map_err(|_| ShipError::Stopped)
    }

    fn end(mut self) -> Result<u64, ShipError> {
        if !self.page.rows.is_empty() {
            self.flush()?;
        }
        Ok(self.next)
    }
}

/// The blobs that a row names.
pub(in crate::replication) fn wanted(key: &RowKey, value: &[u8]) -> Result<Vec<Wanted>, CorruptRecord> {
    let of_body = |body: &Body| match body {
        Body::Empty => None,
        Body::Blob(hash) => Some(Wanted { hash: *hash, kind: BlobKind::Data }),
        Body::Recipe(hash) => Some(Wanted { hash: *hash, kind: BlobKind::Recipe }),
    };
    Ok(match key {
        RowKey::Object(..) => {
            let row = ObjectRow::decode(value)?;
            let content = row.content();
            let body = content.and_then(|content| of_body(&content.body));
            let parts = content.and_then(|content| content.parts.as_ref());
            let parts = parts.map(|parts| Wanted { hash: parts.blob, kind: BlobKind::Data });
            body.into_iter().chain(parts).collect()
        }
        RowKey::Part(..) => of_body(&PartRow::decode(value)?.body).into_iter().collect(),
        RowKey::Bucket(_) | RowKey::BucketName(_) | RowKey::Setting(..) | RowKey::Upload(..) => Vec::new(),
    })
}
