//! Failed logins, counted by client, so that guessing a password is slow. Time is an argument.
//!
//! *Architecture invariant:* no number of failures refuses what proves itself: a right password is taken when its turn
//! comes, a right token at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

use crate::s3::server::AddressGroup;

/// So many failures in a window slow a client down.
const FAILURES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
const CLIENTS_MAX: usize = 1024;
/// One password of a client that is slowed down is looked at in so long.
const PACE: Duration = Duration::from_millis(500);

struct Failures {
    since: Duration,
    count: u32,
    /// Who is looked at next, in the order of their coming.
    turns: Arc<Turns<()>>,
}

/// Ten failures within a minute slow a client down until that minute has passed.
pub struct Backoff {
    failures: HashMap<AddressGroup, Failures>,
    pace: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { failures: HashMap::new(), pace: PACE }
    }
}

impl Backoff {
    /// How long a client is slowed down for, if it is.
    pub fn slowed(&self, who: IpAddr, now: Duration) -> Option<Duration> {
        let failures = self.failures.get(&AddressGroup::of(who))?;
        let passed = now.saturating_sub(failures.since);
        (failures.count >= FAILURES_MAX && passed < WINDOW).then(|| WINDOW - passed)
    }

    pub fn failed(&mut self, who: IpAddr, now: Duration) {
        let client = AddressGroup::of(who);
        if self.failures.len() >= CLIENTS_MAX && !self.failures.contains_key(&client) {
            self.make_room(now);
        }
        let fresh = || Failures { since: now, count: 0, turns: Arc::default() };
        let entry = self.failures.entry(client).or_insert_with(fresh);
        if now.saturating_sub(entry.since) >= WINDOW {
            (entry.since, entry.count) = (now, 0);
        }
        entry.count = entry.count.saturating_add(1);
    }

    /// Forgets what is over; if nothing is, the client that failed least, the longest ago.
    fn make_room(&mut self, now: Duration) {
        self.failures.retain(|_, failures| now.saturating_sub(failures.since) < WINDOW);
        if self.failures.len() >= CLIENTS_MAX
            && let Some(least) = self.failures.iter().min_by_key(|(_, failures)| (failures.count, failures.since))
        {
            let client = *least.0;
            self.failures.remove(&client);
        }
    }

    /// The turns of a client that is slowed down, and how long one takes.
    fn turns(&self, who: IpAddr, now: Duration) -> Option<(Arc<Turns<()>>, Duration)> {
        self.slowed(who, now)?;
        self.failures.get(&AddressGroup::of(who)).map(|failures| (Arc::clone(&failures.turns), self.pace))
    }
}

/// The right to have one password looked at. The next of the same client waits for its end.
pub struct Turn {
    held: Option<OwnedMutexGuard<()>>,
}

impl Turn {
    /// Whether anybody had to wait for it.
    pub fn is_slow(&self) -> bool {
        self.held.is_some()
    }
}

#[derive(Clone, Default)]
pub struct SharedBackoff(Arc<Mutex<Backoff>>);

impl SharedBackoff {
    fn lock(&self) -> MutexGuard<'_, Backoff> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn slowed(&self, who: IpAddr, now: Duration) -> Option<Duration> {
        self.lock().slowed(who, now)
    }

    pub fn failed(&self, who: IpAddr, now: Duration) {
        self.lock().failed(who, now);
    }

    /// Waits until a password of `who` may be looked at: not at all, unless the client is slowed down. Whoever gives up
    /// waiting has taken nobody's turn.
    pub async fn turn(&self, who: IpAddr, now: Duration) -> Turn {
        let turns = self.lock().turns(who, now);
        let Some((turns, pace)) = turns else { return Turn { held: None } };
        let turn = turns.lock_owned().await;
        tokio::time::sleep(pace).await;
        Turn { held: Some(turn) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from(0x0a00_0000 + number))
    }

    #[test]
    fn ten_failures_in_a_minute_slow_that_client_down_only() {
        let mut backoff = Backoff::default();
        let at = Duration::from_secs;
        (0..9).for_each(|second| backoff.failed(address(1), at(second)));
        assert_eq!(backoff.slowed(address(1), at(9)), None);
        backoff.failed(address(1), at(9));
        assert_eq!(backoff.slowed(address(1), at(10)), Some(at(50)));
        assert_eq!(backoff.slowed(address(2), at(10)), None);
        assert_eq!(backoff.slowed(address(1), at(60)), None);
        backoff.failed(address(1), at(61));
        assert_eq!(backoff.slowed(address(1), at(61)), None);
    }

    /// The fault: once the table was full, all others were counted and shut out together.
    #[test]
    fn a_full_table_forgets_and_never_counts_strangers_together() {
        let mut backoff = Backoff::default();
        let now = Duration::from_secs(1);
        (0..20).for_each(|_| backoff.failed(address(7), now));
        (100..5_000).for_each(|number| backoff.failed(address(number), now));
        assert!(backoff.failures.len() <= CLIENTS_MAX);
        assert_eq!(backoff.slowed(address(9_999), now), None);
        assert!(backoff.slowed(address(7), now).is_some(), "who fails most is not forgotten for those who fail once");
    }

    #[test]
    fn a_network_of_ipv6_is_counted_as_one() {
        let mut backoff = Backoff::default();
        let now = Duration::from_secs(1);
        let host = |number: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, number, 0, 0, 1]);
        (0..10).for_each(|number| backoff.failed(host(number), now));
        assert!(backoff.slowed(host(77), now).is_some());
        assert_eq!(backoff.slowed("2001:db8:0:2::1".parse().unwrap(), now), None);
        assert_eq!(backoff.failures.len(), 1);
    }

    #[tokio::test]
    async fn passwords_of_a_slowed_client_are_looked_at_one_by_one_and_those_who_leave_take_no_turn() {
        let (clock, now, pace) = (SystemClock::new(), Duration::from_secs(1), Duration::from_millis(40));
        let backoff = SharedBackoff(Arc::new(Mutex::new(Backoff { pace, ..Backoff::default() })));
        assert!(!backoff.turn(address(1), now).await.is_slow(), "nobody waits before ten failures");
        (0..10).for_each(|_| backoff.failed(address(1), now));
        let mut left: Vec<_> = (0..1_000).map(|_| Box::pin(backoff.turn(address(1), now))).collect();
        for waiting in &mut left {
            let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
            assert!(waits);
        }
        let began = clock.monotonic();
        drop(left);
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(backoff.turn(address(1), now))).collect();
        for turn in &mut waiting {
            assert!(turn.as_mut().await.is_slow());
        }
        let took = clock.monotonic() - began;
        assert!(took >= 4 * pace && took < 500 * pace, "{took:?}");
        assert!(!backoff.turn(address(2), now).await.is_slow(), "nobody else waits");
    }
}
