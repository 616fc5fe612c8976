//! Failed logins, counted by address, so that guessing a password is slow. Time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const FAILURES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
const ADDRESSES_MAX: usize = 1024;
/// Stands for everyone, once more addresses fail than the table holds.
const EVERYONE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[derive(Clone, Copy)]
struct Failures {
    since: Duration,
    count: u32,
}

/// Ten failures within a minute close the door to an address until that minute has passed.
#[derive(Default)]
pub struct Backoff {
    failures: HashMap<IpAddr, Failures>,
}

impl Backoff {
    /// How long `who` must wait, if it must.
    pub fn wait(&self, who: IpAddr, now: Duration) -> Option<Duration> {
        let place = if self.failures.contains_key(&who) { who } else { EVERYONE };
        let failures = self.failures.get(&place)?;
        let passed = now.saturating_sub(failures.since);
        (failures.count >= FAILURES_MAX && passed < WINDOW).then(|| WINDOW - passed)
    }

    pub fn failed(&mut self, who: IpAddr, now: Duration) {
        if self.failures.len() >= ADDRESSES_MAX {
            self.failures.retain(|_, failures| now.saturating_sub(failures.since) < WINDOW);
        }
        let room = self.failures.len() < ADDRESSES_MAX || self.failures.contains_key(&who);
        let entry = self.failures.entry(if room { who } else { EVERYONE }).or_insert(Failures { since: now, count: 0 });
        if now.saturating_sub(entry.since) >= WINDOW {
            *entry = Failures { since: now, count: 0 };
        }
        entry.count = entry.count.saturating_add(1);
    }
}

#[derive(Clone, Default)]
pub struct SharedBackoff(Arc<Mutex<Backoff>>);

impl SharedBackoff {
    pub fn wait(&self, who: IpAddr, now: Duration) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wait(who, now)
    }

    pub fn failed(&self, who: IpAddr, now: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failed(who, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))
    }

    #[test]
    fn ten_failures_in_a_minute_close_the_door_to_that_address_only() {
        let mut backoff = Backoff::default();
        let at = Duration::from_secs;
        (0..9).for_each(|second| backoff.failed(address(1), at(second)));
        assert_eq!(backoff.wait(address(1), at(9)), None);
        backoff.failed(address(1), at(9));
        assert_eq!(backoff.wait(address(1), at(10)), Some(at(50)));
        assert_eq!(backoff.wait(address(2), at(10)), None);
        assert_eq!(backoff.wait(address(1), at(60)), None);
        backoff.failed(address(1), at(61));
        assert_eq!(backoff.wait(address(1), at(61)), None);
    }

    #[test]
    fn the_table_is_bounded_and_then_counts_everyone_new_together() {
        let mut backoff = Backoff::default();
        let now = Duration::from_secs(1);
        (0..5_000).for_each(|number| backoff.failed(address(number), now));
        assert!(backoff.failures.len() <= ADDRESSES_MAX + 1);
        assert!(backoff.wait(address(9_999), now).is_some());
        assert_eq!(backoff.wait(address(9_999), now + WINDOW), None);
    }
}
