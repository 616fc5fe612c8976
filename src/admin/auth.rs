use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::backoff::{SharedBackoff, Turn};
use super::places::Place;
use super::vms::jwt::{Signer, TokenType};
use super::vms::{self, Operator};
use super::{ApiError, USER};
use crate::audit::{Actor, Audit, Event, Kind};
use crate::clock::SharedClock;
use crate::config::credentials::PasswordHash;
use crate::identity::Register;

/// Where a request came from; the accept loop adds it.
#[derive(Clone)]
pub struct From {
    pub address: IpAddr,
    /// The place of its connection. Absent: no place is to be kept.
    pub place: Option<Arc<Place>>,
}

/// What decides who enters.
#[derive(Clone)]
pub struct Gate {
    pub password: PasswordHash,
    pub signer: Signer,
    /// Knows the API tokens.
    pub register: Arc<Register>,
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

    /// Counts and tells a failed login. How long the client is slowed down for, if it was before this one.
    pub fn failed(&self, who: IpAddr, operation: String) -> Option<Duration> {
        let slowed = self.backoff.slowed(who, self.clock.monotonic());
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
            count: None,
        });
        // Anybody can cause this, and the audit log tells it, within its budget.
        tracing::debug!(%who, "admin login failed");
        slowed
    }

    /// Waits until a password of this client may be looked at.
    pub async fn turn(&self, who: IpAddr) -> Turn {
        self.backoff.turn(who, self.clock.monotonic()).await
    }

    /// Who the `Authorization` header names: by HTTP Basic, `Api-Token` or `Bearer`. A token is too long to be guessed,
    /// and to look at one costs little: it waits for no turn.
    async fn login(&self, headers: &HeaderMap, who: IpAddr) -> Login {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Login::Missing };
        let Some((scheme, rest)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
            return Login::Wrong;
        };
        let rest = rest.trim();
        let known = match scheme.to_ascii_lowercase().as_str() {
            "basic" => match basic(rest) {
                Some((user, password)) => {
                    let _turn = self.turn(who).await;
                    self.password_of(&user, &password).then_some(user)
                }
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
pub async fn require(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if is_foreign(request.method(), request.headers()) {
        let detail = "a page of another site may not change anything here";
        return ApiError::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    if vms::is_open(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    let missing = "authentication is required: user admin and the admin password, by HTTP Basic, or a token";
    match identify(&gate, request).await {
        Ok(request) if request.extensions().get::<Operator>().is_some() => next.run(request).await,
        Ok(_) => challenge(missing),
        Err(refused) => *refused,
    }
}

/// Lets every request through that shows no login, or a right one.
pub async fn welcome(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match identify(&gate, request).await {
        Ok(request) => next.run(request).await,
        Err(refused) => *refused,
    }
}

/// Finds out who asks. What a request shows is looked at first; only what is wrong is answered by the number of
/// failures.
async fn identify(gate: &Gate, mut request: Request) -> Result<Request, Box<Response>> {
    let Some(From { address: who, place }) = request.extensions().get::<From>().cloned() else {
        let unknown = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request's address is unknown");
        return Err(Box::new(unknown.into_response()));
    };
    match gate.login(request.headers(), who).await {
        Login::As(name) => {
            if let Some(place) = place {
                place.known();
            }
            request.extensions_mut().insert(Operator { name, from: who });
            Ok(request)
        }
        Login::Wrong => {
            let slowed = gate.failed(who, format!("{} {}", request.method(), request.uri().path()));
            Err(Box::new(refuse(slowed)))
        }
        Login::Missing => Ok(request),
    }
}

fn refuse(slowed: Option<Duration>) -> Response {
    let Some(wait) = slowed else { return challenge("wrong user, password or token") };
    let detail = "wrong user, password or token; after so many failed logins passwords are looked at slowly";
    let mut response = ApiError::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    response
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
