//! Which rows lead to damaged blobs, at snapshots that a peer has too.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tandem_storage::record::{Scope, SnapshotRow};
use tandem_storage::scrub::{Reference, Search, Sighting};
use tandem_storage::types::{BucketGuid, ContentHash, PathGuid, Seq, SnapshotGuid};
use tandem_storage::{ReadError, Store};

use super::super::peers::Peer;
use crate::role::machine::PathView;

/// Between two steps of a search, for everybody else.
const STEP_PAUSE: Duration = Duration::from_millis(5);

/// A path that this node shares with a peer that is there, and the snapshots of it that both have.
pub(super) struct Shared {
    path: PathGuid,
    peer: Arc<Peer>,
    of: Of,
    /// Newest first.
    points: Vec<Point>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Everything,
    OneBucket,
}

struct Point {
    seq: Seq,
    snapshot: SnapshotGuid,
    /// Which one the bucket of the path was.
    bucket: Option<BucketGuid>,
}

/// Whom to ask for a blob, and by what name.
pub(super) struct Lead {
    pub peer: Arc<Peer>,
    pub path: PathGuid,
    pub snapshot: SnapshotGuid,
    pub reference: Reference,
}

impl Shared {
    /// None: the two have no snapshot in common.
    pub(super) fn new(store: &Store, peer: Arc<Peer>, theirs: &PathView) -> Result<Option<Shared>, ReadError> {
        let Some(row) = store.path(theirs.path) else { return Ok(None) };
        let of = if row.scope == Scope::Endpoint { Of::Everything } else { Of::OneBucket };
        let mut points = Vec::new();
        for SnapshotRow { meta, seq, .. } in store.snapshots(row.guid)?.into_iter().rev() {
            if theirs.meta(meta.guid).is_none() {
                continue;
            }
            let bucket = match &row.scope {
                Scope::Endpoint => None,
                Scope::Bucket(name) => match store.bucket_at(name, seq) {
                    // The snapshot has just gone.
                    Err(ReadError::NotHeld(_)) => continue,
                    bucket => bucket?,
                },
            };
            points.push(Point { seq, snapshot: meta.guid, bucket });
        }
        Ok((!points.is_empty()).then_some(Shared { path: row.guid, peer, of, points }))
    }

    /// The newest common snapshot that has the row.
    fn has(&self, sighting: &Sighting) -> Option<SnapshotGuid> {
        let bucket = sighting.key.bucket();
        let covers = |point: &&Point| {
            sighting.stood_at(point.seq) && (self.of == Of::Everything || (bucket.is_some() && bucket == point.bucket))
        };
        self.points.iter().find(covers).map(|point| point.snapshot)
    }
}

/// Looks through all rows for what leads to blobs; one lead for each blob and each path that has one.
pub(super) async fn leads(
    store: &Store,
    shared: Arc<Vec<Shared>>,
    wanted: &[ContentHash],
) -> Result<HashMap<ContentHash, Vec<Lead>>, ReadError> {
    let enough = wanted.len() * shared.len();
    let mut hunt = Hunt { search: Search::new(wanted.iter().copied()), shared, sighted: BTreeMap::new() };
    loop {
        let store = store.clone();
        let stepped = tokio::task::spawn_blocking(move || hunt.step(&store).map(|more| (hunt, more))).await;
        // A panic of the step, or the end of the node: nothing was found.
        let Ok(stepped) = stepped else { return Ok(HashMap::new()) };
        let more;
        (hunt, more) = stepped?;
        if !more || hunt.sighted.len() == enough {
            break;
        }
        tokio::time::sleep(STEP_PAUSE).await;
    }
    let store = store.clone();
    tokio::task::spawn_blocking(move || hunt.leads(&store)).await.unwrap_or_else(|_| Ok(HashMap::new()))
}

struct Hunt {
    search: Search,
    shared: Arc<Vec<Shared>>,
    /// By blob, and by place in `shared`.
    sighted: BTreeMap<(ContentHash, usize), (Sighting, SnapshotGuid)>,
}

impl Hunt {
    /// False: that was all.
    fn step(&mut self, store: &Store) -> Result<bool, ReadError> {
        let Hunt { search, shared, sighted } = self;
        store.sight(search, &mut |blob, sighting| {
            for (at, shared) in shared.iter().enumerate() {
                if !sighted.contains_key(&(blob, at))
                    && let Some(snapshot) = shared.has(&sighting)
                {
                    sighted.insert((blob, at), (sighting.clone(), snapshot));
                }
            }
        })
    }

    fn leads(self, store: &Store) -> Result<HashMap<ContentHash, Vec<Lead>>, ReadError> {
        let mut leads: HashMap<_, Vec<_>> = HashMap::new();
        for ((blob, at), (Sighting { key, root, .. }, snapshot)) in self.sighted {
            let Some(way) = store.way(&self.search, root, blob)? else { continue };
            let Shared { path, peer, .. } = &self.shared[at];
            let lead = Lead { peer: peer.clone(), path: *path, snapshot, reference: Reference { key, way } };
            leads.entry(blob).or_default().push(lead);
        }
        Ok(leads)
    }
}
