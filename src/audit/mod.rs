//! Who was refused, and who changed what: one JSON line each, written by a thread of its own. A request never waits for
//! the line of a refusal. It waits, up to a deadline, until the line of a change is on stable storage.
//!
//! *Architecture invariant:* an event is made of names, never of secrets: no field takes a header's or a body's content.
//!
//! *Architecture invariant:* what must be kept (changes, orders) is never left out for want of room. Refusals, which
//! anybody can cause, have places and a budget of bytes of their own, and what they lack is counted in a line.

mod budget;
mod event;
mod queue;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

pub use event::{Actor, Event, Kind};
use queue::{Message, Queue};
use writer::{Out, write_lines};

use crate::telemetry::Metrics;

/// How long somebody waits until a change is on record.
const RECORD_DEADLINE: Duration = Duration::from_secs(5);

/// Where audit lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Off,
    Stderr,
    /// Appended to; a file that is moved away is left behind when [`Audit::reopen`] is called.
    File(PathBuf),
}

/// Where lines go, and how much of them refusals may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub target: Target,
    /// Bytes that lines of refusals may take in a day; a sixteenth of them at once.
    pub refusals_a_day: u64,
}

/// The handle of everybody who has something to tell. Cloning shares the thread.
#[derive(Clone)]
pub struct Audit {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    queue: Arc<Queue>,
    metrics: Arc<Metrics>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.end();
    }
}

/// A line on its way. Whoever drops this does not wait for it; it is written all the same.
#[derive(Default)]
pub struct Receipt(Option<oneshot::Receiver<bool>>);

impl Receipt {
    /// Waits until the line is on stable storage (of a stream: written), or the deadline has passed. False: it is not,
    /// or not yet. A refusal has nothing to wait for.
    pub async fn kept(self) -> bool {
        let Some(wait) = self.0 else { return true };
        matches!(tokio::time::timeout(RECORD_DEADLINE, wait).await, Ok(Ok(true)))
    }
}

impl Audit {
    pub fn off() -> Self {
        Audit { inner: None }
    }

    /// Starts the thread that writes. It ends when the last handle has gone.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread be started.
    pub fn start(terms: &Terms, metrics: Arc<Metrics>) -> std::io::Result<Audit> {
        let out = match &terms.target {
            Target::Off => return Ok(Audit::off()),
            Target::Stderr => Out::stderr(),
            Target::File(path) => Out::file(path.clone())?,
        };
        let queue = Arc::new(Queue::new(terms.refusals_a_day));
        let (waiting, counts) = (Arc::clone(&queue), Arc::clone(&metrics));
        std::thread::Builder::new().name("tandem-audit".into()).spawn(move || write_lines(out, &waiting, &counts))?;
        Ok(Audit { inner: Some(Arc::new(Inner { queue, metrics })) })
    }

    /// Whether events are kept at all, so that nobody need make one in vain.
    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Tells of an event. Never waits. Refusals may be left out for want of room.
    pub fn record(&self, event: Event) -> Receipt {
        let Some(inner) = &self.inner else { return Receipt::default() };
        if event.event.is_refusal() {
            inner.queue.refuse(&event);
            return Receipt::default();
        }
        let (kept, wait) = oneshot::channel();
        match event.line() {
            Some(text) => inner.queue.push(Message::Line { text, kept: Some(kept) }),
            None => inner.metrics.audit_lost(),
        }
        Receipt(Some(wait))
    }

    /// Opens the file anew, for a log that was rotated by renaming it.
    pub fn reopen(&self) {
        if let Some(inner) = &self.inner {
            inner.queue.push(Message::Reopen);
        }
    }

    /// Blocks until what was told so far is on stable storage (of a stream: written). False: some of it is not.
    pub fn flush(&self) -> bool {
        let Some(inner) = &self.inner else { return true };
        let (done, wait) = oneshot::channel();
        inner.queue.push(Message::Flush(done));
        wait.blocking_recv().unwrap_or(false)
    }
}
