//! One request and its answer: the order of the checks, and what every answer carries.

use std::any::Any;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use tandem_policy::Caller;
use tandem_storage::types::{BucketName, InvalidName, ObjectKey};

use super::answer::{Answer, Count, WHOLE_MAX, read_whole};
use super::case::NameCase;
use super::document::error_response;
use crate::s3::access;
use crate::s3::activity::Activity;
use crate::s3::auth::{self, Authenticated, Judge};
use crate::s3::cors;
use crate::s3::dispatch::dispatch;
use crate::s3::error::{ErrorCode, S3Error};
use crate::s3::hoisted;
use crate::s3::operation::{BodyKind, Operation};
use crate::s3::payload::{Holder, Payload, Source};
use crate::s3::query::{self, Posted};
use crate::s3::request::{Request, RequestId};
use crate::s3::response::ResponseBody;
use crate::s3::route::{COPY_SOURCE, Target, route, virtual_bucket};
use crate::s3::service::Service;

/// Numbers requests so that ids differ, also across restarts: from a random start.
pub struct RequestIds(AtomicU64);

impl RequestIds {
    pub fn from_random(start: u64) -> Self {
        RequestIds(AtomicU64::new(start))
    }

    pub fn next(&self) -> RequestId {
        // SplitMix64: a bijection, so that ids differ as long as the counter does.
        let mut mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        RequestId(format!("{:016X}", mixed ^ (mixed >> 31)))
    }
}

/// A connection's share in its requests.
pub struct Connection {
    pub service: Arc<Service>,
    pub ids: Arc<RequestIds>,
    /// How names of headers are written.
    pub case: NameCase,
    pub activity: Arc<Activity>,
    /// The socket's other end; an IPv4 address mapped into IPv6 is itself.
    pub client: IpAddr,
    pub secure: bool,
    /// The version of TLS, `1.3`.
    pub tls: Option<&'static str>,
}

/// Answers a request; never fails, never unwinds.
pub async fn answer(connection: Arc<Connection>, request: http::Request<Incoming>) -> Response<Answer> {
    let service = &connection.service;
    let activity = &connection.activity;
    let mut count = Count::begin(service.clock.clone(), Arc::clone(&service.metrics), Arc::clone(activity));
    let id = connection.ids.next();
    let (parts, body) = request.into_parts();
    let (is_head, resource) = (parts.method == Method::HEAD, parts.uri.path().to_owned());
    count.served.bytes_in = body.size_hint().lower();
    activity.unread_body.store(!body.is_end_stream(), Ordering::Relaxed);

    let asked = Asked { parts, body, id: id.clone(), resource: &resource };
    let handled = handle(&connection, asked, &mut count.served.operation);
    let result = caught(handled).await.unwrap_or_else(|panic| Err(panicked(panic.as_ref(), &id)));
    let mut response = finish(result, count, &resource, &id.0, is_head);

    connection.case.apply(&mut response);
    let headers = response.headers_mut();
    headers.insert("x-amz-request-id", HeaderValue::from_str(&id.0).expect("hexadecimal digits"));
    headers.insert(header::SERVER, HeaderValue::from_static("Tandem"));
    if activity.unread_body.load(Ordering::Relaxed) {
        // What is left of the body would be taken for the next request.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A request as it came in.
struct Asked<'a> {
    parts: Parts,
    body: Incoming,
    id: RequestId,
    resource: &'a str,
}

async fn handle(
    connection: &Connection,
    asked: Asked<'_>,
    operation: &mut &'static str,
) -> Result<crate::s3::response::Response, S3Error> {
    let service = &*connection.service;
    let Asked { parts, body, id, resource } = asked;
    let Parts { method, uri, mut headers, .. } = parts;
    if let Some(face) = &service.query
        && query::is_form(&method, &uri, &headers)
        && virtual_bucket(host(&uri, &headers)?, &service.settings.domains).is_none()
    {
        *operation = "Query";
        let source = Source::wire(body, service.settings.body_idle_timeout, Arc::clone(&connection.activity));
        let posted = Posted { headers: &headers, source, id, client: connection.client, secure: connection.secure };
        return Ok(query::handle(service, &**face, posted).await.map(ResponseBody::Bytes));
    }
    if method == Method::OPTIONS {
        return Err(cors::preflight(&headers));
    }
    let target = Target {
        method: &method,
        path: uri.path(),
        query: uri.query(),
        host: host(&uri, &headers)?,
        copies: headers.contains_key(COPY_SOURCE),
    };
    let routed = route(target, &service.settings.domains)?;
    *operation = routed.operation.name();
    // A form carries its credentials in its fields.
    if routed.operation == Operation::PostObject {
        return Err(ErrorCode::NotImplemented.into());
    }
    let received = service.clock.now();
    let judge = Judge {
        identities: &service.identities,
        settings: &service.settings,
        keys: &service.signing_keys,
        now: received,
    };
    let authenticated = auth::authenticate(&method, &routed, &headers, judge).inspect_err(|error| {
        access::unauthenticated(service, error, routed.operation, &id, connection.client);
    })?;
    hoisted::add(&mut headers, &routed.query)?;
    authenticated.tell_payload(&mut headers);
    let request = Request {
        id,
        operation: routed.operation,
        bucket: bucket_name(routed.operation, routed.bucket.as_deref())?,
        key: object_key(routed.key.as_deref())?,
        query: routed.query,
        headers,
        resource: resource.to_owned(),
        received,
        secure: connection.secure,
        tls: connection.tls,
        client: connection.client,
        signed: authenticated.signed(),
        principal: authenticated.principal().clone(),
        known: None,
        source: None,
        decided_by_rows: false,
        document: None,
    };
    let source = Source::wire(body, service.settings.body_idle_timeout, Arc::clone(&connection.activity));
    let source = kept(service, &request, source);
    carry_out(service, request, authenticated, source).await
}

/// The body, and for whom it is kept if it is a document.
fn kept(service: &Service, request: &Request, source: Source) -> Source {
    if matches!(request.operation.body(), BodyKind::Nothing | BodyKind::Content) {
        return source;
    }
    let caller = request.principal.credential().map(|credential| credential.caller());
    let account = caller.and_then(Caller::account);
    let holder = account.map_or_else(|| Holder::at(request.client), |account| Holder::Account(account.id.clone()));
    source.kept_for(&service.documents, holder)
}

/// Authorizes, asks the role gate, and runs the handler.
async fn carry_out(
    service: &Service,
    mut request: Request,
    authenticated: Authenticated,
    source: Source,
) -> Result<crate::s3::response::Response, S3Error> {
    let operation = request.operation;
    let (granted, payload) = match operation.body() {
        BodyKind::Document(limit) if access::reads_document(operation) => {
            access::foresee(service, &request)?;
            let document = authenticated.into_payload(operation, &request.headers, source)?.1.collect(limit).await?;
            let payload = Payload::in_memory(document.bytes().clone());
            request.document = Some(document);
            (access::authorize(service, &mut request)?, payload)
        }
        _ => {
            let granted = access::authorize(service, &mut request)?;
            (granted, authenticated.into_payload(operation, &request.headers, source)?.1)
        }
    };
    if let (true, Some(bucket)) = (auth::writes(operation) && operation.has_handler(), &request.bucket) {
        service.gate.permit(bucket)?;
    }
    let request = Arc::new(request);
    match dispatch(service, Arc::clone(&request), &granted, payload).await {
        Ok(response) => {
            access::changed(service, &request, granted.why());
            Ok(response)
        }
        Err(error) => Err(access::veil(service, &request, error)),
    }
}

/// The Host header without its port. A target with a host of its own must name the same.
fn host<'a>(uri: &http::Uri, headers: &'a HeaderMap) -> Result<&'a str, S3Error> {
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default()).unwrap_or_default();
    // CONNECT always does; routing refuses it.
    if uri.scheme().is_some() && uri.authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host))
    {
        return Err(S3Error::new(
            ErrorCode::InvalidRequest,
            "The request target names another host than the Host header.",
        )
        .closing());
    }
    let name = match host.strip_prefix('[') {
        Some(_) => host.split_inclusive(']').next(),
        None => host.split(':').next(),
    };
    Ok(name.unwrap_or_default())
}

/// A name that no bucket can have is an error of its own where a bucket is made, and otherwise a bucket that is not there.
fn bucket_name(operation: Operation, name: Option<&str>) -> Result<Option<BucketName>, S3Error> {
    let Some(name) = name else { return Ok(None) };
    BucketName::new(name).map(Some).map_err(|_| {
        let code = if operation == Operation::CreateBucket || name.is_empty() {
            ErrorCode::InvalidBucketName
        } else {
            ErrorCode::NoSuchBucket
        };
        S3Error::of(code).detail("BucketName", name)
    })
}

fn object_key(key: Option<&str>) -> Result<Option<ObjectKey>, S3Error> {
    let Some(key) = key else { return Ok(None) };
    ObjectKey::new(key).map(Some).map_err(|error| match error {
        InvalidName::KeyTooLong => S3Error::of(ErrorCode::KeyTooLongError)
            .detail("Size", key.len().to_string())
            .detail("MaxSizeAllowed", ObjectKey::MAX_BYTES.to_string()),
        InvalidName::KeyEmpty | InvalidName::Bucket => ErrorCode::InvalidURI.into(),
    })
}

/// Runs a future to its end, or to its panic.
async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => std::task::Poll::Ready(Err(panic)),
    })
    .await
}

fn panicked(panic: &(dyn Any + Send), id: &RequestId) -> S3Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(request = id.0, cause = text.unwrap_or("no message"), "a handler panicked");
    S3Error::of(ErrorCode::InternalError).closing()
}

/// The handler's result as it goes out.
fn finish(
    result: Result<crate::s3::response::Response, S3Error>,
    mut count: Count,
    resource: &str,
    id: &str,
    is_head: bool,
) -> Response<Answer> {
    let whole = result.and_then(|response| {
        let (parts, body) = response.into_parts();
        let body = match body {
            ResponseBody::Object(reader) if reader.remaining() <= WHOLE_MAX && !is_head => {
                ResponseBody::Bytes(read_whole(reader).map_err(S3Error::internal)?)
            }
            other => other,
        };
        Ok(Response::from_parts(parts, body))
    });
    match whole {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            count.served.status = parts.status.as_u16();
            let answer = match body {
                ResponseBody::Empty => Answer::empty(count),
                _ if is_head => Answer::empty(count),
                ResponseBody::Bytes(bytes) => Answer::whole(count, bytes),
                ResponseBody::Object(reader) => Answer::object(count, reader),
            };
            Response::from_parts(parts, answer)
        }
        Err(error) => {
            tracing::debug!(request = id, code = error.code.as_str(), message = error.message, "refused");
            let (parts, body): (_, Bytes) = error_response(&error, resource, id, is_head).into_parts();
            count.served.status = parts.status.as_u16();
            Response::from_parts(parts, Answer::whole(count, body))
        }
    }
}
