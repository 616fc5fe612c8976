//! The manifest of what a rejoin set aside: what differs between two points, as an operator reads it.

use std::rc::Rc;

use tandem_storage::change::VersionSelector;
use tandem_storage::meta::delta::DeltaEntry;
use tandem_storage::record::{BucketRow, ObjectRow, PartRow, Record, RowKey, Scope, UploadRow};
use tandem_storage::types::{BucketGuid, ObjectKey, Seq, Version};
use tandem_storage::{BucketView, ReadError, ReadPoint, Store};

use super::report::{DivergedEntry, rfc3339};

const PAGE: usize = 512;

/// The two points between which diverged writes lie.
#[derive(Clone)]
pub(crate) struct Aside {
    pub scope: Scope,
    pub base: Seq,
    pub to: Seq,
}

impl Aside {
    /// Visits what differs until `visit` says that it is enough.
    pub(crate) fn walk(
        &self,
        store: &Store,
        mut visit: impl FnMut(&DeltaEntry) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let mut position = None;
        loop {
            let page = store.delta(&self.scope, Some(self.base), self.to, position, PAGE)?;
            for entry in page.entries.iter().filter(|entry| entry.key.bucket().is_some()) {
                if !visit(entry)? {
                    return Ok(());
                }
            }
            match page.next {
                Some(next) => position = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Visits the lines of the manifest, an entry's at a time, until `visit` says that it is enough.
    pub(crate) fn lines(
        &self,
        store: &Store,
        mut visit: impl FnMut(Vec<DivergedEntry>) -> bool,
    ) -> Result<(), ReadError> {
        let mut buckets = Buckets { store, aside: self, known: Vec::new() };
        self.walk(store, |entry| Ok(visit(lines(&mut buckets, entry)?)))
    }
}

/// Buckets at either point, looked up once.
struct Buckets<'a> {
    store: &'a Store,
    aside: &'a Aside,
    known: Vec<Rc<Known>>,
}

struct Known {
    guid: BucketGuid,
    name: String,
    before: Option<BucketView>,
    after: Option<BucketView>,
}

impl Buckets<'_> {
    fn get(&mut self, guid: BucketGuid) -> Result<Rc<Known>, ReadError> {
        // The walk goes bucket by bucket: it is the last one nearly always.
        if let Some(known) = self.known.iter().rev().find(|known| known.guid == guid) {
            return Ok(Rc::clone(known));
        }
        let reader = self.store.read()?;
        let at = |seq| {
            let point = ReadPoint::At(seq);
            let row = reader.bucket_by_guid(guid, point)?;
            Ok::<_, ReadError>(row.map(|row| BucketView { row, point, path: None }))
        };
        let (before, after) = (at(self.aside.base)?, at(self.aside.to)?);
        let row = after.as_ref().or(before.as_ref()).map(|view| &view.row);
        let name = row.map_or_else(|| guid.to_string(), |row| row.name.to_string());
        let known = Rc::new(Known { guid, name, before, after });
        self.known.push(Rc::clone(&known));
        Ok(known)
    }

    /// A version as it was at a point, wherever it stood among its key's.
    fn version(
        &self,
        view: Option<&BucketView>,
        key: &ObjectKey,
        version: Version,
    ) -> Result<Option<ObjectRow>, ReadError> {
        let Some(view) = view else { return Ok(None) };
        let selector = match version {
            Version::Null { .. } => VersionSelector::Null,
            Version::Id(id) => VersionSelector::Id(id),
        };
        self.store.read()?.object(view, key, selector)
    }
}

/// What an entry says happened: nothing, where a version only moved behind a newer one, or two things, where one took another's place.
fn lines(buckets: &mut Buckets<'_>, entry: &DeltaEntry) -> Result<Vec<DivergedEntry>, ReadError> {
    let known = buckets.get(entry.key.bucket().unwrap_or(BucketGuid::from_bytes([0; 16])))?;
    if let RowKey::Object(_, key, _) = &entry.key {
        return object_lines(buckets, &known, key, entry);
    }
    let mut out = blank(&known, if entry.new.is_none() { "delete" } else { "put" });
    match &entry.key {
        RowKey::Bucket(_) | RowKey::BucketName(_) => {
            let change = match (&entry.old, &entry.new) {
                (None, _) => "bucket-created",
                (_, None) => "bucket-deleted",
                (Some(_), Some(_)) => "setting",
            };
            change.clone_into(&mut out.change);
            let row = entry.new.as_ref().or(entry.old.as_ref()).map(|value| BucketRow::decode(value)).transpose()?;
            out.modified = row.map(|row| rfc3339(row.created));
        }
        RowKey::Setting(_, name) => {
            out.change = "setting".to_owned();
            out.key = Some(name.to_string());
        }
        RowKey::Object(..) => {}
        RowKey::Upload(_, key, upload) => {
            out.change = "upload".to_owned();
            out.key = Some(key.to_string());
            out.version = Some(upload.to_string());
            let row = entry.new.as_ref().or(entry.old.as_ref()).map(|value| UploadRow::decode(value)).transpose()?;
            out.modified = row.map(|row| rfc3339(row.initiated));
        }
        RowKey::Part(_, upload, number) => {
            out.change = "upload".to_owned();
            out.version = Some(format!("{upload} part {number}"));
            let row = entry.new.as_ref().or(entry.old.as_ref()).map(|value| PartRow::decode(value)).transpose()?;
            out.size = row.as_ref().map(|row| row.size);
            out.modified = row.map(|row| rfc3339(row.modified));
        }
    }
    Ok(vec![out])
}

fn object_lines(
    buckets: &Buckets<'_>,
    known: &Known,
    key: &ObjectKey,
    entry: &DeltaEntry,
) -> Result<Vec<DivergedEntry>, ReadError> {
    let decoded = |value: &Option<Vec<u8>>| value.as_ref().map(|value| ObjectRow::decode(value)).transpose();
    let (old, new) = (decoded(&entry.old)?, decoded(&entry.new)?);
    let mut out = Vec::new();
    if let Some(row) = new
        && buckets.version(known.before.as_ref(), key, row.version)?.as_ref() != Some(&row)
    {
        let change = if row.content().is_some() { "put" } else { "delete" };
        out.push(of_version(known, key, &row, change));
    }
    if let Some(row) = old
        && buckets.version(known.after.as_ref(), key, row.version)?.is_none()
    {
        out.push(of_version(known, key, &row, "delete"));
    }
    Ok(out)
}

fn of_version(known: &Known, key: &ObjectKey, row: &ObjectRow, change: &str) -> DivergedEntry {
    DivergedEntry {
        key: Some(key.to_string()),
        version: Some(row.version.to_string()),
        size: row.content().map(|content| content.size),
        modified: Some(rfc3339(row.modified)),
        ..blank(known, change)
    }
}

fn blank(known: &Known, change: &str) -> DivergedEntry {
    DivergedEntry {
        bucket: known.name.clone(),
        key: None,
        version: None,
        change: change.to_owned(),
        size: None,
        modified: None,
    }
}
