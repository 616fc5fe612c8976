use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::{Extension, Json};
use bytes::Bytes;
use serde_json::{Value, json};
use tandem_storage::record::Scope;
use tandem_storage::types::BucketName;

use super::model::{
    AddPath, AddPeer, AskToken, Confirmed, Failover, PairingToken, Status, Which, WhichDiverged, WhichPeer,
    confirmation,
};
use super::scrub::ScrubReport;
use super::vms::Operator;
use super::{AdminState, ApiError};
use crate::audit::{Actor, Event, Kind};
use crate::replication::control::{Control, ControlError, CreatePath};
use crate::replication::report::{DivergedEntry, PathReport, PeerReport};

type Answer<T> = Result<Json<T>, ApiError>;
type Body<T> = Result<Json<T>, JsonRejection>;
type Params<T> = Result<Query<T>, QueryRejection>;
type By = Extension<Operator>;

pub async fn status(State(state): State<AdminState>) -> Json<Status> {
    let scrub = state.scrub.state().as_ref().map(ScrubReport::from);
    Json(Status { node: state.control.report(), workers: state.workers.rows(), scrub })
}

pub async fn peers(State(state): State<AdminState>) -> Json<Vec<PeerReport>> {
    Json(state.control.report().peers)
}

pub async fn pairing_token(State(state): State<AdminState>, by: By, body: Bytes) -> Answer<PairingToken> {
    // Nothing need be said, whatever type the client says that nothing has.
    let asked: AskToken = match body.is_empty() {
        true => AskToken::default(),
        false => {
            serde_json::from_slice(&body).map_err(|error| ApiError::new(StatusCode::BAD_REQUEST, error.to_string()))?
        }
    };
    record(&state, by, "POST pairing-token", asked.replaces.clone()).await;
    let token = carry_out(async move {
        match asked.replaces {
            Some(name) => state.control.pairing_token_for(&name).await,
            None => state.control.pairing_token().await,
        }
    })
    .await?;
    Ok(Json(PairingToken { token }))
}

pub async fn add_peer(State(state): State<AdminState>, by: By, body: Body<AddPeer>) -> Answer<PeerReport> {
    let Json(asked) = body?;
    record(&state, by, "POST peers", Some(asked.name.clone())).await;
    let peer = carry_out(async move { state.control.pair(asked.token.trim(), &asked.name).await }).await?;
    Ok(Json(peer))
}

pub async fn remove_peer(State(state): State<AdminState>, by: By, query: Params<WhichPeer>) -> Answer<Value> {
    let Query(asked) = query?;
    record(&state, by, "DELETE peers", Some(asked.name.clone())).await;
    carry_out(async move { state.control.remove_peer(&asked.name).await }).await?;
    Ok(Json(json!({})))
}

pub async fn paths(State(state): State<AdminState>) -> Json<Vec<PathReport>> {
    Json(state.control.report().paths)
}

pub async fn add_path(State(state): State<AdminState>, by: By, body: Body<AddPath>) -> Answer<PathReport> {
    let Json(asked) = body?;
    if asked.interval_seconds == 0 {
        return Err(ApiError::bad_request("interval_seconds is at least 1"));
    }
    let path = CreatePath {
        scope: parse_scope(&asked.path)?,
        peer: asked.peer,
        interval: Duration::from_secs(asked.interval_seconds),
        keep_local: Duration::from_secs(asked.keep_local_seconds),
        keep_remote: Duration::from_secs(asked.keep_remote_seconds),
    };
    record(&state, by, "POST paths", Some(asked.path)).await;
    Ok(Json(carry_out(async move { state.control.create_path(path).await }).await?))
}

pub async fn remove_path(State(state): State<AdminState>, by: By, query: Params<Confirmed>) -> Answer<Value> {
    let Query(asked) = query?;
    let Some(path) = asked.path else {
        return Err(ApiError::bad_request("name the path to remove: ?path=/ or ?path=/BUCKET"));
    };
    let scope = parse_scope(&path)?;
    let path = state.control.path(&scope)?;
    confirmed(asked.confirm.as_deref(), confirmation("remove", &path, path.epoch))?;
    let control = state.control.confirmed_at(&path);
    record(&state, by, "DELETE paths", Some(path.path)).await;
    carry_out(async move { control.remove_path(&scope).await }).await?;
    Ok(Json(json!({})))
}

pub async fn failover(State(state): State<AdminState>, by: By, body: Body<Failover>) -> Answer<PathReport> {
    let Json(asked) = body?;
    let scope = resolve(&state.control, asked.path.as_deref())?;
    let path = state.control.path(&scope)?;
    confirmed_knowing(asked.confirm.as_deref(), confirmation(asked.mode.name(), &path, path.epoch), &path)?;
    let (control, mode) = (state.control.confirmed_at(&path), asked.mode);
    record(&state, by, &format!("POST paths/failover {}", mode.name()), Some(path.path)).await;
    Ok(Json(carry_out(async move { control.failover(&scope, mode).await }).await?))
}

pub async fn abort(State(state): State<AdminState>, by: By, body: Body<Which>) -> Answer<PathReport> {
    let scope = resolve(&state.control, body?.0.path.as_deref())?;
    record(&state, by, "POST paths/abort", Some(scope.to_string())).await;
    Ok(Json(carry_out(async move { state.control.abort_failover(&scope).await }).await?))
}

pub async fn reattach(State(state): State<AdminState>, by: By, body: Body<Confirmed>) -> Answer<PathReport> {
    let Json(asked) = body?;
    let scope = resolve(&state.control, asked.path.as_deref())?;
    let path = state.control.path(&scope)?;
    confirmed(asked.confirm.as_deref(), confirmation("reattach", &path, path.epoch))?;
    let control = state.control.confirmed_at(&path);
    record(&state, by, "POST paths/reattach", Some(path.path)).await;
    Ok(Json(carry_out(async move { control.reattach(&scope).await }).await?))
}

pub async fn replicate_now(State(state): State<AdminState>, by: By, body: Body<Which>) -> Answer<PathReport> {
    let scope = resolve(&state.control, body?.0.path.as_deref())?;
    record(&state, by, "POST paths/replicate-now", Some(scope.to_string())).await;
    Ok(Json(carry_out(async move { state.control.replicate_now(&scope).await }).await?))
}

pub async fn diverged(State(state): State<AdminState>, query: Params<WhichDiverged>) -> Answer<Vec<DivergedEntry>> {
    let Query(asked) = query?;
    let scope = resolve(&state.control, asked.path.as_deref())?;
    Ok(Json(state.control.diverged(&scope, asked.epoch).await?))
}

pub async fn discard_diverged(State(state): State<AdminState>, by: By, query: Params<WhichDiverged>) -> Answer<Value> {
    let Query(asked) = query?;
    let scope = resolve(&state.control, asked.path.as_deref())?;
    let path = state.control.path(&scope)?;
    confirmed(asked.confirm.as_deref(), confirmation("discard", &path, asked.epoch))?;
    let control = state.control.confirmed_path(&path);
    record(&state, by, &format!("DELETE diverged {}", asked.epoch), Some(path.path)).await;
    carry_out(async move { control.discard_diverged(&scope, asked.epoch).await }).await?;
    Ok(Json(json!({})))
}

pub async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

pub async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

/// Whether the operator confirmed exactly this, of this very path at the epoch that it has now. What is sent again, by whomever, is not confirmed any more.
/// An answer for people: what counts is the epoch when the order reaches the path, after it is on record.
fn confirmed(given: Option<&str>, wanted: String) -> Result<(), ApiError> {
    match given {
        Some(given) if given == wanted => Ok(()),
        Some(_) => {
            let detail = format!(
                "the path is another one or at another epoch by now, or something else was confirmed; this would be {wanted:?}"
            );
            Err(ApiError::new(StatusCode::CONFLICT, detail))
        }
        None => {
            let detail = format!("confirm this order, the path, its epoch and its GUID: \"confirm\": {wanted:?}");
            Err(ApiError::new(StatusCode::PRECONDITION_REQUIRED, detail))
        }
    }
}

/// As [`confirmed`]. Whoever has not confirmed yet is told what speaks against a failover.
fn confirmed_knowing(given: Option<&str>, wanted: String, path: &PathReport) -> Result<(), ApiError> {
    match given {
        None if !path.failover_checks.is_empty() => {
            let checks = path.failover_checks.join("; ");
            let detail = format!("{checks}. To go on nevertheless, confirm it: \"confirm\": {wanted:?}");
            Err(ApiError::new(StatusCode::PRECONDITION_REQUIRED, detail))
        }
        given => confirmed(given, wanted),
    }
}

/// Writes to the audit log who orders what, before it is done. A log that cannot be written keeps nobody from a failover, least of all on a
/// full disk: the change of role itself is recorded in the path, in the commit that makes it.
async fn record(state: &AdminState, Extension(by): By, operation: &str, resource: Option<String>) {
    let audit = state.face.audit.clone();
    if !audit.is_on() {
        return;
    }
    let event = Event {
        time: state.face.clock.now(),
        event: Kind::ReplicationOrdered,
        face: "admin",
        who: Actor { kind: "Manager", arn: Some(by.name), ..Actor::default() },
        from: Some(by.from),
        operation: operation.to_owned(),
        action: None,
        resource,
        decided_by: "administrator".into(),
        request: None,
        count: None,
    };
    if !audit.record(event).kept().await {
        tracing::error!(operation, "an operator's order is not in the audit log");
    }
}

/// Carries a change through to its end, also when the operator's connection goes away meanwhile.
async fn carry_out<T: Send + 'static>(
    change: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::spawn(change).await {
        Ok(answer) => answer.map_err(ApiError::from),
        Err(error) => {
            tracing::error!(%error, "an operator's request broke off");
            Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the request broke off; the node's log says why"))
        }
    }
}

fn parse_scope(path: &str) -> Result<Scope, ApiError> {
    let invalid = || ApiError::bad_request(format!("{path:?} is no path: `/` (every bucket) or `/BUCKET`"));
    let rest = path.strip_prefix('/').ok_or_else(invalid)?;
    if rest.is_empty() {
        return Ok(Scope::Endpoint);
    }
    BucketName::new(rest).map(Scope::Bucket).map_err(|_| invalid())
}

/// The path that was named, or the only one there is.
fn resolve(control: &Control, path: Option<&str>) -> Result<Scope, ApiError> {
    if let Some(path) = path {
        return parse_scope(path);
    }
    let paths = control.report().paths;
    match paths.as_slice() {
        [only] => parse_scope(&only.path),
        [] => Err(ApiError::new(StatusCode::NOT_FOUND, "no path is protected on this node")),
        many => {
            let names: Vec<&str> = many.iter().map(|path| path.path.as_str()).collect();
            Err(ApiError::bad_request(format!("name one of the protected paths: {}", names.join(", "))))
        }
    }
}
