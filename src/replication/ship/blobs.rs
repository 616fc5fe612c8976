//! Only the pieces that the peer lacks: recipes are compared level by level, children travel before the recipe that lists them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tandem_storage::record::BlobKind;
use tandem_storage::types::ContentHash;
use tokio::sync::mpsc;

use super::super::message::{Answer, BlobsHead, HASHES_MAX, Request, Wanted};
use super::super::peers::Peer;
use super::super::wire::{BLOBS, LinkError, encode_blob, encode_end, encode_head};
use super::ShipError;
use super::session::{Shipper, tied};

/// A stream's acknowledgement is asked for after so many bytes: what a cut link costs at most.
const STREAM_BYTES: usize = 16 * 1024 * 1024;
/// A chunk handed to the transport at once.
const CHUNK_BYTES: usize = 256 * 1024;
const STREAM_DEADLINE: Duration = Duration::from_secs(300);

/// What is left to do, last in first out.
enum Task {
    /// Lacking at the peer: send it, its children before it.
    Provide(Wanted),
    Send(Wanted),
}

impl Shipper {
    /// Sees to it that the peer has, and has claimed, every blob of `wanted`.
    pub(super) async fn provide(&self, wanted: Vec<Wanted>) -> Result<(), ShipError> {
        let mut tasks: Vec<Task> = self.lacking(wanted).await?.into_iter().rev().map(Task::Provide).collect();
        let mut out = Stream { shipper: self, open: None, buffer: BytesMut::new() };
        while let Some(task) = tasks.pop() {
            match task {
                Task::Send(blob) | Task::Provide(blob @ Wanted { kind: BlobKind::Data, .. }) => {
                    let mut ready = vec![blob];
                    while let Some(Task::Send(blob) | Task::Provide(blob @ Wanted { kind: BlobKind::Data, .. })) =
                        tasks.last()
                    {
                        ready.push(*blob);
                        tasks.pop();
                    }
                    out.send(ready).await?;
                }
                Task::Provide(recipe) => {
                    tasks.push(Task::Send(recipe));
                    let (store, hash) = (self.store.clone(), recipe.hash);
                    let children = blocking(move || Ok(store.recipe(hash)?)).await?;
                    let children = children.iter().map(|child| Wanted { hash: child.hash, kind: child.kind }).collect();
                    // Bytes on their way are acknowledged first: a child among them must not be asked for as lacking.
                    out.finish().await?;
                    tasks.extend(self.lacking(children).await?.into_iter().rev().map(Task::Provide));
                }
            }
        }
        out.finish().await
    }

    /// Which of `wanted` the peer lacks, each once.
    async fn lacking(&self, wanted: Vec<Wanted>) -> Result<Vec<Wanted>, ShipError> {
        let mut all: Vec<Wanted> = Vec::with_capacity(wanted.len());
        let mut seen = std::collections::HashSet::with_capacity(wanted.len());
        all.extend(wanted.into_iter().filter(|blob| seen.insert(blob.hash)));
        let mut lacking = Vec::new();
        for chunk in all.chunks(HASHES_MAX) {
            let hashes: Vec<ContentHash> = chunk.iter().map(|blob| blob.hash).collect();
            match self.call(Request::Lacking { attempt: self.attempt, hashes }).await? {
                Answer::Lacking(hashes) => {
                    let hashes: std::collections::HashSet<_> = hashes.into_iter().collect();
                    lacking.extend(chunk.iter().filter(|blob| hashes.contains(&blob.hash)).copied());
                }
                _ => return Err(ShipError::Protocol),
            }
        }
        Ok(lacking)
    }
}

/// Blobs on their way, in streams of bounded length.
struct Stream<'a> {
    shipper: &'a Shipper,
    open: Option<Open>,
    buffer: BytesMut,
}

struct Open {
    chunks: mpsc::Sender<Bytes>,
    answer: super::session::Tied<Result<Answer, LinkError>>,
    bytes: usize,
}

impl Stream<'_> {
    /// Reads and encodes a chunk's worth at a time, away from the runtime's threads.
    async fn send(&mut self, blobs: Vec<Wanted>) -> Result<(), ShipError> {
        let mut left: VecDeque<Wanted> = blobs.into();
        while !left.is_empty() {
            let (store, mut buffer) = (self.shipper.store.clone(), std::mem::take(&mut self.buffer));
            let encoded = blocking(move || {
                while buffer.len() < CHUNK_BYTES
                    && let Some(blob) = left.pop_front()
                {
                    encode_blob(&mut buffer, blob.hash, blob.kind, &store.blob(blob.hash)?);
                }
                Ok((buffer, left))
            });
            (self.buffer, left) = encoded.await?;
            if self.buffer.len() >= CHUNK_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Hands the buffer to the transport; opens a stream when none is open, and closes one that is long enough.
    async fn flush(&mut self) -> Result<(), ShipError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.shipper.open_stream().await?,
        };
        let chunk = self.buffer.split().freeze();
        open.bytes += chunk.len();
        self.shipper.progress.add_bytes(chunk.len() as u64);
        if open.chunks.send(chunk).await.is_err() {
            return open.fail().await;
        }
        match open.bytes >= STREAM_BYTES {
            true => open.end().await,
            false => {
                self.open = Some(open);
                Ok(())
            }
        }
    }

    /// Everything sent so far is claimed at the peer when this returns.
    async fn finish(&mut self) -> Result<(), ShipError> {
        self.flush().await?;
        match self.open.take() {
            Some(open) => open.end().await,
            None => Ok(()),
        }
    }
}

impl Open {
    async fn end(self) -> Result<(), ShipError> {
        let mut end = BytesMut::new();
        encode_end(&mut end);
        // A failed send shows in the answer.
        let _ = self.chunks.send(end.freeze()).await;
        self.fail().await
    }

    /// Waits for the answer: what the peer says is the outcome.
    async fn fail(self) -> Result<(), ShipError> {
        drop(self.chunks);
        match self.answer.join().await?? {
            Answer::Stored => Ok(()),
            Answer::Failed(failure) => Err(failure.into()),
            _ => Err(ShipError::Protocol),
        }
    }
}

impl Shipper {
    async fn open_stream(&self) -> Result<Open, ShipError> {
        let (chunks, receiver) = mpsc::channel(1);
        let peer: Arc<Peer> = self.peer.clone();
        let answer = tied(async move { peer.link.stream(BLOBS, receiver, STREAM_DEADLINE).await });
        let mut head = BytesMut::new();
        let message = BlobsHead { sender: self.me, attempt: self.attempt };
        encode_head(&mut head, &message).map_err(LinkError::from)?;
        let open = Open { chunks, answer, bytes: 0 };
        match open.chunks.send(head.freeze()).await {
            Ok(()) => Ok(open),
            Err(_) => open.fail().await.and(Err(ShipError::Protocol)),
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ShipError> + Send + 'static,
) -> Result<T, ShipError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ShipError::Stopped))
}
