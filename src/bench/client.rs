use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::BenchError;
use super::content::Filled;
use super::sign::Signer;
use crate::clock::SharedClock;

/// Where the load goes.
#[derive(Clone)]
pub struct Endpoint {
    host: String,
    port: u16,
    authority: String,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Endpoint {
    /// `ca` is needed for HTTPS: the PEM file with the certificates to trust.
    pub fn new(url: &str, ca: Option<&Path>) -> Result<Self, BenchError> {
        let bad = |reason: &str| BenchError::Endpoint { url: url.to_owned(), reason: reason.to_owned() };
        let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
        let authority = uri.authority().ok_or_else(|| bad("names no host"))?.to_string();
        let tls = match (uri.scheme_str(), ca) {
            (Some("http"), _) => None,
            (Some("https"), Some(ca)) => Some(Arc::new(trusting(ca).map_err(|reason| bad(&reason))?)),
            (Some("https"), None) => return Err(bad("HTTPS needs --ca")),
            _ => return Err(bad("http:// or https://")),
        };
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let host = uri.host().ok_or_else(|| bad("names no host"))?.trim_matches(['[', ']']).to_owned();
        Ok(Endpoint { host, port, authority, tls })
    }
}

fn trusting(ca: &Path) -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| error.to_string())? {
        roots.add(certificate.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub bytes: u64,
    /// The body's beginning, of an answer that is no success.
    pub error: Option<String>,
}

/// How long one request may take, from its first byte to its answer's last: 5 GiB at 10 MB/s.
const PATIENCE: Duration = Duration::from_secs(540);

/// One keep-alive connection.
pub struct Client {
    endpoint: Endpoint,
    signer: Option<Signer>,
    clock: SharedClock,
    sender: Option<SendRequest<Filled>>,
}

impl Client {
    pub fn new(endpoint: Endpoint, signer: Option<Signer>, clock: SharedClock) -> Self {
        Client { endpoint, signer, clock, sender: None }
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&mut self, method: Method, path: &str, query: &str, body: Filled) -> Result<Answer, BenchError> {
        let request = self.request(method, path, query, body)?;
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            self.sender = Some(connect(&self.endpoint).await?);
        }
        let outcome = match &mut self.sender {
            Some(sender) => tokio::time::timeout(PATIENCE, exchange(sender, request))
                .await
                .unwrap_or_else(|_| Err(BenchError::Request(format!("no whole answer within {PATIENCE:?}")))),
            None => Err(BenchError::Connect("no connection".into())),
        };
        if outcome.is_err() {
            self.sender = None;
        }
        outcome
    }

    fn request(
        &mut self,
        method: Method,
        path: &str,
        query: &str,
        body: Filled,
    ) -> Result<Request<Filled>, BenchError> {
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let host = self.endpoint.authority.as_str();
        let mut builder = Request::builder().method(method.clone()).uri(target).header(header::HOST, host);
        if let Some(signer) = &mut self.signer {
            let micros = u64::try_from(self.clock.now().as_micros()).unwrap_or(0);
            let now = std::time::Duration::from_micros(micros);
            let signed = signer.sign(method.as_str(), host, path, query, &body, now);
            builder = builder
                .header("x-amz-date", signed.date)
                .header("x-amz-content-sha256", signed.content_sha256)
                .header(header::AUTHORIZATION, signed.authorization);
        }
        if method == Method::PUT {
            builder = builder.header(header::CONTENT_LENGTH, body.size());
        }
        builder.body(body).map_err(|error| BenchError::Request(error.to_string()))
    }
}

async fn exchange(sender: &mut SendRequest<Filled>, request: Request<Filled>) -> Result<Answer, BenchError> {
    let failed = |error: hyper::Error| BenchError::Request(error.to_string());
    sender.ready().await.map_err(failed)?;
    let answer = sender.send_request(request).await.map_err(failed)?;
    let status = answer.status();
    let mut body = answer.into_body();
    let mut bytes = 0;
    let mut start: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(failed)?.into_data() {
            bytes += data.len() as u64;
            if !status.is_success() && start.len() < 512 {
                start.extend_from_slice(&data);
            }
        }
    }
    let error = (!status.is_success()).then(|| String::from_utf8_lossy(&start).chars().take(512).collect());
    Ok(Answer { status, bytes, error })
}

async fn connect(endpoint: &Endpoint) -> Result<SendRequest<Filled>, BenchError> {
    let failed = |error: std::io::Error| BenchError::Connect(error.to_string());
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let Some(tls) = &endpoint.tls else {
        return handshake(TokioIo::new(stream)).await;
    };
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|error| BenchError::Connect(error.to_string()))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(failed)?;
    handshake(TokioIo::new(stream)).await
}

async fn handshake<I>(io: I) -> Result<SendRequest<Filled>, BenchError>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake::<_, Filled>(io).await.map_err(|error| BenchError::Connect(error.to_string()))?;
    tokio::spawn(connection);
    Ok(sender)
}
