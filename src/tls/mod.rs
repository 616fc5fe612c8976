//! TLS of every port: the node's own identity and its pinned peers (replication), and certificates for clients (S3, admin).
//!
//! *Architecture invariant:* a peer is known by its certificate's SHA-256 fingerprint alone; signatures are always verified, and the
//! replication port speaks TLS 1.3 only.

mod fingerprint;
mod identity;
mod pins;
mod serving;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use identity::NodeIdentity;
pub(crate) use pins::{ALPN, server_name};
pub use pins::{Pins, replication_client, replication_server};
pub use serving::{SelfSigned, self_signed, server_from_pem};
use zeroize::Zeroizing;

use crate::files::{Readers, SecretError, read_secret_file};

/// Why a certificate or a key could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Secret { path: PathBuf, source: SecretError },
    #[error("{path}: {reason}")]
    Pem { path: PathBuf, reason: String },
    #[error("a certificate could not be made: {0}")]
    Make(String),
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> Self {
        TlsError::Make(error.to_string())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// A private key.
fn read_key(path: &Path, readers: Readers) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    read_secret_file(path, readers).map_err(|source| TlsError::Secret { path: path.to_owned(), source })
}

/// Writes a file whole or not at all: a temporary one, synced, then renamed. `secret` files are the owner's alone.
fn write(path: &Path, content: &[u8], secret: bool) -> Result<(), TlsError> {
    write_file(path, content, secret).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn write_file(path: &Path, content: &[u8], secret: bool) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    let temporary = path.with_extension("new");
    let mode = if secret { 0o600 } else { 0o644 };
    let _ = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    match path.parent() {
        Some(dir) => std::fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

fn make_dir(dir: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::DirBuilderExt;

    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| TlsError::File { path: dir.to_owned(), source })
}

fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
