use std::collections::HashMap;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tandem_storage::types::NodeGuid;
use tokio::net::{TcpListener, TcpStream};

use super::*;

struct End {
    identity: NodeIdentity,
    _dir: tempfile::TempDir,
}

fn end(byte: u8) -> End {
    let dir = tempfile::tempdir().unwrap();
    let identity = NodeIdentity::load_or_make(dir.path(), NodeGuid::from_bytes([byte; 16])).unwrap();
    End { identity, _dir: dir }
}

/// One handshake over loopback: whether the client could read a byte from the server.
async fn shake(server: rustls::ServerConfig, client: rustls::ClientConfig) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let mut stream = acceptor.accept(socket).await?;
        stream.write_all(b"x").await?;
        stream.shutdown().await
    });
    let socket = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let read = match connector.connect(pins::server_name(), socket).await {
        Ok(mut stream) => stream.read_u8().await.is_ok(),
        Err(_) => false,
    };
    serving.await.unwrap().is_ok() && read
}

fn pinned(peer: &End) -> Arc<Pins> {
    let pins = Arc::new(Pins::default());
    pins.replace(HashMap::from([(peer.identity.fingerprint(), NodeGuid::from_bytes([9; 16]))]));
    pins
}

#[tokio::test]
async fn pinned_peers_shake_hands_and_others_do_not() {
    let (a, b, stranger) = (end(1), end(2), end(3));
    let expected = Some(a.identity.fingerprint());
    let server = || replication_server(&a.identity, pinned(&b)).unwrap();
    assert!(shake(server(), replication_client(&b.identity, expected).unwrap()).await);
    assert!(!shake(server(), replication_client(&stranger.identity, expected).unwrap()).await);
    let wrong = Some(stranger.identity.fingerprint());
    assert!(!shake(server(), replication_client(&b.identity, wrong).unwrap()).await);
}

#[tokio::test]
async fn strangers_shake_hands_only_while_pairing_is_open() {
    let (a, b) = (end(1), end(2));
    let pins = Arc::new(Pins::default());
    pins.open_pairing(true);
    let client = || replication_client(&b.identity, None).unwrap();
    assert!(shake(replication_server(&a.identity, pins.clone()).unwrap(), client()).await);
    pins.open_pairing(false);
    assert!(!shake(replication_server(&a.identity, pins).unwrap(), client()).await);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let (a, b) = (end(1), end(2));
    let mut roots = rustls::RootCertStore::empty();
    let certificate: CertificateDer<'static> = a.identity.chain().remove(0);
    roots.add(certificate).unwrap();
    let bare = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert!(!shake(replication_server(&a.identity, pinned(&b)).unwrap(), bare).await);
}

#[test]
fn an_identity_is_made_once_and_its_key_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let node = NodeGuid::from_bytes([7; 16]);
    let first = NodeIdentity::load_or_make(dir.path(), node).unwrap().fingerprint();
    assert_eq!(NodeIdentity::load_or_make(dir.path(), node).unwrap().fingerprint(), first);
    let mode = std::fs::metadata(dir.path().join("node.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(first.to_string().parse::<Fingerprint>().unwrap(), first);
}

#[tokio::test]
async fn clients_that_trust_the_written_authority_reach_the_admin_port() {
    use rustls_pki_types::pem::PemObject;

    let dir = tempfile::tempdir().unwrap();
    let made = self_signed(dir.path(), &["10.1.2.3".into()]).unwrap();
    let again = self_signed(dir.path(), &["10.1.2.3".into()]).unwrap();
    let ca = std::fs::read(&made.ca).unwrap();
    assert_eq!(ca, std::fs::read(&again.ca).unwrap());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&ca).unwrap()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(made.config)).accept(socket).await.is_ok()
    });
    let socket = TcpStream::connect(address).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, socket).await.unwrap();
    assert!(serving.await.unwrap());
}
