//! The admin port as an operator sees it, over real TLS, up to where a handler would ask replication.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{AdminClient, CliError};
use crate::admin::vms::jwt::Signer;
use crate::admin::{Admin, ApiError, Gate, SharedBackoff, guard, serve};
use crate::audit::Audit;
use crate::clock::SystemClock;
use crate::config::credentials::PasswordHash;
use crate::identity::Register;

struct Port {
    url: String,
    ca: PathBuf,
    stop: watch::Sender<bool>,
    admin: Admin,
    _dir: tempfile::TempDir,
}

fn gate(password: &str) -> Gate {
    let (clock, password) = (Arc::new(SystemClock::new()), PasswordHash::of(password));
    let register = Register::administrator("AKIA".into(), "a secret of some length".into(), &*clock);
    let signer = Signer::new(b"key", &password);
    Gate {
        password,
        signer,
        register: Arc::new(register),
        clock,
        audit: Audit::off(),
        backoff: SharedBackoff::default(),
    }
}

async fn port() -> Port {
    let dir = tempfile::tempdir().unwrap();
    let made = crate::tls::self_signed(dir.path(), &[]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/api/hello", get(|| async { axum::Json("hello") }))
        .route("/api/refused", get(|| async { ApiError::bad_request("because") }));
    let router = guard(router, gate("correct horse battery"));
    let (stop, stopped) = watch::channel(false);
    let admin = serve(listener, Arc::new(made.config), router, stopped, Duration::from_secs(5));
    Port { url, ca: made.ca, stop, admin, _dir: dir }
}

#[test]
fn the_host_header_is_what_the_url_says() {
    let dir = tempfile::tempdir().unwrap();
    let ca = crate::tls::self_signed(dir.path(), &[]).unwrap().ca;
    for (url, authority, host, port) in [
        ("https://[::1]:9443", "[::1]:9443", "::1", 9443),
        ("https://[fd00::2]/", "[fd00::2]", "fd00::2", 443),
        ("https://127.0.0.1:9443/", "127.0.0.1:9443", "127.0.0.1", 9443),
        ("https://node-b.example", "node-b.example", "node-b.example", 443),
    ] {
        let client = AdminClient::new(url, "admin", "x", &ca).unwrap();
        assert_eq!((client.authority.as_str(), client.host.as_str(), client.port), (authority, host, port));
    }
}

async fn call(port: &Port, password: &str, path: &str) -> Result<String, CliError> {
    AdminClient::new(&port.url, "admin", password, &port.ca)?.get(path).await
}

fn status(answer: Result<String, CliError>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(CliError::Api { status, .. }) => status,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn the_right_password_opens_and_errors_carry_their_detail() {
    let port = port().await;
    assert_eq!(call(&port, "correct horse battery", "/api/hello").await.unwrap(), "hello");
    let refused = call(&port, "correct horse battery", "/api/refused").await.unwrap_err();
    assert!(matches!(refused, CliError::Api { status: 400, detail } if detail == "because"));
    port.stop.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(10), port.admin.task).await.expect("it stops when told").unwrap();
}

#[tokio::test]
async fn guesses_are_answered_401_and_after_ten_failures_429_and_the_right_password_opens_all_the_same() {
    let port = port().await;
    for _ in 0..10 {
        assert_eq!(status(call(&port, "wrong", "/api/hello").await), 401);
    }
    assert_eq!(status(call(&port, "wrong", "/api/hello").await), 429);
    assert!(call(&port, "correct horse battery", "/api/hello").await.is_ok());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let (one, other) = (port().await, port().await);
    let mut client = AdminClient::new(&one.url, "admin", "correct horse battery", &other.ca).unwrap();
    let answer: Result<String, CliError> = client.get("/api/hello").await;
    assert!(matches!(answer, Err(CliError::Unreachable { .. })));
}
