//! What a rejoin set aside, by name.

use tandem_storage::meta::delta::DeltaEntry;
use tandem_storage::record::{BucketRow, ObjectRow, Record, RetentionMode, RowKey, Scope};
use tandem_storage::types::{BucketGuid, EpochNumber, Seq, Timestamp};
use tandem_storage::{ReadError, ReadPoint, Store};

use super::super::report::{DivergedEntry, rfc3339};
use super::{Control, ControlError};

/// Lines that a manifest shows; the report has the whole count.
const LINES: usize = 100_000;
const PAGE: usize = 512;

/// The two points between which diverged writes lie.
#[derive(Clone)]
struct Aside {
    scope: Scope,
    base: Seq,
    to: Seq,
}

impl Control {
    pub(super) async fn manifest(&self, scope: &Scope, epoch: EpochNumber) -> Result<Vec<DivergedEntry>, ControlError> {
        let aside = self.aside(scope, epoch)?;
        self.blocking(move |store| {
            let mut names = Names { store, aside: &aside, known: Vec::new() };
            let mut lines = Vec::new();
            walk(store, &aside, |entry| {
                lines.push(line(&mut names, entry)?);
                Ok(lines.len() < LINES)
            })?;
            Ok(lines)
        })
        .await
    }

    /// Whether a retention or a legal hold lies on any version that was set aside.
    pub(super) async fn diverged_is_locked(&self, scope: &Scope, epoch: EpochNumber) -> Result<bool, ControlError> {
        let (aside, now) = (self.aside(scope, epoch)?, self.hub.clock.now());
        self.blocking(move |store| {
            let mut locked = false;
            walk(store, &aside, |entry| {
                locked |= is_locked(entry, now)?;
                Ok(!locked)
            })?;
            Ok(locked)
        })
        .await
    }

    fn aside(&self, scope: &Scope, epoch: EpochNumber) -> Result<Aside, ControlError> {
        let published = self.handle(scope)?.read();
        let diverged = published.state.detail.diverged.iter().find(|diverged| diverged.epoch == epoch);
        let unknown = || ControlError::NotFound(format!("no diverged writes of epoch {epoch} are kept for {scope}"));
        let diverged = diverged.ok_or_else(unknown)?;
        let seq = |guid| match self.hub.store.snapshot(guid) {
            Ok(row) => row.map(|row| row.seq).ok_or_else(unknown),
            Err(error) => Err(ControlError::Internal(error.to_string())),
        };
        Ok(Aside { scope: scope.clone(), base: seq(diverged.base)?, to: seq(diverged.snapshot)? })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ControlError> {
        let store = self.hub.store.clone();
        let joined = tokio::task::spawn_blocking(move || work(&store)).await;
        let outcome = joined.map_err(|_| ControlError::Internal("the node is stopping".into()))?;
        outcome.map_err(|error| ControlError::Internal(error.to_string()))
    }
}

/// Visits what differs until `visit` says that it is enough.
fn walk(
    store: &Store,
    aside: &Aside,
    mut visit: impl FnMut(&DeltaEntry) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let mut position = None;
    loop {
        let page = store.delta(&aside.scope, Some(aside.base), aside.to, position, PAGE)?;
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

fn is_locked(entry: &DeltaEntry, now: Timestamp) -> Result<bool, ReadError> {
    let (RowKey::Object(..), Some(new)) = (&entry.key, &entry.new) else { return Ok(false) };
    let row = ObjectRow::decode(new)?;
    let lock = row.content().and_then(|content| content.lock);
    let retained = |(_, until): (RetentionMode, Timestamp)| until > now;
    Ok(lock.is_some_and(|lock| lock.legal_hold || lock.retention.is_some_and(retained)))
}

/// Names of buckets at either point, looked up once.
struct Names<'a> {
    store: &'a Store,
    aside: &'a Aside,
    known: Vec<(BucketGuid, String)>,
}

impl Names<'_> {
    fn name(&mut self, guid: BucketGuid) -> Result<String, ReadError> {
        if let Some((_, name)) = self.known.iter().find(|(known, _)| *known == guid) {
            return Ok(name.clone());
        }
        let reader = self.store.read()?;
        let row = match reader.bucket_by_guid(guid, ReadPoint::At(self.aside.to))? {
            Some(row) => Some(row),
            None => reader.bucket_by_guid(guid, ReadPoint::At(self.aside.base))?,
        };
        let name = row.map_or_else(|| guid.to_string(), |row| row.name.to_string());
        self.known.push((guid, name.clone()));
        Ok(name)
    }
}

fn line(names: &mut Names<'_>, entry: &DeltaEntry) -> Result<DivergedEntry, ReadError> {
    let guid = entry.key.bucket().unwrap_or(BucketGuid::from_bytes([0; 16]));
    let gone = entry.new.is_none();
    let mut out = DivergedEntry {
        bucket: names.name(guid)?,
        key: None,
        version: None,
        change: if gone { "delete" } else { "put" }.to_owned(),
        size: None,
        modified: None,
    };
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
        RowKey::Object(_, key, _) => {
            out.key = Some(key.to_string());
            let value = entry.new.as_ref().or(entry.old.as_ref());
            if let Some(row) = value.map(|value| ObjectRow::decode(value)).transpose()? {
                out.version = Some(row.version.to_string());
                out.size = row.content().map(|content| content.size);
                out.modified = Some(rfc3339(row.modified));
                if !gone && row.content().is_none() {
                    out.change = "delete".to_owned();
                }
            }
        }
        RowKey::Upload(_, key, upload) => {
            out.change = "upload".to_owned();
            out.key = Some(key.to_string());
            out.version = Some(upload.to_string());
        }
        RowKey::Part(_, upload, number) => {
            out.change = "upload".to_owned();
            out.version = Some(format!("{upload} part {number}"));
        }
    }
    Ok(out)
}
