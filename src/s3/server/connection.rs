//! One connection from its handshake to its last byte.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::case::NameCase;
use super::document::raw_answer;
use super::exchange::{Connection, RequestIds, answer};
use super::guarded::{Guarded, Limits};
use super::head::{HEAD_MAX, Violation};
use crate::s3::activity::Activity;
use crate::s3::error::ErrorCode;
use crate::s3::service::Service;

/// What the HTTP library may buffer of a body, in bytes.
const BUFFER: usize = 256 * 1024;
/// An answer that comes before the whole body was read is followed by so much more reading, for clients that send before they read.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 64 << 20;

/// What all connections of a server share.
#[derive(Clone)]
pub struct Shared {
    pub service: Arc<Service>,
    pub ids: Arc<RequestIds>,
    pub case: NameCase,
    pub tls: Option<TlsAcceptor>,
    pub stop: watch::Receiver<bool>,
}

/// Serves a connection until either side ends it.
pub async fn serve_connection(shared: Shared, stream: TcpStream, client: IpAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let Some(acceptor) = shared.tls.clone() else {
        return exchange_requests(shared, stream, client, None).await;
    };
    let limit = shared.service.settings.header_timeout;
    match tokio::time::timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let version = stream.get_ref().1.protocol_version();
            let version = if version == Some(rustls::ProtocolVersion::TLSv1_3) { "1.3" } else { "1.2" };
            exchange_requests(shared, stream, client, Some(version)).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn exchange_requests<T>(shared: Shared, stream: T, client: IpAddr, tls: Option<&'static str>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Shared { service, ids, case, stop, .. } = shared;
    let settings = &service.settings;
    let activity = Arc::new(Activity::default());
    let limits =
        Limits { head: settings.header_timeout, idle: settings.idle_timeout, stall: settings.body_idle_timeout };
    let context = Arc::new(Connection {
        service: Arc::clone(&service),
        ids: Arc::clone(&ids),
        case,
        activity: Arc::clone(&activity),
        client: client.to_canonical(),
        secure: tls.is_some(),
        tls,
    });
    let answers = service_fn(move |request| {
        let context = Arc::clone(&context);
        Box::pin(async move { Ok::<_, Infallible>(answer(context, request).await) })
    });
    let (stream, violation) = under_watch(stream, limits, Arc::clone(&activity), stop, answers).await;
    let last = violation.and_then(|violation| last_words(violation, &service, &ids));
    let unread = activity.unread_body.load(Ordering::Relaxed);
    close(stream, last, unread).await;
}

/// Serves HTTP/1.1 on a stream that is watched, until either side ends it or `stop` says true and the running request
/// is answered. Gives the stream back, and why it was not listened to any longer, if that was so.
pub async fn under_watch<T, S, B>(
    stream: T,
    limits: Limits,
    activity: Arc<Activity>,
    mut stop: watch::Receiver<bool>,
    answers: S,
) -> (T, Option<Violation>)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B, Future: Unpin> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let guarded = Guarded::new(stream, activity, limits);
    let mut connection = http1::Builder::new()
        .half_close(false)
        .keep_alive(true)
        // The watch over the socket is stricter. These are the second lock on the door, should the two ever disagree.
        // The library counts the time between requests as a head's, too.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle + 2 * limits.head)
        .max_header_size(HEAD_MAX)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(guarded), answers);
    let mut stopping = *stop.borrow();
    if stopping {
        Pin::new(&mut connection).graceful_shutdown();
    }
    let ended = loop {
        tokio::select! {
            biased;
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            changed = stop.changed(), if !stopping => {
                stopping = true;
                if changed.is_ok() {
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        }
    };
    if let Err(error) = &ended {
        tracing::debug!(%error, "a connection ended");
    }
    connection.into_parts().io.into_inner().into_parts()
}

/// The answer to what the HTTP library never saw; none, when none is owed.
fn last_words(violation: Violation, service: &Service, ids: &RequestIds) -> Option<Vec<u8>> {
    tracing::debug!(?violation, "a connection broke the rules");
    let (code, reason) = match violation {
        Violation::Malformed(reason) => (ErrorCode::BadRequest, Some(reason)),
        Violation::HeadTooLarge => (ErrorCode::RequestHeaderSectionTooLarge, None),
        Violation::HeadTooSlow => (ErrorCode::RequestTimeout, None),
        Violation::Unframed(_) | Violation::BodyStopped | Violation::Idle => return None,
    };
    Some(raw_answer(code, reason, &ids.next().0, service.clock.now()))
}

/// Ends a connection so that the client gets to read the last answer: a socket closed over unread bytes would reset it.
pub async fn close<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, last: Option<Vec<u8>>, unread: bool) {
    let lingers = unread || last.is_some();
    let ending = async {
        if let Some(last) = last {
            stream.write_all(&last).await?;
        }
        stream.shutdown().await?;
        if lingers {
            tokio::io::copy(&mut (&mut stream).take(LINGER_BYTES), &mut tokio::io::sink()).await?;
        }
        std::io::Result::Ok(())
    };
    match tokio::time::timeout(LINGER, ending).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "a connection did not close cleanly"),
        Err(_) => tracing::trace!("a client went on sending after its answer"),
    }
}

/// Tells a client that there are too many, and closes. Over TLS the handshake would cost more than the refusal is worth.
pub async fn refuse(shared: Shared, stream: TcpStream) {
    shared.service.metrics.connection_refused();
    if shared.tls.is_none() {
        let now = shared.service.clock.now();
        let answer = raw_answer(ErrorCode::SlowDown, Some("too many connections"), &shared.ids.next().0, now);
        close(stream, Some(answer), true).await;
    }
}
