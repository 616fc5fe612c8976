use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::backoff::SharedBackoff;
use super::{ApiError, USER};
use crate::clock::SharedClock;
use crate::config::credentials::PasswordHash;

/// Where a request came from; the accept loop adds it.
#[derive(Clone, Copy, Debug)]
pub struct From(pub IpAddr);

/// What decides who enters.
#[derive(Clone)]
pub struct Gate {
    pub password: PasswordHash,
    pub clock: SharedClock,
    pub backoff: SharedBackoff,
}

/// Lets a request through if it names the administrator by HTTP Basic.
pub async fn require(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let Some(From(who)) = request.extensions().get::<From>().copied() else {
        return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request's address is unknown").into_response();
    };
    let now = gate.clock.monotonic();
    if let Some(wait) = gate.backoff.wait(who, now) {
        let mut response =
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too many failed logins; try again later").into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return response;
    }
    match basic(request.headers()) {
        Some((user, password)) => {
            let user = user.as_bytes().ct_eq(USER.as_bytes());
            if gate.password.matches(&password) && bool::from(user) {
                return next.run(request).await;
            }
            gate.backoff.failed(who, now);
            tracing::warn!(%who, "admin login failed");
            challenge("wrong user or password")
        }
        None => challenge("authentication is required: user admin and the admin password, by HTTP Basic"),
    }
}

fn challenge(detail: &str) -> Response {
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tandem\""));
    response
}

/// User and password.
fn basic(headers: &HeaderMap) -> Option<(String, Zeroizing<String>)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let decoded = Zeroizing::new(String::from_utf8(decoded).ok()?);
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), Zeroizing::new(password.to_owned())))
}
