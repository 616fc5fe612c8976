//! Somebody on the way who changes what the two say to each other, and older or other protocols.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::message::{Answer, Envelope, Request};
use super::super::wire::{CALL, LinkError, encode};
use super::rogue::Rogue;
use super::victim::{DEADLINE, Victim};
use crate::tls::{replication_client, server_name};

/// Which byte is bent.
#[derive(Clone, Copy, Debug)]
enum Bent {
    OfClient(usize),
    OfServer(usize),
}

async fn carry(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, bent: Option<usize>) {
    let (mut buffer, mut at) = (vec![0; 16 * 1024], 0);
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if let Some(bent) = bent.and_then(|bent| bent.checked_sub(at)).filter(|bent| *bent < count) {
            buffer[bent] ^= 0x01;
        }
        at += count;
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// A man in the middle, for one connection.
async fn middle(target: SocketAddr, bent: Bent) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(target).await.unwrap();
        let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
        let (up, down) = match bent {
            Bent::OfClient(at) => (Some(at), None),
            Bent::OfServer(at) => (None, Some(at)),
        };
        tokio::join!(carry(client_in, server_out, up), carry(server_in, client_out, down));
    });
    address
}

#[tokio::test]
async fn no_byte_of_the_handshake_can_be_changed_on_the_way() {
    let victim = Victim::start().await;
    let rogue = Rogue::paired(&victim, 2).await;
    // The two hellos name versions, ciphers, groups, extensions and the protocol. (A record's own version, its bytes 1 and 2, is for old
    // middle boxes: TLS 1.3 ignores it.)
    let (of_client, of_server) = ((3..200).step_by(9).map(Bent::OfClient), (6..120).step_by(9).map(Bent::OfServer));
    for bent in of_client.chain(of_server) {
        let link = rogue.through(middle(victim.address, bent).await);
        let envelope = Envelope { sender: rogue.node, request: Request::Hello(Vec::new()) };
        let deadline = std::time::Duration::from_secs(3);
        let answer = link.call::<_, Answer>(CALL, &envelope, deadline).await;
        assert!(answer.is_err(), "{bent:?}: {answer:?}");
    }
    // The same way, unbent.
    let link = rogue.through(middle(victim.address, Bent::OfClient(usize::MAX)).await);
    let envelope = Envelope { sender: rogue.node, request: Request::Hello(Vec::new()) };
    assert!(link.call::<_, Answer>(CALL, &envelope, DEADLINE).await.is_ok());
    victim.stop().await;
}

/// Whether the server still answers an HTTP/2 request after this handshake.
async fn is_served(victim: &Victim, config: rustls::ClientConfig) -> bool {
    let socket = TcpStream::connect(victim.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let Ok(mut stream) = connector.connect(server_name(), socket).await else { return false };
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    if stream.write_all(preface).await.is_err() {
        return false;
    }
    let mut answer = [0; 9];
    let read = tokio::time::timeout(DEADLINE, stream.read_exact(&mut answer)).await;
    // A SETTINGS frame of the server's.
    matches!(read, Ok(Ok(_))) && answer[3] == 4
}

#[tokio::test]
async fn older_tls_and_other_protocols_are_not_spoken() {
    let victim = Victim::start().await;
    let rogue = Rogue::paired(&victim, 2).await;
    let good = || replication_client(&rogue.identity, Some(rogue.server)).unwrap();
    assert!(is_served(&victim, good()).await);
    for protocols in [vec![], vec![b"http/1.1".to_vec()], vec![b"h2c".to_vec()], vec![b"tandem/0".to_vec()]] {
        let mut config = good();
        config.alpn_protocols = protocols.clone();
        assert!(!is_served(&victim, config).await, "{protocols:?}");
    }
    // TLS 1.2, by a client that speaks nothing newer.
    let mut roots = rustls::RootCertStore::empty();
    roots.roots.clear();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert!(!is_served(&victim, old).await);
    // Without TLS.
    let mut socket = TcpStream::connect(victim.address).await.unwrap();
    let _ = socket.write_all(b"POST /tandem/1/call HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, socket.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    victim.stop().await;
}

#[tokio::test]
async fn a_message_or_an_address_of_another_version_is_refused() {
    let victim = Victim::start().await;
    let rogue = Rogue::paired(&victim, 2).await;
    let message = encode(&Envelope { sender: rogue.node, request: Request::Hello(Vec::new()) }).unwrap();
    assert!(matches!(rogue.post(CALL, message.clone()).await, Ok(Answer::Hello(_))));
    for version in [0, 2, 255] {
        let mut other = message.clone();
        other[0] = version;
        let answer = rogue.post(CALL, other).await;
        assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::BAD_REQUEST))), "{version}: {answer:?}");
    }
    let answer = rogue.post(CALL, message[..message.len() - 1].to_vec()).await;
    assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::BAD_REQUEST))), "{answer:?}");
    for address in ["/tandem/0/call", "/tandem/2/call", "/tandem/call", "/", "/api/status"] {
        let answer = rogue.post(address, message.clone()).await;
        assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::NOT_FOUND))), "{address}: {answer:?}");
    }
    victim.stop().await;
}
