//! For load balancers and monitors: whether the node serves, and for which role.
//!
//! Without a login the answer is about the node as a whole and gives no reason: names of paths and buckets are for
//! those who have one. A `?path=` without a login has no effect, so that nothing tells a path that is there from one
//! that is not.

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::vms::Operator;
use super::{AdminState, ApiError};
use crate::replication::report::{PathReport, Role};

/// Who has logged in, if somebody has.
type By = Option<Extension<Operator>>;

#[derive(Serialize)]
struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// 200 without a reason, 503 with one. Only an operator hears it.
fn answer(by: &By, reason: Option<String>) -> Response {
    match reason {
        None => Json(Health { status: "ok", reason: None }).into_response(),
        Some(reason) => {
            let reason = by.is_some().then_some(reason);
            (StatusCode::SERVICE_UNAVAILABLE, Json(Health { status: "unavailable", reason })).into_response()
        }
    }
}

/// 200 while the node takes requests; 503 once the store has stopped.
pub async fn health(State(state): State<AdminState>, by: By) -> Response {
    answer(&by, state.workers.stopped())
}

#[derive(Deserialize)]
pub struct PathQuery {
    path: Option<String>,
}

/// 200 if this node takes writes: for every protected path, or for an operator's `?path=`.
pub async fn primary(State(state): State<AdminState>, by: By, Query(query): Query<PathQuery>) -> Response {
    let closed = chosen(&state, &by, query.path).map(|paths| paths.into_iter().find(|path| !path.writable));
    match closed {
        Ok(None) => answer(&by, state.workers.stopped()),
        Ok(Some(path)) => answer(&by, Some(format!("{} is {} here", path.path, path.role))),
        Err(error) => error.into_response(),
    }
}

#[derive(Deserialize)]
pub struct ReplicaQuery {
    path: Option<String>,
    /// The greatest lag allowed, in seconds.
    lag: Option<f64>,
}

/// 200 if this node is a destination, not more than `?lag=` seconds behind.
pub async fn replica(State(state): State<AdminState>, by: By, Query(query): Query<ReplicaQuery>) -> Response {
    let paths = match chosen(&state, &by, query.path) {
        Ok(paths) => paths,
        Err(error) => return error.into_response(),
    };
    if paths.is_empty() {
        return answer(&by, Some("no protected path".into()));
    }
    answer(&by, paths.iter().find_map(|path| behind(path, query.lag)))
}

/// Why a path is not a replica that is fresh enough.
fn behind(path: &PathReport, lag_max: Option<f64>) -> Option<String> {
    if path.role != Role::Destination {
        return Some(format!("{} is {} here", path.path, path.role));
    }
    match (lag_max, path.rpo_lag_seconds) {
        (None, _) => None,
        (Some(most), Some(lag)) if lag <= most => None,
        (Some(_), Some(lag)) => Some(format!("{} is {lag:.1} s behind", path.path)),
        (Some(_), None) => Some(format!("the lag of {} is unknown", path.path)),
    }
}

fn chosen(state: &AdminState, by: &By, path: Option<String>) -> Result<Vec<PathReport>, ApiError> {
    let paths = state.control.report().paths;
    match path.filter(|_| by.is_some()) {
        None => Ok(paths),
        Some(name) => match paths.into_iter().find(|path| path.path == name) {
            Some(path) => Ok(vec![path]),
            None => Err(ApiError::new(StatusCode::NOT_FOUND, format!("{name} is not a protected path"))),
        },
    }
}

/// In OpenMetrics text.
pub async fn metrics(State(state): State<AdminState>) -> Response {
    state.metrics.observe(&state.control.report());
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], state.metrics.encode()).into_response()
}
