use serde::{Deserialize, Serialize};

use super::Total;
use super::codec::{CorruptRecord, Record, decode_body, record, unknown_version};
use crate::types::{EpochNumber, HoldId, PathGuid, Seq, SnapshotGuid, Timestamp};

/// Who made a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CreatorKind {
    Policy,
    User,
    System,
}

/// A multiset hash of a path's whole state: 1,024 lanes of 16 bits, little-endian.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest(Vec<u8>);

impl Digest {
    pub const BYTES: usize = 2048;

    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == Self::BYTES).then_some(Digest(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = blake3::hash(&self.0).to_hex();
        write!(f, "Digest({}...)", &short[..16])
    }
}

/// What of a snapshot is the same on every node that has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMeta {
    pub guid: SnapshotGuid,
    pub name: String,
    /// The source's time; within a path it never steps back.
    pub created: Timestamp,
    pub creator: CreatorKind,
    /// The epoch in which it was taken.
    pub epoch: EpochNumber,
}

/// A retained point of a protected path on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRow {
    pub meta: SnapshotMeta,
    pub path: PathGuid,
    pub seq: Seq,
    pub expires: Option<Timestamp>,
    pub locked: bool,
    pub digest: Option<Digest>,
    /// The total of the path's scope at the point, as this node's committer kept it; none: it was not kept or counted then.
    pub total: Option<Total>,
    /// Whether this is known to be what the path's writer had: where it was taken its total was kept; where it was received the total was equal to the
    /// one that the source had declared.
    pub proved: bool,
}

impl Record for SnapshotRow {
    const KIND: &'static str = "snapshot";
    const VERSION: u8 = 2;

    fn decode_previous(version: u8, body: &[u8]) -> Result<Self, CorruptRecord> {
        match version {
            1 => decode_body::<SnapshotRowV1>(Self::KIND, body).map(Self::from),
            _ => Err(unknown_version(Self::KIND, version)),
        }
    }
}

/// As it was before there were totals.
#[derive(Deserialize)]
struct SnapshotRowV1 {
    meta: SnapshotMeta,
    path: PathGuid,
    seq: Seq,
    expires: Option<Timestamp>,
    locked: bool,
    digest: Option<Digest>,
}

impl From<SnapshotRowV1> for SnapshotRow {
    fn from(row: SnapshotRowV1) -> Self {
        let SnapshotRowV1 { meta, path, seq, expires, locked, digest } = row;
        SnapshotRow { meta, path, seq, expires, locked, digest, total: None, proved: false }
    }
}

/// Why a point is kept readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldReason {
    /// The hold of a snapshot itself; its id is the snapshot's.
    Snapshot,
    /// The base or the target of a transfer.
    Transfer,
    /// What a destination shows its readers, or showed before.
    Visible,
    /// The fork snapshot of an epoch.
    Fork,
    /// A rewind's target while it runs.
    Rewind,
    /// The point at which all rows are counted, or kept totals are compared with rows, until that is done.
    Count,
}

/// A named, durable reason to keep one point readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    pub id: HoldId,
    pub seq: Seq,
    pub reason: HoldReason,
}
record!(HoldRow, "hold", 1);

/// A named, durable reason to keep the change feed above a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorRow {
    pub id: HoldId,
    pub after: Seq,
}
record!(CursorRow, "cursor", 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_of_before_there_were_totals_has_none_and_is_not_proved() {
        let meta = SnapshotMeta {
            guid: SnapshotGuid::from_bytes([3; 16]),
            name: "old".into(),
            created: Timestamp::from_secs(5),
            creator: CreatorKind::User,
            epoch: EpochNumber::new(7),
        };
        let (path, seq, digest) =
            (PathGuid::from_bytes([4; 16]), Seq::new(9), Digest::from_bytes(vec![1; Digest::BYTES]));
        let old = (&meta, path, seq, Some(Timestamp::from_secs(8)), true, &digest);
        let bytes = postcard::to_extend(&old, vec![1]).expect("plain data");
        let row = SnapshotRow::decode(&bytes).expect("an old snapshot");
        assert_eq!((&row.meta, row.seq, row.locked, &row.digest), (&meta, seq, true, &digest));
        assert_eq!((row.total, row.proved), (None, false));
        assert_eq!(SnapshotRow::decode(&row.encode()), Ok(row));
        assert!(SnapshotRow::decode(&[3, 0]).is_err());
    }
}
