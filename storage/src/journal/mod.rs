//! The ack point: one frame a batch, with the batch's rows and small bodies; replay; retirement of whole files.
//!
//! The committer plans where bodies will stand, makes the rows that name those places, and appends one frame. A frame is
//! written by one write and one sync, and only then the next one begins: so all that a crash can tear is the last frame of the newest file.
//! Files stay after their frames are applied, for as long as a live body is in them.

mod files;
mod frame;
mod scan;
mod writer;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(crate) use files::JournalFiles;
pub(crate) use writer::Journal;

use crate::meta::engine::EngineError;
use crate::record::InstanceId;
use crate::types::{ContentHash, Seq};

/// Where the next frame begins, or a frame begins. Stored by each checkpoint: replay starts there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct JournalPosition {
    pub file: u64,
    pub offset: u64,
}

/// A small body on its way into a frame.
#[derive(Clone, Debug)]
pub(crate) struct FrameBody {
    pub hash: ContentHash,
    pub instance: InstanceId,
    pub bytes: Bytes,
}

#[derive(Clone, Debug)]
pub(crate) struct JournalOptions {
    /// A file that has reached this length takes no more frames.
    pub rotate_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        JournalOptions { rotate_bytes: 64 * 1024 * 1024 }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The frame did not fit on the disk. Nothing was synced and the journal is as it was: the one error after which
    /// the same batch, or another, may be appended again.
    #[error("the disk is full")]
    NoSpace,
    /// A write or sync failed: what is on the disk is unknown. Nothing may be appended any more.
    #[error("journal: {0}")]
    Io(#[from] std::io::Error),
    #[error("journal file {file:016x} is damaged at byte {offset}: {reason}")]
    Damaged { file: u64, offset: u64, reason: &'static str },
    #[error("the journal ends at {found}, and the engine has already applied {applied}")]
    Behind { found: Seq, applied: Seq },
    /// The replay's own failure.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
