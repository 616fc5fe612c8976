//! How much of the log refusals may take. Anybody can cause them, so they fill neither the disk nor the place of what
//! must be kept. Time is an argument. Pure.

use tandem_storage::types::Timestamp;

const DAY_MICROS: u128 = 24 * 60 * 60 * 1_000_000;
/// The part of a day's bytes that may be used at once.
const AT_ONCE: u128 = 16;

/// Bytes that come back evenly over a day.
#[derive(Debug)]
pub struct Budget {
    /// Bytes a day.
    daily: u128,
    /// In bytes times microseconds of a day, so that no part of a byte is lost.
    left: u128,
    at: Timestamp,
}

impl Budget {
    pub fn new(bytes_a_day: u64) -> Self {
        let daily = u128::from(bytes_a_day);
        Budget { daily, left: daily * DAY_MICROS / AT_ONCE, at: Timestamp::from_secs(0) }
    }

    /// Whether there are `bytes` left; if so, they are used.
    pub fn take(&mut self, bytes: usize, now: Timestamp) -> bool {
        // A clock that steps back gives nothing, and one that steps ahead no more than a full budget.
        let passed = u128::try_from(now.as_micros().saturating_sub(self.at.as_micros())).unwrap_or_default();
        self.at = now;
        self.left = (self.left + passed * self.daily).min(self.daily * DAY_MICROS / AT_ONCE);
        let cost = bytes as u128 * DAY_MICROS;
        let enough = self.left >= cost;
        if enough {
            self.left -= cost;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60;

    #[test]
    fn a_day_gives_a_sixteenth_at_once_and_the_rest_evenly() {
        let mut budget = Budget::new(86_400);
        let at = Timestamp::from_secs;
        assert!(budget.take(5_400, at(DAY)), "a sixteenth");
        assert!(!budget.take(1, at(DAY)));
        assert!(!budget.take(11, at(DAY + 10)) && budget.take(10, at(DAY + 10)));
        // A clock that steps back gives nothing.
        assert!(!budget.take(1, at(DAY)));
        assert!(budget.take(1, at(DAY + 1)) && !budget.take(1, at(DAY + 1)));
        let taken = (0..DAY).map(|second| at(2 * DAY + second)).filter(|now| budget.take(100, *now)).count();
        assert!((864..=864 + 54).contains(&taken), "{taken}");
        assert!(!Budget::new(0).take(1, at(DAY)));
    }
}
