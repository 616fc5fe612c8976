//! The asking side: what is damaged here is looked for, asked for, verified and stored.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tandem_storage::blob::{BlobError, PIECE_BYTES};
use tandem_storage::change::RepairBlob;
use tandem_storage::record::BlobKind;
use tandem_storage::scrub::Verified;
use tandem_storage::types::{ContentHash, NodeGuid};
use tandem_storage::{Lane, ReadError};

use super::super::driver::Hub;
use super::super::message::{Answer, FETCH_BYTES, Failure, Fetch, Request};
use super::find::{Lead, Shared, leads};
use super::ledger::{Due, Obstacle};

/// So often it is looked whether something is damaged.
const LOOK: Duration = Duration::from_millis(500);
/// Blobs that one search looks for.
const BATCH: usize = 64;
const ASK_DEADLINE: Duration = Duration::from_secs(30);
/// A peer that is busy is asked again after this, so often.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
const BUSY_MAX: u32 = 10;
/// A peer that takes so long to fail is not asked again in the same turn: the others' bytes would wait for it.
const SLOW: Duration = Duration::from_secs(15);
/// Bytes a second that are asked for: below what a peer allows.
const RATE: u64 = 8 * 1024 * 1024;

impl Hub {
    /// Repairs what is damaged, as long as the node runs.
    pub(in crate::replication) async fn repair_all(self: Arc<Self>) {
        loop {
            self.repair_what_is_due().await;
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn repair_what_is_due(&self) {
        let damaged = self.store.distrusted();
        let due = {
            let mut ledger = self.repair.ledger();
            ledger.see(&damaged, self.clock.now());
            ledger.due(self.clock.monotonic(), BATCH)
        };
        let (fresh, known): (Vec<Due>, Vec<Due>) = due.into_iter().partition(|due| due.fresh);
        // What is distrusted without reason is nobody's to repair.
        let mut wanted = self.still_damaged(fresh).await;
        if wanted.is_empty() && known.is_empty() {
            return;
        }
        let (shared, away) = match self.shared_paths().await {
            Ok(shared) => shared,
            Err(obstacle) => return self.all_held_up(known.into_iter().map(|due| due.hash).chain(wanted), &obstacle),
        };
        wanted.extend(self.still_damaged(known).await);
        if wanted.is_empty() {
            return;
        }
        let mut found = match leads(&self.store, Arc::new(shared), &wanted).await {
            Ok(found) => found,
            Err(error) => return self.all_held_up(wanted, &Obstacle::Store(error.to_string())),
        };
        // First, for the others may be what leads to them.
        let (wanted, unknown): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|hash| found.contains_key(hash));
        let nobody = match away.is_empty() {
            true => Obstacle::NotShared,
            false => Obstacle::Failed { peer: away.join(", "), why: "cannot be reached".into() },
        };
        self.all_held_up(unknown, &nobody);
        let mut slow = HashSet::new();
        for hash in wanted {
            if let Err(obstacle) = self.mend(hash, found.remove(&hash).unwrap_or_default(), &mut slow).await {
                self.held_up(hash, obstacle);
            }
        }
    }

    /// Reads them again.
    async fn still_damaged(&self, due: Vec<Due>) -> Vec<ContentHash> {
        let mut damaged = Vec::new();
        for Due { hash, .. } in due {
            match self.verify(hash).await {
                Ok(Verified::Damaged(_)) => damaged.push(hash),
                Ok(Verified::Sound(_) | Verified::Gone) => self.repair.ledger().forget(hash),
                Err(obstacle) => self.held_up(hash, obstacle),
            }
        }
        damaged
    }

    fn all_held_up(&self, hashes: impl IntoIterator<Item = ContentHash>, obstacle: &Obstacle) {
        hashes.into_iter().for_each(|hash| self.held_up(hash, obstacle.clone()));
    }

    fn held_up(&self, hash: ContentHash, obstacle: Obstacle) {
        let text = obstacle.to_string();
        if self.repair.ledger().failed(hash, obstacle, self.clock.monotonic()) {
            tracing::warn!(%hash, why = text, "damaged bytes are not repaired yet");
        }
    }

    /// Paths whose peers are there, with what both sides have; and who is not there. Each peer is asked now what it has.
    async fn shared_paths(&self) -> Result<(Vec<Shared>, Vec<String>), Obstacle> {
        let handles = self.handles();
        let mut nodes: Vec<NodeGuid> = handles.iter().map(|handle| handle.peer).collect();
        nodes.sort();
        nodes.dedup();
        let (mut shared, mut away) = (Vec::new(), Vec::new());
        for node in nodes {
            let Some(peer) = self.peers.by_node(node) else { continue };
            let with: Vec<_> = handles.iter().filter(|handle| handle.peer == node).cloned().collect();
            match self.hello(&peer, &with).await {
                Ok(views) => {
                    let (store, peer) = (self.store.clone(), peer.clone());
                    let both = move || {
                        let both = views.iter().map(|theirs| Shared::new(&store, peer.clone(), theirs));
                        both.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()
                    };
                    shared.extend(blocking(both).await?);
                }
                Err(_) => away.push(peer.row.name.clone()),
            }
        }
        match (shared.is_empty(), away.is_empty()) {
            (false, _) => Ok((shared, away)),
            (true, false) => Err(Obstacle::Away(away.join(", "))),
            (true, true) if handles.is_empty() => Err(Obstacle::NoPeer),
            (true, true) => Err(Obstacle::NotShared),
        }
    }

    async fn verify(&self, hash: ContentHash) -> Result<Verified, Obstacle> {
        let store = self.store.clone();
        blocking(move || store.verify(hash)).await
    }

    /// Asks those who should have it, one after the other.
    async fn mend(&self, hash: ContentHash, leads: Vec<Lead>, slow: &mut HashSet<NodeGuid>) -> Result<(), Obstacle> {
        let mut obstacle = Obstacle::NotShared;
        for lead in leads {
            let store = self.store.clone();
            // Collected meanwhile.
            let Some((kind, len)) = blocking(move || store.stored(hash)).await? else { return Ok(()) };
            if len > PIECE_BYTES as u64 {
                return Err(Obstacle::Store(format!(
                    "its row says that it has {len} bytes, more than anything stored has"
                )));
            }
            let (peer, node) = (&lead.peer.row.name, lead.peer.row.card.node);
            let failed = |why| Obstacle::Failed { peer: peer.clone(), why };
            if slow.contains(&node) {
                obstacle = failed("it did not answer in time".into());
                continue;
            }
            let began = self.clock.monotonic();
            let outcome = match self.fetch(&lead, len).await {
                Ok(bytes) => self.put_back(hash, kind, bytes, failed).await,
                Err(why) => Err(failed(why)),
            };
            if outcome.is_err() && self.clock.monotonic().saturating_sub(began) > SLOW {
                slow.insert(node);
            }
            // Whatever came of it.
            tokio::time::sleep(Duration::from_secs_f64(len as f64 / RATE as f64)).await;
            match outcome {
                Ok(()) => {
                    tracing::info!(%hash, bytes = len, %peer, "damaged bytes were repaired: the peer had them");
                    self.repair.ledger().repaired(hash, len, peer, self.clock.now());
                    return Ok(());
                }
                Err(why) => obstacle = why,
            }
        }
        Err(obstacle)
    }

    /// `len` bytes, or why not. They may be anything.
    async fn fetch(&self, lead: &Lead, len: u64) -> Result<Vec<u8>, String> {
        let (mut bytes, mut patience) = (Vec::new(), BUSY_MAX);
        while (bytes.len() as u64) < len {
            let Lead { path, snapshot, reference, .. } = lead;
            let (key, way) = (reference.key.encode(), reference.way.clone());
            let fetch = Fetch { path: *path, snapshot: *snapshot, key, way, offset: bytes.len() as u64 };
            match self.ask(&lead.peer, Request::Fetch(fetch), ASK_DEADLINE).await {
                Ok(Answer::Bytes(part)) => {
                    let wanted = (len - bytes.len() as u64).min(FETCH_BYTES as u64);
                    if part.len() as u64 != wanted {
                        return Err(format!("it sent {} bytes where {wanted} belong", part.len()));
                    }
                    bytes.extend_from_slice(&part);
                }
                Ok(Answer::Failed(Failure::Busy)) if patience > 0 => {
                    patience -= 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                Ok(Answer::Failed(failure)) => return Err(failure.to_string()),
                Ok(_) => return Err("it answered something else".into()),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(bytes)
    }

    /// Stores what came, if it is what was damaged, and reads it again from the medium.
    async fn put_back(
        &self,
        hash: ContentHash,
        kind: BlobKind,
        bytes: Vec<u8>,
        failed: impl FnOnce(String) -> Obstacle,
    ) -> Result<(), Obstacle> {
        let store = self.store.clone();
        let received = blocking(move || Ok(store.receive_blob(hash, kind, &bytes))).await?;
        let body = received.map_err(|error| match error {
            BlobError::Damaged(_) | BlobError::Corrupt(_) => {
                tracing::error!(%hash, "a peer sent other bytes than those it was asked for; they are dropped");
                failed("it sent other bytes than those it was asked for".into())
            }
            error => Obstacle::Store(error.to_string()),
        })?;
        if let Err(error) = self.store.commit(Lane::Background, self.clock.now(), RepairBlob(body)).await {
            // The commit may have taken it for repaired.
            self.store.distrust(hash);
            return Err(Obstacle::Store(error.to_string()));
        }
        match self.verify(hash).await? {
            Verified::Sound(_) | Verified::Gone => Ok(()),
            Verified::Damaged(damaged) => {
                Err(Obstacle::Store(format!("what came could not be put in its place: {}", damaged.reason)))
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Obstacle> {
    let joined = tokio::task::spawn_blocking(work).await;
    let stopping = || Obstacle::Store("the node is stopping".into());
    joined.map_err(|_| stopping())?.map_err(|error| Obstacle::Store(error.to_string()))
}
