use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::files::{self, JournalFiles};
use super::frame::{self, BODY_HEAD_BYTES, HEAD_BYTES};
use super::scan::{Ended, Scan};
use super::{FrameBody, JournalError, JournalOptions, JournalPosition};
use crate::disk::DiskFile;
use crate::meta::engine::{EngineError, EngineWrite};
use crate::record::Location;
use crate::types::{Seq, Timestamp};

/// The frame buffer is given back when a batch has made it larger than this.
const BUFFER_KEEP_BYTES: usize = 4 * 1024 * 1024;

/// The journal's one writer. It belongs to the committer.
pub(crate) struct Journal {
    files: Arc<JournalFiles>,
    options: JournalOptions,
    /// The file that takes frames; none until the first one of a new file is appended.
    current: Option<Arc<dyn DiskFile>>,
    /// Where the next frame will begin.
    next: JournalPosition,
    /// The Seq of the last good frame.
    last: Seq,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens the journal and hands the rows of every frame above `applied` to `replay`, in order, a file's when the file is synced. `from` is where the engine's last checkpoint says that the frame
    /// after `applied` begins. A torn tail is cut off and the cut is synced. Files before `from` are not read.
    ///
    /// # Errors
    /// `Damaged` when synced bytes have changed; `Behind` when the journal lacks what the engine says it has applied.
    pub fn open(
        files: Arc<JournalFiles>,
        options: JournalOptions,
        from: JournalPosition,
        applied: Seq,
        replay: &mut dyn FnMut(Vec<EngineWrite>) -> Result<(), EngineError>,
    ) -> Result<Self, JournalError> {
        let disk = files.disk();
        disk.create_dir_all(files::DIR)?;
        disk.sync_dir("")?;
        let numbers: Vec<u64> = files.list()?.into_iter().filter(|number| *number >= from.file).collect();
        let behind = JournalError::Behind { found: Seq::ZERO, applied };
        let mut journal = Journal { files, options, current: None, next: from, last: applied, buffer: Vec::new() };
        match (numbers.first(), from.offset) {
            (Some(first), _) if *first == from.file => {}
            (_, 0) => {}
            _ => return Err(behind),
        }
        for (index, file) in numbers.iter().enumerate() {
            let newest = index + 1 == numbers.len();
            journal.replay_file(*file, newest, replay)?;
        }
        journal.rotate_if_full();
        Ok(journal)
    }

    fn replay_file(
        &mut self,
        file: u64,
        newest: bool,
        replay: &mut dyn FnMut(Vec<EngineWrite>) -> Result<(), EngineError>,
    ) -> Result<(), JournalError> {
        let handle = self.files.handle(file)?;
        let start = if file == self.next.file { self.next.offset } else { 0 };
        if handle.len()? < start {
            return Err(JournalError::Behind { found: Seq::ZERO, applied: self.last });
        }
        let end = self.secure(file, newest, &handle, start)?;
        feed(file, handle.clone(), start..end, replay)?;
        self.next = JournalPosition { file, offset: end };
        if newest && end == 0 {
            // The sync of its entry may have failed, and no later one would make up for it: it is made anew.
            self.current = None;
            return Ok(self.files.remove(file)?);
        }
        self.current = Some(handle);
        Ok(())
    }

    /// Makes sure that the file's frames are on the medium, and nothing behind them; says where they end. Before that the engine must not
    /// have them: it may make durable what it was given, also when it is only closed.
    fn secure(&mut self, file: u64, newest: bool, handle: &Arc<dyn DiskFile>, start: u64) -> Result<u64, JournalError> {
        let mut scan = Scan::new(handle.clone(), file, start)?;
        let damaged = |offset, reason| JournalError::Damaged { file, offset, reason };
        let mut end = start;
        while let Some(frame) = scan.next()? {
            if frame.seq != self.last.next() {
                return Err(damaged(end, "a frame's Seq does not follow its predecessor's"));
            }
            // It may be in memory only, where a failed sync has left it: then no sync will write it, unless it is written again. Where
            // it is on the medium, the same bytes go over it.
            handle.write_at(frame.bytes(), end)?;
            self.last = frame.seq;
            end = scan.offset();
        }
        match scan.ended() {
            Ended::Whole => {}
            Ended::Torn if newest => handle.set_len(end)?,
            Ended::Torn => return Err(damaged(end, "a file that is not the newest has a torn frame")),
            Ended::Damaged => return Err(damaged(end, "a good frame stands behind a bad one")),
        }
        if end > start || scan.ended() == Ended::Torn {
            handle.sync_data()?;
        }
        Ok(end)
    }

    /// Where the next frame begins: what a checkpoint stores when everything up to [`last`](Self::last) is applied.
    pub fn position(&self) -> JournalPosition {
        self.next
    }

    /// The Seq of the last frame.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// Where bodies of these lengths, in this order, will stand in the next frame. Holds until the next [`append`](Self::append).
    pub fn plan(&self, lengths: impl IntoIterator<Item = usize>) -> Vec<Location> {
        let mut offset = self.next.offset + HEAD_BYTES as u64;
        let place = |len: usize| {
            let here = offset + BODY_HEAD_BYTES as u64;
            offset = here + len as u64;
            Location::Journal { file: self.next.file, offset: here }
        };
        lengths.into_iter().map(place).collect()
    }

    /// Appends one frame, by one write and one sync. When this returns the batch is on stable storage. `seq` follows the last frame's.
    ///
    /// # Errors
    /// After `NoSpace` the journal is as it was. After `Io` it must not be used any more.
    pub fn append(
        &mut self,
        seq: Seq,
        now: Timestamp,
        bodies: &[FrameBody],
        rows: &[EngineWrite],
    ) -> Result<(), JournalError> {
        assert_eq!(seq, self.last.next(), "frames carry consecutive Seqs");
        frame::encode(&mut self.buffer, self.next, seq, now, bodies, rows);
        let handle = self.current_file()?;
        if let Err(error) = handle.write_at(&self.buffer, self.next.offset) {
            return Err(self.undo(&*handle, error));
        }
        handle.sync_data()?;
        self.next.offset += self.buffer.len() as u64;
        self.last = seq;
        if self.buffer.capacity() > BUFFER_KEEP_BYTES {
            self.buffer = Vec::new();
        }
        self.rotate_if_full();
        Ok(())
    }

    /// A write for which there was no room is taken back; nothing of it was synced, so nothing of it was promised.
    fn undo(&self, handle: &dyn DiskFile, error: io::Error) -> JournalError {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        match full.then(|| handle.set_len(self.next.offset)) {
            None => JournalError::Io(error),
            Some(Ok(())) => JournalError::NoSpace,
            Some(Err(error)) => JournalError::Io(error),
        }
    }

    /// The file that takes the next frame, made (with a durable entry) if need be.
    fn current_file(&mut self) -> Result<Arc<dyn DiskFile>, JournalError> {
        if let Some(handle) = &self.current {
            return Ok(handle.clone());
        }
        let path = files::path_of(self.next.file);
        let handle = match self.files.disk().create(&path) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return Err(JournalError::NoSpace),
            other => other?,
        };
        // Saves allocation during appends; where there is no room for it, appends find out for themselves.
        if let Err(error) = handle.preallocate(self.options.rotate_bytes)
            && !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return Err(error.into());
        }
        self.files.disk().sync_dir(files::DIR)?;
        self.files.keep(self.next.file, handle.clone());
        self.current = Some(handle.clone());
        Ok(handle)
    }

    fn rotate_if_full(&mut self) {
        if self.next.offset >= self.options.rotate_bytes {
            self.next = JournalPosition { file: self.next.file + 1, offset: 0 };
            self.current = None;
        }
    }
}

/// Hands on the rows of the frames in `range` of a file.
fn feed(
    file: u64,
    handle: Arc<dyn DiskFile>,
    range: Range<u64>,
    replay: &mut dyn FnMut(Vec<EngineWrite>) -> Result<(), EngineError>,
) -> Result<(), JournalError> {
    let mut scan = Scan::new(handle, file, range.start)?;
    while scan.offset() < range.end {
        let offset = scan.offset();
        let rows = scan.next()?.and_then(|frame| frame.rows());
        replay(rows.ok_or(JournalError::Damaged { file, offset, reason: "a frame contradicts itself" })?)?;
    }
    Ok(())
}
