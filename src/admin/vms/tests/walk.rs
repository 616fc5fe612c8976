//! Nothing opens without a login, and no secret is shown twice.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use base64::Engine;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Bench, PASSWORD};
use crate::admin::vms::{jwt, serve, table};
use crate::admin::{self, guard};

/// Sends a request over TLS, and gives the status.
async fn ask(url: &str, ca: &std::path::Path, method: &str, path: &str, authorization: Option<&str>) -> StatusCode {
    use http_body_util::Full;
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(ca).unwrap();
    roots.add(rustls_pki_types::CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(url).await.unwrap();
    let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    sender.send_request(request.body(Full::new(bytes::Bytes::new())).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn every_route_but_the_logins_wants_a_login_and_every_kind_of_login_opens() {
    let bench = Bench::new().await;
    let dir = tempfile::tempdir().unwrap();
    let made = crate::tls::self_signed(dir.path(), &[]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let face = bench.face.clone();
    let router = Router::new().fallback(move |request: axum::extract::Request| serve(face.clone(), request));
    let router = guard(router, bench.face.gate.clone());
    let (stop, stopped) = watch::channel(false);
    let port = admin::serve(listener, Arc::new(made.config), router, stopped, std::time::Duration::from_secs(5));

    for route in table::routes() {
        let path = format!("/api/v3/{}/", route.path.replace(['{', '}'], ""));
        let status = ask(&place, &made.ca, route.verb.name(), &path, None).await;
        let wanted = if route.open { StatusCode::BAD_REQUEST } else { StatusCode::UNAUTHORIZED };
        assert_eq!(status, wanted, "{} {path}", route.verb.name());
    }
    let (_, token) = bench.post("apitokens/", json!({"name": "ci"})).await;
    let token = token["token"].as_str().unwrap();
    let bearer = |kind| bench.face.gate.signer.issue(kind, "admin", &*bench.face.clock);
    let basic = |password: &str| {
        let pair = format!("admin:{password}");
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    };
    for (authorization, opens) in [
        (basic(PASSWORD), true),
        (format!("Api-Token {token}"), true),
        (format!("Bearer {}", bearer(jwt::TokenType::Access)), true),
        (basic("wrong password"), false),
        (format!("Api-Token {token}x"), false),
        (format!("Bearer {}", bearer(jwt::TokenType::Refresh)), false),
        (format!("Bearer {token}"), false),
        ("Digest x".into(), false),
        (
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("ADMINKEY:a secret of some length")),
            false,
        ),
    ] {
        let status = ask(&place, &made.ca, "GET", "/api/users/", Some(&authorization)).await;
        assert_eq!(status.is_success(), opens, "{authorization}: {status}");
    }
    for _ in 0..10 {
        ask(&place, &made.ca, "GET", "/api/users/", Some("Bearer guess")).await;
    }
    for (authorization, expected) in [
        (basic("wrong password"), StatusCode::TOO_MANY_REQUESTS),
        ("Bearer guess".to_owned(), StatusCode::TOO_MANY_REQUESTS),
        (basic(PASSWORD), StatusCode::OK),
        (format!("Api-Token {token}"), StatusCode::OK),
    ] {
        let status = ask(&place, &made.ca, "GET", "/api/users/", Some(&authorization)).await;
        assert_eq!(status, expected, "{authorization}: guesses slow others of their kind down and shut nobody out");
    }
    stop.send_replace(true);
    port.task.await.unwrap();
}
