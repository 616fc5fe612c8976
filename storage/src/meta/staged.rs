//! Keys and values of `staged` and `claims`.

use super::layout::corrupt;
use crate::record::CorruptRecord;
use crate::types::{ContentHash, TransferGuid};

/// A staged row as stored: its key as encoded, and its value at the newer snapshot (none: absent there).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRow {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

impl StoredRow {
    pub fn encode(&self) -> Vec<u8> {
        let len = u32::try_from(self.key.len()).expect("a row's key is short");
        let tag = u8::from(self.value.is_some());
        [&len.to_be_bytes()[..], &self.key, &[tag], self.value.as_deref().unwrap_or_default()].concat()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CorruptRecord> {
        let parse = || {
            let (len, rest) = bytes.split_first_chunk::<4>()?;
            let (key, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
            let value = match rest.split_first()? {
                (0, []) => None,
                (1, value) => Some(value.to_vec()),
                _ => return None,
            };
            Some(StoredRow { key: key.to_vec(), value })
        };
        parse().ok_or_else(|| corrupt("staged row", bytes))
    }
}

/// `staged`: the transfer, then the row's number.
pub(crate) fn staged_key(transfer: TransferGuid, row: u64) -> Vec<u8> {
    [&transfer.as_bytes()[..], &row.to_be_bytes()].concat()
}

/// `claims`: the transfer, then the blob.
pub(crate) fn claim_key(transfer: TransferGuid, hash: ContentHash) -> Vec<u8> {
    [&transfer.as_bytes()[..], hash.as_bytes()].concat()
}

/// The blob of a claim.
pub(crate) fn claimed(key: &[u8]) -> Result<ContentHash, CorruptRecord> {
    let hash = key.get(16..).and_then(|hash| hash.try_into().ok());
    hash.map(ContentHash::from_bytes).ok_or_else(|| corrupt("claim", key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_rows_come_back() {
        for value in [None, Some(vec![]), Some(vec![0, 1, 2])] {
            let row = StoredRow { key: b"key".to_vec(), value };
            assert_eq!(StoredRow::decode(&row.encode()), Ok(row));
        }
        for bad in [&b""[..], b"\0\0\0\x01", b"\0\0\0\0", b"\0\0\0\0\x02", b"\0\0\0\0\0x"] {
            assert!(StoredRow::decode(bad).is_err());
        }
    }
}
