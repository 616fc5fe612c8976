use std::path::Path;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tandem_storage::types::NodeGuid;

use super::{Fingerprint, TlsError};
use crate::files::Readers;

/// The name a node's certificate carries; peers look at the fingerprint, not at the name.
pub(super) const SERVER_NAME: &str = "node.tandem.internal";

/// The certificate and key that a node shows its peers, made once and kept beside the store's files.
pub struct NodeIdentity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    fingerprint: Fingerprint,
}

impl NodeIdentity {
    /// Loads `node.pem` and `node.key` of `dir`, or makes them.
    ///
    /// # Errors
    /// Files that are there and do not parse are never replaced: peers have pinned them.
    pub fn load_or_make(dir: &Path, node: NodeGuid) -> Result<Self, TlsError> {
        let (certificate_path, key_path) = (dir.join("node.pem"), dir.join("node.key"));
        if !certificate_path.exists() {
            super::make_dir(dir)?;
            let key = KeyPair::generate()?;
            let certificate = params(node)?.self_signed(&key)?;
            // The key first: a certificate without its key would stop every later start.
            super::write(&key_path, key.serialize_pem().as_bytes(), true)?;
            super::write(&certificate_path, certificate.pem().as_bytes(), false)?;
        }
        let bad = |path: &Path, error: rustls_pki_types::pem::Error| TlsError::Pem {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let certificate = CertificateDer::from_pem_slice(&super::read(&certificate_path)?)
            .map_err(|error| bad(&certificate_path, error))?;
        let key = PrivateKeyDer::from_pem_slice(&super::read_key(&key_path, Readers::Owner)?)
            .map_err(|error| bad(&key_path, error))?;
        let fingerprint = Fingerprint::of(&certificate);
        Ok(NodeIdentity { certificate, key, fingerprint })
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    pub(super) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

fn params(node: NodeGuid) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned(), format!("{node}.{SERVER_NAME}")])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("tandem node {node}"));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}
