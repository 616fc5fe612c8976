use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use super::Message;
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

/// Writes until every handle has gone. Lines that came together are written together.
pub(super) fn write_lines(mut out: Out, messages: &Receiver<Message>, metrics: &Metrics) {
    let mut lines = Vec::new();
    while let Ok(first) = messages.recv() {
        let mut next = Some(first);
        let mut waiting = Vec::new();
        let (mut events, mut written) = (0, true);
        while let Some(message) = next {
            match message {
                Message::Event(event, done) => {
                    waiting.extend(done);
                    if serde_json::to_writer(&mut lines, &event).is_ok() {
                        lines.push(b'\n');
                        events += 1;
                    }
                }
                Message::Reopen => {
                    written &= put(&mut out, &mut lines, &mut events, metrics);
                    // Whoever waits, waits for lines of this file too, which is synced no more once it is left.
                    written &= synced(&mut out);
                    out.reopen();
                }
                Message::Flush(done) => waiting.push(done),
            }
            next = if lines.len() < GATHER_BYTES { messages.try_recv().ok() } else { None };
        }
        written &= put(&mut out, &mut lines, &mut events, metrics);
        if !waiting.is_empty() {
            written &= synced(&mut out);
        }
        for done in waiting {
            let _ = done.send(written);
        }
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
fn put(out: &mut Out, lines: &mut Vec<u8>, events: &mut u64, metrics: &Metrics) -> bool {
    let mut written = true;
    if !lines.is_empty() {
        match out.write(lines) {
            Ok(()) => metrics.audited(*events),
            Err(error) => {
                (0..*events).for_each(|_| metrics.audit_lost());
                tracing::error!(%error, "could not write the audit log");
                written = false;
            }
        }
        lines.clear();
    }
    *events = 0;
    written
}
