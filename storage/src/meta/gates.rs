//! Protected paths in memory, as the table has them.

use std::sync::Arc;

use crate::change::WritePermit;
use crate::record::{Access, PathRow};
use crate::types::{BucketName, PathGuid};

/// The paths of this node, in order of GUID; they never overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gates {
    paths: Arc<Vec<PathRow>>,
}

impl Gates {
    pub fn new(mut paths: Vec<PathRow>) -> Self {
        paths.sort_by_key(|path| path.guid);
        Gates { paths: Arc::new(paths) }
    }

    pub fn paths(&self) -> &Arc<Vec<PathRow>> {
        &self.paths
    }

    pub fn path(&self, guid: PathGuid) -> Option<&PathRow> {
        self.paths.iter().find(|path| path.guid == guid)
    }

    /// The path that protects a bucket of this name.
    pub fn covering(&self, bucket: &BucketName) -> Option<&PathRow> {
        self.paths.iter().find(|path| path.scope.covers(bucket))
    }

    /// Whether a client's change to a bucket of this name may be made: FORMAT invariant 10.
    pub fn permits(&self, bucket: &BucketName, permit: WritePermit) -> bool {
        match (self.covering(bucket), permit) {
            (None, WritePermit::Unprotected) => true,
            (Some(row), WritePermit::Path { path, epoch }) => {
                row.access == Access::Writable && row.guid == path && row.epoch.number == epoch
            }
            _ => false,
        }
    }

    pub fn insert(&mut self, row: PathRow) {
        let paths = Arc::make_mut(&mut self.paths);
        match paths.binary_search_by_key(&row.guid, |path| path.guid) {
            Ok(at) => paths[at] = row,
            Err(at) => paths.insert(at, row),
        }
    }

    pub fn remove(&mut self, guid: PathGuid) {
        Arc::make_mut(&mut self.paths).retain(|path| path.guid != guid);
    }
}
