//! What the committer, readers and the collector share.

use std::sync::Arc;

use super::engine::{Buffered, EngineError, View};
use super::published::{Published, State};
use super::readers::{Readers, Registration};
use super::reserve::Reserve;
use crate::blob::{BlobError, BlobStore, Resolve};
use crate::disk::Disk;
use crate::journal::JournalFiles;
use crate::record::{BlobRow, Record};
use crate::sync::Mutex;
use crate::types::{ContentHash, NodeGuid};

pub(crate) struct Core {
    pub disk: Arc<dyn Disk>,
    pub engine: Buffered,
    pub blobs: Arc<BlobStore>,
    pub journal: Arc<JournalFiles>,
    pub published: Published,
    pub readers: Arc<Readers>,
    /// Given by the committer, taken by whoever makes checkpoints.
    pub reserve: Mutex<Reserve>,
    pub node: NodeGuid,
    /// The directory's lock. Last: it goes when all that writes files has gone.
    pub _lock: Box<dyn Send + Sync>,
}

impl Core {
    /// A consistent view with the paths and points that belong to it.
    pub fn view(&self) -> Result<(Box<dyn View + '_>, Arc<State>), EngineError> {
        self.published.consistently(|| self.engine.view())
    }

    pub fn register(&self) -> Registration {
        self.readers.register(|| self.published.newest())
    }

    pub fn blob_row(&self, hash: &ContentHash) -> Result<Option<BlobRow>, BlobError> {
        blob_row(&*self.engine.nested_view()?, hash)
    }
}

pub(crate) fn blob_row(view: &dyn View, hash: &ContentHash) -> Result<Option<BlobRow>, BlobError> {
    let mut row = Ok(None);
    view.get(super::engine::Table::Blobs, hash.as_bytes(), &mut |value| {
        row = value.map(BlobRow::decode).transpose();
    })?;
    Ok(row?)
}

/// A registration that looks blobs up: what a body's reader holds when its [`Reader`](crate::Reader) has gone.
pub(crate) struct Registered {
    pub core: Arc<Core>,
    pub _registration: Registration,
}

impl Resolve for Core {
    fn blob(&self, hash: &ContentHash) -> Result<Option<BlobRow>, BlobError> {
        self.blob_row(hash)
    }
}

impl Resolve for Registered {
    fn blob(&self, hash: &ContentHash) -> Result<Option<BlobRow>, BlobError> {
        self.core.blob_row(hash)
    }
}
