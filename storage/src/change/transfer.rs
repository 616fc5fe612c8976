//! A snapshot on its way in: received, staged, applied behind the visible point; and rewound.
//!
//! Only the flip, an [`UpdatePaths`](super::UpdatePaths) of the caller, makes it visible. What a dropped transfer leaves is purged in the background.

mod apply;
mod receive;
mod rewind;
#[cfg(test)]
mod tests;
mod validate;

use crate::blob::StagedBody;
use crate::record::{Digest, RowKey, Total, TransferRow};
use crate::types::{ContentHash, EpochNumber, PathGuid, Seq, TransferGuid};

/// Records a transfer at the destination, in phase `Receiving { rows: 0 }`; one that is recorded already stays as it is. Output: `()`.
/// Refusals: `Unknown` path; `Fenced` unless it is `ReadAt` in the transfer's epoch; `Stale` if the path has another transfer, or the id was used before.
#[derive(Clone, Debug)]
pub struct BeginTransfer(pub TransferRow);

/// Claims blobs for a transfer, so that they stay: freshly received ones with their bytes, or ones already here by hash.
/// A claimed recipe needs its children claimed or live before. Output: [`Claimed`]. Refusals: `Unknown`, `Fenced`, `BytesGone`, `NoSpace`.
#[derive(Debug)]
pub struct ClaimBlobs {
    pub transfer: TransferGuid,
    pub received: Vec<StagedBody>,
    pub wanted: Vec<ContentHash>,
}

/// Which of `wanted` this node does not have, or has in a damaged instance only: what is sent again takes its place.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub lacking: Vec<ContentHash>,
}

/// A row in wire form: its key, and its value at the newer snapshot (none: absent there).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRow {
    pub key: RowKey,
    pub value: Option<Vec<u8>>,
}

/// Stages rows `first..first + rows.len()`. Values must decode, stay inside the path's scope and name only blobs that are claimed, or
/// live: those are claimed with the row. A seed's keys ascend and each has a value. Where a path covers one bucket, the rows of the buckets
/// themselves are the transfer's first. Rows already staged are skipped, so a repeated message is harmless; a gap is `Stale`.
/// Output: rows staged so far. Refusals: `Unknown`, `Fenced`, `Stale`, `BytesGone`, `Malformed`, `NoSpace`.
#[derive(Clone, Debug)]
pub struct StageRows {
    pub transfer: TransferGuid,
    pub first: u64,
    pub rows: Vec<StagedRow>,
}

/// Declares the transfer whole: `rows` rows, and the digest and the total that the state will have. The committer recomputes neither here; the caller
/// has checked both over the staged rows ([`Store::staged_digest`](crate::Store::staged_digest), [`Store::staged_total`](crate::Store::staged_total)). The
/// flip compares the total with the one that the committer has kept. Repeating it is harmless. Output: `()`.
/// Refusals: `Unknown`, `Fenced`, `Stale` if another number of rows is staged.
#[derive(Clone, Debug)]
pub struct CompleteTransfer {
    pub transfer: TransferGuid,
    pub rows: u64,
    pub digest: Digest,
    /// None: the source's own totals were not counted yet, and what lands is not proved.
    pub total: Option<Total>,
}

/// Copies up to `limit` staged rows to the present, behind the path's visible point. A seed also removes what is present and was not staged: as its
/// keys ascend, all rows between two staged ones go with the second. Output: rows left to apply.
/// Refusals: `Fenced` unless the path is `ReadAt`; `Stale` unless the transfer is complete; `Unknown`.
#[derive(Clone, Debug)]
pub struct ApplyStaged {
    pub transfer: TransferGuid,
    pub limit: usize,
}

/// Sets up to `limit` rows of a path's scope back to their value at `to` (a held point), by what the feed says has changed since.
/// Idempotent, and may begin again at any time. Output: [`RewoundPage`].
///
/// When nothing more differs by the feed, and yet the present's total is another than the point's, it goes on by comparing all rows: a fault has
/// left something out. While a transfer is being undone only the point that the path shows can be rewound to, and the last page makes it undone.
/// Refusals: `Unknown`, `Fenced` unless the path is `ReadAt` in this epoch, `NotHeld`, `Stale` while a transfer is being applied.
#[derive(Clone, Debug)]
pub struct RewindPage {
    pub path: PathGuid,
    pub epoch: EpochNumber,
    pub to: Seq,
    pub position: Option<crate::meta::delta::DeltaPosition>,
    pub limit: usize,
}

#[derive(Clone, Debug)]
pub struct RewoundPage {
    /// Where to go on; none: done.
    pub next: Option<crate::meta::delta::DeltaPosition>,
    pub totals: Agreement,
}

/// How the total of a rewound present stands to that of the point it was rewound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// There are more pages, or one of the two is not known.
    NotCompared,
    Equal,
    /// The feed left something out, for it says that nothing more differs: all rows are being compared from here on. To be reported.
    DifferByFeed {
        is: Total,
        was: Total,
    },
    /// All rows were compared, so the present is the point; one of the two stored totals is wrong. To be reported.
    DifferByRows {
        is: Total,
        was: Total,
    },
}
