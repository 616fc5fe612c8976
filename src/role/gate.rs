//! The early check of writes, before their bodies stream in. The committer checks again: it alone decides.

use tandem_storage::Store;
use tandem_storage::change::WritePermit;
use tandem_storage::record::Access;
use tandem_storage::types::BucketName;

/// Why a write is not taken here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// This node is the path's destination.
    Destination,
    /// A handover is under way: try again, here or at the peer.
    HandingOver,
}

#[derive(Clone)]
pub struct WriteGate {
    store: Store,
}

impl WriteGate {
    pub fn new(store: Store) -> Self {
        WriteGate { store }
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
                Access::ReadAt(_) => Err(Closed::Destination),
            },
        }
    }
}
