//! Time and randomness, drawn at the edge and passed inwards as values. The only file of this crate that asks the
//! operating system for either.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tandem_storage::types::Timestamp;

/// A source of time and randomness. Tests own theirs.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time: for `Last-Modified`, signatures and expiry; it may step.
    fn now(&self) -> Timestamp;
    /// Time that never steps back, from an arbitrary origin. It goes on while the machine sleeps: what was heard before is old afterwards.
    fn monotonic(&self) -> Duration;
    fn fill_random(&self, bytes: &mut [u8]);
}

pub type SharedClock = Arc<dyn Clock>;

/// The operating system's.
pub struct SystemClock {
    origin: Duration,
}

impl SystemClock {
    pub fn new() -> Self {
        SystemClock { origin: since_boot() }
    }
}

/// `std`'s `Instant` stands still while the machine sleeps, and a lag counted by it would be told too small.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).expect("after the boot");
    Duration::new(seconds, u32::try_from(now.tv_nsec).expect("less than a second"))
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        since_boot().saturating_sub(self.origin)
    }

    #[allow(clippy::disallowed_methods)]
    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// Sixteen random bytes, for the GUID types.
pub fn random_guid(clock: &dyn Clock) -> [u8; 16] {
    let mut bytes = [0; 16];
    clock.fill_random(&mut bytes);
    bytes
}

pub fn random_u64(clock: &dyn Clock) -> u64 {
    let mut bytes = [0; 8];
    clock.fill_random(&mut bytes);
    u64::from_le_bytes(bytes)
}
