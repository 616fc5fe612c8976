//! Bodies between the wire and the store.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use tandem_storage::blob::{BlobError, BodyReader, BodyWriter, SMALL_BODY_MAX, StagedBody};
use tandem_storage::change::Refusal;
use tandem_storage::types::{Body, Checksum, ChecksumAlgorithm};
use tandem_storage::{Reader, Store};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::s3::checksum::Hasher;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::md5::Md5;
use crate::s3::payload::{Payload, Verified};

/// The most that one PUT, part or copy may carry: 5 GiB.
pub(super) const UPLOAD_BYTES_MAX: u64 = 5 << 30;
/// Bytes handed to a blocking thread at a time. A request holds at most two such batches.
const BATCH_BYTES: usize = 512 * 1024;
/// Stored bytes that are read at a time, to be hashed or written again.
const CHUNK_BYTES: usize = 256 * 1024;

/// Takes a payload in, to its verified end. A body that fails on its way leaves only garbage, which the store collects.
pub(super) async fn receive(store: &Store, payload: Payload) -> Result<(StagedBody, Verified), S3Error> {
    match payload.declared_size() {
        Some(size) if size > UPLOAD_BYTES_MAX => Err(S3Error::of(ErrorCode::EntityTooLarge).closing()),
        Some(size) if size <= SMALL_BODY_MAX as u64 => receive_small(store, payload).await,
        // Boxed, so that a small body's request is not as large as a large one's.
        _ => Box::pin(receive_large(store, payload)).await,
    }
}

/// A small body touches no file before its commit, so it needs no other thread.
async fn receive_small(store: &Store, mut payload: Payload) -> Result<(StagedBody, Verified), S3Error> {
    let mut writer = store.body_writer();
    while let Some(bytes) = payload.next().await? {
        writer.write(&bytes)?;
    }
    let verified = payload.verified()?;
    Ok((writer.finish()?, verified))
}

/// While one batch is hashed and written, the next arrives. No thread waits for the network.
async fn receive_large(store: &Store, mut payload: Payload) -> Result<(StagedBody, Verified), S3Error> {
    let mut sink = Sink { writing: Writing::Idle(store.body_writer()), batch: Vec::new(), bytes: 0 };
    let mut total = 0;
    while let Some(bytes) = payload.next().await? {
        total += bytes.len() as u64;
        if total > UPLOAD_BYTES_MAX {
            return Err(S3Error::of(ErrorCode::EntityTooLarge).closing());
        }
        sink = sink.take(bytes).await?;
    }
    let verified = payload.verified()?;
    Ok((sink.finish().await?, verified))
}

enum Writing {
    Idle(BodyWriter),
    Busy(JoinHandle<Result<BodyWriter, BlobError>>),
}

impl Writing {
    async fn done(self) -> Result<BodyWriter, S3Error> {
        match self {
            Writing::Idle(writer) => Ok(writer),
            Writing::Busy(task) => Ok(joined(task).await??),
        }
    }
}

struct Sink {
    writing: Writing,
    batch: Vec<Bytes>,
    bytes: usize,
}

impl Sink {
    async fn take(mut self, bytes: Bytes) -> Result<Self, S3Error> {
        self.bytes += bytes.len();
        self.batch.push(bytes);
        if self.bytes < BATCH_BYTES { Ok(self) } else { self.flush().await }
    }

    async fn flush(self) -> Result<Self, S3Error> {
        let mut writer = self.writing.done().await?;
        let batch = self.batch;
        let task = spawn_blocking(move || {
            batch.iter().try_for_each(|bytes| writer.write(bytes))?;
            Ok(writer)
        });
        Ok(Sink { writing: Writing::Busy(task), batch: Vec::new(), bytes: 0 })
    }

    async fn finish(self) -> Result<StagedBody, S3Error> {
        let writer = self.flush().await?.writing.done().await?;
        Ok(joined(spawn_blocking(move || writer.finish())).await??)
    }
}

/// Runs blocking work of the store beside the async threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, S3Error> {
    joined(spawn_blocking(work)).await
}

async fn joined<T>(task: JoinHandle<T>) -> Result<T, S3Error> {
    task.await.map_err(|error| S3Error::internal(format!("a blocking task ended early: {error}")))
}

/// What stored bytes hash to.
pub(super) struct Hashes {
    pub md5: [u8; 16],
    pub checksum: Checksum,
}

struct Hashing {
    md5: Md5,
    checksum: Hasher,
}

impl Hashing {
    fn new(algorithm: ChecksumAlgorithm) -> Self {
        Hashing { md5: Md5::default(), checksum: Hasher::new(algorithm) }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksum.update(bytes);
    }

    fn finish(self) -> Hashes {
        Hashes { md5: self.md5.finish(), checksum: self.checksum.finish() }
    }
}

/// Reads stored bytes for their hashes alone.
pub(super) async fn hash(reader: BodyReader, algorithm: ChecksumAlgorithm) -> Result<Hashes, S3Error> {
    let work = move || {
        let mut hashing = Hashing::new(algorithm);
        each_chunk(reader, |bytes| {
            hashing.update(bytes);
            Ok(())
        })?;
        Ok::<_, BlobError>(hashing.finish())
    };
    Ok(blocking(work).await??)
}

/// Stores a part of stored bytes anew.
pub(super) async fn rewrite(
    store: &Store,
    reader: BodyReader,
    algorithm: ChecksumAlgorithm,
) -> Result<(StagedBody, Hashes), S3Error> {
    let mut writer = store.body_writer();
    let work = move || {
        let mut hashing = Hashing::new(algorithm);
        each_chunk(reader, |bytes| {
            hashing.update(bytes);
            writer.write(bytes)
        })?;
        Ok::<_, BlobError>((writer.finish()?, hashing.finish()))
    };
    Ok(blocking(work).await??)
}

/// Stored content as (a part of) other content, by reference; none: it is better stored anew.
pub(super) async fn reuse(store: &Store, body: Body, size: u64) -> Result<Option<StagedBody>, S3Error> {
    if !matches!(body, Body::Recipe(_)) {
        return Ok(Some(StagedBody::existing(body, size)));
    }
    let store = store.clone();
    blocking(move || store.reuse(body, size)).await?.map_err(|error| match error {
        // Deleted in between, and its bytes collected.
        BlobError::Missing(_) => Refusal::BytesGone.into(),
        error => error.into(),
    })
}

fn each_chunk(mut reader: BodyReader, mut take: impl FnMut(&[u8]) -> Result<(), BlobError>) -> Result<(), BlobError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk)? {
            0 => return Ok(()),
            bytes => take(&chunk[..bytes])?,
        }
    }
}

/// A range of a small object, read whole, so that its answer is one write and damage is an error and not a cut connection.
pub(super) fn read_small(reader: &Reader<'_>, body: &Body, range: Range<u64>) -> Result<Bytes, BlobError> {
    let mut out = BytesMut::with_capacity((range.end - range.start) as usize);
    let mut body = reader.open_body(body, range)?;
    while body.next_chunk(&mut out)? {}
    Ok(out.freeze())
}
