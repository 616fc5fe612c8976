//! The early check of writes, before their bodies stream in. The committer checks again: it alone decides.

use std::sync::Arc;

use tandem_storage::Store;
use tandem_storage::change::WritePermit;
use tandem_storage::record::Access;
use tandem_storage::types::{BucketName, PathGuid};

/// Why a write is not taken here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// This node is the path's destination. Where its source is, as far as is known.
    Destination { source: Option<String> },
    /// A handover is under way: try again, here or at the peer.
    HandingOver,
}

/// Finds the S3 endpoint of a path's source.
pub type Sources = Arc<dyn Fn(PathGuid) -> Option<String> + Send + Sync>;

#[derive(Clone)]
pub struct WriteGate {
    store: Store,
    sources: Sources,
}

impl WriteGate {
    /// One that cannot say where writes should go instead.
    pub fn new(store: Store) -> Self {
        WriteGate { store, sources: Arc::new(|_| None) }
    }

    #[must_use]
    pub fn telling(self, sources: Sources) -> Self {
        WriteGate { sources, ..self }
    }

    /// # Errors
    /// [`Closed`], when the path that covers `bucket` is not writable on this node.
    pub fn permit(&self, bucket: &BucketName) -> Result<WritePermit, Closed> {
        let paths = self.store.paths();
        match paths.iter().find(|path| path.scope.covers(bucket)) {
            None => Ok(WritePermit::Unprotected),
            Some(path) => match path.access {
                Access::Writable => Ok(WritePermit::Path { path: path.guid, epoch: path.epoch.number }),
                Access::Closed => Err(Closed::HandingOver),
                Access::ReadAt(_) => Err(Closed::Destination { source: (self.sources)(path.guid) }),
            },
        }
    }
}
