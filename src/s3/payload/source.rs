//! Where a body's bytes come from, and how long one waits for them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::room::{Documents, Holder, Place};
use crate::s3::activity::Activity;
use crate::s3::error::{ErrorCode, S3Error};

/// A sender slower than this for a whole interval has gone.
const BYTES_PER_SECOND_MIN: u64 = 1024;

enum Origin {
    Wire(Incoming),
    Memory(VecDeque<Bytes>),
}

/// A body as it is sent.
pub struct Source {
    origin: Origin,
    interval: Duration,
    /// Where a document that comes of it has its room; absent in tests of handlers.
    room: Option<(Arc<Documents>, Holder)>,
    /// Told when the body has been read to its end.
    activity: Option<Arc<Activity>>,
    /// Made only when a body lets one wait; it ends an interval, and the bytes of that interval are judged.
    interval_end: Option<Pin<Box<Sleep>>>,
    interval_bytes: u64,
}

impl Source {
    pub fn wire(body: Incoming, interval: Duration, activity: Arc<Activity>) -> Self {
        Source { activity: Some(activity), ..Source::new(Origin::Wire(body), interval) }
    }

    /// The same, where it is kept as a document for `holder`.
    #[must_use]
    pub fn kept_for(self, documents: &Arc<Documents>, holder: Holder) -> Self {
        Source { room: Some((Arc::clone(documents), holder)), ..self }
    }

    /// A place for the document that comes of it.
    pub fn place(&self) -> Option<Place> {
        self.room.as_ref().map(|(documents, holder)| documents.place(holder.clone()))
    }

    pub fn memory(parts: impl IntoIterator<Item = Bytes>) -> Self {
        Source::new(Origin::Memory(parts.into_iter().collect()), Duration::from_secs(1))
    }

    fn new(origin: Origin, interval: Duration) -> Self {
        Source { origin, interval, room: None, activity: None, interval_end: None, interval_bytes: 0 }
    }

    /// The next bytes as sent; none at the end.
    ///
    /// # Errors
    /// `IncompleteBody` when the sender goes; `RequestTimeout` when it is too slow.
    pub async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        match &mut self.origin {
            Origin::Memory(parts) => Ok(parts.pop_front()),
            Origin::Wire(_) => poll_fn(|cx| self.poll_wire(cx)).await,
        }
    }

    fn poll_wire(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, S3Error>> {
        let Origin::Wire(body) = &mut self.origin else { return Poll::Ready(Ok(None)) };
        loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(None) => {
                    if let Some(activity) = &self.activity {
                        activity.unread_body.store(false, Ordering::Relaxed);
                    }
                    return Poll::Ready(Ok(None));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(S3Error::of(ErrorCode::IncompleteBody).closing())),
                Poll::Ready(Some(Ok(frame))) => {
                    // HTTP's own trailers say nothing here.
                    let Ok(data) = frame.into_data() else { continue };
                    self.interval_bytes += data.len() as u64;
                    return Poll::Ready(Ok(Some(data)));
                }
                Poll::Pending => break,
            }
        }
        loop {
            let interval = self.interval;
            let end = self.interval_end.get_or_insert_with(|| Box::pin(tokio::time::sleep(interval)));
            if end.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.interval_end = None;
            let bytes = std::mem::take(&mut self.interval_bytes);
            if bytes < BYTES_PER_SECOND_MIN * self.interval.as_secs() || bytes == 0 {
                return Poll::Ready(Err(S3Error::of(ErrorCode::RequestTimeout).closing()));
            }
        }
    }
}
