use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use super::codec::WireError;

/// A body on its way out: whole, or as it is produced.
pub(super) enum Outgoing {
    Whole(Option<Bytes>),
    Streamed(mpsc::Receiver<Bytes>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Outgoing::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Outgoing::Streamed(chunks) => chunks.poll_recv(cx).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Outgoing::Whole(None))
    }
}

/// Reads a body of at most `limit` bytes; memory grows with what has come, not with what was announced.
pub(super) async fn read_whole<B>(body: B, limit: usize, silence: Duration) -> Result<Vec<u8>, WireError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let unbounded = async || Some(());
    read_in_room(body, limit, silence, limit, unbounded).await.map(|(bytes, _)| bytes)
}

/// The same. Beyond `small` bytes the body waits until there is `room`, and has it for as long as its bytes are kept.
///
/// # Errors
/// Also `Broken`, when there will be no room any more.
pub(super) async fn read_in_room<B, R>(
    body: B,
    limit: usize,
    silence: Duration,
    small: usize,
    room: impl AsyncFnOnce() -> Option<R>,
) -> Result<(Vec<u8>, Option<R>), WireError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut incoming = Incoming { body, silence };
    let mut out = BytesMut::new();
    let (mut room, mut held) = (Some(room), None);
    while let Some(chunk) = incoming.chunk().await? {
        let length = out.len() + chunk.len();
        if length > limit {
            return Err(WireError::TooLong);
        }
        if length > small
            && let Some(room) = room.take()
        {
            held = Some(room().await.ok_or_else(|| WireError::Broken("the port is closed".into()))?);
        }
        out.extend_from_slice(&chunk);
    }
    Ok((out.into(), held))
}

/// A body on its way in, with a deadline for every chunk.
pub(super) struct Incoming<B> {
    pub(super) body: B,
    pub(super) silence: Duration,
}

impl<B> Incoming<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, WireError> {
        loop {
            let frame = tokio::time::timeout(self.silence, self.body.frame()).await.map_err(|_| WireError::Silent)?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(WireError::Broken(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
