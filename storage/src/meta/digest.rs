//! The digest of a path's whole state: LtHash16, a multiset hash, over BLAKE3 output of each row in wire form. Adding and
//! removing rows costs O(rows), whatever is stored.
//!
//! What counts is every row with a [`RowKey`] except derived ones ([`RowKey::BucketName`]), as its encoded key and its value. A value holds nothing of
//! its node, so two nodes with the same state have the same digest.

use crate::record::{Digest, RowKey};

const LANES: usize = Digest::BYTES / 2;

/// A digest being worked out.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash {
    lanes: Box<[u16; LANES]>,
}

impl LtHash {
    /// The digest of no rows.
    pub fn empty() -> Self {
        LtHash { lanes: Box::new([0; LANES]) }
    }

    pub fn of(digest: &Digest) -> Self {
        let mut hash = Self::empty();
        for (lane, bytes) in hash.lanes.iter_mut().zip(digest.as_bytes().chunks_exact(2)) {
            *lane = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        hash
    }

    /// Whether rows of this key are part of a digest.
    pub fn counts(key: &RowKey) -> bool {
        key.bucket().is_some()
    }

    /// A row that came; `key` as encoded.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.mix(key, value, u16::wrapping_add);
    }

    /// A row that left.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.mix(key, value, u16::wrapping_sub);
    }

    pub fn digest(&self) -> Digest {
        let bytes = self.lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        Digest::from_bytes(bytes).expect("as many lanes as a digest has")
    }

    fn mix(&mut self, key: &[u8], value: &[u8], with: impl Fn(u16, u16) -> u16) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_le_bytes()).update(key).update(value);
        let mut bytes = [0; Digest::BYTES];
        hasher.finalize_xof().fill(&mut bytes);
        for (lane, bytes) in self.lanes.iter_mut().zip(bytes.chunks_exact(2)) {
            *lane = with(*lane, u16::from_le_bytes([bytes[0], bytes[1]]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{BucketGuid, BucketName};

    #[test]
    fn order_does_not_matter_and_what_came_can_leave() {
        let rows: &[(&[u8], &[u8])] = &[(b"a", b"1"), (b"b", b"2"), (b"c", b""), (b"", b"c")];
        let (mut up, mut down) = (LtHash::empty(), LtHash::empty());
        rows.iter().for_each(|(key, value)| up.add(key, value));
        rows.iter().rev().for_each(|(key, value)| down.add(key, value));
        assert_eq!(up.digest(), down.digest());
        assert!(LtHash::of(&up.digest()) == up);
        rows.iter().for_each(|(key, value)| up.remove(key, value));
        assert_eq!(up.digest(), LtHash::empty().digest());
    }

    #[test]
    fn a_row_counts_as_often_as_it_is_there_and_its_parts_do_not_run_together() {
        let of = |rows: &[(&[u8], &[u8])]| {
            let mut hash = LtHash::empty();
            rows.iter().for_each(|(key, value)| hash.add(key, value));
            hash.digest()
        };
        assert_ne!(of(&[(b"a", b"b")]), of(&[(b"a", b"b"), (b"a", b"b")]));
        assert_ne!(of(&[(b"ab", b"c")]), of(&[(b"a", b"bc")]));
        assert_ne!(of(&[(b"a", b"b")]), of(&[(b"b", b"a")]));
    }

    #[test]
    fn derived_rows_do_not_count() {
        let name = BucketName::new("bucket").expect("a name");
        assert!(!LtHash::counts(&RowKey::BucketName(name)));
        assert!(LtHash::counts(&RowKey::Bucket(BucketGuid::from_bytes([1; 16]))));
    }
}
