//! The digest and the total of each path's newest restore point, counted again from its rows.

use tandem_storage::meta::digest::LtHash;
use tandem_storage::record::{PathRow, SnapshotRow, Total};
use tandem_storage::{ReadError, Store};

use super::state::Subject;

/// A point that goes while it is counted is followed by the next newest, so often.
const ATTEMPTS: u32 = 5;
/// What an operator need not do, and what to do if that does not help.
const ADVICE: &str = "everything is compared with the other node by itself; if a later round finds it again, run `tandem check` on \
     both nodes";

/// Goes through the paths, a bounded page of rows at a time.
pub struct Recount {
    waiting: Vec<PathRow>,
    counting: Option<Counting>,
}

struct Counting {
    path: PathRow,
    snapshot: SnapshotRow,
    after: Option<Vec<u8>>,
    count: (LtHash, Total),
    attempts: u32,
}

/// What a step came to.
pub enum Counted {
    /// A page of rows was added.
    Page,
    /// A path has nothing to compare, or its points went too fast.
    Passed,
    Right,
    /// What is wrong of a restore point, and how.
    Wrong(Vec<(Subject, String)>),
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
        match store.count_page(scope, at, counting.after.take(), &mut counting.count) {
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
                Ok(Counted::Wrong(vec![(counting.digest(), format!("cannot be counted: {error}; {ADVICE}"))]))
            }
            Err(error) => Err(error),
        }
    }
}

impl Counting {
    /// Absent: no snapshot of the path has a digest or a total.
    fn begin(store: &Store, path: PathRow, attempts: u32) -> Result<Option<Self>, ReadError> {
        let known = |row: &SnapshotRow| row.digest.is_some() || row.total.is_some();
        let newest = store.snapshots(path.guid)?.into_iter().rev().find(known);
        let count = (LtHash::empty(), Total::default());
        let counting = |snapshot| Counting { path, snapshot, after: None, count, attempts };
        Ok(newest.map(counting))
    }

    /// With what is stored now: the digest may have been corrected meanwhile, or the snapshot dropped.
    fn compare(self, store: &Store) -> Result<Counted, ReadError> {
        let Some(row) = store.snapshot(self.snapshot.meta.guid)? else { return Ok(Counted::Passed) };
        let (digest, total) = (self.count.0.digest(), self.count.1);
        let mut wrong = Vec::new();
        if let Some(stored) = row.digest.filter(|stored| *stored != digest) {
            wrong.push((self.digest(), format!("stored {stored:?}, counted {digest:?}; {ADVICE}")));
        }
        if let Some(stored) = row.total.filter(|stored| *stored != total) {
            wrong.push((self.total(), format!("stored {stored}, counted {total}; {ADVICE}")));
        }
        Ok(if wrong.is_empty() { Counted::Right } else { Counted::Wrong(wrong) })
    }

    fn digest(&self) -> Subject {
        let SnapshotRow { meta, .. } = &self.snapshot;
        Subject::Digest { path: self.path.scope.to_string(), snapshot: meta.guid, name: meta.name.clone() }
    }

    fn total(&self) -> Subject {
        let SnapshotRow { meta, .. } = &self.snapshot;
        Subject::Total { path: self.path.scope.to_string(), snapshot: meta.guid, name: meta.name.clone() }
    }
}
