//! How names of headers are written: `Content-Length` and `ETag`, as scripts look for them, and `x-amz-*` in lower case. Clients take
//! the names of user metadata from those, so what writes each word with a capital would rename metadata.
//!
//! The HTTP library writes names in lower case, or as it has read them in a message that is passed on. So it is once given a message to read.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Extensions, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

/// The names that answers have, each as it is written.
const MESSAGE: &str = "GET / HTTP/1.1\r\nAccept-Ranges: x\r\nAllow: x\r\nCache-Control: x\r\nConnection: close\r\nContent-Disposition: x\r\n\
    Content-Encoding: x\r\nContent-Language: x\r\nContent-Length: 0\r\nContent-Range: x\r\nContent-Type: x\r\nDate: x\r\nETag: x\r\n\
    Expires: x\r\nLast-Modified: x\r\nLocation: x\r\nRetry-After: x\r\nServer: x\r\nX-Content-Type-Options: x\r\n\r\n";

/// What makes an answer's head be written so.
#[derive(Clone, Default)]
pub struct NameCase(Extensions);

impl NameCase {
    /// Nothing is lost if it fails: then names are written in lower case.
    pub async fn learn() -> Self {
        let read = Arc::new(Mutex::new(Extensions::new()));
        let (mut near, far) = tokio::io::duplex(2 * MESSAGE.len());
        if near.write_all(MESSAGE.as_bytes()).await.is_err() {
            return NameCase::default();
        }
        let service = service_fn(|request: Request<Incoming>| {
            *read.lock().unwrap_or_else(PoisonError::into_inner) = request.extensions().clone();
            async { Ok::<_, Infallible>(Response::new(Nothing)) }
        });
        let connection = http1::Builder::new().preserve_header_case(true).serve_connection(TokioIo::new(far), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "names of headers stay in lower case");
        }
        let found = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        NameCase(found)
    }

    /// To be called once an answer.
    pub fn apply<B>(&self, response: &mut Response<B>) {
        *response.extensions_mut() = self.0.clone();
    }
}

/// A body that is not there.
struct Nothing;

impl http_body::Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}
