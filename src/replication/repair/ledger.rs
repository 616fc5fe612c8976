//! Which blobs are damaged, when each is tried next, and what came of it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use tandem_storage::types::{ContentHash, Timestamp};

use super::super::report::{RepairReport, RepairedReport, WaitingReport, rfc3339};

/// After an attempt that failed; doubled each time, to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LAST_PAUSE: Duration = Duration::from_secs(600);
/// Blobs that a report names.
const SHOWN: usize = 100;

/// Why a blob is damaged still. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Obstacle {
    #[error(
        "no protected path has a peer that could have it: put the same bytes again, under any key, or delete what refers to it"
    )]
    NoPeer,
    /// Who is away.
    #[error("{0} cannot be reached; it is asked as soon as it is back")]
    Away(String),
    #[error(
        "nothing that a peer has too refers to it, as far as is known: put the same bytes again, under any key, or delete what refers to it"
    )]
    NotShared,
    #[error("{peer}: {why}; it is asked again. Or put the same bytes again, under any key")]
    Failed { peer: String, why: String },
    #[error("this node: {0}; it is tried again")]
    Store(String),
}

impl Obstacle {
    /// To look again for a peer costs nothing.
    fn is_absence(&self) -> bool {
        matches!(self, Obstacle::NoPeer | Obstacle::Away(_))
    }
}

#[derive(Debug)]
struct Waiting {
    since: Timestamp,
    /// Attempts that came as far as a search.
    tries: u32,
    /// Monotonic.
    next: Duration,
    /// None: it has not been tried yet.
    obstacle: Option<Obstacle>,
}

#[derive(Debug)]
struct Repaired {
    blobs: u64,
    bytes: u64,
    last: ContentHash,
    at: Timestamp,
}

/// A blob whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub hash: ContentHash,
    /// It has not been tried yet.
    pub fresh: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    waiting: BTreeMap<ContentHash, Waiting>,
    /// By the name of the peer.
    repaired: BTreeMap<String, Repaired>,
}

impl Ledger {
    /// Takes up what is damaged, and lets go of what is not any more.
    pub(crate) fn see(&mut self, damaged: &[ContentHash], now: Timestamp) {
        let known = std::mem::take(&mut self.waiting);
        let fresh = || Waiting { since: now, tries: 0, next: Duration::ZERO, obstacle: None };
        self.waiting = damaged.iter().map(|hash| (*hash, fresh())).collect();
        for (hash, waiting) in known {
            if let Some(fresh) = self.waiting.get_mut(&hash) {
                *fresh = waiting;
            }
        }
    }

    /// Whose turn it is, those first that have waited longest for it.
    pub(crate) fn due(&self, now: Duration, most: usize) -> Vec<Due> {
        let mut due: Vec<_> = self.waiting.iter().filter(|(_, waiting)| waiting.next <= now).collect();
        due.sort_by_key(|(_, waiting)| waiting.next);
        let turn = |(hash, waiting): (&ContentHash, &Waiting)| Due { hash: *hash, fresh: waiting.obstacle.is_none() };
        due.into_iter().take(most).map(turn).collect()
    }

    /// Whether that is news.
    pub(crate) fn failed(&mut self, hash: ContentHash, obstacle: Obstacle, now: Duration) -> bool {
        let Some(waiting) = self.waiting.get_mut(&hash) else { return false };
        let mut pause = FIRST_PAUSE;
        if !obstacle.is_absence() {
            pause = FIRST_PAUSE.saturating_mul(1 << waiting.tries.min(16)).min(LAST_PAUSE);
            waiting.tries += 1;
        }
        waiting.next = now + pause;
        let news = waiting.obstacle.as_ref() != Some(&obstacle);
        waiting.obstacle = Some(obstacle);
        news
    }

    /// It is not damaged, or not there, any more.
    pub(crate) fn forget(&mut self, hash: ContentHash) {
        self.waiting.remove(&hash);
    }

    /// A peer had it. What lay below it may be found now.
    pub(crate) fn repaired(&mut self, hash: ContentHash, bytes: u64, peer: &str, at: Timestamp) {
        self.waiting.remove(&hash);
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.obstacle == Some(Obstacle::NotShared)) {
            waiting.next = Duration::ZERO;
        }
        let fresh = || Repaired { blobs: 0, bytes: 0, last: hash, at };
        let repaired = self.repaired.entry(peer.to_owned()).or_insert_with(fresh);
        *repaired = Repaired { blobs: repaired.blobs + 1, bytes: repaired.bytes.saturating_add(bytes), last: hash, at };
    }

    pub(crate) fn report(&self) -> RepairReport {
        let waiting = |(hash, waiting): (&ContentHash, &Waiting)| WaitingReport {
            blob: hash.to_string(),
            since: rfc3339(waiting.since),
            tries: waiting.tries,
            why: waiting.obstacle.as_ref().map_or_else(|| "it is its turn soon".into(), ToString::to_string),
        };
        let repaired = |(peer, repaired): (&String, &Repaired)| RepairedReport {
            peer: peer.clone(),
            blobs: repaired.blobs,
            bytes: repaired.bytes,
            last: repaired.last.to_string(),
            at: rfc3339(repaired.at),
        };
        RepairReport {
            waiting: self.waiting.iter().take(SHOWN).map(waiting).collect(),
            further: self.waiting.len().saturating_sub(SHOWN) as u64,
            repaired: self.repaired.iter().map(repaired).collect(),
        }
    }
}
