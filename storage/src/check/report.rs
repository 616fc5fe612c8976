use serde::{Deserialize, Serialize};

/// How far a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Rows against rows, and against the names of files.
    Rows,
    /// The bytes of every blob too: CRC32C and BLAKE3.
    Bytes,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A stored key or value does not decode.
    Undecodable,
    /// A blob's stored count is not the number of its references.
    Count,
    /// A referenced blob has no row.
    MissingBlob,
    /// `dead` and a blob's row contradict each other.
    Dead,
    /// An instance is named twice, or both live and condemned.
    Instance,
    /// Intervals of a row overlap or are empty, or their index is wrong.
    History,
    /// A change above a cursor is not in the feed.
    Feed,
    /// Live bodies of a journal file are miscounted.
    Segment,
    /// A total is not what its rows come to.
    Total,
    /// A snapshot without its hold, or of no path.
    Point,
    /// A bucket's name and its row contradict each other.
    Name,
    /// Stored bytes are damaged or not there.
    Bytes,
    /// A journal file is damaged.
    Journal,
    /// Something that nothing can reach, and that should be gone by now.
    LeftOver,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub kind: Kind,
    pub subject: String,
    pub detail: String,
}

/// The outcome of a check. No findings: everything that was looked at is right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub rows: u64,
    pub history_rows: u64,
    pub blobs: u64,
    pub blob_bytes: u64,
    pub piece_files: u64,
    pub journal_files: u64,
    pub findings: Vec<Finding>,
}

impl CheckReport {
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// How far a running check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Rows { done: u64 },
    Bytes { blobs_done: u64, blobs: u64 },
}
