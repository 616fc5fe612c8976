//! Files that hold secrets: the one way to read them, and the one way to write them.

use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

/// The longest secret that is read, in bytes: a file of keys with room to spare.
const SECRET_MAX: u64 = 64 * 1024;

/// Who may read a secret beside its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Nobody. For what a node makes itself.
    Owner,
    /// A group of the host, as for keys that several services use. For what an operator gives.
    Group,
}

/// Why a secret is not read from a file.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("others may read it, or change it (mode {mode:o}); chmod 600 it")]
    Open { mode: u32 },
    #[error("it belongs to another user (uid {owner}), who may change it; it must be this user's or root's")]
    Foreign { owner: u32 },
    #[error("it is no file")]
    NoFile,
    #[error("it is longer than {SECRET_MAX} bytes")]
    TooLong,
    #[error("it is not text")]
    NotText,
}

impl SecretError {
    pub fn is_absent(&self) -> bool {
        matches!(self, SecretError::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Reads a secret from a file that nobody else may read or change. What is checked is the file that was opened,
/// wherever its name leads by then.
pub fn read_secret_file(path: &Path, readers: Readers) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let file = std::fs::File::open(path)?;
    let found = file.metadata()?;
    // A pipe, as a shell gives the output of another command.
    if !found.is_file() && !found.file_type().is_fifo() {
        return Err(SecretError::NoFile);
    }
    let closed = match readers {
        Readers::Owner => 0o077,
        Readers::Group => 0o037,
    };
    if found.mode() & closed != 0 {
        return Err(SecretError::Open { mode: found.mode() & 0o777 });
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != own && found.uid() != 0 {
        return Err(SecretError::Foreign { owner: found.uid() });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(SECRET_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SECRET_MAX { Err(SecretError::TooLong) } else { Ok(bytes) }
}

/// The same for a secret that is text.
pub fn read_secret_text(path: &Path, readers: Readers) -> Result<Zeroizing<String>, SecretError> {
    let bytes = read_secret_file(path, readers)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Replaces `path` whole, with a file that only the owner reads; durable when it returns.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => std::fs::File::open(".")?.sync_all(),
        Some(parent) => std::fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn with_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_that_others_may_read_or_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_private(&path, b"hush").unwrap();
        for (mode, owner, group) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o640, false, true),
            (0o440, false, true),
            (0o660, false, false),
            (0o604, false, false),
            (0o644, false, false),
            (0o602, false, false),
            (0o666, false, false),
        ] {
            with_mode(&path, mode);
            assert_eq!(read_secret_file(&path, Readers::Owner).is_ok(), owner, "{mode:o}");
            assert_eq!(read_secret_file(&path, Readers::Group).is_ok(), group, "{mode:o}");
        }
        let refused = read_secret_file(&path, Readers::Group).unwrap_err();
        assert!(refused.to_string().contains("mode 666") && refused.to_string().contains("chmod 600"), "{refused}");
        // The file counts, not the name that leads to it.
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(read_secret_file(&link, Readers::Group), Err(SecretError::Open { mode: 0o666 })));
        with_mode(&path, 0o600);
        assert_eq!(**read_secret_file(&link, Readers::Owner).unwrap(), *b"hush");
    }

    #[test]
    fn what_is_no_file_has_no_end_or_is_not_there_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read_secret_file(dir.path(), Readers::Owner), Err(SecretError::NoFile)));
        assert!(matches!(read_secret_file(Path::new("/dev/zero"), Readers::Owner), Err(SecretError::NoFile)));
        let absent = read_secret_file(&dir.path().join("absent"), Readers::Owner).unwrap_err();
        assert!(absent.is_absent());
        let path = dir.path().join("secret");
        write_private(&path, &[b'x'; 64 * 1024 + 1]).unwrap();
        assert!(matches!(read_secret_file(&path, Readers::Owner), Err(SecretError::TooLong)));
        write_private(&path, &[0xff]).unwrap();
        assert!(matches!(read_secret_text(&path, Readers::Owner), Err(SecretError::NotText)));
    }

    #[test]
    fn a_secret_of_another_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_private(&path, b"hush").unwrap();
        // Only root can give a file away; elsewhere there is no such file to be had.
        if std::os::unix::fs::chown(&path, Some(12345), None).is_ok() {
            assert!(matches!(read_secret_file(&path, Readers::Owner), Err(SecretError::Foreign { owner: 12345 })));
        }
    }
}
