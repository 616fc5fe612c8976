//! The source's side of a transfer: walk what differs, send the bytes that the peer lacks, then the rows, and wait until they are shown.

mod blobs;
mod session;
mod walk;

use std::sync::atomic::{AtomicU64, Ordering};

use tandem_storage::blob::BlobError;
use tandem_storage::record::SnapshotRow;
use tandem_storage::{CommitError, ReadError};

use super::alarm::{Difference, Point};
use super::message::Failure;
use super::wire::LinkError;

pub(crate) use session::{Shipment, Shipper, Tied, tied};
#[cfg(test)]
pub(crate) use walk::PageOf;
pub(crate) use walk::{ReadPage, stored_pages};

/// Why a shipment stopped. All of it can be taken up again where it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShipError {
    #[error("the peer: {0}")]
    Link(#[from] LinkError),
    #[error("the peer: {0}")]
    Failed(#[from] Failure),
    #[error("the peer does not take it: {0}")]
    Refused(crate::role::machine::Refused),
    #[error("the store: {0}")]
    Read(#[from] ReadError),
    #[error("the store: {0}")]
    Blob(#[from] BlobError),
    #[error("the store: {0}")]
    Commit(#[from] CommitError),
    #[error("the snapshot is gone: {0}")]
    Gone(String),
    /// What was walked is not what is stored of its points. Boxed: it is rare, and large.
    #[error("restore point {}: {}", .0.0.name, .0.1)]
    Differs(Box<(Point, Difference)>),
    #[error("the peer answered something else")]
    Protocol,
    #[error("stopped")]
    Stopped,
}

impl ShipError {
    fn differs(row: &SnapshotRow, difference: Difference) -> Self {
        ShipError::Differs(Box::new((Point::of(&row.meta), difference)))
    }

    /// Whether bytes that are stored here cannot be read.
    pub(crate) fn is_damage(&self) -> bool {
        let (ShipError::Blob(error) | ShipError::Read(ReadError::Blob(error))) = self else { return false };
        matches!(error, BlobError::Damaged(_) | BlobError::Missing(_))
    }

    /// Whether the peer has no room for it.
    pub(crate) fn is_no_space(&self) -> bool {
        matches!(self, ShipError::Failed(Failure::NoSpace))
    }
}

/// How far a shipment is, for reports.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    pub(crate) fn reset(&self) {
        self.rows.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
    }

    pub(crate) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Rows and bytes sent.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.rows.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}
