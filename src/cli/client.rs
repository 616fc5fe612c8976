//! A small HTTPS client for the admin API: one connection, JSON in and out.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::CliError;
use crate::admin::model::Detail;

const ANSWER_MAX: usize = 256 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Speaks to one node's admin port, and connects again when the connection has gone.
pub struct AdminClient {
    url: String,
    /// As the URL has it: what the Host header says.
    authority: String,
    host: String,
    port: u16,
    /// Absent: nobody logs in.
    authorization: Option<Zeroizing<String>>,
    tls: Arc<rustls::ClientConfig>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl AdminClient {
    /// `ca` is a PEM file with the certificates to trust. With an empty password nobody logs in.
    pub fn new(url: &str, user: &str, password: &str, ca: &Path) -> Result<Self, CliError> {
        let usage = |reason: &str| CliError::Usage(format!("--admin {url}: {reason}"));
        let uri: Uri = url.parse().map_err(|_| usage("not a URL"))?;
        if uri.scheme_str() != Some("https") {
            return Err(usage("the admin port speaks HTTPS: https://HOST:PORT"));
        }
        let named = uri.host().ok_or_else(|| usage("names no host"))?;
        let authority = uri.port().map_or_else(|| named.to_owned(), |port| format!("{named}:{port}"));
        let host = named.trim_matches(['[', ']']).to_owned();
        let credentials = Zeroizing::new(format!("{user}:{password}"));
        let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(credentials.as_bytes()));
        Ok(AdminClient {
            url: url.trim_end_matches('/').to_owned(),
            authority,
            host,
            port: uri.port_u16().unwrap_or(443),
            authorization: (!password.is_empty()).then(|| Zeroizing::new(format!("Basic {}", *encoded))),
            tls: Arc::new(trusting(ca)?),
            sender: None,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, CliError> {
        self.call(Method::GET, path, None).await
    }

    pub async fn delete<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, CliError> {
        self.call(Method::DELETE, path, None).await
    }

    pub async fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        self.send(Method::POST, path, body).await
    }

    pub async fn patch<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        self.send(Method::PATCH, path, body).await
    }

    /// A DELETE that says what in its body.
    pub async fn delete_with<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        self.send(Method::DELETE, path, body).await
    }

    async fn send<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let body = serde_json::to_vec(body).map_err(|error| CliError::Failed(error.to_string()))?;
        self.call(method, path, Some(body.into())).await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<T, CliError> {
        let (status, answer) = match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(method, path, body)).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                self.sender = None;
                return Err(self.unreachable("no answer in time"));
            }
        };
        if !status.is_success() {
            let detail = fault(&answer).unwrap_or_else(|| format!("the admin port answered {status}"));
            return Err(CliError::Api { status: status.as_u16(), detail });
        }
        // 204 has no body.
        let answer = if answer.is_empty() { Bytes::from_static(b"null") } else { answer };
        serde_json::from_slice(&answer)
            .map_err(|error| CliError::Failed(format!("the admin port's answer does not decode: {error}")))
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), CliError> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.authority.as_str());
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.as_str());
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| CliError::Failed(format!("request: {error}")))?;
        let answer = sender.send_request(request).await.map_err(|error| self.unreachable(&error.to_string()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
        let body = body.map_err(|error| self.unreachable(&error.to_string()))?.to_bytes();
        self.sender = Some(sender);
        Ok((status, body))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, CliError> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| e.to_string())?;
            let name = ServerName::try_from(self.host.clone()).map_err(|e| e.to_string())?;
            let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
            let stream = stream.map_err(|error| handshake_hint(&error))?;
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok((sender, connection))) => {
                tokio::spawn(connection);
                Ok(sender)
            }
            Ok(Err(reason)) => Err(self.unreachable(&reason)),
            Err(_) => Err(self.unreachable("no connection in time")),
        }
    }

    fn unreachable(&self, reason: &str) -> CliError {
        CliError::Unreachable { url: self.url.clone(), reason: reason.to_owned() }
    }
}

/// What an error says: `{"detail": "..."}`, or what is wrong with each field.
fn fault(answer: &[u8]) -> Option<String> {
    if let Ok(detail) = serde_json::from_slice::<Detail>(answer) {
        return Some(detail.detail);
    }
    let fields: BTreeMap<String, Vec<String>> = serde_json::from_slice(answer).ok()?;
    let lines = fields.iter().map(|(name, messages)| format!("{name}: {}", messages.join(" ")));
    Some(lines.collect::<Vec<_>>().join("; "))
}

fn handshake_hint(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.contains("UnknownIssuer") {
        true => format!("{text}; --ca must name this node's admin-ca.pem (in its data directory)"),
        false => text,
    }
}

fn trusting(ca: &Path) -> Result<rustls::ClientConfig, CliError> {
    let bad = |reason: String| CliError::Usage(format!("--ca {}: {reason}", ca.display()));
    let pem = std::fs::read(ca).map_err(|error| bad(error.to_string()))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots.add(certificate).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("holds no certificate".into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
