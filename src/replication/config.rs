use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

/// What replication is told by the composition root.
pub struct ReplicationConfig {
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// host:port that peers dial; none: the address listened on.
    pub advertise: Option<String>,
    /// What this node calls itself; peers may call it otherwise.
    pub name: String,
    pub region: String,
    /// This node's S3 endpoint (URL), as peers tell their clients.
    pub s3_endpoint: String,
    /// This node's admin endpoint (URL).
    pub admin_endpoint: String,
    /// Where certificate and key are kept: beside the store's files.
    pub identity_dir: PathBuf,
    /// A peer that is away longer has no claim on history any more.
    pub retention_cap: Duration,
    /// Pairing without a token: the same secret in both nodes' configuration.
    pub pairing: Option<SecretPairing>,
}

/// A pairing by configuration: both nodes have the secret, and at least one the other's address.
pub struct SecretPairing {
    pub secret: Zeroizing<String>,
    /// host:port of the peer's replication port; none: wait for its call.
    pub peer_address: Option<String>,
    /// What this node calls the peer; none: what the peer calls itself.
    pub peer_name: Option<String>,
}

/// Why replication could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    #[error("the store: {0}")]
    Store(#[from] tandem_storage::ReadError),
    #[error("a stored row of this node does not decode: {0}")]
    Corrupt(String),
    #[error("the pairing secret must have at least 16 characters")]
    ShortSecret,
}
