//! Evidence that a destination may not have what its source has. An alarm is durable. It ends when everything was compared and the
//! result is proved, and not before.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tandem_storage::change::{NodeWrite, WriteNodeRows};
use tandem_storage::record::{CorruptRecord, Record, SnapshotMeta, Total};
use tandem_storage::types::{PathGuid, SnapshotGuid, Timestamp};
use tandem_storage::{CommitError, Lane, Store};

use crate::clock::SharedClock;

/// Node rows: this, and the path's GUID.
const PREFIX: &[u8] = b"replica-alarm/";

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Difference {
    /// Source: the rows that a shipment named are not what changed by the totals of its two points.
    Walked { walked: Total, expected: Total },
    /// The digest that was stored with a point is not that of its rows.
    StoredDigest,
    /// The total that was stored with a point is not that of its rows.
    StoredTotal { stored: Total, counted: Total },
    /// Destination: the rows that arrived do not make the digest that the source declared.
    ArrivedDigest,
    /// Destination: what is shown and the rows that arrived do not make the total that the source declared.
    ArrivedTotal { made: Total, declared: Total },
    /// Destination: all rows are applied, and the present does not have the total that the source declared.
    Applied,
    /// The total has changed, and no change is on record.
    Unrecorded,
    /// A rewind by what is on record as changed ended with another total than that of its point. All rows were then compared.
    Rewound { is: Total, was: Total },
    /// The other node has found a difference.
    Peer,
    /// The scrub has counted something else than what is stored.
    Scrub(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Walked { walked, expected } => {
                write!(f, "the rows of its shipment do not add up to what changed: {}", Instead(walked, expected))
            }
            Difference::StoredDigest => f.write_str("the digest that was stored with it is not that of its rows"),
            Difference::StoredTotal { stored, counted } => {
                let counts = Instead(stored, counted);
                write!(f, "the total that was stored with it is not that of its rows: {counts}")
            }
            Difference::ArrivedDigest => {
                f.write_str("the rows that arrived do not make the digest that the source declared")
            }
            Difference::ArrivedTotal { made, declared } => {
                write!(f, "the rows here and those that arrived do not make the total that the source declared: ")?;
                Instead(made, declared).fmt(f)
            }
            Difference::Applied => f.write_str("its rows are applied, and are not the total that the source declared"),
            Difference::Unrecorded => f.write_str("the total has changed since, and no change is on record"),
            Difference::Rewound { is, was } => {
                write!(f, "going back to it by the changes on record left something out: {}", Instead(is, was))
            }
            Difference::Peer => f.write_str("the other node has found a difference"),
            Difference::Scrub(what) => write!(f, "the scrub has found: {what}"),
        }
    }
}

/// One total instead of another, for people: they count rows, and can compare nothing else. Differences of totals may be negative.
struct Instead<'a>(&'a Total, &'a Total);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, expected) = (self.0.rows().cast_signed(), self.1.rows().cast_signed());
        match found == expected {
            true => write!(f, "{found} rows, as expected, but with other contents"),
            false => write!(f, "{found} rows instead of {expected}"),
        }
    }
}

/// What is known of a path's alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    /// The restore point, by GUID and name, at which the newest evidence was found.
    pub point: SnapshotGuid,
    pub name: String,
    pub difference: Difference,
    /// When the first evidence was found.
    pub since: Timestamp,
    /// Pieces of evidence since.
    pub times: u32,
}

impl Record for Alarm {
    const KIND: &'static str = "replica alarm";
    const VERSION: u8 = 1;
}

/// A point at which something differs.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub guid: SnapshotGuid,
    pub name: String,
}

impl Point {
    pub(crate) fn of(meta: &SnapshotMeta) -> Self {
        Point { guid: meta.guid, name: meta.name.clone() }
    }
}

/// The open alarms of all paths, in memory and as node rows.
pub(crate) struct Alarms {
    store: Store,
    clock: SharedClock,
    open: Mutex<HashMap<PathGuid, Alarm>>,
    /// Rows are written one by one, so that the last one written is what is open.
    writing: tokio::sync::Mutex<()>,
}

impl Alarms {
    pub(crate) fn new(store: Store, clock: SharedClock) -> Arc<Self> {
        Arc::new(Alarms { store, clock, open: Mutex::default(), writing: tokio::sync::Mutex::default() })
    }

    /// Reads what was open when the node stopped.
    ///
    /// # Errors
    /// [`CorruptRecord`], when a row does not decode.
    pub(crate) fn load(&self) -> Result<(), CorruptRecord> {
        let corrupt = |reason: String| CorruptRecord { kind: Alarm::KIND, reason };
        let rows = self.store.node_rows(PREFIX).map_err(|error| corrupt(error.to_string()))?;
        let mut open = self.lock();
        for (key, value) in rows {
            let path = key.get(PREFIX.len()..).and_then(|guid| guid.try_into().ok()).map(PathGuid::from_bytes);
            let path = path.ok_or_else(|| corrupt("a key that names no path".to_owned()))?;
            open.insert(path, Alarm::decode(&value)?);
        }
        Ok(())
    }

    pub(crate) fn of(&self, path: PathGuid) -> Option<Alarm> {
        self.lock().get(&path).cloned()
    }

    /// Raises an alarm, or adds to the open one; the same evidence found again adds nothing. It stands in memory even if the store takes no row any
    /// more.
    pub(crate) async fn raise(&self, path: PathGuid, point: Point, difference: Difference) {
        if self.of(path).is_some_and(|known| known.point == point.guid && known.difference == difference) {
            return;
        }
        let scope = self.store.path(path).map_or_else(|| path.to_string(), |row| row.scope.to_string());
        tracing::error!(
            path = scope,
            point = %point.guid,
            name = point.name,
            "the replica may differ from its source: {difference}. Everything is compared, and mended"
        );
        let _one = self.writing.lock().await;
        let alarm = {
            let mut open = self.lock();
            let (since, times) = open.get(&path).map_or((self.clock.now(), 0), |known| (known.since, known.times));
            let times = times.saturating_add(1);
            let alarm = Alarm { point: point.guid, name: point.name, difference, since, times };
            open.insert(path, alarm.clone());
            alarm
        };
        if let Err(error) = self.write(path, Some(alarm.encode())).await {
            tracing::error!(path = scope, %error, "an alarm is not on record");
        }
    }

    /// Ends a path's alarm: everything was compared, and the result is proved; or the path is gone.
    pub(crate) async fn end(&self, path: PathGuid) -> Result<(), CommitError> {
        let _one = self.writing.lock().await;
        if self.of(path).is_none() {
            return Ok(());
        }
        self.write(path, None).await?;
        self.lock().remove(&path);
        Ok(())
    }

    async fn write(&self, path: PathGuid, value: Option<Vec<u8>>) -> Result<(), CommitError> {
        let key = [PREFIX, path.as_bytes()].concat();
        let write = NodeWrite { key, value, expected: None };
        self.store.commit(Lane::Background, self.clock.now(), WriteNodeRows(vec![write])).await.map(|_| ())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathGuid, Alarm>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
