//! The `FORMAT` file: which format, which node, which engine.

use std::io;

use crate::disk::Disk;
use crate::store::{EngineKind, OpenError};
use crate::types::NodeGuid;

const FILE: &str = "FORMAT";
const FRESH: &str = "FORMAT.new";
const FIRST_LINE: &str = "tandem-store ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub node: NodeGuid,
    pub engine: EngineKind,
}

/// The format of a directory that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub format: Format,
    /// Not newer than [`Format::VERSION`].
    pub version: u32,
}

fn engine_name(engine: EngineKind) -> &'static str {
    match engine {
        EngineKind::Redb => "redb",
        #[cfg(feature = "sled")]
        EngineKind::Sled => "sled",
    }
}

impl Format {
    /// What this build writes. 2: totals, and snapshots and transfers that carry one. A directory of format 1 becomes one of format 2 when it is opened;
    /// its records stay as they are until they are written again.
    pub const VERSION: u32 = 2;

    /// Reads the file; none in a new directory.
    pub fn read(disk: &dyn Disk, engine: EngineKind) -> Result<Option<Found>, OpenError> {
        let text = match read(disk) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let (version, node, found) = parse(&text)?;
        if found != engine_name(engine) {
            return Err(OpenError::OtherEngine(found));
        }
        Ok(Some(Found { format: Format { node, engine }, version }))
    }

    /// Makes the file, or puts it in the place of an older one: the last step in making a directory, so that one with it has all the rest, and
    /// the first in bringing one to this format.
    pub fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        match disk.unlink(FRESH) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let version = Self::VERSION;
        let text = format!("{FIRST_LINE}{version}\nnode {}\nengine {}\n", self.node, engine_name(self.engine));
        let file = disk.create(FRESH)?;
        file.write_at(text.as_bytes(), 0)?;
        file.sync_data()?;
        disk.rename(FRESH, FILE)?;
        disk.sync_dir("")
    }
}

fn read(disk: &dyn Disk) -> io::Result<Vec<u8>> {
    let file = disk.open(FILE)?;
    let len = usize::try_from(file.len()?.min(4096)).expect("4096 fits");
    let mut text = vec![0; len];
    let read = file.read_at(&mut text, 0)?;
    text.truncate(read);
    Ok(text)
}

/// The version, the node and the engine's name.
fn parse(text: &[u8]) -> Result<(u32, NodeGuid, String), OpenError> {
    let damaged = || OpenError::Damaged("the FORMAT file is not one of this program".into());
    let text = str::from_utf8(text).map_err(|_| damaged())?;
    let mut lines = text.lines();
    let version = lines.next().and_then(|line| line.strip_prefix(FIRST_LINE)).ok_or_else(damaged)?;
    let version: u32 = version.parse().map_err(|_| damaged())?;
    if version > Format::VERSION {
        return Err(OpenError::NewerFormat { found: version, known: Format::VERSION });
    }
    let mut field = |name| lines.next().and_then(|line| line.strip_prefix(name)).ok_or_else(damaged);
    let node = field("node ")?.parse().map_err(|_| damaged())?;
    Ok((version, node, field("engine ")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_and_garbage_is_damage() {
        let text = b"tandem-store 3\nsomething else\n";
        assert!(matches!(parse(text), Err(OpenError::NewerFormat { found: 3, known: 2 })));
        assert!(matches!(parse(b"tandem-store 1\nnode 12\nengine redb\n"), Err(OpenError::Damaged(_))));
        assert!(matches!(parse(b"\xff\0"), Err(OpenError::Damaged(_))));
        for version in [1, 2] {
            let text = format!("tandem-store {version}\nnode {}\nengine sled\n", NodeGuid::from_bytes([7; 16]));
            let found = parse(text.as_bytes()).unwrap();
            assert_eq!(found, (version, NodeGuid::from_bytes([7; 16]), "sled".to_owned()));
        }
    }
}
