//! A socket under watch: malformed heads and bodies, slow heads, idleness and clients that neither send nor read end
//! it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::head::{HeadScanner, Phase, Violation};
use crate::s3::activity::Activity;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub head: Duration,
    pub idle: Duration,
    /// A write that makes no progress for so long ends the connection. So does a body that brings nothing for twice as
    /// long and a head's time: whoever reads it has given it up before, unless nobody reads it.
    pub stall: Duration,
}

pub struct Guarded<T> {
    io: T,
    scanner: HeadScanner,
    violation: Option<Violation>,
    activity: Arc<Activity>,
    limits: Limits,
    /// Goes off twice in a head's time: cheaper than a timer for each head.
    tick: Option<Pin<Box<Sleep>>>,
    /// The head that was coming in at the last tick.
    slow_head: Option<u64>,
    /// Ticks since anything came, while no head is coming in.
    quiet_ticks: u32,
    stall: Option<Pin<Box<Sleep>>>,
}

impl<T> Guarded<T> {
    pub fn new(io: T, activity: Arc<Activity>, limits: Limits) -> Self {
        Guarded {
            io,
            scanner: HeadScanner::new(),
            violation: None,
            activity,
            limits,
            tick: None,
            slow_head: None,
            quiet_ticks: 0,
            stall: None,
        }
    }

    /// Why reading ended, if it was not the client who ended it.
    pub fn into_parts(self) -> (T, Option<Violation>) {
        (self.io, self.violation)
    }

    /// Ready when the client has used up its time.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Violation> {
        let interval = self.limits.head / 2;
        loop {
            let tick = self.tick.get_or_insert_with(|| Box::pin(tokio::time::sleep(interval)));
            if tick.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.tick = None;
            let head = self.scanner.heads();
            match self.scanner.phase() {
                // A connection that asks for nothing at all holds its place no longer than a slow head would.
                Phase::Idle if head == 0 && self.slow_head == Some(0) => return Poll::Ready(Violation::Idle),
                Phase::Idle if head == 0 => self.slow_head = Some(0),
                Phase::Head if self.slow_head == Some(head) => return Poll::Ready(Violation::HeadTooSlow),
                Phase::Head => self.slow_head = Some(head),
                Phase::Idle if !self.activity.is_running() => {
                    if self.is_quiet(interval, self.limits.idle) {
                        return Poll::Ready(Violation::Idle);
                    }
                }
                Phase::Idle => self.quiet_ticks = 0,
                Phase::Body => {
                    if self.is_quiet(interval, 2 * self.limits.stall + self.limits.head) {
                        return Poll::Ready(Violation::BodyStopped);
                    }
                }
            }
        }
    }

    /// Counts a tick, and says whether nothing came for `limit`.
    fn is_quiet(&mut self, interval: Duration, limit: Duration) -> bool {
        self.quiet_ticks += 1;
        interval * self.quiet_ticks >= limit
    }

    /// What the HTTP library gets to see of a violation: the end of what the client sends. While requests that came
    /// whole before it are not answered, that end waits: the library takes it for a client who has gone, and drops
    /// them.
    fn poll_end(&self, violation: Violation) -> Poll<io::Result<()>> {
        // The library looks for the next head as soon as an answer is written, so it needs no wake.
        match violation.is_between_requests() && self.activity.answered() < self.scanner.heads() {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let limit = self.limits.stall;
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        stall.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let guarded = &mut *self;
        if let Some(violation) = guarded.violation {
            return guarded.poll_end(violation);
        }
        let before = buf.filled().len();
        match Pin::new(&mut guarded.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                guarded.quiet_ticks = 0;
                if let Err((good, violation)) = guarded.scanner.observe(&buf.filled()[before..]) {
                    buf.set_filled(before + good);
                    guarded.violation = Some(violation);
                    if good == 0 {
                        return guarded.poll_end(violation);
                    }
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match guarded.poll_patience(cx) {
                Poll::Ready(violation) => {
                    guarded.violation = Some(violation);
                    guarded.poll_end(violation)
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.poll_stall(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.poll_stall(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
