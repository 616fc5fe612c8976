use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use tokio::sync::oneshot;

use super::event::Event;
use super::queue::{Batch, LeftOut, Message, Queue};
use crate::telemetry::Metrics;

/// Bytes that are gathered before one write.
const GATHER_BYTES: usize = 64 * 1024;

/// Where lines go.
pub(super) enum Out {
    Stderr,
    File { path: PathBuf, file: File },
}

impl Out {
    pub fn stderr() -> Self {
        Out::Stderr
    }

    pub fn file(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        Ok(Out::File { path, file })
    }

    fn reopen(&mut self) {
        let Out::File { path, file } = self else { return };
        match open(path) {
            Ok(fresh) => *file = fresh,
            Err(error) => tracing::error!(path = %path.display(), %error, "the audit log stays in its old file"),
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Out::Stderr => io::stderr().lock().write_all(lines),
            // One write a batch, at the end: so a rotation by copying and truncating leaves no hole.
            Out::File { file, .. } => file.write_all(lines),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self {
            Out::Stderr => Ok(()),
            Out::File { file, .. } => file.sync_data(),
        }
    }
}

/// For its owner alone: it tells who does what.
fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Lines that are gathered for one write.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    count: u64,
    /// What must be kept of them, to be told elsewhere if it cannot be written.
    changes: Vec<Vec<u8>>,
}

/// Writes until every handle has gone. Lines that came together are written together.
pub(super) fn write_lines(mut out: Out, queue: &Queue, metrics: &Metrics) {
    while let Some(Batch { messages, left_out }) = queue.take(GATHER_BYTES) {
        let mut lines = Lines::default();
        let mut waiting: Vec<oneshot::Sender<bool>> = Vec::new();
        let mut written = true;
        if let Some(left_out) = left_out {
            tell_left_out(&mut lines, left_out, metrics);
        }
        for message in messages {
            match message {
                Message::Line { text, kept } => {
                    lines.text.extend_from_slice(&text);
                    lines.count += 1;
                    if let Some(kept) = kept {
                        waiting.push(kept);
                        lines.changes.push(text);
                    }
                }
                Message::Reopen => {
                    written &= put(&mut out, &mut lines, metrics);
                    // Whoever waits, waits for lines of this file too, which is synced no more once it is left.
                    written &= synced(&mut out);
                    out.reopen();
                }
                Message::Flush(done) => waiting.push(done),
            }
        }
        written &= put(&mut out, &mut lines, metrics);
        if !waiting.is_empty() {
            written &= synced(&mut out);
        }
        for done in waiting {
            let _ = done.send(written);
        }
    }
}

fn tell_left_out(lines: &mut Lines, left_out: LeftOut, metrics: &Metrics) {
    metrics.audit_left_out(left_out.count);
    if let Some(text) = Event::left_out(left_out).line() {
        lines.text.extend_from_slice(&text);
        lines.count += 1;
    }
}

fn synced(out: &mut Out) -> bool {
    match out.sync() {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "could not sync the audit log");
            false
        }
    }
}

/// Whether nothing was lost.
fn put(out: &mut Out, lines: &mut Lines, metrics: &Metrics) -> bool {
    let Lines { text, count, changes } = std::mem::take(lines);
    if text.is_empty() {
        return true;
    }
    let Err(error) = out.write(&text) else {
        metrics.audited(count);
        return true;
    };
    (0..count).for_each(|_| metrics.audit_lost());
    tracing::error!(%error, "could not write the audit log");
    // The node's log is the second place for what must be kept.
    for change in changes {
        let line = String::from_utf8_lossy(&change);
        tracing::error!(line = line.trim_end(), "a change is not in the audit log");
    }
    false
}
