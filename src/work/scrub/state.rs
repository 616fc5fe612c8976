//! Where a round is, and what rounds have found: durable, so that a restart goes on, and remembers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tandem_storage::record::{InstanceId, Record};
use tandem_storage::scrub::Referent;
use tandem_storage::types::{ContentHash, SnapshotGuid, Timestamp};

/// Findings that are kept and shown.
const FINDINGS_MAX: usize = 100;

/// The node row `scrub`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubState {
    /// The round that runs, or the last one; 0: there was none yet.
    pub round: u64,
    pub place: Place,
    pub began: Timestamp,
    /// When the last complete round ended.
    pub ended: Option<Timestamp>,
    /// From when on the interval to the next round counts: that end, or when the store was first seen.
    pub since: Option<Timestamp>,
    /// What this round has verified.
    pub blobs: u64,
    pub bytes: u64,
    pub digests: u64,
    /// Of the last complete round and of this one.
    pub findings: Vec<Finding>,
    /// Findings of this round that the list had no room for.
    pub unlisted: u64,
}

impl Record for ScrubState {
    const KIND: &'static str = "scrub";
    const VERSION: u8 = 1;
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Nothing, until the next round is due.
    #[default]
    Resting,
    /// The blobs behind this one.
    Blobs(Option<ContentHash>),
    /// The digests and totals of all paths.
    Digests,
    /// The totals that are kept of the node and of each bucket.
    Totals,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub round: u64,
    pub at: Timestamp,
    pub subject: Subject,
    pub reason: String,
    /// What cannot be read because of it: the first few.
    pub referents: Vec<Referent>,
    /// How many more there are.
    pub further: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// Stored bytes. No instance: the row of the blob is what is damaged.
    Blob { hash: ContentHash, instance: Option<InstanceId>, place: String },
    /// The digest that is stored with a path's snapshot is not that of the rows.
    Digest { path: String, snapshot: SnapshotGuid, name: String },
    /// The total that is stored with a path's snapshot is not that of the rows.
    Total { path: String, snapshot: SnapshotGuid, name: String },
    /// A total that is kept of a bucket, or of the node, is not that of the rows. In words.
    Kept { whose: String },
}

impl Subject {
    fn is_same(&self, other: &Subject) -> bool {
        match (self, other) {
            (Subject::Blob { hash: one, .. }, Subject::Blob { hash: two, .. }) => one == two,
            (Subject::Digest { snapshot: one, .. }, Subject::Digest { snapshot: two, .. })
            | (Subject::Total { snapshot: one, .. }, Subject::Total { snapshot: two, .. }) => one == two,
            (Subject::Kept { whose: one }, Subject::Kept { whose: two }) => one == two,
            _ => false,
        }
    }
}

impl ScrubState {
    /// How long until the next round begins; none while one runs. A clock that has stepped back makes it due.
    pub fn due_in(&self, now: Timestamp, every: Duration) -> Option<Duration> {
        if self.place != Place::Resting {
            return None;
        }
        let Some(since) = self.since.filter(|since| *since <= now) else { return Some(Duration::ZERO) };
        let micros = u64::try_from(now.as_micros().saturating_sub(since.as_micros())).unwrap_or(0);
        Some(every.saturating_sub(Duration::from_micros(micros)))
    }

    pub fn begin(&mut self, now: Timestamp) {
        self.round += 1;
        self.place = Place::Blobs(None);
        self.began = now;
        (self.blobs, self.bytes, self.digests, self.unlisted) = (0, 0, 0, 0);
    }

    /// Goes on behind a blob; none: that was the last.
    pub fn reach(&mut self, blob: Option<ContentHash>) {
        self.place = match blob {
            Some(_) => Place::Blobs(blob),
            None => Place::Digests,
        };
    }

    /// Keeps a finding, in the place of an older one of the same.
    pub fn found(&mut self, finding: Finding) {
        match self.findings.iter().position(|known| known.subject.is_same(&finding.subject)) {
            Some(known) => self.findings[known] = finding,
            None if self.findings.len() < FINDINGS_MAX => self.findings.push(finding),
            None => self.unlisted += 1,
        }
    }

    /// Ends the round: what it has not found again is good again, or gone.
    pub fn end(&mut self, now: Timestamp) {
        self.findings.retain(|finding| finding.round == self.round);
        self.place = Place::Resting;
        (self.ended, self.since) = (Some(now), Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn finding(round: u64, number: u8) -> Finding {
        let hash = ContentHash::from_bytes([number; 32]);
        let subject = Subject::Blob { hash, instance: Some(InstanceId::new(7)), place: "a piece".into() };
        Finding { round, at: Timestamp::default(), subject, reason: "damaged".into(), referents: vec![], further: 0 }
    }

    #[test]
    fn a_round_is_due_at_once_then_after_its_interval_and_when_the_clock_has_stepped_back() {
        let mut state = ScrubState::default();
        let at = Timestamp::from_secs;
        assert_eq!(state.due_in(at(50), DAY), Some(Duration::ZERO));
        state.begin(at(50));
        assert_eq!(state.due_in(at(50), DAY), None, "one is running");
        state.end(at(60));
        assert_eq!(state.due_in(at(60), DAY), Some(DAY));
        assert_eq!(state.due_in(at(60 + 86_400), DAY), Some(Duration::ZERO));
        assert_eq!(state.due_in(at(59), DAY), Some(Duration::ZERO));
    }

    #[test]
    fn a_finding_stands_until_a_whole_round_has_not_found_it() {
        let mut state = ScrubState::default();
        state.begin(Timestamp::default());
        state.found(finding(1, 1));
        state.found(finding(1, 2));
        state.end(Timestamp::default());
        state.begin(Timestamp::default());
        state.found(finding(2, 2));
        assert_eq!(state.findings, [finding(1, 1), finding(2, 2)]);
        state.end(Timestamp::default());
        assert_eq!(state.findings, [finding(2, 2)]);
    }

    #[test]
    fn the_list_is_bounded_and_says_what_it_leaves_out() {
        let mut state = ScrubState::default();
        state.begin(Timestamp::default());
        (0..=u8::MAX).for_each(|number| state.found(finding(1, number)));
        assert_eq!((state.findings.len(), state.unlisted), (FINDINGS_MAX, 256 - FINDINGS_MAX as u64));
        assert_eq!(ScrubState::decode(&state.encode()), Ok(state));
    }
}
