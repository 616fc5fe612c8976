//! The side that is asked.

use tandem_storage::blob::{BLOCK_BYTES, BlobError};
use tandem_storage::record::RowKey;
use tandem_storage::scrub::{Reference, WAY_MAX};
use tandem_storage::types::NodeGuid;
use tandem_storage::{ReadError, Store};

use super::super::driver::Hub;
use super::super::message::{Answer, FETCH_BYTES, Failure, Fetch};

/// What looking up one step of a way counts as, in bytes: a recipe is about as long.
const STEP_COST: u64 = 64 * 1024;

impl Hub {
    /// Gives a peer bytes that its own path leads to, if it does not ask for too much.
    pub(in crate::replication) async fn give(&self, peer: NodeGuid, fetch: Fetch) -> Result<Answer, Failure> {
        let _ = self.shared(fetch.path, peer).ok_or(Failure::NoPath)?;
        let now = self.clock.monotonic();
        let allowance = self.repair.allowance(peer, now);
        let Ok(mut allowance) = allowance.try_lock_owned() else { return Err(Failure::Busy) };
        if !allowance.take(STEP_COST * fetch.way.len().max(1) as u64, now) {
            return Err(Failure::Busy);
        }
        let store = self.store.clone();
        // Locked and charged where the work is done, for that goes on when whoever asked has hung up.
        let given = tokio::task::spawn_blocking(move || {
            let bytes = look_up(&store, fetch)?;
            allowance.charge(bytes.len() as u64);
            Ok(Answer::Bytes(bytes))
        });
        given.await.map_err(|_| Failure::Internal("the node is stopping".into()))?
    }
}

fn look_up(store: &Store, fetch: Fetch) -> Result<Vec<u8>, Failure> {
    let Fetch { path, snapshot, key, way, offset } = fetch;
    if way.len() > WAY_MAX || !offset.is_multiple_of(BLOCK_BYTES as u64) {
        return Err(Failure::Unreferenced);
    }
    let hash = *way.last().ok_or(Failure::Unreferenced)?;
    let key = RowKey::decode(&key).map_err(|_| Failure::Unreferenced)?;
    let internal = |error: ReadError| Failure::Internal(error.to_string());
    let scope = store.path(path).ok_or(Failure::NoPath)?.scope;
    // A snapshot of another path is none.
    let row = store.snapshot(snapshot).map_err(internal)?.filter(|row| row.path == path);
    let at = row.ok_or(Failure::Unreferenced)?.seq;
    let leads = store.leads(&scope, at, &Reference { key, way });
    match leads {
        Ok(true) => {}
        Ok(false) | Err(ReadError::NotHeld(_)) => return Err(Failure::Unreferenced),
        Err(ReadError::Blob(error)) => return Err(unread(error)),
        Err(error) => return Err(internal(error)),
    }
    store.blob_part(hash, offset, FETCH_BYTES).map(|bytes| bytes.to_vec()).map_err(unread)
}

/// It is the peer's own: it may know how it is here.
fn unread(error: BlobError) -> Failure {
    match error {
        BlobError::Damaged(_) | BlobError::Missing(_) => Failure::Damaged,
        error => Failure::Internal(error.to_string()),
    }
}
