/// Counts of durations in nanoseconds, in buckets of at most 1/128 of their value.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
    max: u64,
}

/// Each power of two has this many buckets.
const SUB: u64 = 128;
const SUB_BITS: u32 = SUB.trailing_zeros();

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (64 - SUB_BITS as usize + 1) * SUB as usize;
        Histogram { counts: vec![0; buckets], total: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    pub fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum as f64 / self.total as f64 }
    }

    /// The least value that `quantile` (0 to 1) of the recorded ones do not exceed, to a bucket.
    pub fn quantile(&self, quantile: f64) -> u64 {
        let wanted = (quantile * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return top(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    if value < SUB {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - SUB_BITS;
    let within = (value >> shift) - SUB;
    ((u64::from(shift) + 1) * SUB + within) as usize
}

/// The greatest value of a bucket.
fn top(index: usize) -> u64 {
    let (row, within) = (index as u64 / SUB, index as u64 % SUB);
    match row {
        0 => within,
        row => ((SUB + within) << (row - 1)) + ((1 << (row - 1)) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_is_at_most_one_part_in_128_wide() {
        for value in (0..63).flat_map(|bit| [1_u64 << bit, (1 << bit) + 1, (1 << bit) * 3 / 2, (2 << bit) - 1]) {
            let top = top(bucket(value));
            assert!(top >= value && top - value <= value / SUB, "{value} -> {top}");
        }
        assert!(bucket(u64::MAX) < Histogram::default().counts.len());
    }

    #[test]
    fn quantiles_of_a_known_series() {
        let mut one = Histogram::default();
        let mut two = Histogram::default();
        (1..=500).for_each(|micros| one.record(micros * 1000));
        (501..=1000).for_each(|micros| two.record(micros * 1000));
        one.merge(&two);
        let near = |value: u64, wanted: u64| value.abs_diff(wanted) <= wanted / 100;
        assert!(near(one.quantile(0.5), 500_000), "{}", one.quantile(0.5));
        assert!(near(one.quantile(0.99), 990_000), "{}", one.quantile(0.99));
        assert_eq!((one.max(), one.total()), (1_000_000, 1000));
        assert!((one.mean() - 500_500.0).abs() < 1.0);
    }
}
