//! The digest of each path's newest restore point, counted again from its rows.

use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{PathRow, SnapshotRow};
use tandem_storage::{ReadError, Store};

use super::state::Subject;

/// A point that goes while it is counted is followed by the next newest, so often.
const ATTEMPTS: u32 = 5;

/// Goes through the paths, a bounded page of rows at a time.
pub struct Recount {
    waiting: Vec<PathRow>,
    counting: Option<Counting>,
}

struct Counting {
    path: PathRow,
    snapshot: SnapshotRow,
    after: Option<Vec<u8>>,
    hash: LtHash,
    attempts: u32,
}

/// What a step came to.
pub enum Counted {
    /// A page of rows was added.
    Page,
    /// A path has no digest to compare, or its points went too fast.
    Passed,
    Right,
    Wrong {
        subject: Subject,
        reason: String,
    },
    /// All paths have been looked at.
    Over,
}

impl Recount {
    pub fn new(store: &Store) -> Self {
        Recount { waiting: store.paths().to_vec(), counting: None }
    }

    pub fn step(&mut self, store: &Store) -> Result<Counted, ReadError> {
        let counting = match self.counting.take() {
            Some(counting) => counting,
            None => {
                let Some(path) = self.waiting.pop() else { return Ok(Counted::Over) };
                let Some(counting) = Counting::begin(store, path, 1)? else { return Ok(Counted::Passed) };
                counting
            }
        };
        self.page(store, counting)
    }

    fn page(&mut self, store: &Store, mut counting: Counting) -> Result<Counted, ReadError> {
        let (scope, at) = (&counting.path.scope, counting.snapshot.seq);
        match store.digest_page(scope, at, counting.after.take(), &mut counting.hash) {
            Ok(Some(after)) => {
                counting.after = Some(after);
                self.counting = Some(counting);
                Ok(Counted::Page)
            }
            Ok(None) => counting.compare(store),
            Err(ReadError::NotHeld(_)) if counting.attempts < ATTEMPTS => {
                self.counting = Counting::begin(store, counting.path, counting.attempts + 1)?;
                Ok(Counted::Passed)
            }
            Err(ReadError::NotHeld(_)) => Ok(Counted::Passed),
            Err(ReadError::Corrupt(error)) => {
                Ok(Counted::Wrong { subject: counting.subject(), reason: format!("cannot be counted: {error}") })
            }
            Err(error) => Err(error),
        }
    }
}

impl Counting {
    /// None: no snapshot of the path has a digest.
    fn begin(store: &Store, path: PathRow, attempts: u32) -> Result<Option<Self>, ReadError> {
        let newest = store.snapshots(path.guid)?.into_iter().rev().find(|row| row.digest.is_some());
        let counting = |snapshot| Counting { path, snapshot, after: None, hash: LtHash::empty(), attempts };
        Ok(newest.map(counting))
    }

    /// With what is stored now: the digest may have been corrected meanwhile, or the snapshot dropped.
    fn compare(self, store: &Store) -> Result<Counted, ReadError> {
        let row = store.snapshot(self.snapshot.meta.guid)?;
        let Some(stored) = row.and_then(|row| row.digest) else { return Ok(Counted::Passed) };
        let counted = self.hash.digest();
        Ok(match stored == counted {
            true => Counted::Right,
            false => {
                let reason = format!("stored {stored:?}, counted {counted:?}");
                Counted::Wrong { subject: self.subject(), reason }
            }
        })
    }

    fn subject(&self) -> Subject {
        let SnapshotRow { meta, .. } = &self.snapshot;
        Subject::Digest { path: self.path.scope.to_string(), snapshot: meta.guid, name: meta.name.clone() }
    }
}
