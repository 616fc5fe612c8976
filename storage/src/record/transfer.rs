use serde::{Deserialize, Serialize};

use super::Total;
use super::codec::{CorruptRecord, Record, decode_body};
use super::point::{Digest, SnapshotMeta};
use crate::types::{Epoch, PathGuid, SnapshotGuid, TransferGuid};

/// How far a transfer has come at the destination. It only moves down this list, or is dropped whole. The last two are the way out for one that is
/// not what its source declared; every other one ends with the flip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferPhase {
    /// Rows 0..rows are staged and durable, with every blob they need.
    Receiving { rows: u64 },
    /// All `rows` rows and blobs are here and the digest was equal: it can be finished without the source.
    Complete { rows: u64 },
    /// Rows 0..applied of `rows` are copied to the present, behind the visible point. For a seed `rows` is one more than was staged: the last step removes what
    /// stands behind its last row.
    Applying { rows: u64, applied: u64 },
    /// Given up: no more of it is applied, and the present is being set back to what the path shows.
    Undoing { rows: u64 },
    /// The present is what the path shows again: the transfer can be dropped.
    Undone { rows: u64 },
}

/// A snapshot on its way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRow {
    pub id: TransferGuid,
    pub path: PathGuid,
    pub epoch: Epoch,
    /// None: a seed, which brings the whole state.
    pub base: Option<SnapshotGuid>,
    pub to: SnapshotMeta,
    pub phase: TransferPhase,
    /// The digest the source declared, once it did.
    pub digest: Option<Digest>,
    /// The total that the source declared with it; none: its own totals were not counted yet.
    pub total: Option<Total>,
}

impl Record for TransferRow {
    const KIND: &'static str = "transfer";
    const VERSION: u8 = 2;

    fn decode_previous(version: u8, body: &[u8]) -> Result<Self, CorruptRecord> {
        match version {
            1 => decode_body::<TransferRowV1>(Self::KIND, body).map(Self::from),
            _ => Err(CorruptRecord::unknown_version(Self::KIND, version)),
        }
    }
}

/// As it was before there were totals.
#[derive(Deserialize)]
struct TransferRowV1 {
    id: TransferGuid,
    path: PathGuid,
    epoch: Epoch,
    base: Option<SnapshotGuid>,
    to: SnapshotMeta,
    phase: TransferPhase,
    digest: Option<Digest>,
}

impl From<TransferRowV1> for TransferRow {
    fn from(row: TransferRowV1) -> Self {
        let TransferRowV1 { id, path, epoch, base, to, phase, digest } = row;
        TransferRow { id, path, epoch, base, to, phase, digest, total: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::CreatorKind;
    use crate::types::{EpochNumber, NodeGuid, Timestamp};

    #[test]
    fn a_transfer_of_before_there_were_totals_declares_none() {
        let id = TransferGuid::from_bytes([1; 16]);
        let path = PathGuid::from_bytes([2; 16]);
        let epoch = Epoch { number: EpochNumber::new(3), writer: NodeGuid::from_bytes([4; 16]), fork: None };
        let to = SnapshotMeta {
            guid: SnapshotGuid::from_bytes([3; 16]),
            name: "old".into(),
            created: Timestamp::from_secs(5),
            creator: CreatorKind::Policy,
            epoch: EpochNumber::new(3),
        };
        let phase = TransferPhase::Applying { rows: 9, applied: 4 };
        let old = (id, path, epoch, None::<SnapshotGuid>, &to, &phase, None::<Digest>);
        let bytes = postcard::to_extend(&old, vec![1]).expect("plain data");
        let row = TransferRow::decode(&bytes).expect("an old transfer");
        assert_eq!((row.id, &row.to, &row.phase, row.total), (id, &to, &phase, None));
        assert_eq!(TransferRow::decode(&row.encode()), Ok(row));
    }
}
