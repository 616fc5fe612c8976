use std::net::IpAddr;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::backoff::SharedBackoff;
use super::vms::jwt::{Signer, TokenType};
use super::vms::{self, Operator};
use super::{ApiError, USER};
use crate::audit::{Actor, Audit, Event, Kind};
use crate::clock::SharedClock;
use crate::config::credentials::PasswordHash;
use crate::identity::Register;

/// Where a request came from; the accept loop adds it.
#[derive(Clone, Copy, Debug)]
pub struct From(pub IpAddr);

/// What decides who enters.
#[derive(Clone)]
pub struct Gate {
    pub password: PasswordHash,
    pub signer: Signer,
    /// Knows the API tokens.
    pub register: std::sync::Arc<Register>,
    pub clock: SharedClock,
    pub audit: Audit,
    pub backoff: SharedBackoff,
}

impl Gate {
    /// In constant time.
    pub fn password_of(&self, user: &str, password: &str) -> bool {
        let user = user.as_bytes().ct_eq(USER.as_bytes());
        self.password.matches(password) && bool::from(user)
    }

    pub fn failed(&self, who: IpAddr, operation: String) {
        self.backoff.failed(who, self.clock.monotonic());
        self.audit.record(Event {
            time: self.clock.now(),
            event: Kind::Unauthenticated,
            face: "admin",
            who: Actor { kind: "Anonymous", ..Actor::default() },
            from: Some(who),
            operation,
            action: None,
            resource: None,
            decided_by: "wrong user, password or token".into(),
            request: None,
        });
        tracing::warn!(%who, "admin login failed");
    }

    fn wait(&self, who: IpAddr) -> Option<Duration> {
        self.backoff.wait(who, self.clock.monotonic())
    }

    /// Who the `Authorization` header names: by HTTP Basic, `Api-Token` or `Bearer`.
    fn login(&self, headers: &HeaderMap) -> Login {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Login::Missing };
        let Some((scheme, rest)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
            return Login::Wrong;
        };
        let rest = rest.trim();
        let known = match scheme.to_ascii_lowercase().as_str() {
            "basic" => match basic(rest) {
                Some((user, password)) => self.password_of(&user, &password).then_some(user),
                None => None,
            },
            "api-token" => self.register.api_token(rest, self.clock.now()).map(|token| token.owner.clone()),
            "bearer" => self.signer.verify(TokenType::Access, rest, self.clock.now()),
            _ => return Login::Missing,
        };
        known.map_or(Login::Wrong, Login::As)
    }
}

enum Login {
    As(String),
    Wrong,
    Missing,
}

/// Lets a request through if it names the administrator, or if it is one that logs in.
pub async fn require(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let Some(From(who)) = request.extensions().get::<From>().copied() else {
        return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request's address is unknown").into_response();
    };
    if let Some(wait) = gate.wait(who) {
        let mut response =
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too many failed logins; try again later").into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return response;
    }
    if is_foreign(request.method(), request.headers()) {
        let detail = "a page of another site may not change anything here";
        return ApiError::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    if vms::is_open(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    match gate.login(request.headers()) {
        Login::As(name) => {
            request.extensions_mut().insert(Operator { name, from: who });
            next.run(request).await
        }
        Login::Wrong => {
            gate.failed(who, format!("{} {}", request.method(), request.uri().path()));
            challenge("wrong user, password or token")
        }
        Login::Missing => {
            challenge("authentication is required: user admin and the admin password, by HTTP Basic, or a token")
        }
    }
}

/// Whether a browser sends it for a page of another site: it would add the operator's password by itself.
fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let host = text("host").unwrap_or_default();
    let origin = text("origin").is_some_and(|origin| origin.strip_prefix("https://") != Some(host));
    site || origin
}

fn challenge(detail: &str) -> Response {
    let mut response = ApiError::new(StatusCode::UNAUTHORIZED, detail).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tandem\""));
    response
}

/// User and password.
fn basic(encoded: &str) -> Option<(String, Zeroizing<String>)> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let decoded = Zeroizing::new(String::from_utf8(decoded).ok()?);
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), Zeroizing::new(password.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_change_nothing() {
        let foreign = |method: Method, pairs: &[(&'static str, &'static str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_foreign(&method, &headers.collect())
        };
        let host = ("host", "node.example:9443");
        assert!(!foreign(Method::POST, &[host]));
        assert!(!foreign(Method::POST, &[host, ("origin", "https://node.example:9443")]));
        assert!(!foreign(Method::GET, &[host, ("origin", "https://evil.example")]));
        assert!(!foreign(Method::PATCH, &[host, ("sec-fetch-site", "same-origin")]));
        for origin in ["https://evil.example", "null", "http://node.example:9443", "https://node.example"] {
            assert!(foreign(Method::POST, &[host, ("origin", origin)]), "{origin}");
        }
        assert!(foreign(Method::DELETE, &[host, ("sec-fetch-site", "cross-site")]));
        assert!(foreign(Method::PATCH, &[host, ("sec-fetch-site", "same-site")]));
    }
}
