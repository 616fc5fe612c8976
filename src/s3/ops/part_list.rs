use serde::{Deserialize, Serialize};
use tandem_storage::Store;
use tandem_storage::blob::{BlobError, StagedBody};
use tandem_storage::record::{CorruptRecord, PartMap, Record};
use tandem_storage::types::UploadId;

/// What a multipart object was made of. It is a blob of its own, since 10,000 parts do not fit a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartList {
    /// The upload that made the object: a Complete that is sent again finds itself here.
    pub upload: UploadId,
    pub parts: Vec<ListedPart>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListedPart {
    pub number: u16,
    pub size: u64,
    /// The part's checksum, by the object's algorithm.
    pub checksum: Option<Vec<u8>>,
}

impl Record for PartList {
    const KIND: &'static str = "part list";
    const VERSION: u8 = 1;
}

impl PartList {
    pub(super) fn store(&self, store: &Store) -> Result<StagedBody, BlobError> {
        let mut writer = store.body_writer();
        writer.write(&self.encode())?;
        writer.finish()
    }

    pub(super) fn load(store: &Store, map: &PartMap) -> Result<Self, BlobError> {
        let bytes = store.blob(map.blob)?;
        let list = PartList::decode(&bytes)?;
        if list.parts.len() == usize::from(map.count) {
            return Ok(list);
        }
        let reason = format!("{} parts where its row says {}", list.parts.len(), map.count);
        Err(CorruptRecord { kind: Self::KIND, reason }.into())
    }

    /// The bytes of the `number`th part, in order of their numbers, within the object.
    pub(super) fn range(&self, number: u16) -> Option<std::ops::Range<u64>> {
        let at = usize::from(number).checked_sub(1)?;
        let part = self.parts.get(at)?;
        let start: u64 = self.parts[..at].iter().map(|part| part.size).sum();
        Some(start..start + part.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_one_another() {
        let part = |number, size| ListedPart { number, size, checksum: None };
        let list = PartList { upload: UploadId::from_bytes([1; 16]), parts: vec![part(2, 10), part(5, 0), part(9, 7)] };
        assert_eq!([0, 1, 2, 3, 4].map(|n| list.range(n)), [None, Some(0..10), Some(10..10), Some(10..17), None]);
        assert_eq!(PartList::decode(&list.encode()), Ok(list));
    }
}
