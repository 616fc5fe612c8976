//! Snapshots by the schedule, and their end.

use std::time::Duration;

use tandem_storage::record::{CreatorKind, Scope, SnapshotRow, Total};
use tandem_storage::types::{Seq, SnapshotGuid};
use tandem_storage::{ReadError, Store, Unchanged};

use super::super::alarm::{Difference, Point};
use super::super::report::rfc3339;
use super::super::schedule::{self, Due};
use super::actor::{Actor, StepError};
use crate::role::machine::{Event, Life, Refused};

/// Pages without a difference, a few hundred buckets or rows each, after which there may as well be one.
const PAGES: usize = 64;
/// Snapshots that one commit drops.
const DROPPED: usize = 32;
/// A peer that was not heard for so long is away.
const AWAY: Duration = Duration::from_secs(60);

impl Actor {
    pub(super) async fn snapshot_now(&mut self) -> Result<bool, StepError> {
        if !self.state.writable() {
            return Err(Refused::NotSource.into());
        }
        if self.changed().await? || self.wants_proof() { self.take_snapshot().await } else { Ok(false) }
    }

    pub(super) async fn schedule(&mut self) -> Result<(), StepError> {
        if !matches!(self.state.detail.life, Life::Source(_)) || !self.state.writable() {
            return Ok(());
        }
        let (now, policy) = (self.hub.clock.now(), self.state.detail.policy);
        if self.proof_is_due() {
            self.take_snapshot().await?;
        }
        if let Due::NotBefore(_) = schedule::due(&policy, self.served, now, true, 0) {
            return Ok(());
        }
        let before = self.hub.clock.monotonic();
        let changed = self.changed().await?;
        match schedule::due(&policy, self.served, now, changed, self.backlog()) {
            Due::Take => {
                self.take_snapshot().await?;
                self.served = Some(now);
            }
            Due::Unchanged => {
                if let Some(newest) = self.newest_of_line().map(|row| row.meta.guid) {
                    self.handle.marks().unchanged(newest, before);
                }
                self.served = Some(now);
            }
            Due::Backlog => self.served = Some(now),
            Due::NotBefore(_) => {}
        }
        Ok(())
    }

    async fn take_snapshot(&mut self) -> Result<bool, StepError> {
        let name = format!("tandem-{}", rfc3339(self.hub.clock.now()));
        // It ends by the policy as it then is, and by what the role still needs: `retain` sees to that, not the collector.
        self.step(Event::Snapshot { name: &name, by: CreatorKind::Policy, expires: None, locked: false }).await
    }

    /// Whether the present differs from the newest snapshot of this side's line.
    async fn changed(&mut self) -> Result<bool, StepError> {
        match self.newest_of_line().cloned() {
            None => Ok(true),
            Some(row) => self.differs(&row).await,
        }
    }

    /// Whether the present may differ from a snapshot. The answer "no" is kept for as long as nothing at all is committed. It takes both: no change
    /// is on record, and the totals are equal. If only the first holds, a change was not recorded: everything is compared.
    pub(super) async fn differs(&mut self, row: &SnapshotRow) -> Result<bool, StepError> {
        let (guid, seq) = (row.meta.guid, row.seq);
        if self.clean == Some((guid, self.hub.store.newest())) {
            return Ok(false);
        }
        // Without its total nothing is known.
        let Some(total) = row.total else { return Ok(true) };
        let scope = self.state.scope.clone();
        match self.read(move |store| unchanged(store, &scope, seq, total)).await? {
            Unchanged::Since(newest) => {
                self.clean = Some((guid, newest));
                Ok(false)
            }
            Unchanged::Differs => Ok(true),
            Unchanged::Missed { .. } => {
                self.suspect(Point::of(&row.meta), Difference::Unrecorded).await;
                Ok(true)
            }
        }
    }

    /// The newest snapshot of the line that this side writes on with: of its own epoch, or the one that this began from.
    pub(super) fn newest_of_line(&self) -> Option<&SnapshotRow> {
        let newest = self.state.newest_of_line(&self.metas)?;
        self.rows.iter().find(|row| row.meta.guid == newest)
    }

    fn backlog(&self) -> usize {
        let Life::Source(source) = &self.state.detail.life else { return 0 };
        self.metas.iter().position(|meta| Some(meta.guid) == source.acked).unwrap_or(0)
    }

    /// Drops snapshots that have had their time.
    pub(super) async fn retain(&mut self) -> Result<(), StepError> {
        let policy = self.state.detail.policy;
        let keep = if self.state.is_destination() { policy.keep_remote } else { policy.keep_local };
        let protected = self.state.protected();
        let mut expired = schedule::expired(&self.rows, keep, &protected, self.hub.clock.now());
        if expired.is_empty() {
            return Ok(());
        }
        expired.truncate(DROPPED);
        self.drop_snapshots(expired).await
    }

    /// A peer that is away keeps history alive here. When the disk runs low, or the peer stays away longer than the retention cap, that ends,
    /// with an alarm: the peer will need a seed.
    pub(super) async fn relieve(&mut self) -> Result<(), StepError> {
        let peer = self.handle.peer;
        let away = self.hub.silence(peer) > AWAY && self.hub.is_unanswered(peer);
        if !away || !self.state.writable() {
            return Ok(());
        }
        let kept = self.state.kept_for_peer(&self.metas);
        let Some(cap) = self.cap().await?.filter(|_| !kept.is_empty()) else { return Ok(()) };
        let reached = self.reached(cap);
        for snapshot in kept.into_iter().filter(|kept| reached.contains(kept)) {
            tracing::error!(
                path = %self.state.scope,
                peer = %self.state.detail.peer.name,
                %snapshot,
                "{cap}: what was kept for the peer is dropped, and it will be sent everything again"
            );
            // What it said it shows is no base any more.
            self.peer_view = None;
            self.step(Event::DropForSpace(snapshot)).await?;
        }
        Ok(())
    }

    async fn cap(&self) -> Result<Option<Cap>, StepError> {
        if self.hub.store.space().low {
            return Ok(Some(Cap::Space));
        }
        let (peers, node) = (self.hub.peers.clone(), self.handle.peer);
        let heard = self.read(move |_| peers.last_heard(node)).await?;
        let end = heard.map(|heard| schedule::expiry(heard, self.hub.retention_cap));
        Ok(end.filter(|end| *end <= self.hub.clock.now()).map(|_| Cap::Time))
    }

    /// Snapshots that may go. What the policy keeps anyway costs nothing more when the peer may still build on it; what a user took stays.
    fn reached(&self, cap: Cap) -> Vec<SnapshotGuid> {
        match cap {
            Cap::Time => schedule::expired(&self.rows, self.state.detail.policy.keep_local, &[], self.hub.clock.now()),
            Cap::Space => {
                let free = |row: &&SnapshotRow| !row.locked && row.meta.creator != CreatorKind::User;
                self.rows.iter().filter(free).map(|row| row.meta.guid).collect()
            }
        }
    }
}

/// Why a peer that is away loses its claim on history.
#[derive(Clone, Copy, Debug)]
enum Cap {
    Space,
    Time,
}

impl std::fmt::Display for Cap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cap::Space => "the disk is nearly full and the peer is away",
            Cap::Time => "the peer has been away longer than the retention cap",
        })
    }
}

/// Whether `scope` is what it was at `seq`, when it had this total. If that point is gone, it may differ.
fn unchanged(store: &Store, scope: &Scope, seq: Seq, total: Total) -> Result<Unchanged, ReadError> {
    match store.unchanged_since(scope, seq, Some(total), PAGES) {
        Err(ReadError::NotHeld(_)) => Ok(Unchanged::Differs),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tandem_storage::change::{AccessChange, At, CreateBucket, DeleteBucket, PathOp, SnapshotSpec, UpdatePaths};
    use tandem_storage::disk::RealDisk;
    use tandem_storage::record::{BucketRow, Versioning};
    use tandem_storage::types::{
        BucketGuid, BucketName, Epoch, EpochNumber, HoldId, NodeGuid, PathGuid, SnapshotGuid, Timestamp,
    };
    use tandem_storage::{EngineKind, Lane, Options};

    use super::*;
    use crate::role::gate::WriteGate;

    fn open(dir: &std::path::Path) -> Store {
        let options = Options {
            engine: EngineKind::Redb,
            node: NodeGuid::from_bytes([1; 16]),
            low_watermark_bytes: 1 << 20,
            reserve_bytes: 0,
            checkpoint_every_bytes: 16 << 20,
            cache_bytes: 16 << 20,
            memtable_writes: 64,
            journal_file_bytes: 64 << 20,
        };
        Store::open(Arc::new(RealDisk::new(dir).unwrap()), options).unwrap()
    }

    fn bucket(store: &Store, number: u32) -> (BucketName, BucketGuid) {
        let name = BucketName::new(&format!("bucket-{number}")).unwrap();
        let mut guid = [7; 16];
        guid[..4].copy_from_slice(&number.to_be_bytes());
        let guid = BucketGuid::from_bytes(guid);
        let row = BucketRow {
            guid,
            name: name.clone(),
            created: Timestamp::default(),
            location: None,
            versioning: Versioning::Unversioned,
            object_lock: false,
            owner: None,
            creator: None,
        };
        let permit = WriteGate::new(store.clone()).permit(&name).unwrap();
        let _ = store
            .commit(Lane::Client, Timestamp::default(), CreateBucket { permit, row, settings: Vec::new() })
            .wait()
            .unwrap();
        (name, guid)
    }

    #[test]
    fn a_path_of_many_quiet_buckets_is_seen_to_be_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let (path, me) = (PathGuid::from_bytes([2; 16]), NodeGuid::from_bytes([1; 16]));
        let epoch = Epoch { number: EpochNumber::new(1), writer: me, fork: None };
        let (scope, access) = (Scope::Endpoint, AccessChange::Writable);
        let create = PathOp::Create { guid: path, scope, access, epoch, detail: Vec::new() };
        let feed = PathOp::Cursor { id: HoldId::from_bytes([3; 16]), after: At::ThisCommit };
        let commit = |ops| store.commit(Lane::Client, Timestamp::default(), UpdatePaths(ops)).wait().unwrap().seq;
        commit(vec![create, feed]);
        let buckets: Vec<_> = (0..600).map(|number| bucket(&store, number)).collect();
        let at = commit(vec![PathOp::Snapshot(SnapshotSpec {
            path,
            guid: SnapshotGuid::from_bytes([4; 16]),
            name: "all".into(),
            created: Timestamp::default(),
            creator: CreatorKind::Policy,
            epoch: epoch.number,
            expires: None,
            locked: false,
            at: At::ThisCommit,
            digest: None,
        })]);
        let total = store.snapshot(SnapshotGuid::from_bytes([4; 16])).unwrap().unwrap().total.unwrap();
        let unchanged = |total| unchanged(&store, &Scope::Endpoint, at, total).unwrap();
        assert_eq!(unchanged(total), Unchanged::Since(store.newest()));
        // Nothing is on record as changed, and the total is another: that is told from a change.
        let mut another = total;
        another.add_row(b"a key", b"a value");
        assert!(matches!(unchanged(another), Unchanged::Missed { .. }));
        let (name, guid) = buckets[599].clone();
        let permit = WriteGate::new(store.clone()).permit(&name).unwrap();
        let _ = store.commit(Lane::Client, Timestamp::default(), DeleteBucket { permit, name, guid }).wait().unwrap();
        assert_eq!(unchanged(total), Unchanged::Differs);
    }
}
