//! Certificates for clients: given as PEM files, or self-signed with a CA file that clients can trust.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;
use crate::files::Readers;

/// A server configuration and the CA file that its clients need.
pub struct SelfSigned {
    pub config: rustls::ServerConfig,
    pub ca: PathBuf,
}

/// HTTPS (TLS 1.2 and 1.3, HTTP/1.1) with a certificate chain and key in PEM files.
///
/// # Errors
/// Files that do not read or parse, or a key that does not fit.
pub fn server_from_pem(chain: &Path, key: &Path) -> Result<rustls::ServerConfig, TlsError> {
    let bad = |path: &Path, reason: String| TlsError::Pem { path: path.to_owned(), reason };
    let certificates = CertificateDer::pem_slice_iter(&super::read(chain)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(chain, error.to_string()))?;
    if certificates.is_empty() {
        return Err(bad(chain, "holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_slice(&super::read_key(key, Readers::Group)?)
        .map_err(|error| bad(key, error.to_string()))?;
    let mut config = rustls::ServerConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The admin port's certificate for `names` (DNS names and addresses), kept in `dir` as `admin.pem` and `admin.key` with `admin-ca.pem`,
/// the authority that signed it, for clients. It is made when absent, or when it was made for other names. The authority's key
/// is forgotten at once: nobody can sign more with it.
///
/// # Errors
/// Files that cannot be written or read.
pub fn self_signed(dir: &Path, names: &[String]) -> Result<SelfSigned, TlsError> {
    let (ca, chain, key) = (dir.join("admin-ca.pem"), dir.join("admin.pem"), dir.join("admin.key"));
    let made_for = dir.join("admin.names");
    let mut wanted: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    wanted.extend(names.iter().filter(|name| !name.is_empty()).cloned());
    wanted.sort();
    wanted.dedup();
    let text = wanted.join("\n");
    if !made_for.exists() || super::read(&made_for)? != text.as_bytes() {
        super::make_dir(dir)?;
        make(wanted, &ca, &chain, &key)?;
        // Last, so that a half-made set is made again.
        super::write(&made_for, text.as_bytes(), false)?;
    }
    Ok(SelfSigned { config: server_from_pem(&chain, &key)?, ca })
}

fn make(names: Vec<String>, ca: &Path, chain: &Path, key: &Path) -> Result<(), TlsError> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name = common_name("tandem admin authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;

    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name = common_name("tandem admin");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf_key = KeyPair::generate()?;
    let leaf_certificate = leaf.signed_by(&leaf_key, &Issuer::new(authority, authority_key))?;

    super::write(key, leaf_key.serialize_pem().as_bytes(), true)?;
    super::write(chain, leaf_certificate.pem().as_bytes(), false)?;
    super::write(ca, authority_certificate.pem().as_bytes(), false)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
