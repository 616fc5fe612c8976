//! The total of a state: how many rows it has, and a sum over them. The committer keeps it as rows change, so no walk makes it.

use serde::{Deserialize, Serialize};

use super::codec::CorruptRecord;

/// Words of the sum, the lowest first.
const WORDS: usize = 4;

/// The number of rows of a state, and the sum, modulo 2 to the power of 256, of a BLAKE3 hash of each row. `Default` is the total of no rows.
///
/// It finds faults, and proves nothing against a client who chooses rows so that sums are equal: that is what a
/// [`Digest`](super::Digest) is for. Both parts wrap, so a total can also be a difference of two.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    rows: u64,
    sum: [u64; WORDS],
}

impl Total {
    /// Length of the stored form: the rows and the sum, little-endian.
    pub const BYTES: usize = 8 * (1 + WORDS);

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A row that came; `key` as encoded.
    pub fn add_row(&mut self, key: &[u8], value: &[u8]) {
        *self = self.plus(Total::of(key, value));
    }

    /// A row that left.
    pub fn remove_row(&mut self, key: &[u8], value: &[u8]) {
        *self = self.minus(Total::of(key, value));
    }

    #[must_use]
    pub fn plus(self, other: Total) -> Total {
        let (mut sum, mut carry) = ([0; WORDS], false);
        for (word, (one, two)) in sum.iter_mut().zip(self.sum.into_iter().zip(other.sum)) {
            (*word, carry) = one.carrying_add(two, carry);
        }
        Total { rows: self.rows.wrapping_add(other.rows), sum }
    }

    #[must_use]
    pub fn minus(self, other: Total) -> Total {
        let (mut sum, mut borrow) = ([0; WORDS], false);
        for (word, (one, two)) in sum.iter_mut().zip(self.sum.into_iter().zip(other.sum)) {
            (*word, borrow) = one.borrowing_sub(two, borrow);
        }
        Total { rows: self.rows.wrapping_sub(other.rows), sum }
    }

    /// Whether this is the total of no rows.
    pub fn is_nothing(&self) -> bool {
        *self == Total::default()
    }

    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = std::iter::once(&self.rows).chain(&self.sum);
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// # Errors
    /// [`CorruptRecord`] unless there are [`BYTES`](Self::BYTES) of them.
    pub fn decode(bytes: &[u8]) -> Result<Self, CorruptRecord> {
        let corrupt = || CorruptRecord { kind: "total", reason: format!("{} bytes", bytes.len()) };
        let (rows, sum) = bytes.split_first_chunk::<8>().ok_or_else(corrupt)?;
        let sum: &[u8; 32] = sum.try_into().map_err(|_| corrupt())?;
        Ok(Total { rows: u64::from_le_bytes(*rows), sum: words(sum) })
    }

    fn of(key: &[u8], value: &[u8]) -> Total {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_le_bytes()).update(key).update(value);
        Total { rows: 1, sum: words(hasher.finalize().as_bytes()) }
    }
}

fn words(bytes: &[u8; 8 * WORDS]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// The number of rows, and as much of the sum as tells two apart.
impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows with the sum {:016x}", self.rows, self.sum[WORDS - 1])
    }
}

impl std::fmt::Debug for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d] = self.sum;
        write!(f, "Total({} rows, {d:016x}{c:016x}{b:016x}{a:016x})", self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[(&[u8], &[u8])]) -> Total {
        let mut total = Total::default();
        rows.iter().for_each(|(key, value)| total.add_row(key, value));
        total
    }

    #[test]
    fn order_does_not_matter_and_what_came_can_leave() {
        let rows: &[(&[u8], &[u8])] = &[(b"a", b"1"), (b"b", b"2"), (b"c", b""), (b"", b"c")];
        let backwards: Vec<_> = rows.iter().rev().copied().collect();
        let mut total = of(rows);
        assert_eq!((total, total.rows()), (of(&backwards), 4));
        rows.iter().for_each(|(key, value)| total.remove_row(key, value));
        assert!(total.is_nothing());
    }

    #[test]
    fn a_row_counts_as_often_as_it_is_there_and_its_parts_do_not_run_together() {
        assert_ne!(of(&[(b"a", b"b")]), of(&[(b"a", b"b"), (b"a", b"b")]));
        assert_ne!(of(&[(b"ab", b"c")]), of(&[(b"a", b"bc")]));
        assert_ne!(of(&[(b"a", b"b")]), of(&[(b"b", b"a")]));
    }

    #[test]
    fn an_overwrite_that_is_left_out_changes_the_sum_and_not_the_count() {
        let (old, new) = (of(&[(b"key", b"old")]), of(&[(b"key", b"new")]));
        assert_eq!(old.rows(), new.rows());
        assert_ne!(old, new);
    }

    #[test]
    fn sums_carry_and_borrow_over_all_words_and_wrap() {
        let max = Total { rows: u64::MAX, sum: [u64::MAX; WORDS] };
        let one = Total { rows: 1, sum: [1, 0, 0, 0] };
        assert_eq!(max.plus(one), Total::default());
        assert_eq!(Total::default().minus(one), max);
        let high = Total { rows: 0, sum: [0, 0, 0, 1] };
        assert_eq!(high.minus(one).plus(one), high);
        assert_eq!(high.minus(one).sum, [u64::MAX, u64::MAX, u64::MAX, 0]);
    }

    #[test]
    fn the_sum_is_that_of_plain_blake3() {
        let hash = blake3::hash(b"\x03\0\0\0\0\0\0\0keyvalue");
        let total = of(&[(b"key", b"value")]);
        assert_eq!((&total.encode()[..8], &total.encode()[8..]), (&1u64.to_le_bytes()[..], &hash.as_bytes()[..]));
    }

    #[test]
    fn totals_come_back_from_their_bytes_and_other_lengths_are_damage() {
        let total = of(&[(b"a", b"1"), (b"b", b"2")]);
        assert_eq!(Total::decode(&total.encode()), Ok(total));
        for bytes in [&[][..], &[0; 39], &[0; 41]] {
            assert!(Total::decode(bytes).is_err());
        }
    }
}
