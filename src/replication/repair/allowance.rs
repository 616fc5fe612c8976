use std::time::Duration;

/// Bytes a second that a peer may have for its repairs, or their like in work.
const RATE: u64 = 16 * 1024 * 1024;
/// So many at once, after a rest.
const BURST: u64 = RATE;

/// What a peer may still ask for just now. What it was given may leave it in debt: the next must wait for longer.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: i64,
    at: Duration,
}

impl Allowance {
    pub(crate) fn full(now: Duration) -> Self {
        Allowance { left: BURST as i64, at: now }
    }

    /// Whether work that costs so much may begin.
    pub(crate) fn take(&mut self, cost: u64, now: Duration) -> bool {
        let earned = now.saturating_sub(self.at).as_secs_f64() * RATE as f64;
        self.left = self.left.saturating_add(earned as i64).min(BURST as i64);
        self.at = now;
        let enough = self.left >= i64::try_from(cost).unwrap_or(i64::MAX);
        if enough {
            self.charge(cost);
        }
        enough
    }

    pub(crate) fn charge(&mut self, cost: u64) {
        self.left = self.left.saturating_sub(i64::try_from(cost).unwrap_or(i64::MAX));
    }
}
