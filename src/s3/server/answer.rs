//! An answer on its way out: small ones whole, large ones as a stream, counted when they are gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tandem_storage::blob::{BlobError, BodyReader};

use super::object_stream::ObjectStream;
use crate::clock::SharedClock;
use crate::s3::activity::Activity;
use crate::telemetry::{Metrics, Served};

/// A body up to this long is read before its head is written: it goes out in one write, and damage is still an error document.
pub const WHOLE_MAX: u64 = 128 * 1024;

/// Why a body broke off. The connection is cut: the client sees that bytes are missing, and never sees wrong ones.
#[derive(Debug, thiserror::Error)]
pub enum BrokenOff {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("reading ended early")]
    Short,
    #[error("the reading task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

enum Content {
    Done,
    Whole(Bytes),
    Object(ObjectStream),
}

/// The body of every answer.
pub struct Answer {
    content: Content,
    _count: Count,
}

impl Answer {
    pub fn empty(count: Count) -> Self {
        Answer { content: Content::Done, _count: count }
    }

    pub fn whole(mut count: Count, bytes: Bytes) -> Self {
        count.served.bytes_out = bytes.len() as u64;
        let content = if bytes.is_empty() { Content::Done } else { Content::Whole(bytes) };
        Answer { content, _count: count }
    }

    pub fn object(mut count: Count, reader: BodyReader) -> Self {
        count.served.bytes_out = reader.remaining();
        Answer { content: Content::Object(ObjectStream::new(reader)), _count: count }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match &mut self.content {
            Content::Done => Poll::Ready(None),
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.content = Content::Done;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Object(stream) => {
                let next = ready!(stream.poll_next(cx));
                if next.is_err() || stream.left() == 0 {
                    self.content = Content::Done;
                }
                Poll::Ready(Some(next.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Done)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.content {
            Content::Done => 0,
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Object(stream) => stream.left(),
        })
    }
}

/// The rest of a short body at once.
///
/// # Errors
/// Damage, or an end before the promised one.
pub fn read_whole(mut reader: BodyReader) -> Result<Bytes, BrokenOff> {
    let promised = usize::try_from(reader.remaining()).map_err(|_| BrokenOff::Short)?;
    let mut buffer = BytesMut::with_capacity(promised);
    while buffer.len() < promised && reader.next_chunk(&mut buffer)? {}
    if buffer.len() == promised { Ok(buffer.freeze()) } else { Err(BrokenOff::Short) }
}

/// One request under way; dropping it, when its answer is sent or given up, counts it.
pub struct Count {
    pub served: Served,
    began: std::time::Duration,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    activity: Arc<Activity>,
}

impl Count {
    pub fn begin(clock: SharedClock, metrics: Arc<Metrics>, activity: Arc<Activity>) -> Self {
        activity.begin();
        let served =
            Served { operation: "Unknown", status: 0, took: std::time::Duration::ZERO, bytes_in: 0, bytes_out: 0 };
        Count { served, began: clock.monotonic(), clock, metrics, activity }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.activity.answer();
        self.served.took = self.clock.monotonic().saturating_sub(self.began);
        self.metrics.served(&self.served);
    }
}
