//! The admin port: HTTPS with HTTP Basic or a token for operators; `/health`, `/primary` and `/replica` for load balancers
//! without.
//!
//! *Architecture invariant:* handlers are thin: they decode, ask [`Control`](crate::replication::control::Control), and encode.

mod api;
mod auth;
mod backoff;
mod check;
mod error;
mod health;
pub mod model;
mod places;
pub mod scrub;
mod server;
pub mod verdict;
pub mod vms;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tandem_storage::Store;

use crate::replication::control::Control;
use crate::telemetry::Metrics;
use crate::work::{ScrubTable, StatusTable};

pub use auth::Gate;
pub use backoff::SharedBackoff;
pub use check::Checks;
pub use error::ApiError;
pub use server::{Admin, serve};

/// The one user there is.
pub const USER: &str = "admin";

/// A request's body may be this long.
const BODY_MAX: usize = 64 * 1024;

/// What handlers work with.
#[derive(Clone)]
pub struct AdminState {
    pub control: Control,
    pub metrics: Arc<Metrics>,
    pub workers: StatusTable,
    pub scrub: ScrubTable,
    pub store: Store,
    pub checks: check::Checks,
    /// What clients of VMS speak to.
    pub face: vms::Face,
}

/// Every route, with its authentication.
pub fn router(state: AdminState) -> Router {
    let gate = state.face.gate.clone();
    let guarded = Router::new()
        .route("/metrics", get(health::metrics))
        .route("/api/status", get(api::status))
        .route("/api/peers", get(api::peers).post(api::add_peer).delete(api::remove_peer))
        .route("/api/pairing-token", post(api::pairing_token))
        .route("/api/paths", get(api::paths).post(api::add_path).delete(api::remove_path))
        .route("/api/paths/failover", post(api::failover))
        .route("/api/paths/abort", post(api::abort))
        .route("/api/paths/reattach", post(api::reattach))
        .route("/api/paths/replicate-now", post(api::replicate_now))
        .route("/api/diverged", get(api::diverged).delete(api::discard_diverged))
        .route("/api/check", get(check::status).post(check::start))
        .fallback(rest)
        .method_not_allowed_fallback(api::method_not_allowed);
    let guarded = guard(guarded, gate.clone());
    let open = Router::new()
        .route("/health", get(health::health))
        .route("/primary", get(health::primary))
        .route("/replica", get(health::replica))
        .layer(axum::middleware::from_fn_with_state(gate, auth::welcome));
    open.merge(guarded).layer(DefaultBodyLimit::max(BODY_MAX)).with_state(state)
}

/// Every collection of VMS; and what is nowhere.
async fn rest(State(state): State<AdminState>, request: Request) -> Response {
    match request.uri().path().starts_with("/api/") {
        true => vms::serve(state.face, request).await,
        false => api::not_found(request.uri().clone()).await.into_response(),
    }
}

/// Lets only the administrator in, and makes guessing slow.
pub fn guard<S: Clone + Send + Sync + 'static>(router: Router<S>, gate: Gate) -> Router<S> {
    router.layer(axum::middleware::from_fn_with_state(gate, auth::require))
}
