//! Certificates of peers, pinned; who may finish a handshake on the replication port.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tandem_storage::types::NodeGuid;
use tokio::sync::watch;

use super::{Fingerprint, NodeIdentity, TlsError};

/// The pinned peers, live: a change counts from the next handshake and the next request on, and ends the connections of those that went.
#[derive(Default)]
pub struct Pins {
    peers: ArcSwap<HashMap<Fingerprint, NodeGuid>>,
    /// While set, unknown client certificates may finish the handshake, and then only pair.
    pairing: AtomicBool,
    /// Told of every replacement.
    changed: watch::Sender<()>,
}

impl Pins {
    pub fn replace(&self, peers: HashMap<Fingerprint, NodeGuid>) {
        self.peers.store(Arc::new(peers));
        self.changed.send_replace(());
    }

    /// Ends when the certificate is no peer's any more.
    pub async fn withdrawn(&self, fingerprint: &Fingerprint) {
        let mut changed = self.changed.subscribe();
        while self.node(fingerprint).is_some() && changed.changed().await.is_ok() {}
    }

    pub fn node(&self, fingerprint: &Fingerprint) -> Option<NodeGuid> {
        self.peers.load().get(fingerprint).copied()
    }

    pub fn open_pairing(&self, open: bool) {
        self.pairing.store(open, Ordering::Release);
    }

    pub fn pairing_is_open(&self) -> bool {
        self.pairing.load(Ordering::Acquire)
    }
}

/// What both verifiers share: TLS 1.3 handshake signatures, checked with the key of the presented certificate.
#[derive(Debug)]
struct Signatures(WebPkiSupportedAlgorithms);

impl Signatures {
    fn verify(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }
}

fn refuse_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("peers speak TLS 1.3 only".into()))
}

/// What is spoken between peers: HTTP/2 and nothing else.
pub(crate) const ALPN: &[u8] = b"h2";

struct PinnedClients {
    pins: Arc<Pins>,
    signatures: Signatures,
}

impl std::fmt::Debug for PinnedClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinnedClients")
    }
}

impl ClientCertVerifier for PinnedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let known = self.pins.node(&Fingerprint::of(end_entity)).is_some();
        match known || self.pins.pairing_is_open() {
            true => Ok(ClientCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.0.supported_schemes()
    }
}

#[derive(Debug)]
struct PinnedServer {
    expected: Option<Fingerprint>,
    signatures: Signatures,
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.expected.is_none_or(|expected| expected == Fingerprint::of(end_entity)) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        refuse_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.0.supported_schemes()
    }
}

fn signatures(provider: &CryptoProvider) -> Signatures {
    Signatures(provider.signature_verification_algorithms)
}

/// The replication port: TLS 1.3, HTTP/2, a client certificate demanded and pinned.
///
/// # Errors
/// When the identity's key does not fit its certificate.
pub fn replication_server(identity: &NodeIdentity, pins: Arc<Pins>) -> Result<rustls::ServerConfig, TlsError> {
    let provider = super::provider();
    let verifier = PinnedClients { pins, signatures: signatures(&provider) };
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(identity.chain(), identity.key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would skip the verifier, and with it a pin that was withdrawn meanwhile.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Dialling a peer whose certificate must be `expected`. None accepts any certificate, and is for a pairing by secret only: there
/// the exchange itself proves both certificates before anything is stored.
///
/// # Errors
/// When the identity's key does not fit its certificate.
pub fn replication_client(
    identity: &NodeIdentity,
    expected: Option<Fingerprint>,
) -> Result<rustls::ClientConfig, TlsError> {
    let provider = super::provider();
    let verifier = PinnedServer { expected, signatures: signatures(&provider) };
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(identity.chain(), identity.key())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The name a client asks for; peers are told apart by fingerprint.
pub(crate) fn server_name() -> ServerName<'static> {
    ServerName::try_from(super::identity::SERVER_NAME).expect("a constant DNS name")
}
