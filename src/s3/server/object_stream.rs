//! A stored body on its way to a socket.
//!
//! Bytes that are in memory are read by the thread that sends them, into a buffer that is used again: a chunk is checked and sent
//! while the processor's cache holds it, and no thread is woken. Bytes that the disk must bring are read elsewhere, one chunk ahead.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tandem_storage::blob::{BlobError, BodyReader};
use tokio::task::JoinHandle;

use super::answer::BrokenOff;

/// What one step reads, in bytes: a few of the store's blocks, and well inside a core's cache.
const CHUNK: usize = 256 * 1024;
/// How many chunks are read ahead, once the disk had to be waited for, before memory is tried again: a piece's worth.
const AHEAD: u32 = 32;

/// Bytes in order, some of which the disk must bring. A stored body; tests have their own.
pub trait Stored: Send + 'static {
    fn remaining(&self) -> u64;
    fn read(&mut self, out: &mut [u8]) -> Result<usize, BlobError>;
    fn read_at_once(&mut self, out: &mut [u8]) -> Result<Option<usize>, BlobError>;
}

impl Stored for BodyReader {
    fn remaining(&self) -> u64 {
        BodyReader::remaining(self)
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize, BlobError> {
        BodyReader::read(self, out)
    }

    fn read_at_once(&mut self, out: &mut [u8]) -> Result<Option<usize>, BlobError> {
        BodyReader::read_at_once(self, out)
    }
}

pub struct ObjectStream<R = BodyReader> {
    left: u64,
    reading: Reading<R>,
    buffers: Arc<Buffers>,
    /// Steps to read elsewhere before memory is tried again.
    ahead: u32,
    /// The last step had to be made elsewhere.
    waited: bool,
}

enum Reading<R> {
    Idle(Box<R>),
    Elsewhere(JoinHandle<Step<R>>),
    /// After an error.
    Over,
}

struct Step<R> {
    reader: Box<R>,
    chunk: Result<Chunk, BlobError>,
}

impl<R: Stored> ObjectStream<R> {
    pub fn new(reader: R) -> Self {
        let left = reader.remaining();
        ObjectStream {
            left,
            reading: Reading::Idle(Box::new(reader)),
            buffers: Arc::default(),
            ahead: 0,
            waited: false,
        }
    }

    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes. Not to be asked when none are left.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, BrokenOff>> {
        if let Reading::Idle(_) = self.reading
            && let Some(chunk) = self.start()
        {
            return Poll::Ready(chunk.map_err(BrokenOff::from).and_then(|chunk| self.passed(chunk)));
        }
        let Reading::Elsewhere(step) = &mut self.reading else { return Poll::Ready(Err(BrokenOff::Short)) };
        let step = ready!(Pin::new(step).poll(cx));
        self.reading = Reading::Over;
        let Step { reader, chunk } = step?;
        let chunk = self.passed(chunk?)?;
        self.reading = Reading::Idle(reader);
        if self.ahead > 0 && self.left > 0 {
            // Cannot be there at once: the disk is being waited for.
            let _ = self.start();
        }
        Poll::Ready(Ok(chunk))
    }

    /// Begins a step; what was there at once, or an error, is returned.
    fn start(&mut self) -> Option<Result<Chunk, BlobError>> {
        let Reading::Idle(mut reader) = std::mem::replace(&mut self.reading, Reading::Over) else { return None };
        let mut chunk = Buffers::take(&self.buffers);
        if self.ahead == 0 {
            match chunk.fill(|bytes| reader.read_at_once(bytes)) {
                Ok(true) => {
                    self.waited = false;
                    self.reading = Reading::Idle(reader);
                    return Some(Ok(chunk));
                }
                Ok(false) => {}
                Err(error) => return Some(Err(error)),
            }
            // Once is the next piece that had to be opened; twice in a row is the disk.
            self.ahead = if self.waited { AHEAD } else { 0 };
        } else {
            self.ahead -= 1;
        }
        self.waited = true;
        self.reading = Reading::Elsewhere(tokio::task::spawn_blocking(move || {
            let filled = chunk.fill(|bytes| reader.read(bytes).map(Some));
            Step { reader, chunk: filled.map(|_| chunk) }
        }));
        None
    }

    fn passed(&mut self, chunk: Chunk) -> Result<Bytes, BrokenOff> {
        if chunk.filled == 0 || chunk.filled as u64 > self.left {
            self.reading = Reading::Over;
            return Err(BrokenOff::Short);
        }
        self.left -= chunk.filled as u64;
        Ok(Bytes::from_owner(chunk))
    }
}

/// Buffers of one stream that nothing uses now: as many as were ever under way at once, two or three.
#[derive(Default)]
struct Buffers(Mutex<Vec<Box<[u8]>>>);

impl Buffers {
    fn take(this: &Arc<Self>) -> Chunk {
        let spare = this.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = spare.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice());
        Chunk { bytes, filled: 0, home: Arc::clone(this) }
    }
}

/// A buffer in use. Dropped, that is sent or given up, its memory goes home.
struct Chunk {
    bytes: Box<[u8]>,
    filled: usize,
    home: Arc<Buffers>,
}

impl Chunk {
    /// False: `read` could not read.
    fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> Result<Option<usize>, BlobError>) -> Result<bool, BlobError> {
        let filled = read(&mut self.bytes)?;
        self.filled = filled.unwrap_or(0);
        Ok(filled.is_some())
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up. Every entry says whether a step can be made at once, or fails.
    struct Script {
        bytes: std::ops::Range<u64>,
        steps: Vec<Result<bool, ()>>,
    }

    impl Stored for Script {
        fn remaining(&self) -> u64 {
            self.bytes.end - self.bytes.start
        }

        fn read(&mut self, out: &mut [u8]) -> Result<usize, BlobError> {
            let taken = out.len().min(self.remaining() as usize);
            for (at, byte) in out[..taken].iter_mut().enumerate() {
                *byte = (self.bytes.start + at as u64) as u8;
            }
            self.bytes.start += taken as u64;
            Ok(taken)
        }

        fn read_at_once(&mut self, out: &mut [u8]) -> Result<Option<usize>, BlobError> {
            match self.steps.pop() {
                Some(Err(())) => Err(std::io::Error::other("the disk is broken").into()),
                Some(Ok(false)) => Ok(None),
                Some(Ok(true)) | None => self.read(out).map(Some),
            }
        }
    }

    async fn drained(chunks: u64, steps: Vec<Result<bool, ()>>) -> (Result<u64, BrokenOff>, usize) {
        let bytes = chunks * CHUNK as u64 + 7;
        let mut stream = ObjectStream::new(Script { bytes: 0..bytes, steps });
        let mut sent = 0;
        let outcome = loop {
            if stream.left() == 0 {
                break Ok(sent);
            }
            match std::future::poll_fn(|cx| stream.poll_next(cx)).await {
                Ok(chunk) => {
                    assert!(chunk.iter().enumerate().all(|(at, byte)| *byte == (sent + at as u64) as u8));
                    sent += chunk.len() as u64;
                    assert_eq!(stream.left(), bytes - sent);
                }
                Err(error) => break Err(error),
            }
        };
        let spare = stream.buffers.0.lock().expect("no panic").len();
        (outcome, spare)
    }

    #[tokio::test]
    async fn bytes_in_memory_go_through_one_buffer() {
        let (sent, buffers) = drained(20, vec![]).await;
        assert_eq!(sent.expect("all of it"), 20 * CHUNK as u64 + 7);
        assert_eq!(buffers, 1);
    }

    #[tokio::test]
    async fn what_the_disk_must_bring_is_read_one_ahead_and_memory_is_tried_again() {
        for steps in [vec![Ok(false)], vec![Ok(false); 2], vec![Ok(false), Ok(true), Ok(false)], vec![Ok(false); 9]] {
            let (sent, buffers) = drained(2 * u64::from(AHEAD) + 9, steps).await;
            assert_eq!(sent.expect("all of it"), (2 * u64::from(AHEAD) + 9) * CHUNK as u64 + 7);
            assert!(buffers <= 2, "{buffers}");
        }
    }

    #[tokio::test]
    async fn an_error_ends_the_stream() {
        let (sent, _) = drained(9, vec![Err(()), Ok(false), Ok(true)]).await;
        assert!(matches!(sent, Err(BrokenOff::Blob(_))));
    }
}
