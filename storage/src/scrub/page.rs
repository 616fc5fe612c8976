//! Blobs, in the order of their names.

use crate::blob::BlobError;
use crate::meta::core::Core;
use crate::meta::engine::{Direction, Table, View};
use crate::meta::layout::{Span, corrupt};
use crate::record::{BlobRow, CorruptRecord, InstanceId, Location, Record};
use crate::store::ReadError;
use crate::types::ContentHash;

/// Blobs that one page verifies at most.
const BLOBS_A_PAGE: usize = 256;

/// What a bounded number of blobs was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub blobs: u64,
    pub bytes: u64,
    pub damaged: Vec<Damaged>,
    /// Where the next page begins; none: that was the last.
    pub reached: Option<ContentHash>,
}

/// A blob whose bytes cannot be given to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    pub hash: ContentHash,
    /// None: its row does not decode.
    pub instance: Option<InstanceId>,
    /// Which file, and where in it.
    pub place: String,
    pub reason: String,
}

/// What one blob was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// How many bytes were read.
    Sound(u64),
    Damaged(Damaged),
    /// Nothing refers to it any more.
    Gone,
}

/// Verifies what stands behind `after`, until `bytes_max` are read.
pub(crate) fn page(core: &Core, after: Option<ContentHash>, bytes_max: u64) -> Result<Page, ReadError> {
    let _registration = core.register();
    let (rows, more) = {
        let (view, _) = core.view()?;
        rows_behind(&*view, after, bytes_max)?
    };
    let mut page = Page { reached: more.then(|| rows.last().map(|(hash, _)| *hash)).flatten(), ..Page::default() };
    for (hash, row) in rows {
        page.blobs += 1;
        match row {
            Ok(row) => match verify(core, hash)? {
                Verified::Sound(bytes) => page.bytes += bytes,
                Verified::Damaged(damaged) => {
                    page.bytes += row.len;
                    page.damaged.push(damaged);
                }
                Verified::Gone => {}
            },
            Err(error) => {
                let place = "a row of the table of blobs".to_owned();
                page.damaged.push(Damaged { hash, instance: None, place, reason: error.to_string() });
            }
        }
    }
    Ok(page)
}

type FoundRow = (ContentHash, Result<BlobRow, CorruptRecord>);

/// Rows of about so many bytes, at least one; and whether there are more.
fn rows_behind(
    view: &dyn View,
    after: Option<ContentHash>,
    bytes_max: u64,
) -> Result<(Vec<FoundRow>, bool), ReadError> {
    let from = after.map_or(Vec::new(), |hash| [&hash.as_bytes()[..], &[0]].concat());
    let span = Span::tail(&[], from);
    let mut cursor = view.cursor(Table::Blobs, span.range(), Direction::Forward)?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some((key, value)) = cursor.next()? {
        if rows.len() == BLOBS_A_PAGE || bytes >= bytes_max {
            return Ok((rows, true));
        }
        let hash = ContentHash::from_bytes(key.try_into().map_err(|_| corrupt("blob key", key))?);
        let row = BlobRow::decode(value);
        bytes += row.as_ref().map_or(0, |row| row.len).max(1);
        rows.push((hash, row));
    }
    Ok((rows, false))
}

/// Reads a blob from the medium. What is damaged is distrusted from then on, what is sound or gone is not.
pub(crate) fn verify(core: &Core, hash: ContentHash) -> Result<Verified, ReadError> {
    let _registration = core.register();
    let error = match core.blobs.verify(hash, core) {
        Ok(bytes) => return Ok(Verified::Sound(bytes)),
        Err(BlobError::Engine(error)) => return Err(error.into()),
        Err(BlobError::Io(error)) if is_of_this_process(&error) => return Err(BlobError::Io(error).into()),
        Err(error) => error,
    };
    let Some(row) = core.blob_row(&hash)? else {
        core.blobs.distrust().remove(hash);
        return Ok(Verified::Gone);
    };
    let place = match row.location {
        Location::Piece => format!("piece {:016x}", row.instance.get()),
        Location::Journal { file, offset } => format!("journal file {file:016x}, byte {offset}"),
    };
    // A medium that cannot be read is damage, too: the next upload takes the place.
    core.blobs.distrust().add(hash);
    Ok(Verified::Damaged(Damaged { hash, instance: Some(row.instance), place, reason: error.to_string() }))
}

/// Whether a read failed for want of something that has nothing to do with the medium.
fn is_of_this_process(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let limits = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ACCESS].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|number| limits.contains(&number))
}
