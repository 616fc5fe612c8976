//! Somebody on the way who changes what the two say to each other, and older or other protocols.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tandem_storage::types::NodeGuid;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::message::{Answer, Envelope, Request};
use super::super::wire::{CALL, LinkError, encode};
use super::rogue::Rogue;
use super::victim::{DEADLINE, VICTIM, Victim, put};
use crate::replication::control::FailoverMode;
use crate::replication::report::{LinkState, NodeReport, Role, State};
use crate::tls::{Pins, replication_client, replication_server, server_name};

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
    for (version, said) in
        [(0, "upgrade the peer"), (1, "upgrade the peer"), (3, "upgrade this"), (255, "upgrade this")]
    {
        let mut other = message.clone();
        other[0] = version;
        let answer = rogue.post(CALL, other).await;
        assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::BAD_REQUEST))), "{version}: {answer:?}");
        let report = victim.control.report();
        let error = report.peers[0].error.as_ref().unwrap();
        assert!(error.contains(said) && error.contains(&format!("replication protocol {version},")), "{error}");
        assert_eq!(report.peers[0].state, LinkState::Error);
        // A message that is understood ends that.
        assert!(matches!(rogue.post(CALL, message.clone()).await, Ok(Answer::Hello(_))));
        assert!(!victim.control.report().peers[0].error.clone().unwrap_or_default().contains("upgrade"));
    }
    let answer = rogue.post(CALL, message[..message.len() - 1].to_vec()).await;
    assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::BAD_REQUEST))), "{answer:?}");
    for address in ["/tandem/0/call", "/tandem/2/call", "/tandem/call", "/", "/api/status"] {
        let answer = rogue.post(address, message.clone()).await;
        assert!(matches!(answer, Err(LinkError::Status(http::StatusCode::NOT_FOUND))), "{address}: {answer:?}");
    }
    victim.stop().await;
}

/// A node of another build, as its port answers: it decodes nothing that this build says. Version 1 does not say what it speaks.
fn other_build(listener: TcpListener, rogue: &Rogue, says: Option<&'static str>) -> tokio::task::JoinHandle<()> {
    let pins = Arc::new(Pins::default());
    pins.replace(HashMap::from([(rogue.server, VICTIM)]));
    let config = replication_server(&rogue.identity, pins).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(socket).await else { continue };
            let refuse = service_fn(move |_| async move {
                let mut response = Response::new(Full::new(Bytes::new()));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                if let Some(version) = says {
                    response.headers_mut().insert("tandem-protocol", version.parse().unwrap());
                }
                Ok::<_, Infallible>(response)
            });
            let serving = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), refuse);
            tokio::spawn(serving);
        }
    })
}

async fn reported(victim: &Victim, mut seen: impl FnMut(&NodeReport) -> bool) -> NodeReport {
    let polled = tokio::time::timeout(DEADLINE, async {
        loop {
            let report = victim.control.report();
            if seen(&report) {
                return report;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    polled.await.unwrap_or_else(|_| panic!("{:#?}", victim.control.report()))
}

#[tokio::test]
async fn a_peer_of_another_build_is_named_with_what_to_do_and_the_source_goes_on_taking_writes() {
    let builds = [
        (None, "an older build (replication protocol 1, this node speaks 2): upgrade the peer"),
        (Some("3"), "a newer build (replication protocol 3, this node speaks 2): upgrade this node"),
    ];
    for (says, words) in builds {
        let victim = Victim::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut rogue = Rogue::at(&victim, NodeGuid::from_bytes([2; 16]), address).await;
        rogue.accept().await;
        let rows = vec![super::rows::bucket(1, "path"), super::rows::object(1, "k", b"first")];
        rogue.deliver(1, None, rows, &[b"first"]).await;
        victim.control.failover(&rogue.scope, FailoverMode::Force).await.unwrap();
        reported(&victim, |report| report.paths[0].role == Role::Source).await;
        let other = other_build(listener, &rogue, says);
        let named = |error: &Option<String>| error.as_ref().is_some_and(|error| error.contains(words));
        let told = |report: &NodeReport| named(&report.peers[0].error) && report.peers[0].state == LinkState::Error;
        let report = reported(&victim, told).await;
        assert!(named(&report.paths[0].last_error), "{report:#?}");
        assert_eq!(report.paths[0].state, State::Suspended);
        assert!(report.paths[0].writable);
        put(&victim.store, &victim.clock, ("path", 1), "new", b"taken").await.unwrap();
        other.abort();
        victim.stop().await;
    }
}
