//! Rows against files, and bytes against their names.

use super::{Check, Instances, Kind, Progress, State};
use crate::blob::{BlobError, decode_recipe};
use crate::record::{Location, RecipeChild};
use crate::types::ContentHash;

impl Check<'_> {
    /// What a recipe lists; none if it is not live any more.
    pub(super) fn recipe(&mut self, hash: ContentHash) -> Result<Option<Vec<RecipeChild>>, BlobError> {
        let read = self.subject.blobs.read(hash, self.subject.live);
        match self.unless_gone(hash, read)? {
            Some(bytes) => Ok(Some(decode_recipe(&bytes)?)),
            None => Ok(None),
        }
    }

    /// None if what was to be read has been collected since the check began.
    fn unless_gone<T>(&self, hash: ContentHash, read: Result<T, BlobError>) -> Result<Option<T>, BlobError> {
        match read {
            Err(BlobError::Missing(_)) if self.gone(hash) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Whether a blob's row has gone since the check began.
    fn gone(&self, hash: ContentHash) -> bool {
        self.subject.state == State::Running && matches!(self.subject.live.blob(&hash), Ok(None))
    }

    /// Every blob's bytes are there, undamaged, and have the blob's name and length.
    pub(super) fn bytes(&mut self) {
        let stored: Vec<_> =
            self.blobs.iter().filter(|(_, counted)| counted.row.is_some()).map(|(hash, _)| *hash).collect();
        let blobs = stored.len() as u64;
        for (hash, done) in stored.into_iter().zip(1..) {
            let verified = self.subject.blobs.verify(hash, self.subject.live);
            if let Err(error) = self.unless_gone(hash, verified) {
                self.found(Kind::Bytes, format!("blob {hash}"), error.to_string());
            }
            (self.progress)(Progress::Bytes { blobs_done: done, blobs });
        }
    }

    /// Every live piece has its file, and every file its piece.
    pub(super) fn piece_files(&mut self, instances: &Instances) {
        let mut files = std::collections::BTreeSet::new();
        let listed = self.subject.blobs.each_piece(&mut |instance| {
            files.insert(instance);
            Ok(())
        });
        if let Err(error) = listed {
            self.found(Kind::Bytes, "pieces", error.to_string());
        }
        self.report.piece_files = files.len() as u64;
        for (instance, (hash, location)) in &instances.live {
            if *location == Location::Piece && !files.remove(instance) && !self.gone(*hash) {
                let file = format!("piece {:016x}", instance.get());
                self.found(Kind::Bytes, file, format!("blob {hash} is there, and not its file"));
            }
        }
        // Before that they may wait for the collector.
        if self.subject.state == State::Collected {
            for instance in files.difference(&instances.condemned) {
                self.found(Kind::LeftOver, format!("piece {:016x}", instance.get()), "no row names it");
            }
        }
    }

    /// Every journal file is whole, and has a reason to be there.
    pub(super) fn journal_files(&mut self) {
        let numbers = match self.subject.journal.list() {
            Ok(numbers) => numbers,
            Err(error) => return self.found(Kind::Journal, "journal", error.to_string()),
        };
        self.report.journal_files = numbers.len() as u64;
        for file in &numbers {
            match self.subject.journal.bodies(*file, &mut |_| {}) {
                Ok(()) => {}
                // Removed while this was going on.
                Err(crate::journal::JournalError::Io(error))
                    if self.subject.state == State::Running && error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => self.found(Kind::Journal, format!("journal file {file:016x}"), error.to_string()),
            }
        }
    }
}
