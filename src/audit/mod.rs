//! Who was refused, and who changed what: one JSON line each, written by a thread of its own. A request never waits for it, but for an
//! operator's order about replication, which is on record before it is carried out; lines beyond the queue are counted and lost.
//!
//! *Architecture invariant:* an event is made of names, never of secrets: no field takes a header's or a body's content.

mod event;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

pub use event::{Actor, Event, Kind};
use writer::{Out, write_lines};

use crate::telemetry::Metrics;

/// Events that may wait for the disk.
const QUEUE_EVENTS: usize = 4096;

/// Where audit lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Off,
    Stderr,
    /// Appended to; a file that is moved away is left behind when [`Audit::reopen`] is called.
    File(PathBuf),
}

enum Message {
    /// Who waits for it is answered when it is on stable storage: whether it is.
    Event(Box<Event>, Option<SyncSender<bool>>),
    Reopen,
    /// Answered when all before it is on stable storage: whether it is.
    Flush(SyncSender<bool>),
}

/// The handle of everybody who has something to tell. Cloning shares the thread.
#[derive(Clone)]
pub struct Audit {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    sender: SyncSender<Message>,
    metrics: Arc<Metrics>,
}

impl Audit {
    pub fn off() -> Self {
        Audit { inner: None }
    }

    /// Starts the thread that writes. It ends when the last handle has gone.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread be started.
    pub fn start(target: &Target, metrics: Arc<Metrics>) -> std::io::Result<Audit> {
        let out = match target {
            Target::Off => return Ok(Audit::off()),
            Target::Stderr => Out::stderr(),
            Target::File(path) => Out::file(path.clone())?,
        };
        let (sender, receiver): (_, Receiver<Message>) = sync_channel(QUEUE_EVENTS);
        let counts = Arc::clone(&metrics);
        std::thread::Builder::new().name("tandem-audit".into()).spawn(move || write_lines(out, &receiver, &counts))?;
        Ok(Audit { inner: Some(Arc::new(Inner { sender, metrics })) })
    }

    /// Whether events are kept at all, so that nobody need make one in vain.
    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Tells of an event. Never waits.
    pub fn record(&self, event: Event) {
        let Some(inner) = &self.inner else { return };
        match inner.sender.try_send(Message::Event(Box::new(event), None)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => inner.metrics.audit_lost(),
        }
    }

    /// Opens the file anew, for a log that was rotated by renaming it.
    pub fn reopen(&self) {
        if let Some(inner) = &self.inner {
            // A queue that is full of events is being written: the next signal will find room.
            let _ = inner.sender.try_send(Message::Reopen);
        }
    }

    /// Blocks until what was told so far is on stable storage (of a stream: written). False: some of it is not.
    pub fn flush(&self) -> bool {
        let Some(inner) = &self.inner else { return true };
        let (done, wait) = sync_channel(1);
        inner.sender.send(Message::Flush(done)).is_ok() && wait.recv().unwrap_or(false)
    }

    /// Tells of an event and blocks until it is on stable storage, for what must be on record before it is done. False: it is not.
    pub fn record_durably(&self, event: Event) -> bool {
        let Some(inner) = &self.inner else { return true };
        let (done, wait) = sync_channel(1);
        inner.sender.send(Message::Event(Box::new(event), Some(done))).is_ok() && wait.recv().unwrap_or(false)
    }
}
