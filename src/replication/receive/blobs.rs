use bytes::Bytes;
use http_body::Body;
use tandem_storage::blob::{BlobError, SMALL_BODY_MAX, StagedBody};
use tandem_storage::change::{ClaimBlobs, Claimed};
use tandem_storage::{Lane, Pending};

use super::super::message::{Answer, Attempt, Failure};
use super::super::wire::{BlobStream, ReceivedBlob, WireError};
use super::Receiver;

/// Blobs, and bytes of them, that one commit claims: a bite that clients do not notice.
const BATCH_BLOBS: usize = 256;
const BATCH_BYTES: usize = 512 * 1024;

impl Receiver {
    /// Stores and claims the blobs of a stream. `Stored` says that all of them are durable; what came before an error stays claimed.
    pub(crate) async fn blobs<B>(&self, attempt: Attempt, stream: &mut BlobStream<B>) -> Result<Answer, Failure>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        self.receiving(attempt).await?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        // The one before: while it is synced, the next is read from the wire. Commits keep their order, and so children precede recipes.
        let mut committing: Option<Pending<Claimed>> = None;
        loop {
            let blob = match stream.next().await {
                Ok(blob) => blob,
                Err(WireError::Malformed(reason)) => {
                    tracing::error!(path = %attempt.path, reason, "a stream of blobs does not decode");
                    return Err(self.lied(attempt, "a stream of blobs that does not decode").await);
                }
                Err(error) => return Err(Failure::Internal(error.to_string())),
            };
            let end = blob.is_none();
            if let Some(blob) = blob {
                bytes += blob.bytes.len();
                batch.push(blob);
            }
            let full = batch.len() >= BATCH_BLOBS || bytes >= BATCH_BYTES;
            if !batch.is_empty() && (full || end) {
                let received = match self.store_batch(std::mem::take(&mut batch)).await {
                    Err(Failure::Refused(_)) => return Err(self.lied(attempt, "bytes of another name").await),
                    stored => stored?,
                };
                bytes = 0;
                let claim = ClaimBlobs { transfer: attempt.transfer, received, wanted: Vec::new() };
                let next = self.store.commit(Lane::Background, self.clock.now(), claim);
                if let Some(before) = committing.replace(next)
                    && let Err(error) = before.await
                {
                    return Err(self.not_staged(attempt, error).await);
                }
            }
            if end {
                break;
            }
        }
        if let Some(last) = committing
            && let Err(error) = last.await
        {
            return Err(self.not_staged(attempt, error).await);
        }
        match stream.ended() {
            true => Ok(Answer::Stored),
            false => Err(self.lied(attempt, "bytes behind the end of a stream").await),
        }
    }

    /// Verifies each blob by its hash; long ones are written and synced here.
    async fn store_batch(&self, batch: Vec<ReceivedBlob>) -> Result<Vec<StagedBody>, Failure> {
        let store = self.store.clone();
        let work = move || {
            let receive = |blob: ReceivedBlob| store.receive_blob(blob.hash, blob.kind, &blob.bytes);
            batch.into_iter().map(receive).collect::<Result<Vec<_>, BlobError>>()
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(bodies)) => Ok(bodies),
            Ok(Err(BlobError::NoSpace)) => Err(Failure::NoSpace),
            Ok(Err(error @ (BlobError::Damaged(_) | BlobError::Corrupt(_)))) => {
                Err(Failure::Refused(error.to_string()))
            }
            Ok(Err(error)) => Err(Failure::Internal(error.to_string())),
            Err(_) => Err(Failure::Internal("the node is stopping".into())),
        }
    }
}

// A piece is the longest blob, and a batch ends with it: memory is a piece and a batch.
const _: () = assert!(BATCH_BYTES > SMALL_BODY_MAX);
