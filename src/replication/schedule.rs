//! When a snapshot is due, which snapshots expire, and how far behind a destination is. Pure: times are arguments.

use std::collections::VecDeque;
use std::time::Duration;

use tandem_storage::record::{CreatorKind, SnapshotRow};
use tandem_storage::types::{SnapshotGuid, Timestamp};

use crate::role::machine::Policy;

/// What the schedule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Take a snapshot.
    Take,
    /// The slot has come, and nothing has changed since the newest snapshot: tell the peer "unchanged", and take none.
    Unchanged,
    /// Not before this time (wall clock); ask again then, or sooner.
    NotBefore(Timestamp),
    /// So many snapshots wait to be shipped that another would only cost space.
    Backlog,
}

/// Unshipped snapshots of one path at which scheduled ones stop being taken.
pub const MAX_BACKLOG: usize = 1024;

/// Slots of `every` count from `start_at`, or from 1970. Each slot is served once; missed ones are not made up for. A clock that
/// steps, either way, lands in another slot, so the worst it does is one snapshot more.
pub fn due(policy: &Policy, served: Option<Timestamp>, now: Timestamp, changed: bool, backlog: usize) -> Due {
    if let Some(start) = policy.start_at.filter(|start| now < *start) {
        return Due::NotBefore(start);
    }
    let slot = slot(policy, now);
    if served.is_some_and(|served| self::slot(policy, served) == slot) {
        return Due::NotBefore(origin(policy).plus_micros(slot.saturating_add(1).saturating_mul(every(policy))));
    }
    match changed {
        false => Due::Unchanged,
        true if backlog >= MAX_BACKLOG => Due::Backlog,
        true => Due::Take,
    }
}

fn origin(policy: &Policy) -> Timestamp {
    policy.start_at.unwrap_or_default()
}

fn every(policy: &Policy) -> i64 {
    micros(policy.every).max(1)
}

fn slot(policy: &Policy, at: Timestamp) -> i64 {
    at.as_micros().saturating_sub(origin(policy).as_micros()).div_euclid(every(policy))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The expiry of a policy's snapshot, from its creation.
pub fn expiry(created: Timestamp, keep: Duration) -> Timestamp {
    created.plus_micros(micros(keep))
}

/// Which of a path's snapshots on this node have had their time. `keep` is the policy's for this side, `protected` what the
/// role still needs ([`PathState::protected`](crate::role::machine::PathState::protected)). The newest snapshot always stays.
///
/// What the policy or the system took goes by the policy as it is now; what a user took goes by its own expiry.
pub fn expired(
    snapshots: &[SnapshotRow],
    keep: Duration,
    protected: &[SnapshotGuid],
    now: Timestamp,
) -> Vec<SnapshotGuid> {
    let newest = snapshots.iter().max_by_key(|row| row.seq).map(|row| row.meta.guid);
    let due = |row: &&SnapshotRow| match row.meta.creator {
        CreatorKind::User => row.expires.is_some_and(|expires| expires <= now),
        CreatorKind::Policy | CreatorKind::System => expiry(row.meta.created, keep) <= now,
    };
    let free = |row: &&SnapshotRow| !row.locked && Some(row.meta.guid) != newest && !protected.contains(&row.meta.guid);
    snapshots.iter().filter(free).filter(due).map(|row| row.meta.guid).collect()
}

/// How long ago everything was shipped that the peer shows. Never smaller than the truth if `proven`; otherwise as wall clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Age {
    pub age: Duration,
    pub proven: bool,
}

/// At the source, in memory: when, by the monotonic clock, a point was known to be everything. Lost by a restart, and then ages are
/// unproven until the next snapshot lands or the next slot finds nothing changed.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// Newest last; each time was read before the commit that made the snapshot.
    taken: VecDeque<(SnapshotGuid, Duration)>,
}

impl Marks {
    const KEPT: usize = MAX_BACKLOG + 16;

    /// `before` is the monotonic time read before the snapshot's commit was asked for.
    pub fn taken(&mut self, snapshot: SnapshotGuid, before: Duration) {
        self.taken.push_back((snapshot, before));
        if self.taken.len() > Self::KEPT {
            self.taken.pop_front();
        }
    }

    /// Nothing has changed since `newest`; `before` was read before looking.
    pub fn unchanged(&mut self, newest: SnapshotGuid, before: Duration) {
        match self.taken.iter_mut().find(|(guid, _)| *guid == newest) {
            Some((_, at)) => *at = (*at).max(before),
            None => self.taken(newest, before),
        }
    }

    /// The age of what a peer shows: of `shown`, created at `created` by this node's wall clock.
    pub fn age(&self, shown: SnapshotGuid, created: Timestamp, monotonic: Duration, now: Timestamp) -> Age {
        match self.taken.iter().find(|(guid, _)| *guid == shown) {
            Some((_, at)) => Age { age: monotonic.saturating_sub(*at), proven: true },
            None => by_wall_clock(created, now),
        }
    }
}

/// At the destination, in memory: the age that the source stated for a snapshot that is shown here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    pub age: Age,
    /// Monotonic time read before the question was sent.
    pub asked: Duration,
}

impl Stated {
    /// The lag now: the answer was true at some time after the question.
    pub fn lag(&self, monotonic: Duration) -> Age {
        Age { age: self.age.age.saturating_add(monotonic.saturating_sub(self.asked)), proven: self.age.proven }
    }
}

/// What is left to say without a statement from this run of the process.
pub fn by_wall_clock(created: Timestamp, now: Timestamp) -> Age {
    let micros = now.as_micros().saturating_sub(created.as_micros()).max(0);
    Age { age: Duration::from_micros(micros.unsigned_abs()), proven: false }
}

#[cfg(test)]
mod tests;
